package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on what is given to the YAML parser, whose time grows with the square of the
// number of keys and of the depth, and whose recursion has no bound of its own.
const (
	maxSize    = 1 << 20 // bytes
	maxTokens  = 20_000  // as many links and targets as are allowed take some 4000
	maxNesting = 16      // the grammar has 4 levels
)

// position is a place in the file, counted from 1, columns in characters.
type position struct{ line, column int }

var start = position{1, 1}

// parseTree turns the file's bytes into a YAML tree. It returns nil if the file holds
// no values, and after reporting what is wrong.
func (r *reader) parseTree(data []byte) ast.Node {
	text, ok := r.decodeText(data)
	if !ok {
		return nil
	}
	tokens := lexer.Tokenize(text)
	if bad := tokens.InvalidToken(); bad != nil {
		r.syntaxError(text, bad.Error, bad)
		return nil
	}
	if !r.checkTokens(tokens) {
		return nil
	}
	// Duplicate keys are allowed here because the parser reports only the
	// first of them; bind.go reports them all.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		message, at := err.Error(), (*token.Token)(nil)
		if e, ok := errors.AsType[yaml.Error](err); ok {
			message, at = e.GetMessage(), e.GetToken()
		}
		r.syntaxError(text, message, at)
		return nil
	}
	var root ast.Node
	for _, document := range file.Docs {
		switch {
		case document.Body == nil || document.Body.Type() == ast.CommentType:
		case root != nil:
			r.problem(begin(document.Body), "", "a second YAML document begins here; keep one and remove the \"---\"")
		default:
			root = document.Body
		}
	}
	return root
}

// decodeText checks that data is text of reasonable size.
func (r *reader) decodeText(data []byte) (string, bool) {
	if len(data) > maxSize {
		r.problem(start, "", "the file is larger than 1 MiB and is not read; is it the right one?")
		return "", false
	}
	if len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff) {
		r.problem(start, "", "the file is UTF-16; save it as UTF-8")
		return "", false
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	at := start
	for i, c := range text {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size <= 1 {
				r.problem(at, "", fmt.Sprintf("the byte 0x%02x is not UTF-8; save the file as UTF-8", text[i]))
				return "", false
			}
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			r.problem(at, "", fmt.Sprintf("the control character 0x%02x is not allowed; remove it", c))
			return "", false
		}
		at.column++
		if c == '\n' {
			at = position{at.line + 1, 1}
		}
	}
	return text, true
}

// refused are the parts of YAML that a configuration does without: they make a file
// expand, or mean something else than it says.
var refused = map[token.Type]string{
	token.AnchorType:     "YAML anchors (&) are not supported; write the value out where it is needed, or quote it if it is text",
	token.AliasType:      "YAML aliases (*) are not supported; write the value out, or quote it if it is text",
	token.MergeKeyType:   "YAML merge keys (<<) are not supported; write the keys out",
	token.TagType:        "YAML tags (!) are not supported; remove it, or quote the value if it is text",
	token.MappingKeyType: "YAML complex keys (?) are not supported; write \"key: value\", or quote it if it is text",
	token.DirectiveType:  "YAML directives (%) are not supported; remove this line",
}

// checkTokens reports what is refused, and files too large or deep for the parser.
func (r *reader) checkTokens(tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		r.problem(place(tokens[maxTokens]), "", fmt.Sprintf("the file has more than %d values and is not read further; is it the right one?", maxTokens))
		return false
	}
	ok := true
	depth, entries := 0, 0
	for i, t := range tokens {
		if message, no := refused[t.Type]; no {
			r.problem(place(t), "", message)
			ok = false
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		if t.Type == token.SequenceEntryType && i > 0 && tokens[i-1].Type == token.SequenceEntryType &&
			tokens[i-1].Position.Line == t.Position.Line {
			entries++
		} else {
			entries = 0
		}
		if depth > maxNesting || entries > maxNesting {
			r.problem(place(t), "", fmt.Sprintf("values are nested more than %d deep; is this the right file?", maxNesting))
			return false
		}
	}
	return ok
}

// place returns where t stands.
func place(t *token.Token) position {
	if t == nil || t.Position == nil {
		return start
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// remedies says what to do about the parser's commoner complaints, by a part of their
// text.
var remedies = []struct{ complaint, say string }{
	{"mapping value is not allowed", "a second \": \" stands in one value; put the keys on lines of their own with the same indentation, or quote the value"},
	{"could not find flow mapping end token", "this \"{\" is never closed; add the \"}\""},
	{"sequence end token ']' not found", "this \"[\" is never closed; add the \"]\""},
	{"',' or ']' must be specified", "a list in brackets is not closed before this; add the \"]\" or a \",\""},
	{"',' or '}' must be specified", "a mapping in braces is not closed before this; add the \"}\" or a \",\""},
	{"could not find end character of", "this text is never closed; add the missing quote"},
	{"is a reserved character", "text cannot begin with this character; quote it"},
	{"non-map value is specified", "this is not a key with a value; write \"key: value\", with a space after the colon"},
	{"unexpected key name", "this is not a key with a value; write \"key: value\", with a space after the colon"},
	{"block sequence entries are not allowed", "a list cannot begin on this line; begin it on the next"},
	{"value is not allowed in this context", "this does not belong to what stands before it; check the indentation and quotes"},
}

// syntaxError reports what the parser complains of, in words that help. A parser's
// message is never repeated in full: it may quote the file.
func (r *reader) syntaxError(text, message string, t *token.Token) {
	if at, ok := indentedByTab(text); ok {
		r.problem(at, "", "a tab indents this line; YAML allows spaces only: replace it")
		return
	}
	for _, remedy := range remedies {
		if strings.Contains(message, remedy.complaint) {
			r.problem(place(t), "", remedy.say)
			return
		}
	}
	r.problem(place(t), "", "this is not valid YAML; check the indentation, quotes and brackets here and on the line before")
}

// indentedByTab finds the first line whose indentation holds a tab.
func indentedByTab(text string) (position, bool) {
	line := 0
	for content := range strings.Lines(text) {
		line++
		indent := content[:len(content)-len(strings.TrimLeft(content, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && strings.TrimSpace(content) != "" {
			return position{line, i + 1}, true
		}
	}
	return position{}, false
}

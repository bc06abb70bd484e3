package access

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"perigee"
)

// The layout of the tokens file, version 1, is in docs/access.md.
const (
	header  = "perigee-tokens 1"
	columns = "# id name scope created expires sha256"

	// never stands where a token does not expire.
	never = "-"

	// maxTokens and maxFile bound what is read at all.
	maxTokens = 1000
	maxFile   = 512 << 10
)

// parse reads the content of a tokens file. It fails at the first line that is not
// understood, of which it repeats nothing: a token may have been put there by mistake.
func parse(content []byte) ([]Token, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("the file is longer than %d KiB", maxFile>>10)
	}
	if !utf8.Valid(content) {
		return nil, errors.New("the file is no text")
	}
	first, rest, _ := strings.Cut(string(content), "\n")
	switch first = strings.TrimRight(first, " \t\r"); {
	case first == header:
	case strings.HasPrefix(first, "perigee-tokens "):
		return nil, errors.New("line 1: the file is of a version that this perigee does not know; update perigee")
	default:
		return nil, fmt.Errorf("line 1: it does not begin with %q; make the file with perigee token add", header)
	}
	var tokens []Token
	number := 1
	for line := range strings.SplitSeq(rest, "\n") {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t, err := parseToken(fields)
		if err == nil {
			err = fits(tokens, t)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// fits refuses a token beside those of before.
func fits(before []Token, t Token) error {
	if len(before) == maxTokens {
		return fmt.Errorf("there are more than %d tokens", maxTokens)
	}
	if slices.ContainsFunc(before, func(o Token) bool { return o.ID == t.ID }) {
		return errors.New("its id stands in an earlier line too")
	}
	return nil
}

func parseToken(fields []string) (t Token, err error) {
	if len(fields) != 6 {
		return t, fmt.Errorf("it has %d fields, not the 6 of a token", len(fields))
	}
	t.ID, t.Name, t.Scope = fields[0], fields[1], Scope(fields[2])
	if len(t.ID) != idLength || !lettersOnly(t.ID) {
		return t, errors.New("the id is none")
	}
	if CheckName(t.Name) != nil {
		return t, errors.New("the name is none")
	}
	if !slices.Contains(Scopes, t.Scope) {
		return t, errors.New("the scope is neither read nor probe")
	}
	if t.Created, err = parseTime(fields[3]); err != nil {
		return t, errors.New("the time of its making is none")
	}
	if fields[4] != never {
		if t.Expires, err = parseTime(fields[4]); err != nil {
			return t, errors.New("the time of its end is none")
		}
	}
	var ok bool
	if t.Hash, ok = parseHash(fields[5]); !ok {
		return t, errors.New("the hash is not 64 hexadecimal digits")
	}
	return t, nil
}

// parseTime reads a time as format writes it.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() || t.UTC().Format(time.RFC3339) != s {
		return time.Time{}, errors.New("no time")
	}
	return t.UTC(), nil
}

// format writes a tokens file.
func format(tokens []Token) []byte {
	var b bytes.Buffer
	b.WriteString(header + "\n" + columns + "\n")
	for _, t := range tokens {
		expires := never
		if !t.Expires.IsZero() {
			expires = t.Expires.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%s %s %s %s %s %s\n", t.ID, t.Name, t.Scope, t.Created.UTC().Format(time.RFC3339), expires, hex.EncodeToString(t.Hash[:]))
	}
	return b.Bytes()
}

// Read returns the tokens in the file at path, in its order. It fails with
// CodePermission if the system does not let it be read, and with CodeInvalid if others
// may read or write it or it is not understood; fs.ErrNotExist is in the chain if it is
// not there.
func Read(path string) ([]Token, error) {
	tokens, _, err := read(path)
	return tokens, err
}

// read is Read, which also tells which file it was.
func read(path string) ([]Token, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, unusable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, unusable(path, err)
	}
	if err := private(path, info); err != nil {
		return nil, info, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, info, unusable(path, err)
	}
	tokens, err := parse(content)
	if err != nil {
		return nil, info, unusable(path, err)
	}
	return tokens, info, nil
}

// private refuses what is no file, or one that others may read or write: whoever writes
// it may ask everything.
func private(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return unusable(path, errors.New("it is not a file"))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return unusable(path, fmt.Errorf("its mode is %04o, so that others may use it; run \"chmod 600\" on it", mode))
	}
	return nil
}

// unusable is the error of a file that cannot be used.
func unusable(path string, err error) error {
	code := perigee.CodeInvalid
	if errors.Is(err, fs.ErrPermission) {
		code = perigee.CodePermission
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &perigee.Error{Code: code, Message: "tokens file " + path, Err: err}
}

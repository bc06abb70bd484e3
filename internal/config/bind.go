package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A section is what every raw mapping knows of itself.
type section struct {
	path  string   // e.g. links[1]; empty for the file
	at    position // where it begins
	key   position // where its key stands; in a list, where it begins
	given bool     // it stands in the file as a mapping, perhaps empty
}

// setSection is how bind, which sees raw types by reflection only, fills the section in.
func (s *section) setSection(with section) { *s = with }

// kind tells what a scalar looks like to YAML.
type kind uint8

const (
	absent kind = iota // not in the file, or reported already
	textual
	numeric
	boolean
)

// A value is one scalar of the file, not yet understood.
type value struct {
	path string
	at   position
	key  position
	kind kind
	text string // numbers as they are written
}

// given reports whether the file has the value.
func (v value) given() bool { return v.kind != absent }

var (
	valueType   = reflect.TypeFor[value]()
	sectionType = reflect.TypeFor[section]()
)

// bind fills the raw structure into with the tree n, and reports keys that do not
// exist, stand twice, or have values of the wrong shape. path is that of n, key the
// place of its key.
func (r *reader) bind(n ast.Node, path string, key position, into reflect.Value) {
	switch {
	case into.Type() == valueType:
		r.bindValue(n, path, key, into)
	case into.Kind() == reflect.Slice:
		r.bindList(n, path, key, into)
	default:
		r.bindSection(n, path, key, into)
	}
}

func (r *reader) bindValue(n ast.Node, path string, key position, into reflect.Value) {
	v := value{path: path, at: begin(n), key: key}
	switch n := n.(type) {
	case *ast.StringNode:
		v.kind, v.text = textual, n.Value
	case *ast.LiteralNode:
		v.kind, v.text = textual, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		v.kind, v.text = numeric, n.GetToken().Value
	case *ast.BoolNode:
		v.kind, v.text = boolean, n.GetToken().Value
	case *ast.NullNode:
		r.problem(v.at, path, "has no value; give it one or remove the key")
	case *ast.SequenceNode:
		r.problem(v.at, path, "is a list; write one value")
	default:
		r.problem(v.at, path, "is a mapping; write one value")
	}
	into.Set(reflect.ValueOf(v))
}

func (r *reader) bindList(n ast.Node, path string, key position, into reflect.Value) {
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		items := reflect.MakeSlice(into.Type(), len(n.Values), len(n.Values))
		for i, item := range n.Values {
			itemPath := fmt.Sprintf("%s[%d]", path, i)
			if _, null := item.(*ast.NullNode); null {
				r.problem(begin(item), itemPath, "is empty; remove the \"-\" or write the item after it")
				continue
			}
			r.bind(item, itemPath, begin(item), items.Index(i))
		}
		into.Set(items)
	default:
		r.problem(begin(n), path, "is not a list; begin each item on a line of its own with \"- \", or write [a, b]")
	}
}

func (r *reader) bindSection(n ast.Node, path string, key position, into reflect.Value) {
	s := section{path: path, at: begin(n), key: key, given: true}
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.NullNode: // a section with every key commented out
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.problem(s.at, path, "is not a mapping; write \"key: value\" lines with the keys "+strings.Join(keysOf(into.Type()), ", "))
		return
	}
	into.Addr().Interface().(interface{ setSection(section) }).setSection(s)
	seen := make(map[string]position, len(pairs))
	for _, pair := range pairs {
		name := keyText(pair.Key)
		at := begin(pair.Key)
		full := join(path, name)
		if first, twice := seen[name]; twice {
			r.problem(at, full, fmt.Sprintf("stands twice, first at line %d; keep one", first.line))
			continue
		}
		seen[name] = at
		field, ok := fieldFor(into, name)
		if !ok {
			advice := elsewhere(name, into.Type())
			if key := meant(name, keysOf(into.Type())); key != "" {
				advice = "did you mean " + key + "?"
				r.meant[join(path, key)] = true
			}
			r.problem(at, join(path, quoteKey(name)), "unknown key; "+advice)
			continue
		}
		r.bind(pair.Value, full, at, field)
	}
}

// begin returns where n starts in the file.
func begin(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return begin(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return begin(n.Key)
	}
	if n == nil {
		return start
	}
	return place(n.GetToken())
}

// keyText returns a key as the user wrote it.
func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

// quoteKey makes a key that the user invented safe to print.
func quoteKey(name string) string {
	plain := strings.IndexFunc(name, func(c rune) bool {
		return c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if plain < 0 && name != "" && len(name) <= maxQuoted {
		return name
	}
	return quote(name)
}

// join extends the path of a section by a key.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fieldFor returns the field of the raw structure s for a key.
func fieldFor(s reflect.Value, key string) (reflect.Value, bool) {
	for i := range s.NumField() {
		if tag := s.Type().Field(i).Tag.Get("yaml"); tag != "" && tag == key {
			return s.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// keysOf returns the keys of a raw type in the order of the grammar.
func keysOf(t reflect.Type) []string {
	var keys []string
	for field := range t.Fields() {
		if tag := field.Tag.Get("yaml"); tag != "" {
			keys = append(keys, tag)
		}
	}
	return keys
}

// keyPaths returns the path of every key below the raw type t, list items written as
// [], sections before their keys.
func keyPaths(t reflect.Type, path string) []string {
	var all []string
	for field := range t.Fields() {
		tag := field.Tag.Get("yaml")
		if tag == "" {
			continue
		}
		full, inner := join(path, tag), field.Type
		all = append(all, full)
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
			full += "[]"
		}
		if inner.Kind() == reflect.Struct && inner != valueType && inner != sectionType {
			all = append(all, keyPaths(inner, full)...)
		}
	}
	return all
}

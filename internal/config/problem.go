package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"perigee"
)

// A Problem is one thing that is wrong in a configuration.
type Problem struct {
	File string // as the user named it

	// Line and Column count from 1, columns in characters. They are 0 if the
	// file could not be read at all.
	Line, Column int

	Field   string // path of the field, e.g. links[1].orbit; empty for the file itself
	Message string // what is wrong and what to do
}

// String returns the problem as a compiler would print it.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error is everything that is wrong with a configuration. It unwraps to a
// *perigee.Error that carries the code and the same text.
type Error struct {
	Problems []Problem // by line and column; at least one

	code  perigee.Code
	cause error // why the file could not be read, or nil
}

// maxProblems bounds what is printed: after so many faults the file is probably not a
// configuration at all.
const maxProblems = 50

// Error returns the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, 0, maxProblems+1)
	for i, p := range e.Problems {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("%s: %d more errors are not shown", p.File, len(e.Problems)-i))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the coded error and the cause.
func (e *Error) Unwrap() []error {
	coded := &perigee.Error{Code: e.code, Message: e.Error()}
	if e.cause == nil {
		return []error{coded}
	}
	return []error{coded, e.cause}
}

// sortProblems orders problems as they stand in the file.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// writeJSON writes v as one indented JSON document.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A table is text in columns: the first is aligned to the left, the others to the
// right, as numbers read best.
type table struct {
	rows [][]string
}

// add appends a row.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table. left is how many leading columns hold words.
func (t *table) write(w io.Writer, left int) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line += "  "
			}
			if i < left {
				line += cell + pad
			} else {
				line += pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// undefined stands in tables where a statistic has no value.
const undefined = "–"

// milliseconds shows seconds as milliseconds with three figures or so.
func milliseconds(seconds float64, ok bool) string {
	if !ok {
		return undefined
	}
	ms := seconds * 1000
	switch {
	case math.Abs(ms) >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case math.Abs(ms) >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f ms", ms)
	}
}

// percent shows a ratio.
func percent(ratio float64, ok bool) string {
	if !ok {
		return undefined
	}
	return fmt.Sprintf("%.2f %%", ratio*100)
}

// byteSize shows a count of bytes in decimal units, as data plans do.
func byteSize(bytes float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if bytes >= u.size {
			return fmt.Sprintf("%.1f %s", bytes/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

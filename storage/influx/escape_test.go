package influx

import (
	"strings"
	"testing"
)

// awkward are names that something on the way could stumble over.
var awkward = []string{
	"", " ", "  two", "trailing ", "a,b", "a=b", `a\b`, `\`, `\\`, `trailing\`, `\,`, `"`, `""`, "'", "`", "${x}", "$", "%", "%25", "%zz", "50%", "%2", "a\nb", "\r\n", "\t", "\x00", "\x7f", "\u0085",
	"Zürich 衛星 🛰", "\ufeff", "\ufffd", "\u2028", "\xff", "\xc3\x28", "ok\xe2\x82", "true", "1i", "-1", "#hash", "_field", "_time", "time", "null", "a/b", "a|b", "a;b", `") |> drop(`, `x" or r.site != "`,
	strings.Repeat("long ", 1000),
}

func TestEveryNameComesBack(t *testing.T) {
	seen := map[string]string{}
	for _, name := range awkward {
		held := encodeTag(name)
		if got := decodeTag(held); got != name {
			t.Errorf("decodeTag(encodeTag(%q)) = %q", name, got)
		}
		if other, known := seen[held]; known {
			t.Errorf("%q and %q are both held as %q", name, other, held)
		}
		seen[held] = name
	}
}

func TestWhatIsHeldIsAsDocumented(t *testing.T) {
	for name, want := range map[string]string{
		"plain, as=is": "plain, as=is",
		`100% "a\b" $`: "100%25 %22a%5Cb%22 %24",
		"a\n\xff":      "a%0A%FF",
		"Zürich 衛星":    "Zürich 衛星",
	} {
		if got := encodeTag(name); got != want {
			t.Errorf("encodeTag(%q) = %q, want %q", name, got, want)
		}
	}
}

// Others may have written names with percent signs of their own.
func TestForeignPercentSignsAreThemselves(t *testing.T) {
	for held, want := range map[string]string{"50%": "50%", "%zz": "%zz", "%2": "%2", "%%25": "%%", "%0a": "%0a"} {
		if got := decodeTag(held); got != want {
			t.Errorf("decodeTag(%q) = %q, want %q", held, got, want)
		}
	}
}

func FuzzTags(f *testing.F) {
	for _, name := range awkward {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		held := encodeTag(name)
		if decodeTag(held) != name {
			t.Errorf("%q is held as %q, which is read as %q", name, held, decodeTag(held))
		}
		if strings.ContainsAny(held, "\\\"$\n\r\x00\x7f") {
			t.Errorf("%q is held as %q", name, held)
		}
		decodeTag(name) // whatever the server holds
	})
}

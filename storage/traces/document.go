package traces

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// document reads a JSON document piece by piece. What its readers count as lines are the
// elements of its lists.
type document struct {
	c *collector
	d *json.Decoder
}

// valueLimit is the largest element that is held: far more than any tool writes.
const valueLimit = 16 << 20

func newDocument(r io.Reader, c *collector) *document {
	b := bufio.NewReaderSize(r, lineLimit)
	if start, _ := b.Peek(len(bom)); string(start) == string(bom) {
		_, _ = b.Discard(len(bom)) // it was there
	}
	d := &document{c: c}
	d.d = json.NewDecoder(&limited{r: b, at: func() int64 { return d.d.InputOffset() }})
	return d
}

// limited refuses to read on when more was read than was used by valueLimit.
type limited struct {
	r    io.Reader
	at   func() int64
	read int64
}

func (l *limited) Read(b []byte) (int, error) {
	if l.read-l.at() > valueLimit {
		return 0, fmt.Errorf("an element is longer than %d MB", valueLimit>>20)
	}
	n, err := l.r.Read(b)
	l.read += int64(n)
	return n, err
}

// read calls the function of each member of the document's object that has one and
// passes over the others. It returns an error of the source or of the document's form,
// with the place.
func (d *document) read(members map[string]func() error) error {
	if err := d.object(members); err != nil {
		return fmt.Errorf("at byte %d: %w", d.d.InputOffset(), err)
	}
	return nil
}

func (d *document) object(members map[string]func() error) error {
	if err := d.open('{'); err != nil {
		return err
	}
	for d.d.More() && d.c.failed == nil {
		name, err := d.d.Token()
		if err != nil {
			return ended(err)
		}
		text, _ := name.(string)
		use, known := members[text]
		if !known {
			use = d.skip
		}
		if err := use(); err != nil {
			return fmt.Errorf("%s: %w", clipped([]byte(text)), ended(err))
		}
	}
	if d.c.failed != nil {
		return nil
	}
	_, err := d.d.Token()
	return ended(err)
}

// ended says in words that a document was cut off.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

var errCut = errors.New("the JSON ends too early: the file was cut off")

func (d *document) open(delimiter json.Delim) error {
	token, err := d.d.Token()
	if err != nil {
		return ended(err)
	}
	if token != delimiter {
		return fmt.Errorf("found %v where %v was expected", token, delimiter)
	}
	return nil
}

// list calls use for each element, which must be read by it whole, and counts them.
func (d *document) list(use func(number int64) error) error {
	if err := d.open('['); err != nil {
		return err
	}
	for number := int64(1); d.d.More() && d.c.failed == nil; number++ {
		err := use(number)
		if form, ok := errors.AsType[*formError](err); ok {
			return form.err
		}
		d.c.report.Lines++
		d.c.line(number, err)
		if d.c.options.Progress != nil && number%4096 == 0 {
			d.c.options.Progress(d.c.report.Lines)
		}
	}
	if d.c.failed != nil {
		return nil
	}
	_, err := d.d.Token()
	return err
}

// formError is one after which the document cannot be read on.
type formError struct{ err error }

func (e *formError) Error() string { return e.err.Error() }

// value reads the next value. One of another type than expected is bad alone; what is no
// JSON ends the reading.
func (d *document) value(v any) error {
	var raw json.RawMessage
	if err := d.d.Decode(&raw); err != nil {
		return &formError{ended(err)}
	}
	return json.Unmarshal(raw, v)
}

// skip passes over the next value without holding it.
func (d *document) skip() error {
	depth := 0
	for {
		token, err := d.d.Token()
		if err != nil {
			return ended(err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

package influx

import (
	"bytes"
	"encoding/base64"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// linePoint is a line as a strict reader of line protocol understands it.
type linePoint struct {
	measurement  string
	tags, fields map[string]string // values of fields with their quotes
	timestamp    string
}

// parse reads one line and reports false for one that any reader could stumble over: a
// raw line break, a key without value, a field or tag twice, a tag out of order.
func parse(line string) (linePoint, bool) {
	p := linePoint{tags: map[string]string{}, fields: map[string]string{}}
	part := func(stops string) (string, byte) {
		var b []byte
		quoted := false
		for i := 0; i < len(line); i++ {
			switch c := line[i]; {
			case c < ' ':
				return "", 0
			case c == '\\' && !quoted:
				if i++; i == len(line) || strings.IndexByte(",= ", line[i]) < 0 {
					return "", 0 // nothing else may be escaped
				}
				b = append(b, line[i])
			case c == '"' && stops != ", =": // only a field's value may be quoted
				quoted = !quoted
				b = append(b, c)
			case !quoted && strings.IndexByte(stops, c) >= 0:
				line = line[i+1:]
				return string(b), c
			default:
				b = append(b, c)
			}
		}
		return "", 0
	}
	var stop byte
	if p.measurement, stop = part(", ="); stop != ',' && stop != ' ' {
		return p, false
	}
	last := ""
	for stop == ',' {
		key, equals := part(", =")
		value, next := part(", =")
		if equals != '=' || value == "" || key <= last || next != ',' && next != ' ' {
			return p, false
		}
		p.tags[key], last, stop = value, key, next
	}
	for stop = ','; stop == ','; {
		key, equals := part(", =")
		value, next := part(", ")
		if _, twice := p.fields[key]; twice || equals != '=' || value == "" || next == 0 {
			return p, false
		}
		p.fields[key], stop = value, next
	}
	p.timestamp = line
	return p, true
}

// entriesNamed returns an entry of each kind in which every text is name.
func entriesNamed(name string) []perigee.Entry {
	at := time.Unix(1_772_402_400, 5)
	stream := perigee.Stream{Site: name, Link: perigee.LinkID(name), Target: perigee.TargetID(name), Method: perigee.Method(name), Family: perigee.Family(name), Load: perigee.Load(name)}
	s := storagetest.NewGenerator(9).Sample(stream, at)
	s.Cause, s.Proof.InterfaceName = name, name
	link := perigee.LinkState{At: at}
	link.Site.Name, link.Link.ID, link.Link.Interface, link.Link.Namespace = name, perigee.LinkID(name), name, name
	orbit := perigee.Orbit(name)
	transfer := perigee.Throughput{Stream: stream, Start: at, Server: name, Congestion: name, Stop: perigee.StopReason(name)}
	transfer.Stream.Load = perigee.LoadDown
	return []perigee.Entry{
		{Kind: perigee.EntryWindow, Orbit: orbit, Sample: &s},
		{Kind: perigee.EntryHour, Orbit: orbit, Sample: &s},
		{Kind: perigee.EntryThroughput, Orbit: orbit, Throughput: &transfer},
		{Kind: perigee.EntryOutage, Orbit: orbit, Outage: &perigee.Outage{Stream: stream, Start: at, End: at, Reason: name}},
		{Kind: perigee.EntryGap, Gap: &perigee.Gap{Site: name, Link: perigee.LinkID(name), Start: at, End: at, Reason: perigee.GapReason(name), Detail: name}},
		{Kind: perigee.EntryEvent, Event: &perigee.Event{Site: name, Link: perigee.LinkID(name), Time: at, Kind: perigee.EventKind(name), Detail: name}},
		{Kind: perigee.EntryLink, Orbit: orbit, Link: &link},
	}
}

// Whatever a name holds, a line is one line that gives the name back, the same each time.
func FuzzLines(f *testing.F) {
	for _, name := range awkward {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, e := range entriesNamed(name) {
			line, err := appendEntry(nil, e, name)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := appendEntry(nil, e, name)
			if !bytes.Equal(line, again) {
				t.Errorf("%s: two lines of one entry:\n%s%s", e.Kind, line, again)
			}
			text, ended := strings.CutSuffix(string(line), "\n")
			p, ok := parse(text)
			if !ended || !ok {
				t.Fatalf("%s: cannot be read: %q", e.Kind, line)
			}
			for key, value := range p.tags {
				if decodeTag(value) != name && !(e.Throughput != nil && key == "load") { // which is its direction
					t.Errorf("%s: tag %s: %q came back as %q", e.Kind, key, name, decodeTag(value))
				}
			}
			if _, there := p.tags["site"]; there != (name != "") {
				t.Errorf("%s: site %q: there %v", e.Kind, name, there)
			}
			for _, key := range []string{"reason", "detail", "interface", "namespace", "server", "congestion", "stop"} {
				if value, there := p.fields[key]; there && decodeTag(strings.Trim(value, `"`)) != name {
					t.Errorf("%s: field %s: %q came back as %q", e.Kind, key, name, value)
				}
			}
		}
	})
}

func sampleSequence(samples []perigee.Sample) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		for _, s := range samples {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// The lines of a window, of one with awkward names, and of one in which nothing was
// sent: what was written once is written the same for ever.
func TestLinesAreAsPromised(t *testing.T) {
	g := storagetest.NewGenerator(1)
	samples := g.Samples(time.Unix(1_772_402_400, 3), 2, storagetest.Stream("geo", "far"))
	samples[1].Stream.Link, samples[1].Stream.Target, samples[1].Stream.Site = "it's, a \"link\"=1", "zwei\nZeilen", "Zürich 衛星"
	samples = append(samples, perigee.Sample{Stream: storagetest.Stream("a", ""), Start: time.Unix(1_772_402_420, 0), Length: 4 * time.Second, Cause: "no route",
		Counts: perigee.Counts{Planned: 2, SendFailed: 1, Skipped: 1}})
	var got bytes.Buffer
	err := WriteLineProtocol(&got, sampleSequence(samples), func(_ string, link perigee.LinkID) perigee.Orbit {
		if link == "geo" {
			return perigee.OrbitGEO
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "samples.lp.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
	}
}

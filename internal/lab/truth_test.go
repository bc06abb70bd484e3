package lab

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func echoRecord(way Way, seq uint16, mono time.Duration, fate Fate, actual time.Duration) Record {
	r := Record{
		Link: "leo", Way: way, Wall: 1_700_000_000e9 + int64(mono), Mono: int64(mono), Protocol: 1, Length: 84,
		Src: netip.MustParseAddr("198.18.1.1"), Dst: target,
		Echo: Echo{Type: 8, Present: true, ID: 77, Seq: seq, DataLen: 16}, Fate: fate,
	}
	if way == Down {
		r.Src, r.Dst, r.Echo.Type = r.Dst, r.Src, 0
	}
	if fate.planned() {
		r.Planned = actual
	}
	if fate == Delivered {
		r.Actual, r.Copies = actual, 1
	}
	return r
}

func TestTruthLogRoundTrip(t *testing.T) {
	tcp := Record{
		Link: "geo", Way: Down, Wall: 1, Mono: 2, Protocol: 6, Length: 1500, SrcPort: 443, DstPort: 50000,
		Src: target6, Dst: netip.MustParseAddr("2001:db8:0:1::1"), Fate: QueueDrop,
	}
	reordered := echoRecord(Up, 65535, time.Second, Delivered, 50*time.Millisecond)
	reordered.Reordered, reordered.Copies = true, 2
	for f := range reordered.Echo.Data {
		reordered.Echo.Data[f] = byte(0xf0 + f)
	}
	want := []Record{tcp, reordered}
	for f := Delivered; int(f) < len(fateNames); f++ {
		want = append(want, echoRecord(Down, 3, time.Minute, f, time.Millisecond))
	}
	var log []byte
	for i := range want {
		log = want[i].appendJSON(log)
	}
	var got []Record
	for r, err := range ReadTruth(strings.NewReader(string(log))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d:\n got %+v\nwant %+v\nfrom %s", i, got[i], want[i], strings.Split(string(log), "\n")[i])
		}
	}
}

// The lines in the manual are read as what the manual says they are.
func TestTruthLogOfTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(manual), "```json\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("docs/lab.md has no example of the truth log")
	}
	var trips []Record
	for r, err := range ReadTruth(strings.NewReader(example)) {
		if err != nil {
			t.Fatal(err)
		}
		trips = append(trips, r)
	}
	var again []byte
	for i := range trips {
		again = trips[i].appendJSON(again)
	}
	if string(again) != example {
		t.Errorf("written again:\n%swant\n%s", again, example)
	}
	if got := RoundTrips(trips); len(got) != 2 || got[0].Fate != Delivered || got[1].Fate != LostEdge {
		t.Errorf("RoundTrips = %+v, want one delivered and one lost at an edge", got)
	}
}

func TestReadTruthTellsTheBadLine(t *testing.T) {
	good := echoRecord(Up, 1, 0, Delivered, time.Millisecond)
	line := string(good.appendJSON(nil))
	for _, c := range []struct{ name, bad, want string }{
		{"torn", line[:40] + "\n", `line 3: lab: truth log: unexpected end of JSON input`},
		{"unknown_fate", strings.Replace(line, `"delivered"`, `"eaten"`, 1), `line 3: lab: truth log: unknown fate "eaten"`},
		{"unknown_way", strings.Replace(line, `"up"`, `"sideways"`, 1), `line 3: lab: truth log: unknown way "sideways"`},
		{"odd_data", strings.Replace(line, `"icmp_data":"`, `"icmp_data":"f`, 1), `line 3: lab: truth log: icmp_data "f00000000000000000000000000000000" is not up to 16 bytes in hexadecimal`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n int
			var last error
			for _, err := range ReadTruth(strings.NewReader(line + "\n" + c.bad + line)) {
				if last = err; err == nil {
					n++
				}
			}
			if n != 1 || last == nil || last.Error() != c.want {
				t.Errorf("%d records, then %v, want 1, then %s", n, last, c.want)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	r := echoRecord(Up, 1, 0, Delivered, time.Millisecond)
	f.Add(r.appendJSON(nil))
	r = Record{Link: "a", Way: Down, Fate: LostEdge, Protocol: 17, SrcPort: 1}
	f.Add(r.appendJSON(nil))
	f.Add([]byte(`{"way":"up","fate":"delivered","icmp_type":8,"icmp_data":"zz"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		// What is read and written is read again as the same, but for fields
		// that do not apply to the fate and so are not written.
		again, err := ParseRecord(r.appendJSON(nil))
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if !r.Fate.planned() {
			r.Planned = 0
		}
		if r.Fate != Delivered {
			r.Actual = 0
		}
		if again != r {
			t.Fatalf("got %+v, want %+v", again, r)
		}
	})
}

func FuzzDescribe(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 198, 18, 1, 1, 198, 18, 255, 1, 8, 0, 0, 0, 0, 7, 0, 9})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 58, 64}, make([]byte, 40)...))
	f.Add([]byte{0x4f, 0, 0, 60})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if describe(&r, b) && (!r.Src.IsValid() || !r.Dst.IsValid() || r.Length != len(b)) {
			t.Fatalf("%x is described as %+v", b, r)
		}
	})
}

func TestDescribe(t *testing.T) {
	v4 := func(protocol byte, fragment byte, body ...byte) []byte {
		return append([]byte{0x45, 0, 0, 0, 0, 0, 0, fragment, 64, protocol, 0, 0, 198, 18, 1, 1, 198, 18, 255, 1}, body...)
	}
	v6 := func(next byte, body ...byte) []byte {
		b := append([]byte{0x60, 0, 0, 0, 0, 0, next, 64}, netip.MustParseAddr("2001:db8:0:1::1").AsSlice()...)
		return append(append(b, target6.AsSlice()...), body...)
	}
	home := netip.MustParseAddr("198.18.1.1")
	home6 := netip.MustParseAddr("2001:db8:0:1::1")
	request := Echo{Type: 8, Present: true, ID: 0x102, Seq: 0x304, Data: [16]byte{0xaa, 0xbb}, DataLen: 2}
	request6 := request
	request6.Type = 128
	for _, c := range []struct {
		name   string
		packet []byte
		want   Record
		ok     bool
	}{
		{"echo_request", v4(1, 0, 8, 0, 0, 0, 1, 2, 3, 4, 0xaa, 0xbb), Record{Protocol: 1, Src: home, Dst: target, Length: 30, Echo: request}, true},
		{"echo_request_of_ipv6", v6(58, 128, 0, 0, 0, 1, 2, 3, 4, 0xaa, 0xbb), Record{Protocol: 58, Src: home6, Dst: target6, Length: 50, Echo: request6}, true},
		{"unreachable_is_no_echo", v4(1, 0, 3, 1, 0, 0, 0, 0, 0, 0), Record{Protocol: 1, Src: home, Dst: target, Length: 28}, true},
		{"later_fragment_has_no_ports", v4(17, 1, 0, 53, 0, 99), Record{Protocol: 17, Src: home, Dst: target, Length: 24}, true},
		{"udp", v4(17, 0, 0, 53, 0, 99), Record{Protocol: 17, Src: home, Dst: target, Length: 24, SrcPort: 53, DstPort: 99}, true},
		{"too_short", []byte{0x45, 0}, Record{}, false},
		{"header_longer_than_packet", append([]byte{0x4f}, make([]byte, 30)...), Record{}, false},
		{"neither_4_nor_6", make([]byte, 40), Record{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Record
			ok := describe(&got, c.packet)
			if ok != c.ok || ok && got != c.want {
				t.Errorf("describe = %+v, %v, want %+v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

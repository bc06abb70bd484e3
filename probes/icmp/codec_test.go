package icmp

import (
	"bytes"
	"errors"
	"testing"

	xicmp "golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"perigee"
)

const session = 0x0123456789abcdef

func reply(family perigee.Family, seq perigee.Seq) []byte {
	p := newRequest(family, 0xbeef, session, DefaultSize)
	setSeq(p, seq)
	return answer(p)
}

// answer turns a request into its reply.
func answer(p []byte) []byte {
	p = bytes.Clone(p)
	if p[0] == echoRequest6 {
		p[0] = echoReply6
		return p
	}
	p[0], p[2], p[3] = echoReply4, 0, 0
	sum := checksum(p)
	p[2], p[3] = byte(sum>>8), byte(sum)
	return p
}

// An independent implementation reads the requests and checks the sum.
func TestRequestIsReadByAnotherImplementation(t *testing.T) {
	for _, family := range []perigee.Family{perigee.IPv4, perigee.IPv6} {
		for _, size := range []int{MinSize, DefaultSize, 65, MaxSize} {
			p := newRequest(family, 0xbeef, session, size)
			setSeq(p, 0x1_0002_0003)
			proto, kind := 1, xicmp.Type(ipv4.ICMPTypeEcho)
			if family == perigee.IPv6 {
				proto, kind = 58, ipv6.ICMPTypeEchoRequest
			}
			m, err := xicmp.ParseMessage(proto, p)
			if err != nil {
				t.Fatal(err)
			}
			echo := m.Body.(*xicmp.Echo)
			if m.Type != kind || m.Code != 0 || echo.ID != 0xbeef || echo.Seq != 3 || len(echo.Data) != size-8 {
				t.Errorf("%s, %d bytes: read as %v %+v, want an echo request beef/3", family, size, m.Type, echo)
			}
			if family == perigee.IPv6 {
				continue
			}
			other, err := m.Marshal(nil)
			if err != nil || !bytes.Equal(p, other) {
				t.Errorf("%d bytes: encoded\n% x, the other implementation has\n% x (%v)", size, p, other, err)
			}
		}
	}
}

func TestReplyTellsItsProbeOrWhyNot(t *testing.T) {
	change := func(f func(p []byte)) []byte {
		p := reply(perigee.IPv4, 7)
		f(p)
		return answer(append([]byte{echoRequest4}, p[1:]...))
	}
	request := newRequest(perigee.IPv4, 0xbeef, session, DefaultSize)
	setSeq(request, 7)
	corrupt := reply(perigee.IPv4, 7)
	corrupt[50] ^= 1
	for name, c := range map[string]struct {
		packet []byte
		family perigee.Family
		seq    perigee.Seq
		err    error
	}{
		"ipv4":            {reply(perigee.IPv4, 7), perigee.IPv4, 7, nil},
		"ipv6":            {reply(perigee.IPv6, 7), perigee.IPv6, 7, nil},
		"beyond_16_bits":  {reply(perigee.IPv4, 7+1<<40), perigee.IPv4, 7 + 1<<40, nil},
		"cut_short":       {answer(request[:MinSize]), perigee.IPv4, 7, nil},
		"cut_too_short":   {answer(request[:MinSize-1]), perigee.IPv4, 0, errShort},
		"empty":           {nil, perigee.IPv4, 0, errShort},
		"our_own_request": {request, perigee.IPv4, 0, errType},
		"other_family":    {reply(perigee.IPv4, 7), perigee.IPv6, 0, errType},
		"other_code":      {change(func(p []byte) { p[1] = 1 }), perigee.IPv4, 0, errType},
		"other_program":   {change(func(p []byte) { p[8] = 'q' }), perigee.IPv4, 0, errForeign},
		"earlier_session": {change(func(p []byte) { p[16] ^= 1 }), perigee.IPv4, 0, errForeign},
		"corrupted":       {corrupt, perigee.IPv4, 0, errChecksum},
	} {
		t.Run(name, func(t *testing.T) {
			seq, err := parseReply(c.packet, c.family, session)
			if seq != c.seq || !errors.Is(err, c.err) {
				t.Errorf("parseReply = %d, %v, want %d, %v", seq, err, c.seq, c.err)
			}
		})
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add(reply(perigee.IPv4, 1), false)
	f.Add(reply(perigee.IPv6, 1<<33), true)
	f.Add([]byte{}, false)
	f.Add(reply(perigee.IPv4, 1)[:MinSize], false)
	f.Fuzz(func(t *testing.T, p []byte, six bool) {
		family := perigee.IPv4
		if six {
			family = perigee.IPv6
		}
		seq, err := parseReply(p, family, session)
		if err != nil {
			return
		}
		// What is accepted carries the session and answers this very probe.
		want := reply(family, seq)
		if !bytes.Equal(p[8:MinSize], want[8:MinSize]) {
			t.Errorf("accepted % x as the reply to probe %d", p, seq)
		}
		if family == perigee.IPv4 && checksum(p) != 0 {
			t.Errorf("accepted % x with a wrong checksum", p)
		}
	})
}

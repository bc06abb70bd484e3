package traces

import (
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"time"

	"perigee"
)

// irttTrip is a member of round_trips; the server's stamps are not needed, as the rtt
// has its time taken off already.
type irttTrip struct {
	Seqno      int64           `json:"seqno"`
	Lost       json.RawMessage `json:"lost"` // false, true, true_up or true_down; with or without quotes
	Timestamps struct {
		Client struct {
			Send struct {
				Wall int64 `json:"wall"`
			} `json:"send"`
		} `json:"client"`
	} `json:"timestamps"`
	Delay struct {
		RTT *int64 `json:"rtt"`
	} `json:"delay"`
}

type irttConfig struct {
	RemoteAddress string `json:"remote_address"`
	IPVersion     string `json:"ip_version"`
	Params        struct {
		Interval int64 `json:"interval"`
	} `json:"params"`
	Supplied struct {
		RemoteAddress string `json:"remote_address"`
	} `json:"supplied"`
}

// readIRTT reads the JSON of irtt client -o. config stands before round_trips, of which
// one is held at a time.
func readIRTT(r io.Reader, c *collector) error {
	d := newDocument(r, c)
	var stream *assembler
	var config irttConfig
	return d.read(map[string]func() error{
		"config": func() error { return d.value(&config) },
		"round_trips": func() error {
			return d.list(func(number int64) error {
				var trip irttTrip
				if err := d.value(&trip); err != nil {
					return err
				}
				if stream == nil {
					s, err := irttStream(c, config)
					if err != nil {
						return err
					}
					stream = s
				}
				return stream.add(trip.observation(number))
			})
		},
	})
}

func irttStream(c *collector, config irttConfig) (*assembler, error) {
	target := config.Supplied.RemoteAddress
	if target == "" {
		target = config.RemoteAddress
	}
	family := perigee.IPv4
	if address, err := netip.ParseAddrPort(config.RemoteAddress); err == nil {
		family = familyOf(address.Addr())
	} else if strings.EqualFold(config.IPVersion, "IPv6") {
		family = perigee.IPv6
	}
	if i := config.Params.Interval; c.options.Interval == 0 && i > 0 && i <= int64(24*time.Hour) {
		c.options.Interval = time.Duration(i)
	}
	return c.stream(target, MethodIRTT, family)
}

func (t *irttTrip) observation(number int64) observation {
	o := observation{line: number, number: t.Seqno, at: t.Timestamps.Client.Send.Wall, fate: unanswered}
	lost := strings.Trim(string(t.Lost), `"`)
	if t.Delay.RTT != nil && (lost == "" || lost == "false") {
		o.fate, o.rtt, o.heard = replied, time.Duration(*t.Delay.RTT), true
	}
	return o
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
)

// networkFaults befall one link of the two, or the name server. That the other link went on
// is checked with all windows.
var networkFaults = []faultKind{
	onLink("device removed and added again", true, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		_, err := h.lab.Remove(link)
		return func() error { _, err := h.lab.Restore(link, netip.Addr{}); return err }, err
	}),
	on(homeLinks[:1], "device removed, added with another address", false, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		end, _ := h.lab.Link(link)
		_, err := h.lab.Remove(link)
		return func() error { _, err := h.lab.Restore(link, otherAddress(end, r)); return err }, err
	}),
	onLink("device down", false, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		_, err := h.lab.SetDown(link, true)
		return func() error { _, err := h.lab.SetDown(link, false); return err }, err
	}),
	onLink("link silent", false, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		return func() error { return h.lab.Blackhole(link, false) }, h.lab.Blackhole(link, true)
	}),
	on(homeLinks[1:], "routes of a link bound by its mark lost", true, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		return routeLost(h, link)
	}),
	measuredOnWithout("routes of a link bound to its device lost", func(h *faultHome) (func() error, error) { return routeLost(h, homeLinks[0]) }),
	onLink("address lost and given back", false, func(h *faultHome, link string, r *rand.Rand) (func() error, error) {
		return addressLost(h, link)
	}),
	nameFault("name server dead", false, nameDead),
	nameFault("name server hangs", false, nameHangs),
	nameFault("name server answers NXDOMAIN", false, nameMissing),
	nameFault("name server answers SERVFAIL", false, nameFails),
	{
		name: "name server dead at a start", recorded: "gap crashed; failed probes of the target that has a name", record: gapOf(perigee.GapCrashed),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			answer := []nameAnswer{nameDead, nameHangs, nameMissing, nameFails}[r.IntN(4)]
			h.dns.set(answer)
			defer h.dns.set(nameAnswers)
			h.daemon.kill()
			length := restartAfter + between(r, 4*time.Second, 12*time.Second)
			wait(ctx, length)
			return fmt.Sprintf("%v for %v", answer, length), nil
		},
	},
}

// onLink is a fault of one link that lasts for some seconds, of which an outage must tell.
func onLink(name string, quick bool, breakIt func(h *faultHome, link string, r *rand.Rand) (mend func() error, err error)) faultKind {
	return on(homeLinks, name, quick, breakIt)
}

// measuredOnWithout is a fault that takes away for some seconds what measuring does not need.
func measuredOnWithout(name string, breakIt func(h *faultHome) (mend func() error, err error)) faultKind {
	return faultKind{
		name: name, recorded: "windows without a break", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			mend, err := breakIt(h)
			if err != nil {
				return "", err
			}
			length := between(r, 3*time.Second, 12*time.Second)
			wait(ctx, length)
			return length.String(), mend()
		},
	}
}

// on is onLink of one of some links.
func on(links []string, name string, quick bool, breakIt func(h *faultHome, link string, r *rand.Rand) (mend func() error, err error)) faultKind {
	var hit string
	return faultKind{
		name: name, quick: quick, device: true, recorded: "outage of the link",
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			hit = links[r.IntN(len(links))]
			mend, err := breakIt(h, hit, r)
			if err != nil {
				return "", err
			}
			length := between(r, 3*time.Second, 12*time.Second)
			wait(ctx, length)
			return fmt.Sprintf("%s for %v", hit, length), mend()
		},
		record: func(_ *faultHome, l record, from, to time.Time) error { return outageOf(l, hit, from, to) },
	}
}

// otherAddress draws another address of a link's home end.
func otherAddress(end lab.Endpoint, r *rand.Rand) netip.Addr {
	for {
		a := netip.AddrFrom4([4]byte{198, 18, byte(end.Number), byte(3 + r.IntN(200))})
		// The device gets a /30: neither its network nor its broadcast address.
		if last := a.As4()[3] % 4; a != end.Home && last != 0 && last != 3 {
			return a
		}
	}
}

// routeLost takes all routes of a link's device away.
func routeLost(h *faultHome, link string) (func() error, error) {
	end, _ := h.lab.Link(link)
	device, err := netlink.LinkByName(end.Device)
	if err != nil {
		return nil, err
	}
	filter := &netlink.Route{LinkIndex: device.Attrs().Index, Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}
	var taken []netlink.Route
	for _, route := range routes {
		if route.Table == unix.RT_TABLE_LOCAL {
			continue
		}
		if err := netlink.RouteDel(&route); err != nil {
			return nil, fmt.Errorf("%v: %w", route, err)
		}
		taken = append(taken, route)
	}
	return func() error { return giveBack(taken) }, nil
}

func giveBack(routes []netlink.Route) error {
	for _, route := range routes {
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("%v: %w", route, err)
		}
	}
	return nil
}

// addressLost takes the IPv4 address of a link's device away, and with it, as the kernel
// does, the routes that prefer it.
func addressLost(h *faultHome, link string) (func() error, error) {
	end, _ := h.lab.Link(link)
	device, err := netlink.LinkByName(end.Device)
	if err != nil {
		return nil, err
	}
	back, err := routeLost(h, link)
	if err != nil {
		return nil, err
	}
	addresses, err := netlink.AddrList(device, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if err := netlink.AddrDel(device, &a); err != nil {
			return nil, err
		}
	}
	return func() error {
		for _, a := range addresses {
			if err := netlink.AddrReplace(device, &netlink.Addr{IPNet: a.IPNet}); err != nil {
				return err
			}
		}
		return back()
	}, nil
}

// nameFault is a fault of the name server. The target that has a name was found before, so
// it is measured on.
func nameFault(name string, quick bool, answer nameAnswer) faultKind {
	return faultKind{
		name: name, quick: quick, recorded: "windows without a break: the address known last is kept", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			h.dns.set(answer)
			length := between(r, 3*time.Second, 15*time.Second)
			wait(ctx, length)
			h.dns.set(nameAnswers)
			return length.String(), nil
		},
	}
}

// inTransfer asks for a transfer, has something happen while it runs, and waits until the
// daemon says that it has ended, or is another.
func inTransfer(ctx context.Context, h *faultHome, r *rand.Rand, happen func(time.Duration)) (string, error) {
	link, direction := homeLinks[r.IntN(len(homeLinks))], []string{"down", "up"}[r.IntN(2)]
	seconds := 6.0
	bytes := int64(3e6)
	before := h.lab.Stats(link)
	probe, err := h.api.StartProbe(ctx, api.ProbeRequest{Link: link, Method: api.ProbeTransfer, Target: "far", Direction: direction, Streams: 1 + r.IntN(4), Seconds: &seconds, Bytes: &bytes, Anyway: true})
	if err != nil {
		return "", err
	}
	way := lab.Up
	if direction == "down" {
		way = lab.Down
	}
	begun := time.Now()
	for h.lab.Stats(link).Bytes[way]-before.Bytes[way] < 200_000 {
		if time.Since(begun) > recoverWithin {
			return "", fmt.Errorf("the transfer moved nothing: %+v", probe)
		}
		wait(ctx, 50*time.Millisecond)
	}
	length := between(r, 2*time.Second, 8*time.Second)
	lives := h.daemon.lived()
	happen(length)
	for h.daemon.lived() == lives {
		if time.Since(begun) > time.Minute {
			return "", fmt.Errorf("the transfer did not end: %+v", probe)
		}
		if probe, err = h.api.Probe(ctx, probe.ID); err != nil && h.daemon.lived() == lives {
			if _, runs := h.daemon.pid(); runs {
				return "", err
			}
		}
		if probe.Ended != nil {
			break
		}
		wait(ctx, 50*time.Millisecond)
	}
	return fmt.Sprintf("%s %s, %v", link, direction, length), nil
}

package lab

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// SetProfile changes what a link does to the packets that enter from now on. Those on
// their way, and those queued, keep the times they were given.
func (l *Lab) SetProfile(name string, p Profile) error {
	k, err := l.find(name)
	if err != nil {
		return err
	}
	if err := p.Validate(); err != nil {
		return err
	}
	return k.do(func() {
		now := k.engine.now()
		k.engine.up.set(p, now)
		k.engine.down.set(p, now)
	})
}

// Blackhole makes a link swallow every packet in both directions while its device
// stays up, or ends that.
func (l *Lab) Blackhole(name string, on bool) error {
	k, err := l.find(name)
	if err != nil {
		return err
	}
	return k.do(func() { k.engine.blackhole = on })
}

// SetDown takes a link's home device down, as an administrator would, or up again. It
// returns when the change took effect, or the zero time and nil if the device was
// already so. Routes and addresses that the kernel removed come back with it.
func (l *Lab) SetDown(name string, down bool) (time.Time, error) {
	k, err := l.find(name)
	if err != nil {
		return time.Time{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.removed {
		return time.Time{}, fmt.Errorf("lab: link %s: its device is removed", name)
	}
	if k.down == down {
		return time.Time{}, nil
	}
	var at time.Time
	if down {
		at, err = l.takeDown(k)
	} else {
		at, err = l.bringUp(k)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("lab: link %s: %w", name, err)
	}
	k.down = down
	return at, nil
}

func (l *Lab) takeDown(k *link) (time.Time, error) {
	dev, err := l.home.netl.LinkByName(k.Device)
	if err != nil {
		return time.Time{}, err
	}
	if err := l.home.netl.LinkSetDown(dev); err != nil {
		return time.Time{}, err
	}
	return time.Now(), k.do(func() { k.engine.homeDown = true })
}

func (l *Lab) bringUp(k *link) (time.Time, error) {
	if err := k.do(func() { k.engine.homeDown = false }); err != nil {
		return time.Time{}, err
	}
	err := l.home.configureHome(k.Endpoint)
	return time.Now(), err
}

// Remove makes a link's home device disappear, as when a modem is unplugged. It
// returns when.
func (l *Lab) Remove(name string) (time.Time, error) {
	k, err := l.find(name)
	if err != nil {
		return time.Time{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.removed {
		return time.Time{}, fmt.Errorf("lab: link %s: its device is removed already", name)
	}
	var at time.Time
	err = k.do(func() {
		unix.Close(k.engine.home)
		k.engine.tap.close()
		k.engine.home = -1
		at = time.Now()
	})
	k.removed = err == nil
	return at, err
}

// Restore makes a removed device appear again, with a new interface index and, if
// home is valid, with this IPv4 address, which must be one of 198.18.N.0/24 for link number N. It
// returns when the device was ready.
func (l *Lab) Restore(name string, home netip.Addr) (time.Time, error) {
	k, err := l.find(name)
	if err != nil {
		return time.Time{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.removed {
		return time.Time{}, fmt.Errorf("lab: link %s: its device is not removed", name)
	}
	if home.IsValid() {
		if plan := netip.PrefixFrom(k.Far, 24).Masked(); !plan.Contains(home) || home == k.Far {
			return time.Time{}, fmt.Errorf("lab: link %s: address %s: must be a free one of %s", name, home, plan)
		}
		k.Home = home
	}
	fd, t, err := l.openTappedTUN(k.Device)
	if err == nil {
		if err = l.home.configureHome(k.Endpoint); err != nil {
			unix.Close(fd)
			t.close()
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("lab: link %s: %w", name, err)
	}
	if err := k.do(func() { k.engine.home, k.engine.tap, k.engine.homeDown = fd, t, false }); err != nil {
		unix.Close(fd)
		t.close()
		return time.Time{}, err
	}
	k.removed, k.down = false, false
	return time.Now(), nil
}

// do runs fn on the link's engine.
func (k *link) do(fn func()) error {
	if !k.engine.do(fn) {
		return fmt.Errorf("lab: link %s: it has ended", k.Name)
	}
	return nil
}

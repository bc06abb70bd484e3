package access

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Connections is a listener that keeps so many connections open at most, in all and of
// each address. One that comes when that many are there is let in all the same: the
// connection of the same address that has waited longest for a request is closed, or that
// of the address with the most. Only if every one of them is being answered is the new one
// closed. So connections that say nothing, or say it slowly, keep nobody out.
type Connections struct {
	net.Listener
	total, each int

	mu     sync.Mutex // guards all below, and the connections' own fields
	open   int
	owners map[string]*owner
	closed int64
}

// owner is an address and its connections.
type owner struct {
	open    int
	waiting list.List // of *connection, the one that has waited longest first
}

// connection is one that is counted.
type connection struct {
	net.Conn
	of    *Connections
	key   string
	place *list.Element // in the owner's waiting; nil while a request is answered
	gone  bool
}

// NewConnections returns a listener that accepts what l does, total at once and each of
// one address. The server must tell it of what connections do; see State.
func NewConnections(l net.Listener, total, each int) *Connections {
	return &Connections{Listener: l, total: total, each: each, owners: map[string]*owner{}}
}

// Accept waits for the next connection that is let in.
func (c *Connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		admitted, victim := c.admit(conn)
		if victim != nil {
			abort(victim)
		}
		if admitted != nil {
			return admitted, nil
		}
	}
}

// abort closes a connection at once, without a word that somebody would have to wait for.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed all the same
	}
	_ = conn.Close() // nothing is lost that was not to be
}

// admit counts conn. It returns nil and conn if there is no room, and else what must be
// closed to make some, if anything.
func (c *Connections) admit(conn net.Conn) (admitted, victim net.Conn) {
	key := AddressKey(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.owners[key]; o != nil && o.open >= c.each {
		victim = c.evict(o)
	} else if c.open >= c.total {
		victim = c.evict(c.largest())
	} else {
		return c.add(key, conn), nil
	}
	c.closed++
	if victim == nil {
		return nil, conn
	}
	return c.add(key, conn), victim
}

func (c *Connections) add(key string, conn net.Conn) *connection {
	o := c.owners[key]
	if o == nil {
		o = &owner{}
		c.owners[key] = o
	}
	added := &connection{Conn: conn, of: c, key: key}
	added.place = o.waiting.PushBack(added)
	o.open++
	c.open++
	return added
}

// largest returns the owner with the most connections, of those with one that waits.
func (c *Connections) largest() *owner {
	var most *owner
	for _, o := range c.owners {
		if o.waiting.Len() > 0 && (most == nil || o.open > most.open) {
			most = o
		}
	}
	return most
}

// evict takes the connection of o that has waited longest out of the count, and returns
// it; nil if none waits.
func (c *Connections) evict(o *owner) net.Conn {
	if o == nil || o.waiting.Len() == 0 {
		return nil
	}
	oldest := o.waiting.Front().Value.(*connection)
	oldest.remove()
	return oldest.Conn
}

// remove takes c out of the count, once. of.mu is held.
func (c *connection) remove() {
	if c.gone {
		return
	}
	c.gone = true
	o := c.of.owners[c.key]
	if c.place != nil {
		o.waiting.Remove(c.place)
		c.place = nil
	}
	o.open--
	c.of.open--
	if o.open == 0 {
		delete(c.of.owners, c.key)
	}
}

// Close closes the connection.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.remove()
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// State is told what a connection does (http.Server.ConnState): it is active from when a
// whole request was read until that is answered.
func (c *Connections) State(conn net.Conn, state http.ConnState) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	counted, ok := conn.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if counted.gone {
		return
	}
	o := c.owners[counted.key]
	switch {
	case state == http.StateActive && counted.place != nil:
		o.waiting.Remove(counted.place)
		counted.place = nil
	case state == http.StateIdle && counted.place == nil:
		counted.place = o.waiting.PushBack(counted)
	}
}

// Count returns how many connections are open, and how many were closed for want of room.
func (c *Connections) Count() (open int, closed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.closed
}

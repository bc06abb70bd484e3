package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"perigee"
)

// queryer is what reads can be made through: a transaction or the writer.
type queryer interface {
	QueryContext(ctx context.Context, query string, values ...any) (*sql.Rows, error)
}

// names holds the tables streams and proofs, which only ever grow, as far as one
// reader has needed them.
type names struct {
	streams               map[int64]perigee.Stream
	proofs                map[int64]perigee.Proof
	lastStream, lastProof int64
}

func newNames() *names {
	return &names{streams: map[int64]perigee.Stream{}, proofs: map[int64]perigee.Proof{}}
}

// update reads what is new. Rows seen through q until the end of its transaction have
// their names in n then.
func (n *names) update(ctx context.Context, q queryer) error {
	if err := n.updateStreams(ctx, q); err != nil {
		return err
	}
	return n.updateProofs(ctx, q)
}

func (n *names) updateStreams(ctx context.Context, q queryer) error {
	rows, err := q.QueryContext(ctx, "SELECT id, site, link, target, method, family, load FROM streams WHERE id > ? ORDER BY id", n.lastStream)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s perigee.Stream
		if err := rows.Scan(&n.lastStream, &s.Site, &s.Link, &s.Target, &s.Method, &s.Family, &s.Load); err != nil {
			return err
		}
		n.streams[n.lastStream] = s
	}
	return rows.Err()
}

func (n *names) updateProofs(ctx context.Context, q queryer) error {
	rows, err := q.QueryContext(ctx, "SELECT id, interface_index, interface_name, local, remote FROM proofs WHERE id > ? ORDER BY id", n.lastProof)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p perigee.Proof
		var local, remote string
		if err := rows.Scan(&n.lastProof, &p.InterfaceIndex, &p.InterfaceName, &local, &remote); err != nil {
			return err
		}
		if p.Local, err = parseAddress(local); err != nil {
			return err
		}
		if p.Remote, err = parseAddress(remote); err != nil {
			return err
		}
		n.proofs[n.lastProof] = p
	}
	return rows.Err()
}

// condition returns the SQL that holds q to its streams, "" if all match.
func (n *names) condition(q perigee.Query) string {
	var ids []string
	for id, s := range n.streams {
		if q.Matches(s) {
			ids = append(ids, strconv.FormatInt(id, 10))
		}
	}
	if len(ids) == len(n.streams) {
		return ""
	}
	return " AND stream IN (" + strings.Join(ids, ", ") + ")"
}

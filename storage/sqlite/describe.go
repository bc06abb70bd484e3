package sqlite

import (
	"context"
	"database/sql"

	"perigee"
)

// Describe implements perigee.Store.
func (s *Store) Describe(ctx context.Context, site perigee.Site, links []perigee.Link) error {
	return s.write(ctx, "describe the links", func(ctx context.Context, w *writer) error {
		if _, err := w.exec(ctx, `INSERT INTO sites (name, latitude, longitude) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET latitude = excluded.latitude, longitude = excluded.longitude`,
			site.Name, sql.NullFloat64{Float64: site.Latitude, Valid: site.Located}, sql.NullFloat64{Float64: site.Longitude, Valid: site.Located}); err != nil {
			return err
		}
		for _, l := range links {
			if _, err := w.exec(ctx, `INSERT OR REPLACE INTO links
				(site, name, orbit, interface, source, mark, namespace, satellite_longitude, plan_down, plan_up, plan_availability)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				site.Name, string(l.ID), string(l.Orbit), l.Interface, addressText(l.Source), int64(l.Mark), l.Namespace,
				sql.NullFloat64{Float64: l.SatelliteLongitude, Valid: l.SatelliteKnown}, l.Plan.Down, l.Plan.Up, l.Plan.Availability); err != nil {
				return err
			}
			if _, err := w.exec(ctx, insertOrbit, site.Name, string(l.ID), string(l.Orbit)); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertOrbit records the orbit of a link from the next window on, if it changed.
const insertOrbit = `INSERT INTO link_orbits (site, link, after_id, orbit)
	SELECT ?1, ?2, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), ?3
	WHERE ?3 <> coalesce((SELECT orbit FROM link_orbits WHERE site = ?1 AND link = ?2 ORDER BY after_id DESC LIMIT 1), '')
	ON CONFLICT DO UPDATE SET orbit = excluded.orbit`

// Links implements perigee.Store.
func (s *Store) Links(ctx context.Context) ([]perigee.LinkRecord, error) {
	records, err := links(ctx, s.reader())
	return records, s.fail("read the links", err)
}

func links(ctx context.Context, q queryer) ([]perigee.LinkRecord, error) {
	rows, err := q.QueryContext(ctx, `
		WITH measured AS (SELECT site, link, min(first_ns) AS first, max(last_ns) AS last FROM streams WHERE first_ns IS NOT NULL GROUP BY site, link),
		names AS (SELECT site, name FROM links UNION SELECT site, link FROM measured)
		SELECT n.site, n.name, s.latitude, s.longitude,
			coalesce(l.orbit, ''), coalesce(l.interface, ''), coalesce(l.source, ''), coalesce(l.mark, 0), coalesce(l.namespace, ''), l.satellite_longitude,
			coalesce(l.plan_down, 0), coalesce(l.plan_up, 0), coalesce(l.plan_availability, 0),
			m.first, m.last
		FROM names n
		LEFT JOIN sites s ON s.name = n.site
		LEFT JOIN links l ON l.site = n.site AND l.name = n.name
		LEFT JOIN measured m ON m.site = n.site AND m.link = n.name
		ORDER BY n.site, n.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []perigee.LinkRecord
	for rows.Next() {
		var r perigee.LinkRecord
		var latitude, longitude, satellite sql.NullFloat64
		var first, last sql.NullInt64
		var source string
		if err := rows.Scan(&r.Site.Name, &r.Link.ID, &latitude, &longitude,
			&r.Link.Orbit, &r.Link.Interface, &source, &r.Link.Mark, &r.Link.Namespace, &satellite,
			&r.Link.Plan.Down, &r.Link.Plan.Up, &r.Link.Plan.Availability, &first, &last); err != nil {
			return nil, err
		}
		if r.Link.Source, err = parseAddress(source); err != nil {
			return nil, err
		}
		r.Site.Latitude, r.Site.Longitude, r.Site.Located = latitude.Float64, longitude.Float64, latitude.Valid
		r.Link.SatelliteLongitude, r.Link.SatelliteKnown = satellite.Float64, satellite.Valid
		if first.Valid {
			r.First, r.Last = moment(first.Int64), moment(last.Int64)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

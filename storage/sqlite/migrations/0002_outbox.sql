-- What is known of the store itself. instance names it among others that write to the
-- same place.
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('instance', lower(hex(randomblob(4))));

-- The orbit that a link was described with, in effect for windows with a greater id than
-- after_id, up to the next row. What is older than this table has the orbit of now.
CREATE TABLE link_orbits (
	site     TEXT NOT NULL,
	link     TEXT NOT NULL,
	after_id INTEGER NOT NULL,
	orbit    TEXT NOT NULL,
	PRIMARY KEY (site, link, after_id)
) STRICT, WITHOUT ROWID;

INSERT INTO link_orbits (site, link, after_id, orbit) SELECT site, name, 0, orbit FROM links;

-- Hours and outages are replaced, and keep the orbit that they were first stored with:
-- '' if the link was not described.
ALTER TABLE hours ADD COLUMN orbit TEXT NOT NULL DEFAULT '';
ALTER TABLE outages ADD COLUMN orbit TEXT NOT NULL DEFAULT '';

UPDATE hours SET orbit = coalesce((SELECT orbit FROM streams s JOIN links l ON l.site = s.site AND l.name = s.link WHERE s.id = stream), '');
UPDATE outages SET orbit = coalesce((SELECT orbit FROM streams s JOIN links l ON l.site = s.site AND l.name = s.link WHERE s.id = stream), '');

-- The windows that need not be forwarded any more, acknowledged or set aside: ranges of
-- their ids, which do not touch each other. All others wait.
CREATE TABLE forwarded (
	first_id INTEGER PRIMARY KEY,
	last_id  INTEGER NOT NULL
) STRICT;

-- How many windows of an hour wait, where any do.
CREATE TABLE waiting (
	stream    INTEGER NOT NULL,
	bucket_ns INTEGER NOT NULL, -- beginning of the UTC hour in which they start
	windows   INTEGER NOT NULL,
	PRIMARY KEY (stream, bucket_ns)
) STRICT, WITHOUT ROWID;

INSERT INTO waiting (stream, bucket_ns, windows)
SELECT stream, start_ns - ((start_ns % 3600000000000) + 3600000000000) % 3600000000000 AS bucket_ns, count(*) FROM windows GROUP BY 1, 2;

-- The hours, outages, gaps and events that wait. What is replaced gets a new id.
CREATE TABLE pending (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	kind     TEXT NOT NULL,    -- hour, outage, gap or event
	after_id INTEGER NOT NULL, -- id of the last window that was stored before
	time_ns  INTEGER NOT NULL, -- start_ns or time_ns
	stream   INTEGER,          -- of an hour or outage; the rest is NULL for those
	site     TEXT,
	link     TEXT,
	end_ns   INTEGER,          -- of a gap
	name     TEXT,             -- reason of a gap, kind of an event
	detail   TEXT,
	orbit    TEXT              -- '' if the link was not described
) STRICT;

CREATE INDEX pending_by_stream ON pending (stream, kind, time_ns);
CREATE INDEX pending_by_time ON pending (time_ns);
CREATE INDEX pending_records ON pending (id) WHERE kind <> 'hour';

INSERT INTO pending (kind, after_id, time_ns, stream, site, link, end_ns, name, detail, orbit)
SELECT * FROM (
	SELECT 'hour', 0, start_ns AS time_ns, stream, NULL, NULL, NULL, NULL, NULL, NULL FROM hours
	UNION ALL
	SELECT 'outage', 0, start_ns, stream, NULL, NULL, NULL, NULL, NULL, NULL FROM outages
	UNION ALL
	SELECT 'gap', 0, start_ns, NULL, g.site, link, end_ns, reason, detail, coalesce(l.orbit, '')
	FROM gaps g LEFT JOIN links l ON l.site = g.site AND l.name = g.link
	UNION ALL
	SELECT 'event', 0, time_ns, NULL, e.site, link, NULL, kind, detail, coalesce(l.orbit, '')
	FROM events e LEFT JOIN links l ON l.site = e.site AND l.name = e.link
) ORDER BY time_ns;

-- What the sink refused for good: the columns of pending, and why and since when.
CREATE TABLE dead_letters (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	kind      TEXT NOT NULL, -- of pending, or window or link
	window_id INTEGER,       -- of a window
	time_ns   INTEGER NOT NULL,
	stream    INTEGER,       -- of a window too
	site      TEXT,
	link      TEXT,
	end_ns    INTEGER,
	name      TEXT,
	detail    TEXT,
	orbit     TEXT,
	reason    TEXT NOT NULL,
	since_ns  INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_stream ON dead_letters (stream, kind, time_ns);

-- Bytes that perigee itself moved over a link on a UTC day.
CREATE TABLE traffic (
	day_ns  INTEGER NOT NULL,
	site    TEXT NOT NULL,
	link    TEXT NOT NULL,
	purpose TEXT NOT NULL, -- such as outbox
	bytes   INTEGER NOT NULL,
	PRIMARY KEY (day_ns, site, link, purpose)
) STRICT, WITHOUT ROWID;

-- What is stored waits from the same transaction on. What is stored again as it was fires
-- nothing; what is replaced waits anew, and what was refused of it exists no more.
CREATE TRIGGER hour_made AFTER INSERT ON hours BEGIN
	UPDATE hours SET orbit = coalesce((SELECT orbit FROM streams s JOIN links l ON l.site = s.site AND l.name = s.link WHERE s.id = NEW.stream), '')
	WHERE bucket_ns = NEW.bucket_ns AND stream = NEW.stream;
	INSERT INTO pending (kind, after_id, time_ns, stream)
	VALUES ('hour', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.stream);
END;

CREATE TRIGGER hour_replaced AFTER UPDATE OF start_ns ON hours BEGIN
	DELETE FROM pending WHERE stream = NEW.stream AND kind = 'hour' AND time_ns = OLD.start_ns;
	DELETE FROM dead_letters WHERE stream = NEW.stream AND kind = 'hour' AND time_ns = OLD.start_ns;
	INSERT INTO pending (kind, after_id, time_ns, stream)
	VALUES ('hour', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.stream);
END;

CREATE TRIGGER outage_stored AFTER INSERT ON outages BEGIN
	UPDATE outages SET orbit = coalesce((SELECT orbit FROM streams s JOIN links l ON l.site = s.site AND l.name = s.link WHERE s.id = NEW.stream), '')
	WHERE start_ns = NEW.start_ns AND stream = NEW.stream;
	INSERT INTO pending (kind, after_id, time_ns, stream)
	VALUES ('outage', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.stream);
END;

CREATE TRIGGER outage_replaced AFTER UPDATE OF end_ns ON outages BEGIN
	DELETE FROM pending WHERE stream = NEW.stream AND kind = 'outage' AND time_ns = NEW.start_ns;
	DELETE FROM dead_letters WHERE stream = NEW.stream AND kind = 'outage' AND time_ns = NEW.start_ns;
	INSERT INTO pending (kind, after_id, time_ns, stream)
	VALUES ('outage', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.stream);
END;

CREATE TRIGGER gap_stored AFTER INSERT ON gaps BEGIN
	INSERT INTO pending (kind, after_id, time_ns, site, link, end_ns, name, detail, orbit)
	VALUES ('gap', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.site, NEW.link, NEW.end_ns, NEW.reason, NEW.detail,
		coalesce((SELECT orbit FROM links WHERE site = NEW.site AND name = NEW.link), ''));
END;

CREATE TRIGGER event_stored AFTER INSERT ON events BEGIN
	INSERT INTO pending (kind, after_id, time_ns, site, link, name, detail, orbit)
	VALUES ('event', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.time_ns, NEW.site, NEW.link, NEW.kind, NEW.detail,
		coalesce((SELECT orbit FROM links WHERE site = NEW.site AND name = NEW.link), ''));
END;

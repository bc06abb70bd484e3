-- Transfers, one row each. packed holds all of a result exactly; the columns beside it
-- are for those who ask in SQL. The direction is the stream's load.
CREATE TABLE throughputs (
	id                    INTEGER PRIMARY KEY,
	stream                INTEGER NOT NULL REFERENCES streams (id),
	start_ns              INTEGER NOT NULL,
	length_ns             INTEGER NOT NULL,
	ramp_ns               INTEGER NOT NULL,
	bits_per_second       REAL NOT NULL,    -- of the steady part
	steady                INTEGER NOT NULL, -- 1 if there was one
	error_ratio           REAL,             -- NULL if it cannot be told
	whole_bits_per_second REAL NOT NULL,
	bytes                 INTEGER NOT NULL,
	wire_bytes            INTEGER NOT NULL,
	retransmitted_bytes   INTEGER,          -- NULL if not known
	streams               INTEGER NOT NULL, -- connections at once
	congestion            TEXT NOT NULL,    -- '' if not known
	server                TEXT NOT NULL,
	stop                  TEXT NOT NULL,    -- why it ended
	idle_p50              REAL,             -- seconds; NULL if no probe was answered before it
	loaded_p50            REAL,             -- likewise during it
	packed                BLOB NOT NULL,
	UNIQUE (start_ns, stream)
) STRICT;

-- A result never changes, so it waits once, with the orbit of the day.
CREATE TRIGGER throughput_stored AFTER INSERT ON throughputs BEGIN
	INSERT INTO pending (kind, after_id, time_ns, stream, orbit)
	VALUES ('throughput', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), NEW.start_ns, NEW.stream,
		coalesce((SELECT orbit FROM streams s JOIN links l ON l.site = s.site AND l.name = s.link WHERE s.id = NEW.stream), ''));
END;

-- Bytes that were moved over a link in a quarter of an hour, so that a period may begin
-- at midnight in any time zone. Those of before this table are in traffic, by UTC day.
CREATE TABLE traffic_quarters (
	quarter_ns INTEGER NOT NULL,
	site       TEXT NOT NULL,
	link       TEXT NOT NULL,
	purpose    TEXT NOT NULL, -- probing, outbox, transfer, manual; device for all that the device moved
	bytes      INTEGER NOT NULL,
	PRIMARY KEY (site, link, quarter_ns, purpose)
) STRICT, WITHOUT ROWID;

-- The last reading of the kernel's counters of the device that a link leaves by.
CREATE TABLE device_counters (
	site    TEXT NOT NULL,
	link    TEXT NOT NULL,
	device  TEXT NOT NULL,
	boot    TEXT NOT NULL, -- of the system, which counts from 0 after each
	rx      INTEGER NOT NULL,
	tx      INTEGER NOT NULL,
	read_ns INTEGER NOT NULL,
	PRIMARY KEY (site, link)
) STRICT, WITHOUT ROWID;

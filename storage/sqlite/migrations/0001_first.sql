-- Sites and links, as last described.
CREATE TABLE sites (
	name      TEXT PRIMARY KEY,
	latitude  REAL, -- degrees; NULL if the site is not located
	longitude REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
	site                TEXT NOT NULL REFERENCES sites (name),
	name                TEXT NOT NULL,
	orbit               TEXT NOT NULL,
	interface           TEXT NOT NULL,
	source              TEXT NOT NULL, -- address, or ''
	mark                INTEGER NOT NULL,
	namespace           TEXT NOT NULL,
	satellite_longitude REAL, -- degrees east; NULL if not known
	PRIMARY KEY (site, name)
) STRICT, WITHOUT ROWID;

-- Every stream that was ever measured. first_ns and last_ns are the start of its
-- first window and the end of its last, those that have expired included.
CREATE TABLE streams (
	id       INTEGER PRIMARY KEY,
	site     TEXT NOT NULL,
	link     TEXT NOT NULL,
	target   TEXT NOT NULL,
	method   TEXT NOT NULL,
	family   TEXT NOT NULL,
	load     TEXT NOT NULL,
	first_ns INTEGER, -- NULL while there are outages only
	last_ns  INTEGER,
	UNIQUE (site, link, target, method, family, load)
) STRICT;

-- Evidence of the link that probes left by.
CREATE TABLE proofs (
	id              INTEGER PRIMARY KEY,
	interface_index INTEGER NOT NULL,
	interface_name  TEXT NOT NULL,
	local           TEXT NOT NULL, -- address, or ''
	remote          TEXT NOT NULL, -- address, or ''
	UNIQUE (interface_index, interface_name, local, remote)
) STRICT;

-- Samples of one window each. An id is never given twice.
CREATE TABLE windows (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	stream          INTEGER NOT NULL REFERENCES streams (id),
	start_ns        INTEGER NOT NULL,
	length_ns       INTEGER NOT NULL,
	interval_ns     INTEGER NOT NULL,
	loss_timeout_ns INTEGER NOT NULL,
	proof           INTEGER NOT NULL REFERENCES proofs (id),
	cause           TEXT NOT NULL,
	planned         INTEGER NOT NULL,
	sent            INTEGER NOT NULL,
	send_failed     INTEGER NOT NULL,
	skipped         INTEGER NOT NULL,
	received        INTEGER NOT NULL,
	late            INTEGER NOT NULL,
	lost            INTEGER NOT NULL,
	duplicates      INTEGER NOT NULL,
	reordered       INTEGER NOT NULL,
	rtt_count       INTEGER NOT NULL,
	rtt_min         REAL NOT NULL,
	rtt_max         REAL NOT NULL,
	rtt_mean        REAL NOT NULL,
	rtt_m2          REAL NOT NULL,
	rtt_sketch      BLOB, -- NULL if empty
	ipdv_count      INTEGER NOT NULL,
	ipdv_min        REAL NOT NULL,
	ipdv_max        REAL NOT NULL,
	ipdv_mean       REAL NOT NULL,
	ipdv_m2         REAL NOT NULL,
	ipdv_sketch     BLOB,
	jitter          REAL, -- NULL if undefined
	jitter_sum      REAL NOT NULL,
	run_packets     INTEGER NOT NULL,
	run_count       INTEGER NOT NULL,
	longest_packets INTEGER NOT NULL,
	longest_seconds REAL NOT NULL,
	head_packets    INTEGER NOT NULL,
	head_seconds    REAL NOT NULL,
	tail_packets    INTEGER NOT NULL,
	tail_seconds    REAL NOT NULL,
	UNIQUE (start_ns, stream)
) STRICT;

-- The packed singletons of windows, with the same key.
CREATE TABLE singletons (
	start_ns INTEGER NOT NULL,
	stream   INTEGER NOT NULL,
	packed   BLOB NOT NULL,
	PRIMARY KEY (start_ns, stream)
) STRICT, WITHOUT ROWID;

-- Samples merged from the windows that start in one UTC hour or day, bucket_ns being
-- its beginning. start_ns is the start of the first of them.
CREATE TABLE hours (
	bucket_ns       INTEGER NOT NULL,
	stream          INTEGER NOT NULL REFERENCES streams (id),
	start_ns        INTEGER NOT NULL,
	length_ns       INTEGER NOT NULL,
	interval_ns     INTEGER NOT NULL,
	loss_timeout_ns INTEGER NOT NULL,
	proof           INTEGER NOT NULL REFERENCES proofs (id),
	cause           TEXT NOT NULL,
	planned         INTEGER NOT NULL,
	sent            INTEGER NOT NULL,
	send_failed     INTEGER NOT NULL,
	skipped         INTEGER NOT NULL,
	received        INTEGER NOT NULL,
	late            INTEGER NOT NULL,
	lost            INTEGER NOT NULL,
	duplicates      INTEGER NOT NULL,
	reordered       INTEGER NOT NULL,
	rtt_count       INTEGER NOT NULL,
	rtt_min         REAL NOT NULL,
	rtt_max         REAL NOT NULL,
	rtt_mean        REAL NOT NULL,
	rtt_m2          REAL NOT NULL,
	rtt_sketch      BLOB,
	ipdv_count      INTEGER NOT NULL,
	ipdv_min        REAL NOT NULL,
	ipdv_max        REAL NOT NULL,
	ipdv_mean       REAL NOT NULL,
	ipdv_m2         REAL NOT NULL,
	ipdv_sketch     BLOB,
	jitter          REAL,
	jitter_sum      REAL NOT NULL,
	run_packets     INTEGER NOT NULL,
	run_count       INTEGER NOT NULL,
	longest_packets INTEGER NOT NULL,
	longest_seconds REAL NOT NULL,
	head_packets    INTEGER NOT NULL,
	head_seconds    REAL NOT NULL,
	tail_packets    INTEGER NOT NULL,
	tail_seconds    REAL NOT NULL,
	UNIQUE (bucket_ns, stream)
) STRICT;

CREATE TABLE days (
	bucket_ns       INTEGER NOT NULL,
	stream          INTEGER NOT NULL REFERENCES streams (id),
	start_ns        INTEGER NOT NULL,
	length_ns       INTEGER NOT NULL,
	interval_ns     INTEGER NOT NULL,
	loss_timeout_ns INTEGER NOT NULL,
	proof           INTEGER NOT NULL REFERENCES proofs (id),
	cause           TEXT NOT NULL,
	planned         INTEGER NOT NULL,
	sent            INTEGER NOT NULL,
	send_failed     INTEGER NOT NULL,
	skipped         INTEGER NOT NULL,
	received        INTEGER NOT NULL,
	late            INTEGER NOT NULL,
	lost            INTEGER NOT NULL,
	duplicates      INTEGER NOT NULL,
	reordered       INTEGER NOT NULL,
	rtt_count       INTEGER NOT NULL,
	rtt_min         REAL NOT NULL,
	rtt_max         REAL NOT NULL,
	rtt_mean        REAL NOT NULL,
	rtt_m2          REAL NOT NULL,
	rtt_sketch      BLOB,
	ipdv_count      INTEGER NOT NULL,
	ipdv_min        REAL NOT NULL,
	ipdv_max        REAL NOT NULL,
	ipdv_mean       REAL NOT NULL,
	ipdv_m2         REAL NOT NULL,
	ipdv_sketch     BLOB,
	jitter          REAL,
	jitter_sum      REAL NOT NULL,
	run_packets     INTEGER NOT NULL,
	run_count       INTEGER NOT NULL,
	longest_packets INTEGER NOT NULL,
	longest_seconds REAL NOT NULL,
	head_packets    INTEGER NOT NULL,
	head_seconds    REAL NOT NULL,
	tail_packets    INTEGER NOT NULL,
	tail_seconds    REAL NOT NULL,
	UNIQUE (bucket_ns, stream)
) STRICT;

-- Hours and days that have windows which their row in hours or days, if any, was not
-- merged from yet.
CREATE TABLE dirty (
	length_ns INTEGER NOT NULL, -- of an hour or a day
	bucket_ns INTEGER NOT NULL,
	stream    INTEGER NOT NULL,
	PRIMARY KEY (length_ns, bucket_ns, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE outages (
	start_ns INTEGER NOT NULL,
	stream   INTEGER NOT NULL REFERENCES streams (id),
	end_ns   INTEGER NOT NULL,
	open     INTEGER NOT NULL, -- 1 while it lasts
	probes   INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	PRIMARY KEY (start_ns, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
	start_ns INTEGER NOT NULL,
	end_ns   INTEGER NOT NULL,
	site     TEXT NOT NULL,
	link     TEXT NOT NULL, -- '' for all links
	reason   TEXT NOT NULL,
	detail   TEXT NOT NULL,
	PRIMARY KEY (start_ns, site, link, end_ns, reason, detail)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
	time_ns INTEGER NOT NULL,
	site    TEXT NOT NULL,
	link    TEXT NOT NULL, -- '' for all links
	kind    TEXT NOT NULL,
	detail  TEXT NOT NULL,
	PRIMARY KEY (time_ns, site, link, kind, detail)
) STRICT, WITHOUT ROWID;

-- The lives of the daemon.
CREATE TABLE runs (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	started_ns INTEGER NOT NULL,
	ended_ns   INTEGER -- NULL unless it ended properly
) STRICT;

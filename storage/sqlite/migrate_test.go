package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"perigee"
)

func connect(t *testing.T) (*sql.Conn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "perigee.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, path
}

func value(t *testing.T, conn *sql.Conn, text string) (v string) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), text).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

var steps = []migration{
	{1, "CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('kept')"},
	{2, "CREATE TABLE b (x TEXT); INSERT INTO b SELECT x || ' and moved' FROM a"},
	{3, "DROP TABLE a"},
}

func TestEachStepRunsOnce(t *testing.T) {
	conn, path := connect(t)
	for n := range steps {
		for range 2 {
			if err := migrate(t.Context(), conn, path, steps[:n+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := value(t, conn, "SELECT x FROM b"); got != "kept and moved" {
		t.Errorf("got %q", got)
	}
	if got := value(t, conn, "PRAGMA user_version"); got != "3" {
		t.Errorf("version %s, want 3", got)
	}
}

func TestAFailedStepLeavesTheVersionBefore(t *testing.T) {
	conn, path := connect(t)
	broken := []migration{steps[0], {2, steps[1].script + "; INSERT INTO nowhere VALUES (1)"}}
	if err := migrate(t.Context(), conn, path, broken); perigee.CodeOf(err) != perigee.CodeInternal {
		t.Fatalf("migrate = %v, want an internal error", err)
	}
	if got := value(t, conn, "SELECT user_version || ' ' || (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"); got != "1 1" {
		t.Errorf("version and tables: %q, want 1 and 1", got)
	}
	if err := migrate(t.Context(), conn, path, steps); err != nil {
		t.Errorf("the right steps after it: %v", err)
	}
}

func TestALaterVersionIsRefused(t *testing.T) {
	conn, path := connect(t)
	if err := migrate(t.Context(), conn, path, steps); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), conn, path, steps[:2]); perigee.CodeOf(err) != perigee.CodeInvalid {
		t.Errorf("migrate = %v, want code invalid", err)
	}
}

func TestStepsAreNumberedWithoutABreak(t *testing.T) {
	if len(migrations) == 0 || migrations[0].version != 1 {
		t.Fatalf("%d steps", len(migrations))
	}
	defer func() {
		if recover() == nil {
			t.Error("a missing step is not noticed")
		}
	}()
	mustLoad(fstest.MapFS{"migrations/0001_a.sql": {}, "migrations/0003_c.sql": {}})
}

// Every read of windows finds its rows by an index, and so does every look at what waits.
func TestReadsUseTheIndex(t *testing.T) {
	conn, path := connect(t)
	if err := migrate(context.Background(), conn, path, migrations); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"SELECT " + columnList + " FROM windows WHERE (start_ns, stream) > (1, 1) AND start_ns < 9 AND stream IN (1, 2) ORDER BY start_ns, stream LIMIT 5",
		"SELECT " + columnList + ", packed FROM windows JOIN singletons USING (start_ns, stream) WHERE (start_ns, stream) > (1, 1) AND start_ns < 9 ORDER BY start_ns, stream LIMIT 5",
		"SELECT start_ns, stream FROM windows WHERE start_ns < 5 ORDER BY start_ns, stream LIMIT 1",
		"SELECT start_ns, stream FROM singletons WHERE start_ns < 5 ORDER BY start_ns, stream LIMIT 5",
		"SELECT DISTINCT bucket_ns FROM hours WHERE bucket_ns >= 1 AND bucket_ns < 9 ORDER BY bucket_ns LIMIT 5",
		"SELECT id, " + columnList + " FROM windows WHERE id >= 1 AND id <= 9 ORDER BY id DESC LIMIT 5",
		throughputsAfter + " AND stream IN (1, 2) ORDER BY start_ns, stream LIMIT 5",
		rangesWithin, rangeBefore, rangeAfter, firstWaiting, hoursDue,
		recordsWaiting + " ORDER BY p.id DESC LIMIT 5",
		windowEnds,
	} {
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, 1, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			indexed := strings.Contains(detail, "USING INDEX pending_records") // in its order
			if detail == "SCAN CONSTANT ROW" {
				continue // of a select without a table, around others
			}
			if detail[:4] == "SCAN" && !indexed || detail[:4] == "USE " {
				t.Errorf("%s\nis answered by %s", text, detail)
			}
		}
		rows.Close()
	}
}

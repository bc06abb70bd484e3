package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"perigee"
)

// applicationID marks a file as ours in SQLite's header ("PRGE").
const applicationID = 0x50524745

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the layout. Steps are numbered from 1 without a break, and
// one that was released never changes.
type migration struct {
	version int
	script  string
}

// migrations returns all steps in order.
var migrations = mustLoad(migrationFiles)

func mustLoad(files fs.FS) []migration {
	names, err := fs.Glob(files, "migrations/*.sql") // in lexical order
	if err != nil {
		panic(err) // only for a malformed pattern
	}
	var steps []migration
	for i, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			panic(fmt.Sprintf("migration %s: want number %04d", name, i+1))
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is embedded
		}
		steps = append(steps, migration{version: version, script: string(script)})
	}
	return steps
}

// migrate brings the file to the last step, each step in a transaction of its own
// together with its number, so that a crash leaves a whole version.
func migrate(ctx context.Context, conn *sql.Conn, file string, steps []migration) error {
	version, err := checkVersion(ctx, conn, file, len(steps))
	if err != nil {
		return err
	}
	for _, step := range steps[version:] {
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s;\nPRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", step.script, applicationID, step.version)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			return fail(file, fmt.Sprintf("bring the layout to version %d", step.version), err)
		}
	}
	return nil
}

// layout returns what the migrations make, by kind and name.
var layout = sync.OnceValues(func() (map[string]string, error) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := migrate(ctx, conn, ":memory:", migrations); err != nil {
		return nil, err
	}
	return readLayout(ctx, conn)
})

// readLayout returns the text of each table, index and trigger of a file.
func readLayout(ctx context.Context, q queryer) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, "SELECT type || ' ' || name, coalesce(sql, '') || ' on ' || tbl_name FROM sqlite_schema")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	texts := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, rows.Err()
}

// sameLayout says what of a file's layout is not as the migrations made it: SQLite takes a
// table whose description is damaged as it says. What somebody added is no matter.
func sameLayout(ctx context.Context, q queryer) error {
	want, err := layout()
	if err != nil {
		return err
	}
	texts, err := readLayout(ctx, q)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if texts[name] != want[name] {
			return errUnsound{fmt.Sprintf("the description of %s in it is not what it was", name)}
		}
	}
	return nil
}

// checkVersion returns the layout's version, 0 for a file without tables, and refuses
// a file of another program or of a later perigee.
func checkVersion(ctx context.Context, conn *sql.Conn, file string, newest int) (int, error) {
	var application, version, tables int
	err := conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&application, &version, &tables)
	if err != nil {
		return 0, fail(file, "read the layout's version", err)
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("store %s: this SQLite file belongs to another program: give another path", file)}
	case version > newest:
		return 0, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(
			"store %s: layout version %d was written by a later perigee, this one knows up to %d: update perigee", file, version, newest)}
	}
	return version, nil
}

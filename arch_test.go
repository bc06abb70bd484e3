package perigee_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is this module's path.
const module = "perigee"

// A room is a package and what its code (not its tests) may import beside the
// standard library. The reason is printed when the rule is broken.
type room struct {
	dir     string // relative to the module's root; "/..." covers what lies below
	imports []string
	reason  string
}

// rooms is the plan of the house. A package that is not on it fails the test: give
// it a room first.
var rooms = []room{
	{".", []string{"perigee/stats"},
		"the root is the domain: whoever reads it must not need to know a database, a socket or a wire format"},
	{"stats", []string{"github.com/DataDog/sketches-go/..."},
		"statistics must be checkable on paper: numbers in, numbers out"},
	{"probes", []string{"perigee", "perigee/stats"},
		"the run loop knows what a prober promises, not how one works, and nothing of storage"},
	{"probes/bind", []string{"golang.org/x/sys/..."},
		"binding is the one place where a packet's way out is decided: it stays small enough to audit"},
	{"probes/bind/bindtest", []string{"github.com/vishvananda/netlink/...", "github.com/vishvananda/netns/...", "golang.org/x/sys/..."},
		"test support for binding alone"},
	{"probes/icmp", []string{"perigee", "perigee/probes/bind", "golang.org/x/net/..."},
		"a method is a codec, a table and one socket; schedule and storage are not its business"},
	{"probes/transfer", []string{"perigee", "perigee/stats", "perigee/probes/bind", "perigee/probes/transfer/arrival", "perigee/probes/transfer/wire"},
		"a transfer is a plan, a client and what follows from its counts; schedule and storage are not its business"},
	{"probes/transfer/wire", nil,
		"both ends of a transfer must speak the same bytes, and neither must be needed to read them"},
	{"probes/transfer/arrival", []string{"perigee/probes/bind"},
		"both receivers must tell in the same way when payload arrived"},
	{"probes/transfer/farend", []string{"perigee/probes/bind", "perigee/probes/transfer/arrival", "perigee/probes/transfer/wire"},
		"the far end runs on a server that knows nothing of links, stores or results"},
	{"probes/ookla", []string{"perigee", "perigee/stats", "perigee/probes/bind", "github.com/showwin/speedtest-go/..."},
		"the library behind it shares state with its process: nothing else may depend on it"},
	{"storage", []string{"perigee"},
		"policy for keeping results must hold for every store"},
	{"storage/sqlite", []string{"perigee", "perigee/stats", "modernc.org/sqlite/..."},
		"stores do not know each other, or one could not replace another"},
	{"storage/influx", []string{"perigee", "perigee/stats", "github.com/influxdata/influxdb-client-go/v2/..."},
		"stores do not know each other, or one could not replace another"},
	{"storage/influx/influxtest", nil,
		"test support that starts a real server must not depend on what is tested against it"},
	{"storage/storagetest", []string{"perigee", "perigee/stats"},
		"the conformance suite may know only the contract"},
	{"storage/traces", []string{"perigee", "perigee/stats"},
		"formats are read and written without a store at hand"},
	{"api/access", []string{"perigee"},
		"who may ask is decided by files, clocks and counts alone, so that it can be read in an hour"},
	{"api/access/accesstest", nil,
		"test support for access alone"},
	{"api", []string{"perigee", "perigee/stats", "perigee/api/access", "perigee/dashboards", "github.com/go-chi/chi/v5/...", "github.com/danielgtaylor/huma/v2/...", "github.com/prometheus/..."},
		"the API answers from the Store contract, so that it serves any store"},
	{"api/client", []string{"perigee", "perigee/api"},
		"a client of the API needs nothing but its wire types"},
	{"dashboards", nil,
		"the page is files"},
	{"dashboards/grafana", []string{"perigee", "github.com/grafana/grafana-foundation-sdk/go/...", "github.com/goccy/go-yaml/..."},
		"a generator of files shows metrics of the catalogue; how they get into a database is told by docs/influx.md"},
	{"dashboards/grafana/generate", []string{"perigee/dashboards/grafana"},
		"it writes files and knows nothing of what is in them"},
	{"dashboards/webtest", nil,
		"test support that looks at the page must not depend on what it looks at"},
	{"internal/clock", []string{"perigee", "golang.org/x/sys/..."},
		"the system's clocks are read in one place, or a test could not step them"},
	{"internal/evidence", nil,
		"whoever doubts a report must be able to read all that checks its evidence"},
	{"internal/config", []string{"perigee", "github.com/goccy/go-yaml/..."},
		"packages take plain option structs and do not know that a file exists"},
	{"internal/fleet", []string{"perigee", "perigee/stats", "perigee/internal/lab"},
		"simulated homes are made from the lab's models, without packets"},
	{"internal/report", []string{"perigee", "perigee/stats"},
		"a document shows results; where they come from is not its business"},
	{"internal/lab", []string{"golang.org/x/sys/...", "github.com/vishvananda/netlink/...", "github.com/vishvananda/netns/..."},
		"the lab is an independent witness: it must share no code with what it judges"},
	{"internal/lab/labtest", []string{"perigee/internal/lab"},
		"test support for the lab alone"},
	{"cmd/...", []string{"..."},
		"the command wires everything"},
}

// only names packages that just one room's code may import.
var only = []struct{ pkg, by, reason string }{
	{"perigee/internal/config", "cmd/perigee", "packages take plain option structs; only the command reads files"},
	{"perigee/internal/lab/labtest", "", "test helpers are imported from tests only"},
	{"perigee/storage/storagetest", "", "test helpers are imported from tests only"},
	{"perigee/storage/influx/influxtest", "", "test helpers are imported from tests only"},
	{"perigee/probes/bind/bindtest", "", "test helpers are imported from tests only"},
	{"perigee/dashboards/grafana", "dashboards/grafana/generate", "the generator must not be in the command: it is as large as all of it"},
	{"perigee/dashboards/webtest", "", "test helpers are imported from tests only"},
	{"perigee/api/access/accesstest", "", "test helpers are imported from tests only"},
	{"testing", "api/access/accesstest dashboards/webtest internal/lab/labtest probes/bind/bindtest storage/storagetest storage/influx/influxtest", "testing belongs to tests and their helpers"},
}

// pure lists the rooms that do no I/O, and the standard packages they may not import.
var pure = []string{".", "stats"}
var impure = []string{"os", "os/...", "net", "net/http/...", "io/fs", "io/ioutil", "database/...", "syscall", "log", "log/...", "path/filepath", "embed", "flag", "testing/..."}

// sourceFile is one parsed Go file of the module.
type sourceFile struct {
	path string // slash-separated, relative to the root
	dir  string
	test bool
	ast  *ast.File
}

// parsed is the module's source, read once for all tests.
var parsed = sync.OnceValues(func() (files []sourceFile, err error) {
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		slash := filepath.ToSlash(name)
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{slash, path.Dir(slash), strings.HasSuffix(slash, "_test.go"), tree})
		return nil
	})
	return files, err
})

func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	files, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d Go files; the test does not see the module", len(files))
	}
	return files
}

func (f sourceFile) imports(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, spec := range f.ast.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		all = append(all, name)
	}
	return all
}

// matches reports whether pkg is pattern, or lies under it if it ends in "/...".
func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == tree || strings.HasPrefix(pkg, tree+"/")
	}
	return pkg == pattern
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// standard reports whether pkg is of the standard library: its first element has no
// dot and is not this module.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return first != module && !strings.Contains(first, ".")
}

func TestImportsFollowTheHouse(t *testing.T) {
	for _, f := range sourceFiles(t) {
		i := slices.IndexFunc(rooms, func(r room) bool { return matches(r.dir, f.dir) })
		if i < 0 {
			t.Errorf("%s: package %s has no room in the plan of the house (rooms in arch_test.go)", f.path, f.dir)
			continue
		}
		if f.test {
			continue
		}
		r := rooms[i]
		for _, pkg := range f.imports(t) {
			if !standard(pkg) && !matchesAny(r.imports, pkg) {
				t.Errorf("%s imports %s, which %s may not: %s", f.path, pkg, f.dir, r.reason)
			}
			if slices.Contains(pure, r.dir) && matchesAny(impure, pkg) {
				t.Errorf("%s imports %s: %s does no I/O: %s", f.path, pkg, f.dir, r.reason)
			}
			for _, o := range only {
				if o.pkg == pkg && !slices.Contains(strings.Fields(o.by), f.dir) {
					t.Errorf("%s imports %s: %s", f.path, pkg, o.reason)
				}
			}
		}
	}
}

func TestDomainHasNoStructTags(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.test || !slices.Contains(pure, f.dir) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				t.Errorf("%s: struct tag %s: wire formats belong to api, storage and config", f.path, field.Tag.Value)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sourceFiles(t) {
		if f.test {
			continue
		}
		documented[f.dir] = documented[f.dir] || len(f.ast.Doc.Text()) > 0
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no package comment", dir)
		}
	}
}

// TestNoTestSleeps keeps tests independent of the machine's speed: a sleep is
// allowed only in packages whose tests simulate time.
func TestNoTestSleeps(t *testing.T) {
	files := sourceFiles(t)
	simulated := map[string]bool{}
	for _, f := range files {
		simulated[f.dir] = simulated[f.dir] || f.test && slices.Contains(f.imports(t), "testing/synctest")
	}
	for _, f := range files {
		if !f.test || simulated[f.dir] {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
					t.Errorf("%s: time.Sleep outside a synctest bubble; wait for the event itself", f.path)
				}
			}
			return true
		})
	}
}

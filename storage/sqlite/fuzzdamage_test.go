package sqlite_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// fuzzBases are the stores that FuzzDamagedStore damages: one of each layout that there
// ever was, and one as a kill leaves it, its log full.
func fuzzBases(t testing.TB) (bases []map[string][]byte) {
	t.Helper()
	old, err := filepath.Glob("testdata/version*.sqlite.gz")
	if err != nil || len(old) < 4 {
		t.Fatal(old, err)
	}
	slices.Sort(old)
	for _, name := range old {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err := errors.Join(err, z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		bases = append(bases, map[string][]byte{"": b})
	}
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := healing(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	fillForDamage(t, store, 100)
	last := map[string][]byte{}
	for _, suffix := range []string{"", "-wal", "-shm", ".spare"} {
		if last[suffix], err = os.ReadFile(path + suffix); err != nil && suffix != ".spare" {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return append(bases, last)
}

// FuzzDamagedStore damages a store at some places and opens it as the daemon does. There
// must be a store that works, or an error with a remedy, soon and without a panic; what was
// not a store must not be renamed.
//
// Each 5 bytes of damage are one: which file, where (two bytes, of 65536 parts of it), what
// (0 cuts it there, 1 to 3 fill a page, half a page or a sector with the last byte, others
// change one byte).
func FuzzDamagedStore(f *testing.F) {
	bases := fuzzBases(f)
	for base := range bases {
		f.Add(byte(base), []byte{})
		f.Add(byte(base), []byte{0, 0, 0, 1, 0})                                     // the first page
		f.Add(byte(base), []byte{0, 0x80, 0, 0, 0})                                  // cut
		f.Add(byte(base), []byte{0, 0x40, 0, 2, 0xaa, 1, 0x80, 0, 3, 0x55})          // file and log
		f.Add(byte(base), []byte{1, 0x60, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0})    // log cut, no index, no spare
		f.Add(byte(base), []byte{0, 0, 100, 9, 5, 0, 0, 5, 7, 255, 0, 0, 28, 11, 9}) // header's fields
	}
	f.Fuzz(func(t *testing.T, base byte, damage []byte) {
		if len(damage) <= 200 {
			openDamaged(t, bases[int(base)%len(bases)], damage)
		}
	})
}

// Damage at random, far more of it than the fuzzer gets to, which has to watch SQLite at
// every step. PERIGEE_LONG=1 has a hundred times as much.
func TestDamageAtRandom(t *testing.T) {
	bases, tries := fuzzBases(t), 20
	if os.Getenv("PERIGEE_LONG") != "" {
		tries *= 100
	}
	random := rand.New(rand.NewPCG(20, 26))
	for try := range tries {
		damage := make([]byte, 5*(1+random.IntN(4)))
		for i := range damage {
			damage[i] = byte(random.Uint32())
			if i%5 == 3 {
				damage[i] %= 8 // cut and filled as often as changed
			}
		}
		base := random.IntN(len(bases))
		if !t.Run(fmt.Sprintf("%d_%d_%x", try, base, damage), func(t *testing.T) { openDamaged(t, bases[base], damage) }) {
			return
		}
	}
}

// openDamaged opens a store that is damaged as FuzzDamagedStore tells.
func openDamaged(t *testing.T, base map[string][]byte, damage []byte) {
	files := map[string][]byte{}
	for suffix, b := range base {
		files[suffix] = slices.Clone(b)
	}
	for ; len(damage) >= 5; damage = damage[5:] {
		suffix := []string{"", "-wal", "-shm", ".spare"}[damage[0]%4]
		files[suffix] = spoiled(files[suffix], int(damage[1])<<8|int(damage[2]), damage[3], damage[4])
	}
	path := filepath.Join(t.TempDir(), "perigee.db")
	for suffix, b := range files {
		if len(b) > 0 || suffix == "" {
			if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	openSpoiled(t, path)
}

// spoiled returns b damaged at one place.
func spoiled(b []byte, part int, what, with byte) []byte {
	if len(b) == 0 {
		return b
	}
	at := len(b) * part / 65536
	fill := func(length int) {
		from := at / length * length
		for i := from; i < min(from+length, len(b)); i++ {
			b[i] = with
		}
	}
	switch what {
	case 0:
		return b[:at]
	case 1:
		fill(sheetSize)
	case 2:
		fill(sheetSize / 2)
	case 3:
		fill(512)
	default:
		b[at] ^= what ^ with
	}
	return b
}

// openSpoiled opens what may be damaged in any way, and uses it.
func openSpoiled(t *testing.T, path string) {
	before := listing(t, filepath.Dir(path))
	var store *sqlite.Store
	var err error
	for range 3 { // as the daemon does where damage is met on the way
		if store, err = healing(path, nil); err != nil {
			break
		}
		if _, err = store.Links(t.Context()); err == nil {
			_, _, err = store.Begin(t.Context(), healTime)
		}
		if !sqlite.Damaged(err) {
			break
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		store = nil
	}
	if err != nil {
		e, ok := errors.AsType[*perigee.Error](err)
		if !ok || e.Message == "" {
			t.Fatalf("the error is %v", err)
		}
		if store == nil && perigee.CodeOf(err) == perigee.CodeInvalid && strings.Contains(err.Error(), "never was a store") && listing(t, filepath.Dir(path)) != before {
			t.Errorf("it was never a store, and now there is\n%s", listing(t, filepath.Dir(path)))
		}
	}
	if store == nil {
		return
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	g := storagetest.NewGenerator(1)
	s := g.Sample(damageStreams[0], healTime.Add(time.Hour))
	taken := false
	for range 3 {
		err := store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{s}})
		if taken = err == nil; taken {
			break
		}
		if perigee.CodeOf(err) == perigee.CodeInvalid {
			t.Fatalf("results are refused: %v", err)
		}
	}
	provoke(t, store, 0)
	if !taken {
		t.Error("results are not taken")
	}
}

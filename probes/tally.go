package probes

// tally counts causes. It keeps a bounded number of different ones, so that texts with
// changing parts cannot grow it. The zero value is empty.
type tally struct {
	entries []tallied
}

type tallied struct {
	cause string
	n     int
}

// tallyLimit is how many different causes are kept; later ones are not counted.
const tallyLimit = 16

func (t *tally) add(cause string) {
	for i := range t.entries {
		if t.entries[i].cause == cause {
			t.entries[i].n++
			return
		}
	}
	if len(t.entries) < tallyLimit {
		t.entries = append(t.entries, tallied{cause, 1})
	}
}

// commonest returns the cause counted most and how often, of equals the first seen; ""
// if there is none.
func (t *tally) commonest() (string, int) {
	var best tallied
	for _, e := range t.entries {
		if e.n > best.n {
			best = e
		}
	}
	return best.cause, best.n
}

func (t *tally) reset() { t.entries = t.entries[:0] }

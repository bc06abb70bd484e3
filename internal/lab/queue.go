package lab

// packet is one packet on its way. Packets are reused.
type packet struct {
	record Record
	copies int // still to be written
	n      int
	data   [MTU]byte
}

// flight is one packet copy on its way, due at a time on mono.
type flight struct {
	due   int64
	order uint64 // of those due at the same time, the one planned first goes first
	p     *packet
}

func (f flight) before(g flight) bool {
	return f.due < g.due || f.due == g.due && f.order < g.order
}

// flights is a binary heap, the earliest first. It is not container/heap because that
// allocates for every element.
type flights []flight

func (h *flights) push(f flight) {
	*h = append(*h, f)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !s[i].before(s[parent]) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

// pop removes and returns the earliest; the heap must not be empty.
func (h *flights) pop() flight {
	s := *h
	top, n := s[0], len(s)-1
	s[0], s[n] = s[n], flight{}
	s = s[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if s[child].before(s[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
	*h = s
	return top
}

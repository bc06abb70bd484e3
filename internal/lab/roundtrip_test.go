package lab

import (
	"slices"
	"testing"
	"time"
)

func TestRoundTrips(t *testing.T) {
	const msec = time.Millisecond
	twice := func(r Record) Record { r.Copies = 2; return r }
	for _, c := range []struct {
		name    string
		records []Record
		fates   []Fate
		ways    []Way
		rtts    []time.Duration // of those delivered
		replies []int
		reorder []bool
	}{
		{
			// 10 ms up, 1 ms at the far host, 20 ms down.
			name:    "there_and_back",
			records: []Record{echoRecord(Up, 1, 0, Delivered, 10*msec), echoRecord(Down, 1, 11*msec, Delivered, 20*msec)},
			fates:   []Fate{Delivered}, ways: []Way{0}, rtts: []time.Duration{31 * msec}, replies: []int{1}, reorder: []bool{false},
		},
		{
			name: "lost_on_either_way",
			records: []Record{
				echoRecord(Up, 1, 0, LostBurst, 0),
				echoRecord(Up, 2, 100*msec, Delivered, 10*msec), echoRecord(Down, 2, 110*msec, LostEdge, 0),
				echoRecord(Up, 3, 200*msec, Delivered, 10*msec),
			},
			fates: []Fate{LostBurst, LostEdge, InFlight}, ways: []Way{Up, Down, Down}, rtts: make([]time.Duration, 3), replies: make([]int, 3), reorder: make([]bool, 3),
		},
		{
			// The request came twice and so was answered twice; the first
			// answer is lost, the second comes twice.
			name: "duplicates",
			records: []Record{
				twice(echoRecord(Up, 1, 0, Delivered, 10*msec)),
				echoRecord(Down, 1, 10*msec, LostRandom, 0), twice(echoRecord(Down, 1, 11*msec, Delivered, 20*msec)),
			},
			fates: []Fate{Delivered}, ways: []Way{0}, rtts: []time.Duration{31 * msec}, replies: []int{2}, reorder: []bool{false},
		},
		{
			name: "the_second_reply_was_the_first_to_come",
			records: []Record{
				twice(echoRecord(Up, 1, 0, Delivered, 10*msec)),
				echoRecord(Down, 1, 10*msec, Delivered, 90*msec), echoRecord(Down, 1, 11*msec, Delivered, 20*msec),
			},
			fates: []Fate{Delivered}, ways: []Way{0}, rtts: []time.Duration{31 * msec}, replies: []int{2}, reorder: []bool{false},
		},
		{
			// Records stand in the order in which fates were decided.
			name: "overtaken",
			records: []Record{
				echoRecord(Up, 2, 5*msec, Delivered, 10*msec), echoRecord(Down, 2, 15*msec, Delivered, 10*msec),
				echoRecord(Up, 1, 0, Delivered, 50*msec), echoRecord(Down, 1, 50*msec, Delivered, 10*msec),
			},
			fates: []Fate{Delivered, Delivered}, ways: []Way{0, 0}, rtts: []time.Duration{60 * msec, 20 * msec}, replies: []int{1, 1}, reorder: []bool{true, false},
		},
		{
			name: "sequence_number_used_again",
			records: []Record{
				echoRecord(Up, 1, 0, Delivered, 10*msec), echoRecord(Down, 1, 10*msec, Delivered, 10*msec),
				echoRecord(Up, 1, time.Hour, Delivered, 10*msec), echoRecord(Down, 1, time.Hour+10*msec, Delivered, 30*msec),
			},
			fates: []Fate{Delivered, Delivered}, ways: []Way{0, 0}, rtts: []time.Duration{20 * msec, 40 * msec}, replies: []int{1, 1}, reorder: []bool{false, false},
		},
		{
			name:    "a_reply_without_request",
			records: []Record{echoRecord(Down, 1, 0, Delivered, 10*msec)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var fates []Fate
			var ways []Way
			var rtts []time.Duration
			var replies []int
			var reorder []bool
			for _, trip := range RoundTrips(c.records) {
				fates, ways, rtts = append(fates, trip.Fate), append(ways, trip.Way), append(rtts, trip.RTT)
				replies, reorder = append(replies, trip.Replies), append(reorder, trip.Reordered)
			}
			if !slices.Equal(fates, c.fates) || !slices.Equal(ways, c.ways) {
				t.Errorf("fates %v %v, want %v %v", fates, ways, c.fates, c.ways)
			}
			if !slices.Equal(rtts, c.rtts) || !slices.Equal(replies, c.replies) || !slices.Equal(reorder, c.reorder) {
				t.Errorf("RTTs %v replies %v reordered %v, want %v %v %v", rtts, replies, reorder, c.rtts, c.replies, c.reorder)
			}
		})
	}
}

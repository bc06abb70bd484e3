package perigee

import "fmt"

// SuspectPEP tells whether a proxy seems to split connections (RFC 3135): TCP connected in
// less than half of what the fastest probe took to the same target and back. No packet can.
// It reports false for known if the time to connect or the round trip was not measured.
func (t Throughput) SuspectPEP() (suspected, known bool) {
	if t.Connect.TCP <= 0 || t.Idle.Received == 0 {
		return false, false
	}
	return t.Connect.TCP.Seconds() < t.Idle.Min/2, true
}

// pepFigures says what made a proxy suspected.
func pepFigures(t Throughput) string {
	return fmt.Sprintf("TCP connects in %.0f ms where no probe takes less than %.0f ms", t.Connect.TCP.Seconds()*1000, t.Idle.Min*1000)
}

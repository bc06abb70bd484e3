package traces_test

import (
	"fmt"
	"strings"

	"perigee/storage/traces"
)

func ExampleSamples() {
	trace := `time,seq,rtt
1700000000.0,0,0.040
1700000001.0,1,0.042
1700000003.0,3,0.044
1700000011.0,11,0.041
`
	for s, err := range traces.Samples(strings.NewReader(trace), traces.FormatCSV, traces.Options{Link: "dish"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.Start.Format("15:04:05"), s.Counts.Sent, "sent,", s.Counts.Lost, "lost")
	}
	// Output:
	// 22:13:20 10 sent, 7 lost
	// 22:13:30 2 sent, 1 lost
}

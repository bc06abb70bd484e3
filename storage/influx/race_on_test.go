//go:build race

package influx_test

// raced tells that the race detector is in the program, which makes it ten times slower:
// tests whose work is proportional to what is stored, and whose goroutines are not, store less.
const raced = true

//go:build !race

package influx_test

// raced tells that the race detector is in the program.
const raced = false

//go:build !race

package api

// raced tells that the race detector is in the program.
const raced = false

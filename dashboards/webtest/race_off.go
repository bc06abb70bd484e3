//go:build !race

package webtest

// raced tells whether the race detector is in this program.
const raced = false

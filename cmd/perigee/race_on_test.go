//go:build race

package main

// raced tells that the race detector is in the program, which makes it several times
// slower: quantiles measured with it are not the program's own.
const raced = true

// Package storagetest holds what every perigee.Store is tested with: the conformance
// suite that each implementation must pass (RunStore), generators of realistic
// results (Generator), and a store in memory (Memory) that passes the suite itself
// and stands in for a real one in other packages' tests.
//
// It is imported by tests alone.
package storagetest

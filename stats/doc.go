// Package stats holds the statistics of link behaviour: quantile sketches,
// delay variation, loss runs and the comparison of two links.
//
// All quantities are float64 in base units (seconds, ratios). Nothing here does
// I/O, reads a clock or seeds its own randomness: the caller passes time
// differences and a random source, so the same question gives the same answer.
//
// Undefined values are reported as (value, false), never as 0, NaN or a maximum.
package stats

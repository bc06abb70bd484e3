// Package config turns a YAML file into plain options: it owns the file's grammar,
// the defaults, the bounds and the words of every error about them. What the options
// do is the business of the packages they are given to; this package neither opens
// sockets nor creates anything, and reads no file but the configuration and the system's
// database of time zones.
//
// A file is read in three steps, each in its own files:
//
//	bytes  -> tree   syntax.go            YAML itself, with limits on size and nesting
//	tree   -> raw    raw.go, bind.go      which keys there are and what shape they have
//	raw    -> Config site.go, link.go, …  what values mean, bounds, and what fits together
//
// Every fault of the second and third step is found in one reading and reported with
// file, line, column, the path of the field, what is wrong, and what to do, like a
// compiler does. Keys that are valid but that this version does nothing with are
// reported as warnings, so nothing is ignored in silence.
//
// Secrets are never in the file, only the names of files that hold them. Those are
// checked (present, readable by nobody else) and not read, and a value at a place
// where a secret may have been written by mistake is not repeated in any message.
//
// Durations are time.Duration. Nothing here is for concurrent use, but a Config, once
// returned, is only read.
package config

// Package access decides who may ask the API, and with what: tokens and the file they
// stand in, the sessions that the page has of them, certificates, and how many
// connections and requests one asker may have. It knows no path and no operation.
//
// Tokens are bearer secrets of 256 random bits. The file holds their SHA-256 hashes and
// never the tokens; docs/access.md has its layout, and says why a plain hash suffices.
// Files are read again when they change; one that cannot be used leaves in force what
// was read before, and says so.
//
// Times are wall times, rates are events a second. Everything exported is safe for
// concurrent use, and everything that is kept about askers is bounded.
package access

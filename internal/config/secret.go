package config

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// secretFile checks the name of a file that holds a secret. The name is repeated in no
// message, because it may be the secret itself, written at the wrong place. Files are
// read by those who need what is in them, so one that is missing is a warning only; one
// that everybody can read is an error all the same. It returns the name.
func (r *reader) secretFile(v value) string {
	path, ok := r.text(v)
	if !ok {
		return ""
	}
	if !filepath.IsAbs(path) {
		r.problem(v.at, v.path, "is not a path from the root; write the secret into a file that only perigee can read and name that, such as /etc/perigee/secret")
		return ""
	}
	if r.stat == nil {
		return path
	}
	info, err := r.stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.warning(v.key, v.path, "there is no such file; create it, readable by its owner only (chmod 600), or remove the key")
	case err != nil:
		r.warning(v.key, v.path, "the file cannot be looked at; check that perigee may enter its directory")
	case !info.Mode().IsRegular():
		r.problem(v.at, v.path, "is not a file; name the file that holds the secret")
	case info.Mode().Perm()&0o004 != 0:
		r.problem(v.at, v.path, "everybody on this machine can read the file; run \"chmod o-rwx\" on it, or better \"chmod 600\"")
	case info.Mode().Perm()&0o002 != 0:
		r.problem(v.at, v.path, "everybody on this machine can write the file; run \"chmod o-rwx\" on it, or better \"chmod 600\"")
	}
	return path
}

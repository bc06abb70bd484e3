package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"perigee"
)

// Add makes a token of the given name and scope that is good until expires, for ever if
// that is zero, and writes it into the file at path, which is made if it is not there.
// text is the token itself, which is kept nowhere. It fails with CodeInvalid for a name
// that stands there already, and else as Read does.
func Add(path, name string, scope Scope, now, expires time.Time) (t Token, text string, err error) {
	if err := CheckName(name); err != nil {
		return t, "", err
	}
	if !slices.Contains(Scopes, scope) {
		return t, "", &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("scope %q is neither read nor probe", string(scope))}
	}
	if !expires.IsZero() && !now.Before(expires) {
		return t, "", &perigee.Error{Code: perigee.CodeInvalid, Message: "the token would have expired already"}
	}
	err = edit(path, true, func(tokens []Token) ([]Token, error) {
		if slices.ContainsFunc(tokens, func(o Token) bool { return o.Name == name }) {
			return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("a token is named %s already; choose another name, or revoke that one first", name)}
		}
		if len(tokens) == maxTokens {
			return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("there are %d tokens, which is as many as a file holds; revoke some", maxTokens)}
		}
		for t.ID == "" || slices.ContainsFunc(tokens, func(o Token) bool { return o.ID == t.ID }) {
			t, text = newToken(name, scope, now, expires)
		}
		return append(tokens, t), nil
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, text, nil
}

// Revoke takes the token with the given id or name out of the file at path, and returns
// it. It fails with CodeNotFound if there is none, and else as Read does.
func Revoke(path, idOrName string) (revoked Token, err error) {
	err = edit(path, false, func(tokens []Token) ([]Token, error) {
		i := slices.IndexFunc(tokens, func(t Token) bool { return t.ID == idOrName })
		if i < 0 {
			i = slices.IndexFunc(tokens, func(t Token) bool { return t.Name == idOrName })
		}
		if i < 0 {
			return nil, &perigee.Error{Code: perigee.CodeNotFound, Message: "there is no such token; perigee token list shows their ids and names"}
		}
		revoked = tokens[i]
		return slices.Delete(tokens, i, i+1), nil
	})
	return revoked, err
}

// edit changes the file at path, one process at a time. Readers see the old file or the
// new one, whole.
func edit(path string, create bool, change func([]Token) ([]Token, error)) error {
	unlock, err := lock(path + ".lock")
	if err != nil {
		return unusable(path, err)
	}
	defer unlock()
	tokens, info, err := read(path)
	if err != nil && (!create || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if tokens, err = change(tokens); err != nil {
		return err
	}
	if err := replace(path, info, format(tokens)); err != nil {
		return unusable(path, err)
	}
	return nil
}

// replace puts content in the place of the file at path, with the owner that old had: the
// monitor's, often, where an administrator changes it.
func replace(path string, old fs.FileInfo, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".perigee-tokens-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if old != nil {
		if err = keepOwner(f, old); err != nil {
			return err
		}
	}
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

package main

import (
	"fmt"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/access"
	"perigee/internal/config"
)

// tokenCommand groups what can be done with the tokens that the API asks for.
type tokenCommand struct {
	Add    tokenAddCommand    `cmd:"" help:"Make a token and show it, this once."`
	List   tokenListCommand   `cmd:"" help:"List the tokens, without their secrets, which are stored nowhere."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a token. The monitor refuses it within a second or two, without a restart."`
}

// tokensFlags name the file that the tokens stand in.
type tokensFlags struct {
	configFlag `embed:""`
	Tokens     string `placeholder:"FILE" help:"File of the tokens. Default: api.tokens_file of the configuration."`
}

// path returns the name of the file.
func (f tokensFlags) path() (string, error) {
	if f.Tokens != "" {
		return f.Tokens, nil
	}
	file, err := f.find()
	if err != nil {
		return "", err
	}
	if file == "" {
		return "", &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("no configuration found in %v; name the file of the tokens: --tokens FILE", configPlaces)}
	}
	settings, err := config.LoadAPI(file)
	if err != nil {
		return "", err
	}
	if settings.TokensFile == "" {
		return "", &perigee.Error{Code: perigee.CodeInvalid,
			Message: fmt.Sprintf("%s names no file of tokens; add api: {tokens_file: /etc/perigee/tokens} to it, or name one with --tokens", file)}
	}
	return settings.TokensFile, nil
}

// tokenJSON is a token as --json prints it.
type tokenJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scope   string     `json:"scope"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires"` // null: never
	Expired bool       `json:"expired"`
	Token   string     `json:"token,omitempty"` // of a new one alone
}

func newTokenJSON(t access.Token, now time.Time) tokenJSON {
	j := tokenJSON{ID: t.ID, Name: t.Name, Scope: string(t.Scope), Created: t.Created, Expired: t.Expired(now)}
	if !t.Expires.IsZero() {
		j.Expires = &t.Expires
	}
	return j
}

// tokenAddCommand makes a token.
type tokenAddCommand struct {
	Name string `arg:"" help:"Whose it is, such as grafana or ann@laptop."`
	tokensFlags
	Scope   string `enum:"read,probe" default:"read" help:"What it is good for: read answers; probe also starts measurements, and resends what waits for InfluxDB."`
	Expires string `placeholder:"90d" help:"How long it is good for. Default: until it is revoked."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c tokenAddCommand) Run(s streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	now := time.Now()
	var expires time.Time
	if c.Expires != "" {
		d, ok := api.ParseDuration(c.Expires)
		if !ok || d < time.Minute {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--expires %q is not a duration of a minute or more, such as 12h or 90d", c.Expires)}
		}
		expires = now.Add(d)
	}
	t, text, err := access.Add(path, c.Name, access.Scope(c.Scope), now, expires)
	if err != nil {
		return err
	}
	if c.JSON {
		j := newTokenJSON(t, now)
		j.Token = text
		return writeJSON(s.out, j)
	}
	s.notef("perigee: token %s for %s, scope %s, %s, is in %s as a hash; this is the only time that it is shown:", t.ID, t.Name, t.Scope, expiryText(t, now), path)
	_, err = fmt.Fprintln(s.out, text)
	return err
}

// tokenListCommand lists the tokens.
type tokenListCommand struct {
	tokensFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c tokenListCommand) Run(s streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	tokens, err := access.Read(path)
	if err != nil {
		return err
	}
	now := time.Now()
	if c.JSON {
		list := []tokenJSON{}
		for _, t := range tokens {
			list = append(list, newTokenJSON(t, now))
		}
		return writeJSON(s.out, list)
	}
	if len(tokens) == 0 {
		s.notef("perigee: %s holds no tokens; make one with perigee token add", path)
		return nil
	}
	table := &table{}
	table.add("id", "name", "scope", "created", "good")
	for _, t := range tokens {
		table.add(t.ID, t.Name, string(t.Scope), t.Created.UTC().Format(time.DateOnly), expiryText(t, now))
	}
	return table.write(s.out, 5)
}

// expiryText says until when a token is good.
func expiryText(t access.Token, now time.Time) string {
	switch {
	case t.Expires.IsZero():
		return "until revoked"
	case t.Expired(now):
		return "no more: expired " + t.Expires.Format(time.RFC3339)
	}
	return "until " + t.Expires.Format(time.RFC3339)
}

// tokenRevokeCommand ends a token.
type tokenRevokeCommand struct {
	Token string `arg:"" name:"id|name" help:"Id or name of the token, as perigee token list shows them."`
	tokensFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c tokenRevokeCommand) Run(s streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	t, err := access.Revoke(path, c.Token)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, newTokenJSON(t, time.Now()))
	}
	_, err = fmt.Fprintf(s.out, "token %s of %s is revoked\n", t.ID, t.Name)
	return err
}

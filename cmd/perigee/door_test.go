package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/access"
	"perigee/api/access/accesstest"
	"perigee/internal/config"
	"perigee/storage/storagetest"
)

// TestWhatMayBeReached: other machines reach the API with tokens and TLS, or with the word
// for what is missing.
func TestWhatMayBeReached(t *testing.T) {
	tls := &config.TLS{Certificate: "/c", Key: "/k"}
	for name, c := range map[string]struct {
		api  config.API
		want []string // words that would be needed
	}{
		"loopback":                    {config.API{Listen: "127.0.0.1:0"}, nil},
		"loopback_v6":                 {config.API{Listen: "[::1]:0"}, nil},
		"mapped_loopback":             {config.API{Listen: "[::ffff:127.0.0.1]:0"}, nil},
		"localhost":                   {config.API{Listen: "localhost:0"}, nil},
		"all":                         {config.API{Listen: "0.0.0.0:0"}, []string{"no_tls", "no_tokens"}},
		"all_v6":                      {config.API{Listen: "[::]:0"}, []string{"no_tls", "no_tokens"}},
		"all_unsaid":                  {config.API{Listen: ":0"}, []string{"no_tls", "no_tokens"}},
		"one":                         {config.API{Listen: "192.0.2.1:0"}, []string{"no_tls", "no_tokens"}},
		"tokens_alone":                {config.API{Listen: ":0", TokensFile: "/t"}, []string{"no_tls"}},
		"tls_alone":                   {config.API{Listen: ":0", TLS: tls}, []string{"no_tokens"}},
		"tokens_and_the_other_word":   {config.API{Listen: ":0", TokensFile: "/t", Insecure: []config.Insecurity{config.NoTokens}}, []string{"no_tls"}},
		"tokens_and_tls":              {config.API{Listen: ":0", TokensFile: "/t", TLS: tls}, nil},
		"tokens_and_the_word":         {config.API{Listen: ":0", TokensFile: "/t", Insecure: []config.Insecurity{config.NoTLS}}, nil},
		"neither_and_both_words":      {config.API{Listen: ":0", Insecure: []config.Insecurity{config.NoTLS, config.NoTokens}}, nil},
		"no_address":                  {config.API{Listen: "here"}, []string{"HOST:PORT"}},
		"a_name_may_be_anybodys":      {config.API{Listen: "localhost.example.net:0"}, []string{"no_tls", "no_tokens"}},
		"an_address_like_a_loopbacks": {config.API{Listen: "127.0.0.1.example.net:0"}, []string{"no_tls", "no_tokens"}},
	} {
		if len(c.want) > 0 {
			_, err := listen(t.Context(), c.api)
			if perigee.CodeOf(err) != perigee.CodeInvalid {
				t.Errorf("%s: %v, want a refusal", name, err)
				continue
			}
			for _, word := range []string{"no_tls", "no_tokens", "HOST:PORT"} {
				if strings.Contains(err.Error(), word) != strings.Contains(strings.Join(c.want, " "), word) {
					t.Errorf("%s: %v, want it to speak of %q", name, err, c.want)
				}
			}
		} else if open := c.api.Exposed(c.api.Listen); len(open) > 0 {
			t.Errorf("%s: refused: %q", name, open)
		}
	}
}

// TestCommandsAskTheirOwnMonitor asks a monitor with tokens and a certificate that nobody
// has signed, as perigee budget does.
func TestCommandsAskTheirOwnMonitor(t *testing.T) {
	dir := t.TempDir()
	certificate, key := accesstest.WritePair(t, dir, "monitor", time.Now().Add(time.Hour))
	settings := config.API{Listen: "127.0.0.1:0", TokensFile: filepath.Join(dir, "tokens"), TLS: &config.TLS{Certificate: certificate, Key: key}}
	_, token, err := access.Add(settings.TokensFile, "me", access.ScopeRead, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s := streams{out: &log{}, err: &log{}}
	d, err := openDoor(s, settings)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listen(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- api.ServeTLS(ctx, listener, api.New(answering(s, storagetest.NewMemory(), d)), d.certificates)
	}()
	settings.Listen = listener.Addr().String()
	_, port, _ := net.SplitHostPort(settings.Listen)

	ask := func(settings config.API, token string) error {
		t.Setenv(tokenVariable, token)
		monitor, err := ownMonitor(settings)
		if err != nil {
			return err
		}
		_, err = monitor.Links(t.Context())
		return err
	}
	if err := ask(settings, token); err != nil {
		t.Errorf("with the token: %v", err)
	}
	everywhere := settings
	everywhere.Listen = "0.0.0.0:" + port
	if err := ask(everywhere, token+"\n"); err != nil {
		t.Errorf("of one that listens everywhere: %v", err)
	}
	if err := withTokenAdvice(ask(settings, "")); perigee.CodeOf(err) != perigee.CodeUnauthenticated || exitStatus(err) != exitPermission || !strings.Contains(err.Error(), tokenVariable) {
		t.Errorf("without a token: %v", err)
	}
	other := settings
	otherCertificate, otherKey := accesstest.WritePair(t, t.TempDir(), "another", time.Now().Add(time.Hour))
	other.TLS = &config.TLS{Certificate: otherCertificate, Key: otherKey}
	if err := ask(other, token); perigee.CodeOf(err) != perigee.CodeUnavailable || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("with another certificate configured: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

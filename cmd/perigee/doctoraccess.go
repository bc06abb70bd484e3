package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"perigee/api/access"
	"perigee/internal/config"
)

// soon is how long before the end of a token or a certificate the doctor speaks of it.
const soon = 14 * 24 * time.Hour

// checkTokens makes sure that the file of tokens, if one is configured, can be used, and
// tells which of them end.
func checkTokens(settings config.API, now time.Time) []finding {
	const check = "tokens"
	if settings.TokensFile == "" {
		return nil
	}
	tokens, err := access.Read(settings.TokensFile)
	if err != nil {
		f := failed(check, err)
		if errors.Is(err, fs.ErrNotExist) {
			f.Remedy = "make one, as the user that the daemon runs as: perigee token add NAME"
		}
		return []finding{f}
	}
	good := 0
	var findings []finding
	for _, t := range tokens {
		switch {
		case t.Expired(now):
			findings = append(findings, finding{Check: check, State: stateWarning, Message: fmt.Sprintf("%v expired %s", t, t.Expires.Format(time.RFC3339)), Remedy: "perigee token revoke " + t.ID})
			continue
		case !t.Expires.IsZero() && t.Expired(now.Add(soon)):
			findings = append(findings, finding{Check: check, State: stateWarning, Message: fmt.Sprintf("%v expires %s", t, t.Expires.Format(time.RFC3339)), Remedy: "give who uses it another: perigee token add"})
		}
		good++
	}
	if good == 0 {
		return append(findings, finding{Check: check, State: stateWarning, Message: settings.TokensFile + " holds no token that is good: nobody may ask", Remedy: "perigee token add NAME"})
	}
	return append([]finding{{Check: check, State: stateOK, Message: fmt.Sprintf("%s holds %d that are good", settings.TokensFile, good)}}, findings...)
}

// checkCertificate makes sure that the certificate, if one is configured, fits its key and
// is good for a while, and that others cannot read the key.
func checkCertificate(settings config.API, now time.Time) []finding {
	const check = "certificate"
	if settings.TLS == nil {
		return nil
	}
	pair, err := access.ReadPair(settings.TLS.Certificate, settings.TLS.Key)
	if err != nil {
		return []finding{failed(check, err)}
	}
	f := finding{Check: check, State: stateOK, Message: fmt.Sprintf("%s is good until %s", settings.TLS.Certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))}
	switch {
	case !now.Before(pair.Leaf.NotAfter):
		f.State, f.Message = stateFailed, fmt.Sprintf("%s expired %s", settings.TLS.Certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(pair.Leaf.NotBefore):
		f.State, f.Message = stateFailed, fmt.Sprintf("%s is not good before %s", settings.TLS.Certificate, pair.Leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.Add(soon).After(pair.Leaf.NotAfter):
		f.State = stateWarning
	}
	if f.State != stateOK {
		f.Remedy = "renew it; the monitor reads it again by itself"
	}
	findings := []finding{f}
	if info, err := os.Stat(settings.TLS.Key); err == nil && info.Mode().Perm()&0o070 != 0 {
		findings = append(findings, finding{Check: check, State: stateWarning, Message: fmt.Sprintf("the group of %s may use it: its mode is %04o", settings.TLS.Key, info.Mode().Perm()),
			Remedy: "chmod 600, unless the monitor's user reads it by that group"})
	}
	return findings
}

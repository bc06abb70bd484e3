package main

import (
	"errors"
	"fmt"
	"io/fs"
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

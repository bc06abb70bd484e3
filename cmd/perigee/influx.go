package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/internal/config"
	"perigee/storage/influx"
	"perigee/storage/sqlite"
)

// influxCommand groups what concerns the database that results are forwarded to.
type influxCommand struct {
	Setup  influxSetupCommand  `cmd:"" help:"Make the bucket and, where the server has them, tokens that may only write and only read. May be repeated."`
	Check  influxCheckCommand  `cmd:"" help:"Say in words what keeps results from reaching the database, if anything does."`
	Status influxStatusCommand `cmd:"" help:"How much waits to be forwarded, and what the database refused for good."`
	Resend influxResendCommand `cmd:"" help:"Try what the database refused once more."`
}

// openInflux prepares a client of the configured database. It sends nothing. Fields of o
// that the configuration knows are overwritten.
func openInflux(db config.InfluxDB, o influx.Options) (*influx.Client, error) {
	token, err := readToken(db)
	if err != nil {
		return nil, err
	}
	o.URL, o.Org, o.Bucket, o.Token = db.URL, db.Org, db.Bucket, token
	return influx.Open(o)
}

// readToken returns the secret that the configuration points at; empty if it points at
// none.
func readToken(db config.InfluxDB) (string, error) {
	if db.TokenFile == "" {
		return os.Getenv(config.TokenVariable), nil
	}
	b, err := os.ReadFile(db.TokenFile)
	if err != nil {
		return "", &perigee.Error{Code: perigee.CodeInvalid, Message: "storage.influxdb.token_file", Err: err}
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("storage.influxdb.token_file: %s is empty; write the token into it", db.TokenFile)}
	}
	return token, nil
}

// database returns what the configuration says of the database.
func (f configFlag) database() (config.InfluxDB, error) {
	loaded, err := f.loadServe("name one that has storage.influxdb with --config")
	return loaded.InfluxDB, err
}

// adminVariable names the environment variable that holds an administrator's token.
const adminVariable = "PERIGEE_INFLUXDB_ADMIN_TOKEN"

// influxSetupCommand makes what a new server lacks.
type influxSetupCommand struct {
	configFlag `embed:""`
	AdminToken string `placeholder:"FILE" name:"admin-token-file" type:"path" help:"File with a token that may make buckets (on 1.8 user:password of an administrator). Default: the variable PERIGEE_INFLUXDB_ADMIN_TOKEN."`
	WriteFile  string `placeholder:"FILE" name:"write-token-file" type:"path" help:"Write the token for writing to FILE, readable by its owner alone, instead of showing it."`
	ReadFile   string `placeholder:"FILE" name:"read-token-file" type:"path" help:"Likewise the token for reading."`
	Retention  string `placeholder:"DURATION" default:"0" help:"How long the database keeps results, e.g. 400d; 0 is forever."`
	JSON       bool   `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c influxSetupCommand) Run(ctx context.Context, s streams) error {
	db, err := c.database()
	if err != nil {
		return err
	}
	token := os.Getenv(adminVariable)
	if c.AdminToken != "" {
		if token, err = readToken(config.InfluxDB{TokenFile: c.AdminToken}); err != nil {
			return err
		}
	}
	if token == "" {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "setting up takes an administrator's token: name a file with --admin-token-file, or put it into " + adminVariable}
	}
	var keep time.Duration
	if c.Retention != "0" {
		var ok bool
		if keep, ok = api.ParseDuration(c.Retention); !ok {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--retention %q is not a duration such as 400d, nor 0", c.Retention)}
		}
	}
	client, err := influx.Open(influx.Options{URL: db.URL, Org: db.Org, Bucket: db.Bucket, Token: token})
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.Setup(ctx, influx.SetupOptions{Retention: keep})
	err = errors.Join(err, keepToken(s, c.WriteFile, &result.WriteToken), keepToken(s, c.ReadFile, &result.ReadToken))
	// What was made is told even if something failed later: secrets are not shown twice.
	if c.JSON {
		err = errors.Join(err, writeJSON(s.out, setupResultJSON{Server: string(result.Dialect) + " " + result.Version, Done: append([]string{}, result.Done...), Found: append([]string{}, result.Found...),
			WriteToken: result.WriteToken, ReadToken: result.ReadToken}))
	} else if len(result.Done)+len(result.Found) > 0 {
		err = errors.Join(err, printSetup(s, result))
	}
	return err
}

// keepToken writes a token that was made into a file, and forgets it then; where the file
// cannot be written the token stays, to be shown. A file that is there is replaced: what it
// held is no token of this server any more, or none would have been made.
func keepToken(s streams, file string, token *string) error {
	if file == "" {
		return nil
	}
	if *token == "" {
		if _, err := os.Stat(file); err != nil {
			s.notef("warning: %s is not written: the server has a token already, and does not show it again; remove it there to have another made", file)
		}
		return nil
	}
	if err := toFile(file, 0o600, func(w io.Writer) error { _, err := fmt.Fprintln(w, *token); return err }); err != nil {
		return fileError("write a token", err)
	}
	*token = ""
	return nil
}

// influxCheckCommand says what is wrong with the way to the database.
type influxCheckCommand struct {
	configFlag `embed:""`
	JSON       bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c influxCheckCommand) Run(ctx context.Context, s streams) error {
	db, err := c.database()
	if err != nil {
		return err
	}
	client, err := openInflux(db, influx.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	checked, err := client.Check(ctx)
	if err != nil {
		return err
	}
	findings := make([]finding, 0, len(checked))
	mayWrite := false
	for _, f := range checked {
		state := stateOK
		switch {
		case f.OK:
			mayWrite = mayWrite || f.Check == "write"
		case f.Check == "read" && mayWrite && strings.HasPrefix(f.Message, "the token has no right"):
			// That is all that forwarding needs, and what setting up gives.
			state, f.Message, f.Remedy = stateOK, "the token may only write, as it should for perigee run; perigee serve and Grafana need one that may read", ""
		default:
			state = stateFailed
		}
		findings = append(findings, finding{Check: f.Check, State: state, Message: f.Message, Remedy: f.Remedy})
	}
	return conclude(s, findings, c.JSON)
}

// influxStatusCommand tells of the way to the database from the store alone.
type influxStatusCommand struct {
	storeFlags `embed:""`
	Limit      int  `default:"20" help:"How many of the refused results to list."`
	JSON       bool `name:"json" help:"Print JSON."`
}

// forwardingJSON is what the status prints with --json.
type forwardingJSON struct {
	Instance    string           `json:"instance"`
	Pending     int64            `json:"pending"`
	Oldest      *time.Time       `json:"oldest"`
	DeadLetters int64            `json:"dead_letters"`
	Letters     []api.DeadLetter `json:"newest_dead_letters"`
}

// Run implements the command.
func (c influxStatusCommand) Run(ctx context.Context, s streams) error {
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	state, err := c.read(ctx, store)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, state)
	}
	fmt.Fprintf(s.out, "instance %s: ", state.Instance)
	if state.Pending == 0 {
		fmt.Fprintf(s.out, "nothing waits to be forwarded")
	} else {
		fmt.Fprintf(s.out, "%d results wait to be forwarded, the oldest of %s", state.Pending, state.Oldest.Format(time.RFC3339))
	}
	_, err = fmt.Fprintf(s.out, "; %d were refused for good\n", state.DeadLetters)
	for _, l := range state.Letters {
		subject := l.Site
		if l.Link != nil {
			subject += "/" + *l.Link
		}
		if l.Target != nil {
			subject += " to " + *l.Target
		}
		fmt.Fprintf(s.out, "  %d: %s of %s at %s: %s\n", l.ID, l.Kind, subject, l.Time.Format(time.RFC3339Nano), l.Reason)
	}
	if len(state.Letters) > 0 {
		_, err = fmt.Fprintln(s.out, "mend the cause, then: perigee influx resend")
	}
	return err
}

func (c influxStatusCommand) read(ctx context.Context, store *sqlite.Store) (forwardingJSON, error) {
	state := forwardingJSON{Letters: []api.DeadLetter{}}
	var err error
	if state.Instance, err = store.Instance(ctx); err != nil {
		return state, err
	}
	var oldest time.Time
	if state.Pending, oldest, state.DeadLetters, err = store.Pending(ctx); err != nil {
		return state, err
	}
	if !oldest.IsZero() {
		oldest = oldest.UTC()
		state.Oldest = &oldest
	}
	letters, err := store.DeadLetters(ctx, c.Limit)
	for _, l := range letters {
		state.Letters = append(state.Letters, api.NewDeadLetter(l))
	}
	return state, err
}

// influxResendCommand makes dead letters wait for the database again.
type influxResendCommand struct {
	storeFlags `embed:""`
	IDs        []int64 `arg:"" optional:"" name:"id" help:"Numbers of refused results, as perigee influx status lists them. Default: all."`
	API        string  `placeholder:"URL" help:"Where the daemon answers, if one runs. Default: api.listen of the configuration."`
}

// Run implements the command. The daemon, if one runs, owns the store and is asked to do
// it.
func (c influxResendCommand) Run(ctx context.Context, s streams) error {
	dir, err := c.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(storeFile(dir)); err != nil {
		return &perigee.Error{Code: perigee.CodeNotFound, Message: "no results are stored in " + dir + "; name their directory with --store", Err: err}
	}
	store, err := sqlite.Open(ctx, storeFile(dir), sqlite.Options{})
	var n int
	switch {
	case perigee.CodeOf(err) == perigee.CodeUnavailable:
		n, err = c.ask(ctx)
	case err == nil:
		defer store.Close()
		n, err = store.Resend(ctx, c.IDs)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d results will be sent again\n", n)
	return err
}

// ask has the daemon do it.
func (c influxResendCommand) ask(ctx context.Context) (int, error) {
	daemon, err := c.monitor()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, resendTimeout)
	defer cancel()
	n, err := daemon.Resend(ctx, c.IDs...)
	return n, withTokenAdvice(err)
}

// monitor returns a client of the daemon.
func (c influxResendCommand) monitor() (*client.Client, error) {
	if c.API != "" {
		return monitorAt(c.API, nil)
	}
	p, err := c.plan()
	if err != nil {
		return nil, err
	}
	return ownMonitor(p.api)
}

// resendTimeout bounds the wait for a daemon.
const resendTimeout = 30 * time.Second

// setupResultJSON is what setup prints with --json.
type setupResultJSON struct {
	Server     string   `json:"server"`
	Done       []string `json:"done"`
	Found      []string `json:"found"`
	WriteToken string   `json:"write_token,omitempty"`
	ReadToken  string   `json:"read_token,omitempty"`
}

// printSetup says what was made, and shows secrets this once.
func printSetup(s streams, r influx.SetupResult) error {
	for _, line := range r.Found {
		fmt.Fprintf(s.out, "%s\n", line)
	}
	for _, line := range r.Done {
		fmt.Fprintf(s.out, "%s\n", line)
	}
	if r.WriteToken != "" {
		fmt.Fprintf(s.out, "token that may only write, for perigee run (put it into the file that storage.influxdb.token_file names; it is not shown again):\n%s\n", r.WriteToken)
	}
	if r.ReadToken != "" {
		fmt.Fprintf(s.out, "token that may only read, for perigee serve and Grafana (it is not shown again):\n%s\n", r.ReadToken)
	}
	_, err := fmt.Fprintln(s.out, "then: perigee influx check")
	return err
}

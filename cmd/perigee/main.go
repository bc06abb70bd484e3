// Perigee measures satellite links and the lines beside them: latency, jitter and
// loss over each link at the same instants, every result kept through any outage, and
// an answer to how the links compare and how sure that is.
//
// The commands:
//
//	perigee init          looks at the machine and writes a configuration
//	perigee run           the daemon: probes, store, API, page
//	perigee demo          the same over four emulated links; no dish needed
//	perigee serve         API and page alone, answered from InfluxDB
//	perigee reflect       the far end of throughput tests
//	perigee probe         one measurement now, on the terminal
//	perigee budget        what each link moved this month, and may still move
//	perigee compare       how the links compare, from the store
//	perigee outages       when links failed, what was to blame, availability by day
//	perigee report        one HTML file for a person, and the evidence behind it
//	perigee slots         whether a link has Starlink's slots of 15 s
//	perigee export        every result as CSV, JSON lines or line protocol
//	perigee import        results of ping, fping, irtt, iperf3 and others
//	perigee token         add, list, revoke: who may ask the API
//	perigee influx        setup, check, status, resend: the way to InfluxDB
//	perigee health        whether a running process is well, by its exit status
//	perigee doctor        permissions, binding of each link, clock, disk
//	perigee selftest      what this machine adds to results by itself
//	perigee config check  the configuration, with every fault by line
//	perigee version
//
// Results go to standard output, everything else to standard error; --json on each
// command that prints gives the shapes of the REST API.
//
// Exit status: 0 done, 1 failed, 2 usage or configuration, 3 not enough data,
// 4 permission.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"perigee"
	"perigee/internal/config"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses. They are promises.
const (
	exitDone          = 0
	exitFailed        = 1
	exitUsage         = 2
	exitNotEnoughData = 3
	exitPermission    = 4
)

// streams are what a command may read and write.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// notef tells the user something that is not a result.
func (s streams) notef(format string, args ...any) {
	fmt.Fprintf(s.err, format+"\n", args...)
}

// cli is the grammar of the command line.
type cli struct {
	Init     initCommand     `cmd:"" help:"Look at this machine and write a configuration that fits it. Sends nothing unless asked to."`
	Run      runCommand      `cmd:"" help:"Measure the configured links until stopped: probes, store, API and page."`
	Demo     demoCommand     `cmd:"" help:"The same over emulated fibre, LEO, Starlink and GEO links; no dish and no privileges needed."`
	Serve    serveCommand    `cmd:"" help:"The API and the page alone, answered from InfluxDB; stateless."`
	Reflect  reflectCommand  `cmd:"" help:"The far end of throughput tests, for sites that have its key."`
	Probe    probeCommand    `cmd:"" help:"Measure now and show the result on the terminal."`
	Budget   budgetCommand   `cmd:"" help:"What each link moved this month, and may still move."`
	Compare  compareCommand  `cmd:"" help:"Say how links compare, from the stored results."`
	Outages  outagesCommand  `cmd:"" help:"Say when links failed, what was to blame, and how available they were by day or month."`
	Report   reportCommand   `cmd:"" help:"Write one self-contained HTML file, with the evidence behind it if asked for; check evidence."`
	Slots    slotsCommand    `cmd:"" help:"Say whether round trips over a link step in Starlink's slots of 15 s."`
	Export   exportCommand   `cmd:"" help:"Write stored results as CSV, JSON lines or InfluxDB line protocol."`
	Import   importCommand   `cmd:"" help:"Read results of ping, fping, irtt, iperf3, SmokePing, Telegraf, or our own exports."`
	Influx   influxCommand   `cmd:"" help:"Set up, check and look after the way to InfluxDB."`
	Token    tokenCommand    `cmd:"" help:"Say who may ask the API and see the page."`
	Health   healthCommand   `cmd:"" help:"Ask a running perigee whether it is well; exit status 0 if it is."`
	Doctor   doctorCommand   `cmd:"" help:"Check permissions, the binding of each link, clock and disk. Sends nothing."`
	Selftest selftestCommand `cmd:"" help:"Measure what this machine adds to results by itself. Nothing leaves it."`
	Config   configCommand   `cmd:"" help:"Work with the configuration file."`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	OoklaChild ooklaChildCommand `cmd:"" hidden:"" help:"Do one test with a public server, for the perigee that started this."`
}

// errExit carries an exit status through kong's own exit calls (help).
type errExit int

func (e errExit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run is the whole program but for the process around it: it returns the exit
// status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	s := streams{in: stdin, out: stdout, err: stderr}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case errExit:
			status = int(r)
		default:
			panic(r)
		}
	}()
	var grammar cli
	parser, err := kong.New(&grammar,
		kong.Name("perigee"),
		kong.Description("Measures satellite links and says how they compare, and how sure that is."),
		kong.Writers(stdout, stderr),
		kong.Vars{"listen": config.DefaultListen},
		kong.Exit(func(code int) { panic(errExit(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // the grammar is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		s.notef("perigee: %v", err)
		s.notef("Run \"perigee --help\" for the commands and \"perigee COMMAND --help\" for their flags.")
		return exitUsage
	}
	return report(s, parsed.Run())
}

// report tells the user of err and turns it into an exit status.
func report(s streams, err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[errExit](err); ok {
		return int(e)
	}
	if e, ok := errors.AsType[*config.Error](err); ok {
		s.notef("%v", e) // as a compiler would, so that editors find the place
	} else {
		s.notef("perigee: %v", err)
	}
	return exitStatus(err)
}

// exitStatus is the one place where a failure becomes an exit status.
func exitStatus(err error) int {
	switch perigee.CodeOf(err) {
	case "":
		return exitDone
	case perigee.CodeInvalid, perigee.CodeNotFound, perigee.CodeTooDear:
		return exitUsage
	case perigee.CodeNotEnoughData:
		return exitNotEnoughData
	case perigee.CodePermission, perigee.CodeUnauthenticated:
		return exitPermission
	default:
		return exitFailed
	}
}

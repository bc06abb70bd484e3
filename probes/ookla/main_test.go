package ookla_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"perigee/internal/lab/labtest"
	"perigee/probes/ookla"
)

// childVariable makes the test binary a child, or what a child must not be.
const childVariable = "PERIGEE_TEST_OOKLA_CHILD"

// TestMain runs everything in namespaces without a default route: not even the library's
// own idea of where to look for servers can leave the machine.
func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		if kind := os.Getenv(parentVariable); kind != "" {
			beParent(kind)
			return
		}
		labtest.Main(m)
	case "child":
		if err := ookla.Child(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "stuck":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println(`{"Progress":{"Counts":[1]}}`)
		never, _, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		never.Read(make([]byte, 1))
	case "panic":
		panic("out of order")
	case "garbage":
		fmt.Println("Hello!")
	}
	os.Exit(0)
}

// childLike returns how the test binary becomes a child of some kind.
func childLike(kind string) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), childVariable+"="+kind)
		return cmd
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"perigee"
	"perigee/api/client"
)

// tokenVariable names the token that commands show a monitor that asks for one. An
// argument would be seen by everybody who lists processes.
const tokenVariable = "PERIGEE_TOKEN"

// monitorAt returns a client of the monitor at address.
func monitorAt(address string) (*client.Client, error) {
	monitor, err := client.New(address, nil)
	if err != nil {
		return nil, err
	}
	return monitor.WithToken(strings.TrimSpace(os.Getenv(tokenVariable))), nil
}

// withTokenAdvice says, of the failure to show a monitor a token, how a command is given
// one.
func withTokenAdvice(err error) error {
	if e, ok := errors.AsType[*perigee.Error](err); ok && e.Code == perigee.CodeUnauthenticated {
		return &perigee.Error{Code: e.Code, Message: fmt.Sprintf("the running monitor asks for a token (%s); put one into the environment as %s", strings.SplitN(e.Message, ":", 2)[0], tokenVariable)}
	}
	return err
}

//go:build linux

package bind_test

import (
	"testing"

	"perigee/probes/bind/bindtest"
)

func TestMain(m *testing.M) { bindtest.Main(m) }

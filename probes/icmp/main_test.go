//go:build linux

package icmp

import (
	"testing"

	"perigee/probes/bind/bindtest"
)

func TestMain(m *testing.M) { bindtest.Main(m) }

package lab_test

import (
	"os"
	"testing"

	"perigee/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		os.Exit(role())
	}
	labtest.Main(m)
}

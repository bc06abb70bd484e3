package transfer_test

import (
	"testing"

	"perigee/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

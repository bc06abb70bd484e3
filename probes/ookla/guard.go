package ookla

import (
	"net/http"

	"github.com/showwin/speedtest-go/speedtest"
)

// Merely linking the library makes http.DefaultClient send through a client of its own,
// which marks requests as its own and leaves by the source that was last configured. It
// is given back before main begins, for every process of this program.
//
// Each later speedtest.New takes it over again. Only the child calls that.
var _ = giveBackDefaultClient()

// giveBackDefaultClient undoes the library's doing and nobody else's.
func giveBackDefaultClient() bool {
	if _, taken := http.DefaultClient.Transport.(*speedtest.Speedtest); !taken {
		return false
	}
	http.DefaultClient.Transport = nil
	return true
}

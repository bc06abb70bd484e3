package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrForbidden is matched by errors that come from the system not allowing a lab:
// neither root nor unprivileged user namespaces, or no TUN device. Their text says what
// to do.
var ErrForbidden = errors.New("not allowed by this system")

// forbidden is an error that matches ErrForbidden and says what to do.
type forbidden struct {
	remedy string
	err    error
}

func (f *forbidden) Error() string        { return fmt.Sprintf("%v: %s", f.err, f.remedy) }
func (f *forbidden) Unwrap() error        { return f.err }
func (f *forbidden) Is(target error) bool { return target == ErrForbidden }

// permission adds the remedy to an error that means the system does not allow
// namespaces; other errors it returns as they are.
func permission(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EUSERS) {
		return err
	}
	return &forbidden{err: err, remedy: namespaceRemedy(readSysctl)}
}

// namespaceRemedy says how namespaces become possible, judging by the settings that
// are known to forbid them.
func namespaceRemedy(sysctl func(string) string) string {
	switch {
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "run it as root (sudo), or allow user namespaces: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		return "run it as root (sudo), or allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1"
	case sysctl("user/max_user_namespaces") == "0":
		return "run it as root (sudo), or allow user namespaces: sudo sysctl user.max_user_namespaces=1000"
	}
	return "run it as root (sudo); in a container, give it the capabilities SYS_ADMIN and NET_ADMIN or a seccomp profile that allows user namespaces"
}

func readSysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// tunError explains why a TUN device could not be made.
func tunError(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return &forbidden{err: err, remedy: "load the driver with: sudo modprobe tun (in a container, pass the device: --device /dev/net/tun)"}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return &forbidden{err: err, remedy: "/dev/net/tun must be readable and writable and TUN devices allowed: " + namespaceRemedy(readSysctl)}
	}
	return err
}

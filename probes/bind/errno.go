//go:build linux || darwin

package bind

import (
	"errors"

	"golang.org/x/sys/unix"
)

// reasonOfErrno returns what the system's error number stands for when sending or
// binding.
func reasonOfErrno(err error) Reason {
	errno, ok := errors.AsType[unix.Errno](err)
	if !ok {
		return ReasonOther
	}
	switch errno {
	case unix.ENETDOWN:
		return ReasonInterfaceDown
	case unix.ENODEV, unix.ENXIO:
		return ReasonNoDevice
	case unix.EADDRNOTAVAIL, unix.EINVAL: // EINVAL: the bound source is no address of ours any more
		return ReasonNoAddress
	case unix.ENETUNREACH, unix.ESRCH:
		return ReasonNoRoute
	case unix.EHOSTUNREACH, unix.EHOSTDOWN:
		return ReasonHost
	case unix.EPERM, unix.EACCES:
		return ReasonPermission
	case unix.ENOBUFS, unix.EAGAIN, unix.ENOMEM:
		return ReasonBufferFull
	case unix.EMSGSIZE:
		return ReasonTooLong
	case unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		return ReasonUnsupported
	}
	return ReasonOther
}

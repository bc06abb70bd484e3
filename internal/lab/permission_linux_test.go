package lab

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemedyNamesTheSettingThatForbids(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=1000"},
		{"none/of/these", "1", "SYS_ADMIN and NET_ADMIN"},
	} {
		got := namespaceRemedy(func(name string) string {
			if name == c.name {
				return c.value
			}
			return ""
		})
		if !strings.Contains(got, c.want) || !strings.Contains(got, "root") {
			t.Errorf("%s=%s: remedy %q, want root or %q", c.name, c.value, got, c.want)
		}
	}
}

func TestForbiddenErrorsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		err       error
		forbidden bool
		remedy    string
	}{
		{permission(fmt.Errorf("clone: %w", unix.EPERM)), true, "root"},
		{permission(fmt.Errorf("clone: %w", unix.ENOSPC)), true, "root"},
		{permission(fmt.Errorf("clone: %w", unix.ENOMEM)), false, ""},
		{tunError(unix.ENOENT), true, "modprobe tun"},
		{tunError(unix.ENODEV), true, "modprobe tun"},
		{tunError(unix.EPERM), true, "/dev/net/tun"},
		{tunError(unix.EBUSY), false, ""},
	} {
		if got := errors.Is(c.err, ErrForbidden); got != c.forbidden || !strings.Contains(c.err.Error(), c.remedy) {
			t.Errorf("%v: forbidden %v, want %v with remedy %q", c.err, got, c.forbidden, c.remedy)
		}
	}
}

#!/bin/sh
# After removal. Configuration and results are kept; "dpkg --purge" removes them, and the
# user whose they were. rpm has no such thing: there they are removed by hand.
set -e
case "$1" in
remove | purge | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/perigee /etc/perigee
	if getent passwd perigee >/dev/null; then
		userdel perigee
	fi
	if getent group perigee >/dev/null; then
		groupdel perigee
	fi
fi

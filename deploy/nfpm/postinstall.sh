#!/bin/sh
# After installation and upgrade. dpkg calls it with "configure", rpm with how many
# versions are installed now.
set -e
case "$1" in
configure | [0-9]*) ;;
*) exit 0 ;;
esac

if ! getent group perigee >/dev/null; then
	groupadd --system perigee
fi
if ! getent passwd perigee >/dev/null; then
	useradd --system --gid perigee --home-dir /var/lib/perigee --no-create-home \
		--shell /usr/sbin/nologin --comment "perigee link monitor" perigee
fi

# The group did not exist when these were unpacked. Whatever an administrator made of
# them since is left.
for path in /etc/perigee /etc/perigee/perigee.yaml; do
	if [ -e "$path" ] && [ "$(stat -c %U:%G "$path")" = root:root ]; then
		chgrp perigee "$path"
	fi
done

# What runs goes on with the new version. Nothing is started that was not: there is
# nothing to measure before the configuration says what.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	for unit in perigee perigee-serve perigee-reflect; do
		systemctl try-restart "$unit.service" || echo "perigee: $unit.service did not come up again; see journalctl -u $unit" >&2
	done
fi

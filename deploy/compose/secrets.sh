#!/bin/sh
# Makes the secrets that are not there, each of 32 random bytes, for the user that perigee
# and Grafana run as here. What is named on the command line is done instead.
set -eu
[ $# -eq 0 ] || exec "$@"
dir=${SECRETS_DIR:-/secrets}
owner=65532:65532
umask 077
for name in admin.token influxdb.password grafana.password; do
	if [ ! -s "$dir/$name" ]; then
		head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$dir/$name.part"
		mv "$dir/$name.part" "$dir/$name"
	fi
done
chown -R "$owner" "$dir" "${CONFIG_DIR:-/etc/perigee}"

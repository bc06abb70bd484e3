#!/bin/sh
# Before removal. dpkg calls it with "remove", or "upgrade" before another version, rpm
# with how many versions will be left.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now perigee.service perigee-serve.service perigee-reflect.service
fi

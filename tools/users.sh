#!/bin/sh
# Makes the system users that egretd's processes run as, and the group that may look. Does nothing
# that has been done. With systemd, tools/systemd/egret.sysusers says the same.
set -eu
[ "$(id -u)" = 0 ] || {
	echo "users.sh: must run as root" >&2
	exit 1
}
getent group egret >/dev/null || groupadd --system egret
for user in egret-worker egret-vault egret-recorder; do
	getent passwd "$user" >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin --comment "egret ${user#egret-}" "$user"
done

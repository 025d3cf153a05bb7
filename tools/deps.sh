#!/bin/sh
# Installs what tools/packages.txt lists and this system lacks. Quiet when nothing is missing.
set -eu
list=$(dirname "$0")/packages.txt
missing=
while read -r package command; do
	case $package in '' | '#'*) continue ;; esac
	[ -n "$command" ] && command -v "$command" >/dev/null 2>&1 && continue
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed && continue
	missing="$missing $package"
done <"$list"
[ -z "$missing" ] && exit 0
echo "installing:$missing"
if [ "$(id -u)" != 0 ]; then
	echo "cannot install packages as $(id -un): run as root, or: apt-get install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null

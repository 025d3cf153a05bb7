#!/bin/bash
# `make demo`: a small internet in a network namespace, a host in another one, and egret between them.
# Needs root and a built tree. Everything it makes is its own and goes away again on every exit.
#
#   namespace host: tools/demo/story.sh, egretd, workloads  --veth--  namespace net: tools/simulator
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "make demo needs root: network namespaces, cgroups and eBPF" >&2; exit 1; }
mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mount" ] || { echo "no cgroup2 mount: mount -t cgroup2 none /sys/fs/cgroup" >&2; exit 1; }

tag=$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')
host=egret-demo-$tag-host net=egret-demo-$tag-net
cgroup=$mount/egret-demo-$tag
tmp=$(mktemp -d /tmp/egret-demo-XXXXXX)
chmod 755 "$tmp"
simulator=

cleanup() {
	trap - EXIT INT TERM
	exec 7>&- || true # the simulator ends with its input
	if [ -d "$cgroup" ]; then
		echo 1 >"$cgroup/cgroup.kill" || true
		until grep -q '^populated 0' "$cgroup/cgroup.events"; do sleep 0.05; done
		find "$cgroup" -depth -type d -exec rmdir {} \;
	fi
	[ -z "$simulator" ] || wait "$simulator" || true
	ip netns del "$host" 2>/dev/null || true
	ip netns del "$net" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wire() {
	ip netns add "$host"
	ip netns add "$net"
	ip link add h0 netns "$host" type veth peer name n0 netns "$net"
	for n in "$host h0 198.51.100.2/24" "$net n0 198.51.100.1/24 203.0.113.10/32 203.0.113.53/32 203.0.113.99/32"; do
		read -r name device addresses <<<"$n"
		ip -n "$name" link set lo up
		for a in $addresses; do ip -n "$name" addr add "$a" dev "$device"; done
		ip -n "$name" link set "$device" up
	done
	ip -n "$host" route add default via 198.51.100.1
}

# The keys a provider would give: made up anew each time, in files as egretd wants them.
keys() {
	mkdir -m 700 "$tmp/credentials"
	umask 077
	for p in openai:sk-proj- anthropic:sk-ant-api03-; do
		echo "${p#*:}$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')" >"$tmp/credentials/${p%%:*}"
	done
	umask 022
}

start_simulator() {
	mkfifo "$tmp/input"
	mkdir "$tmp/internet"
	ip netns exec "$net" env -i PATH="$PATH" tools/simulator/egret-simulator --listen 203.0.113.10 --dns 203.0.113.53 \
		--dir "$tmp/internet/tls" --control "$tmp/simulator.sock" --name free.example@203.0.113.99 \
		--key "openai=$(cat "$tmp/credentials/openai")" --key "anthropic=$(cat "$tmp/credentials/anthropic")" \
		<"$tmp/input" >"$tmp/ready" 2>"$tmp/simulator.log" &
	simulator=$!
	exec 7>"$tmp/input"
	for _ in $(seq 200); do
		grep -qx ready "$tmp/ready" && return
		kill -0 "$simulator" 2>/dev/null || break
		sleep 0.1
	done
	cat "$tmp/simulator.log" >&2
	exit 1
}

mkdir "$cgroup" "$cgroup/egretd" "$cgroup/person" "$cgroup/stranger"
wire
keys
start_simulator
echo "nameserver 203.0.113.53" >"$tmp/resolv.conf"

# The story runs as a person on that host would: a shell in a cgroup, in that network, with that DNS.
# shellcheck disable=SC2016 # for the inner shell
env -i PATH="$PWD/build:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME="$tmp" LANG=C.UTF-8 \
	TERM="${TERM:-dumb}" TMP="$tmp" CGROUP="$cgroup" NODE_PATH="$PWD/build/npm/node_modules" \
	sh -c 'echo $$ >"$CGROUP/person/cgroup.procs" && exec "$@"' sh \
	nsenter --net="/run/netns/$host" unshare --mount --propagation private tools/demo/story.sh 7>&-

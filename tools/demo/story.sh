#!/bin/bash
# What `make demo` tells, run by tools/demo.sh inside the demo's host: every command as it is shown.
set -euo pipefail
mount --bind "$TMP/resolv.conf" /etc/resolv.conf
export EGRET_RUN_DIR=$TMP/run
cd tools/demo
bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'
[ "$TERM" != dumb ] && [ -t 1 ] || bold='' dim='' off=''
step=0

say() { printf '\n%s%d. %s%s\n' "$bold" $((++step)) "$1" "$off"; }
note() { printf '   %s\n' "$@"; }
indented() { awk '{ print "   " $0 }'; } # and every last line ended
# Shows a command, runs it, shows what it said. A command that should fail is run by `refused`.
run() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; "$@" 2>&1 | indented; }
refused() {
	printf '%s$ %s%s\n' "$dim" "$*" "$off"
	if "$@" >"$TMP/said" 2>&1; then
		indented <"$TMP/said"
		echo "this should have been refused" >&2
		exit 1
	fi
	indented <"$TMP/said"
}
# This shell, and what it starts, in another cgroup: one that is no workload, either.
as_stranger() { echo $$ >"$CGROUP/stranger/cgroup.procs"; }
as_person() { echo $$ >"$CGROUP/person/cgroup.procs"; }
tell() { ../simulator/egret-simulator --control "$TMP/simulator.sock" --ask "$1" >"$TMP/told"; }
arrived() { tell '{"do":"log"}' && ./arrived.py <"$TMP/told"; }

start_egretd() {
	local sets=(cgroup="\"$CGROUP\"" run_dir="\"$TMP/run\"" state_dir="\"$TMP/state\""
		credentials_dir="\"$TMP/credentials\"" policy="\"$TMP/none.json\"" upstream.system_trust=false
		upstream.trust="[\"$TMP/internet/tls/ca.pem\"]" upstream.allow='["203.0.113.0/24"]')
	note "egretd, with its embedded defaults; set differently are only its places, and what the demo's internet needs:" \
		"$(printf -- '--set %s ' "${sets[@]//$TMP/…}")"
	local args=()
	for s in "${sets[@]}"; do args+=(--set "$s"); done
	sh -c 'echo $$ >"$CGROUP/egretd/cgroup.procs" && exec egretd "$@"' sh "${args[@]}" >"$TMP/egretd.log" 2>&1 &
	egretd=$!
	for _ in $(seq 300); do
		[ "$(egret -j status 2>/dev/null | phase)" = serving ] && return
		kill -0 $egretd 2>/dev/null || break
		sleep 0.1
	done
	cat "$TMP/egretd.log" >&2
	exit 1
}
phase() { python3 -c 'import json,sys; print(json.load(sys.stdin)["phase"])' 2>/dev/null; }

say "A host, its cgroups, and an internet of its own with the names of real providers."
run getent ahostsv4 api.openai.com
start_egretd
run egret status

say "OpenAI's own SDK, unmodified. It has no key: a placeholder of egret's keeps its constructor content."
run cat chat.cjs
run egret run -- printenv OPENAI_API_KEY
run egret run -- node chat.cjs
note "The same, streaming; each bracket is one event, as it came:"
run egret run -- node chat.cjs --stream

say "Anthropic's SDK, Python's httpx, and curl, which send no key at all."
run egret run -- node messages.cjs --stream
run egret run -- python3 hello.py
run egret run -- curl -sS https://api.openai.com/v1/models

say "What the providers received: egret's key, every time. (Their log shows its name in place of it.)"
arrived

say "A key of the workload's own does not leave the host."
export OPENAI_API_KEY=sk-proj-my-own-key-from-home
refused egret run --keep-env -- node chat.cjs
unset OPENAI_API_KEY

say "Policy decides about models; the embedded one allows most, and says why it denies the rest."
run egret policy show
refused egret run -- node chat.cjs o3-pro
run egret policy explain --workload default --provider openai --operation chat --model o3-pro

say "A process that no policy names gets nowhere, whatever it knows."
note "(This one is told of egret's certificate, so that it can be told why.)"
as_stranger
refused curl -sS --fail-with-body --cacert "$TMP/run/ca.pem" https://api.openai.com/v1/models
as_person

say "A stream under way is a live connection, of a process with a name."
tell '{"do":"fail","fault":{"hold_after":3}}'
egret run -- node chat.cjs --stream >"$TMP/stream" 2>&1 &
streaming=$!
until egret -j flow list | grep -q '"open"'; do sleep 0.1; done
run egret flow list
tell '{"do":"release"}'
wait $streaming

say "And every decision left one record."
run egret audit list

say "What is not governed is never decrypted: this certificate is the site's own, not egret's."
note "(curl trusts the demo internet's CA alone here: with any other certificate it would fail)"
run egret run -- curl -sS --cacert "$TMP/internet/tls/ca.pem" https://free.example/

say "Enforcement outlives the daemon."
kill -9 $egretd
wait $egretd 2>/dev/null || true
as_stranger
refused curl -sS -m 5 https://api.openai.com/v1/models
note "" "That is all; now every trace of it is taken away again."

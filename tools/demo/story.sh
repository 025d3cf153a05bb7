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
# Shows a command, runs it, shows what it said. A command that should fail is run by `refused`.
run() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; "$@" 2>&1 | sed 's/^/   /'; }
refused() {
	printf '%s$ %s%s\n' "$dim" "$*" "$off"
	if "$@" >"$TMP/said" 2>&1; then
		sed 's/^/   /' "$TMP/said"
		echo "this should have been refused" >&2
		exit 1
	fi
	sed 's/^/   /' "$TMP/said"
}
arrived() { ../simulator/egret-simulator --control "$TMP/simulator.sock" --ask '{"do":"log"}' | ./arrived.py; }

start_egretd() {
	local sets=(cgroup="\"$CGROUP\"" run_dir="\"$TMP/run\"" state_dir="\"$TMP/state\""
		credentials_dir="\"$TMP/credentials\"" policy="\"$TMP/policy.json\"" upstream.system_trust=false
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

say "OpenAI's own SDK, unmodified. It has no key: OPENAI_API_KEY is a placeholder that egret put there."
run egret run -- sh -c 'echo "OPENAI_API_KEY=$OPENAI_API_KEY  OPENAI_BASE_URL=${OPENAI_BASE_URL:-(not set)}"'
run egret run -- node chat.cjs
note "The same, streaming; each bracket is one event, as it came:"
run egret run -- node chat.cjs --stream

say "Anthropic's SDK, Python's httpx, and curl, which send no key at all."
run egret run -- node messages.cjs --stream
run egret run -- python3 hello.py
run egret run -- curl -sS https://api.openai.com/v1/models

say "What the providers received: egret's key, never the workload's."
arrived

say "A key of the workload's own does not leave the host."
export OPENAI_API_KEY=sk-proj-my-own-key-from-home
refused egret run --keep-env -- node chat.cjs
unset OPENAI_API_KEY

say "Policy decides about models. This one is narrower than the default:"
cp policy.json "$TMP/policy.json"
run cat "$TMP/policy.json"
run egret policy load "$TMP/policy.json"
run egret run -- node chat.cjs gpt-4o-mini
refused egret run -- node chat.cjs gpt-4o
run egret policy explain --workload default --provider openai --operation chat --model gpt-4o

say "A process that no policy names gets nowhere, whatever it knows."
note "(it trusts egret's certificate, so that it can be told why)"
refused sh -c "echo \$\$ >$CGROUP/stranger/cgroup.procs && exec curl -sS --fail-with-body --cacert $TMP/run/ca.pem \
https://api.openai.com/v1/models"

say "Live connections, and the record of every decision."
egret run -- sh -c 'curl -sS -N https://api.openai.com/v1/models -o /dev/null --next -sS --limit-rate 1k \
	https://api.openai.com/v1/models -o /dev/null & wait' 2>/dev/null &
run egret flow list
run egret audit list

say "What is not governed is never decrypted: this certificate is the site's own, not egret's."
run sh -c "egret run -- curl -sSv --cacert $TMP/internet/tls/ca.pem https://free.example/ 2>&1 | grep -E 'issuer|provider'"

say "Enforcement outlives the daemon."
kill -9 $egretd
wait $egretd 2>/dev/null || true
refused sh -c "echo \$\$ >$CGROUP/stranger/cgroup.procs && exec curl -sS -m 5 https://api.openai.com/v1/models"
note "Now all of it is taken away again."

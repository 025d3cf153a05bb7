#!/bin/bash
# `make valgrind`: the unit programs under memcheck. The worker is one of them whole (unit/proxy: TLS on both
# sides, decisions, leases, reloads, clients and providers that break), the recorder and the vault are in their parts.
# The monitor is not: valgrind 3.19 knows no pidfd_open(2), with which it holds its children; for the processes
# together there is `make san`.
#   tests/valgrind.sh BUILD_DIRECTORY
set -euo pipefail
build=$1

# Not under valgrind, and why.
skip=(
	identity/test_identity:pidfd_open identity/test_exe:pidfd_open daemon/test_runs:pidfd_open
	daemon/test_credential_source:pidfd_open daemon/test_child:pidfd_open daemon/test_watchdog:pidfd_open
	daemon/test_sandbox:seccomp_of_its_own audit/test_slab:children_that_leave_by_exit
	vault/test_vault:core_image_of_itself control/test_server:children_that_leave_by_exit
	proxy/test_memory:malloc_of_its_own upstream/test_handshake:limits_of_100_ms
	proto/test_json_scan:every_cut_of_every_body_takes_hours
)

one() {
	local log=$1.valgrind

	valgrind -q --suppressions=tests/valgrind.supp --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--error-exitcode=99 --child-silent-after-fork=yes "$1" >"$log" 2>&1 && return
	cat "$log"
	echo "failed: $1" >&2
	return 1
}
export -f one

names=()
while read -r program; do
	short=${program#"$build/tests/unit/"}
	printf '%s\n' "${skip[@]}" | grep -q "^$short:" || names+=("$program")
done < <(find "$build/tests/unit" -name 'test_*' -type f -executable | sort)
# shellcheck disable=SC2016 # for the inner shell
printf '%s\0' "${names[@]}" | xargs -0 -n1 -P"$(nproc)" bash -c 'one "$1"' -
echo "  VALGRIND ${#names[@]} programs, not: ${skip[*]}"

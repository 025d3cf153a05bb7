#!/bin/bash
# cppcheck over our sources, with the suppressions of cppcheck.txt (each says why):
# check-cppcheck.sh FILE... ; --self-test
set -eu

here=$(dirname "$0")
check() {
	cppcheck --quiet --error-exitcode=1 --std=c11 --language=c --platform=unix64 \
		--enable=warning,performance,portability --inline-suppr --max-ctu-depth=2 \
		-j "$(nproc)" --suppressions-list="$here/cppcheck.txt" --library="$here/cppcheck.cfg" \
		--template='{file}:{line}: {severity}: {message} [{id}]' \
		-D__GNUC__ -D_GNU_SOURCE -DEGRET_VERSION='""' -U_FORTIFY_SOURCE \
		-I "$here/../headers" -I "$here/../userspace" "$@"
}

if [ "${1:-}" = --self-test ]; then
	dir=$(mktemp -d)
	trap 'rm -r "$dir"' EXIT
	printf 'int f(void)\n{\n\tint a[2];\n\ta[2] = 1;\n\treturn a[2];\n}\n' >"$dir/bad.c"
	printf 'int f(void)\n{\n\treturn 1;\n}\n' >"$dir/good.c"
	! check "$dir/bad.c" 2>/dev/null || { echo "$0: a bad sample passed" >&2; exit 1; }
	check "$dir/good.c"
	exit
fi
check "$@"

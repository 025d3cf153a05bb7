#!/bin/bash
# Every C file is as clang-format would write it: check-format.sh FILE... ; --self-test
set -eu

cd "$(dirname "$0")/.."
if [ "${1:-}" = --self-test ]; then
	bad=$(mktemp --tmpdir=. --suffix=.c)
	trap 'rm "$bad"' EXIT
	printf 'int  f( void ){return 1;}\n' >"$bad"
	! clang-format --dry-run -Werror "$bad" 2>/dev/null || { echo "$0: not found" >&2; exit 1; }
	printf 'int f(void)\n{\n\treturn 1;\n}\n' >"$bad"
	clang-format --dry-run -Werror "$bad"
	exit
fi
clang-format --dry-run -Werror "$@"

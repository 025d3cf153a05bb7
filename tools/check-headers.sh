#!/bin/bash
# Every header compiles alone, as C and without a warning: check-headers.sh FILE... (CC, CPPFLAGS,
# CFLAGS come from the makefile). check-headers.sh --self-test
set -eu

compiles() {
	# shellcheck disable=SC2086
	${CC:-cc} ${CPPFLAGS:-} ${CFLAGS:--std=gnu17 -Wall -Wextra} -Werror -fsyntax-only -x c \
		-include "$1" /dev/null
}

if [ "${1:-}" = --self-test ]; then
	dir=$(mktemp -d)
	trap 'rm -r "$dir"' EXIT
	printf '#pragma once\nsize_t f(void);\n' >"$dir/bad.h"
	printf '#pragma once\n#include <stddef.h>\nsize_t f(void);\n' >"$dir/good.h"
	! compiles "$dir/bad.h" 2>/dev/null || { echo "$0: a bad header was not found" >&2; exit 1; }
	compiles "$dir/good.h" || { echo "$0: a good header was refused" >&2; exit 1; }
	exit 0
fi

failed=0
for header; do
	compiles "$header" || { echo "$header: does not compile alone"; failed=1; }
done
exit $failed

#!/bin/sh
# Prints a C header that holds a text file as a string: embed.sh FILE NAME
set -eu
printf '/* generated from %s */\n#pragma once\nstatic const char embed_%s[] = {\n' "$1" "$(printf %s "$2" | tr -c 'A-Za-z0-9' _)"
od -An -v -tx1 "$1" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
printf '0x00 };\n'

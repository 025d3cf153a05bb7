#!/bin/sh
# Fills a template: a line @NAME@ becomes the output of its command.
# assemble.sh TEMPLATE NAME=COMMAND... >RESULT
set -eu
template=$1
shift
parts=$(mktemp -d)
trap 'rm -r "$parts"' EXIT
script=
for pair; do
	name=${pair%%=*}
	grep -q "^@$name@\$" "$template" || continue
	sh -c "${pair#*=}" >"$parts/$name"
	script="$script
/^@$name@\$/ {
	r $parts/$name
	d
}"
done
sed "$script" "$template" >"$parts/result"
if grep -n '^@[A-Z]*@$' "$parts/result"; then
	echo "$template: nothing fills the lines above" >&2
	exit 1
fi
cat "$parts/result"

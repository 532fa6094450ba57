#!/bin/sh
# How much of what they are for the fuzz corpora reach: `make fuzz-report`.
#
# Each target names the files it is responsible for in a comment /* measures: coap/message.c coap/option.c */; it runs over
# its corpus (and what fuzzing added to build/fuzzing/corpus), and each file's line coverage is printed. Below LEAST percent
# is a failure. The programs in $B/fuzz are built with -fprofile-instr-generate -fcoverage-mapping.
set -u

cd "$(dirname "$0")/../.." || exit 1
B=${B:-build/fuzzcov}
LEAST=${LEAST:-90}
raw=$B/profiles
sh tools/setup.sh dev || exit 1
rm -rf "$raw"
mkdir -p "$raw"

# report_target SOURCE: one line a file; 1 if anything is missing or below LEAST.
report_target() {
	name=$(basename "$1" .c)
	name=${name#fuzz_}
	program=$B/fuzz/fuzz_$name
	measured=$(sed -n 's|.*/\* measures: *\(.*[^ ]\) *\*/.*|\1|p' "$1")
	[ -n "$measured" ] || { echo "$name: names no files (measures:)"; return 1; }
	[ -x "$program" ] || { echo "$name: $program is not built"; return 1; }
	added=build/fuzzing/corpus/$name
	[ -d "$added" ] || added=
	# shellcheck disable=SC2086 # absent or one folder
	if ! LLVM_PROFILE_FILE="$raw/$name.profraw" "$program" -runs=0 "tests/fuzz/corpus/$name" $added >"$raw/$name.log" 2>&1; then
		tail -n 20 "$raw/$name.log"
		return 1
	fi
	llvm-profdata merge -sparse "$raw/$name.profraw" -o "$raw/$name.profdata" || return 1
	bad=0
	for file in $measured; do
		percent=$(llvm-cov export -summary-only -instr-profile="$raw/$name.profdata" "$program" "$file" 2>/dev/null |
			sed -n 's/.*"lines":{[^}]*"percent":\([0-9]*\).*/\1/p')
		if [ -z "$percent" ]; then
			echo "$name: $file was not linked"
			bad=1
		else
			mark=
			[ "$percent" -ge "$LEAST" ] || { mark="  below $LEAST"; bad=1; }
			printf '%-12s %-36s %3d %%%s\n' "$name" "$file" "$percent" "$mark"
		fi
	done
	return $bad
}

passed=0
failed=0
for source in tests/fuzz/fuzz_*.c; do
	[ -f "$source" ] || continue
	if report_target "$source"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "coverage: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

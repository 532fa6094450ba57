#!/bin/sh
# Runs the fuzz targets that are built in $B/fuzz: run.sh replay            each over its corpus, once
#                                                 run.sh smoke [SECONDS]   the same, then SECONDS of fuzzing each (60)
#
# New inputs go to $B/corpus/NAME, never into the tree; an input that crashes stays in $B/crashes. Ends with one line
# "fuzz: N passed, N failed", where a target that is not built, or has no corpus, has failed.
set -u

cd "$(dirname "$0")/../.." || exit 1
B=${B:-build/fuzzing}
mode=${1:-replay}
seconds=${2:-60}
case $mode in replay | smoke) ;; *) echo "usage: run.sh replay|smoke [SECONDS]" >&2; exit 2 ;; esac

mkdir -p "$B/crashes" "$B/logs"
export ASAN_OPTIONS="detect_leaks=1:${ASAN_OPTIONS:-}"
unset UBSAN_OPTIONS # a report must be on the log

# Input limits that keep a run about parsing, not about copying.
options="-timeout=10 -rss_limit_mb=2048 -max_len=4096 -artifact_prefix=$B/crashes/"

passed=0
failed=0

# run_target NAME: 0 if the corpus, and the fuzzing if asked for, went well.
run_target() {
	program=$B/fuzz/fuzz_$1
	corpus=tests/fuzz/corpus/$1
	log=$B/logs/$1.log
	[ -x "$program" ] || { echo "fuzz: $program is not built"; return 1; }
	[ -n "$(ls -A "$corpus" 2>/dev/null)" ] || { echo "fuzz: $corpus is empty"; return 1; }
	# shellcheck disable=SC2086 # a list of options
	if ! "$program" $options -runs=0 "$corpus" >"$log" 2>&1; then
		tail -n 60 "$log"
		return 1
	fi
	[ "$mode" = smoke ] || return 0
	mkdir -p "$B/corpus/$1"
	dictionary=
	[ ! -f "tests/fuzz/$1.dict" ] || dictionary=-dict=tests/fuzz/$1.dict
	# shellcheck disable=SC2086
	if ! "$program" $options $dictionary -max_total_time="$seconds" "$B/corpus/$1" "$corpus" >"$log" 2>&1; then
		tail -n 80 "$log"
		return 1
	fi
	echo "fuzz: $1: $(sed -n 's/^Done \([0-9]*\) runs.*/\1 runs/p' "$log")"
}

# smoke has two cores: two targets at a time, each judged by the file it leaves.
run_and_note() {
	if run_target "$1" >"$B/logs/$1.out" 2>&1; then
		echo ok >"$B/logs/$1.result"
	else
		echo failed >"$B/logs/$1.result"
	fi
}

running=0
rm -f "$B"/logs/*.result "$B"/logs/*.out
for source in tests/fuzz/fuzz_*.c; do
	[ -f "$source" ] || continue
	name=$(basename "$source" .c)
	run_and_note "${name#fuzz_}" &
	running=$((running + 1))
	if [ "$running" -eq 2 ]; then
		wait
		running=0
	fi
done
wait

for source in tests/fuzz/fuzz_*.c; do
	[ -f "$source" ] || continue
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	cat "$B/logs/$name.out"
	if [ "$(cat "$B/logs/$name.result")" = ok ]; then
		passed=$((passed + 1))
	else
		echo "fuzz: FAILED $name"
		failed=$((failed + 1))
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/bin/sh
# Runs the test suites on what is built in the folder B and ends with one line "N passed, N failed".
#
#   SUITES="unit corpus arch functional workers network interop"   which ones (default: all; workers: functional again, with three)
#   B=build                                        the build folder
#
# A suite that could not run, a skipped test and a report of a sanitizer count as failed. Logs, the pytest results and the
# conformance lines covered (ID TEST, only of what passed) are in $B/results; `make conformance` reads build/covered.txt.
set -u

cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
SUITES=${SUITES:-unit corpus arch functional workers network interop}
R=$B/results
export B PYTHONDONTWRITEBYTECODE=1
PYTHON=build/venv/bin/python
[ -x "$PYTHON" ] || PYTHON=python3

rm -rf "$R"
mkdir -p "$R/unit" "$R/sanitizer"
export ASAN_OPTIONS="log_path=$PWD/$R/sanitizer/report:detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$PWD/$R/sanitizer/report:print_stacktrace=1:${UBSAN_OPTIONS:-}"

total_passed=0
total_failed=0

# suite_report NAME PASSED FAILED SECONDS
suite_report() {
	printf '%-10s %5d passed %4d failed  %4d s\n' "$1" "$2" "$3" "$4"
	total_passed=$((total_passed + $2))
	total_failed=$((total_failed + $3))
}

# Adds up the counts in a log: behind a word of cmocka, in front of a word of pytest.
cmocka_count() {
	sed -n "s/^\[  $1 *\].* \([0-9][0-9]*\) test(s).*/\1/p" "$2" | awk '{n += $1} END {print n + 0}'
}

pytest_count() {
	tail -n 1 "$2" | sed -n "s/.*[^0-9]\([0-9][0-9]*\) $1.*/\1/p; s/^\([0-9][0-9]*\) $1.*/\1/p" | awk '{n += $1} END {print n + 0}'
}

# Every cmocka program that has a source; one that was not built has failed.
suite_unit() {
	passed=0 failed=0
	for source in tests/unit/test_*.c tests/sim/test_*.c; do
		[ -f "$source" ] || continue
		name=$(basename "$source" .c)
		log=$R/unit/$name.log
		timeout --kill-after=10 "${UNIT_SECONDS:-120}" "$B/unit/$name" >"$log" 2>&1 </dev/null
		status=$?
		ok=$(cmocka_count PASSED "$log")
		bad=$(($(cmocka_count FAILED "$log") + $(cmocka_count SKIPPED "$log")))
		if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad)) -eq 0 ]; then
			bad=$((bad + 1))
		fi
		if [ "$bad" -ne 0 ]; then
			echo "---- $name (status $status)"
			grep -v '^\[ *\(OK\|RUN\) *\]' "$log" | tail -n 40
		else
			sed -n 's/^covers: //p' "$log" | tr ' ' '\n' | sed -n "s|.\+|& $source|p" >>"$R/covered-unit.txt"
		fi
		passed=$((passed + ok)) failed=$((failed + bad))
	done
}

# Each fuzz target over its corpus.
suite_corpus() {
	passed=0 failed=0
	log=$R/corpus.log
	if make --no-print-directory fuzz >"$log" 2>&1; then
		B=build/fuzzing sh tests/fuzz/run.sh replay >>"$log" 2>&1
	fi
	counts=$(sed -n 's/^fuzz: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")
	if [ -n "$counts" ]; then
		passed=${counts% *} failed=${counts#* }
	else
		failed=1
	fi
	[ "$failed" -eq 0 ] || tail -n 60 "$log"
}

suite_arch() {
	passed=0 failed=0
	log=$R/arch.log
	python3 tests/arch/check.py >"$log" 2>&1
	counts=$(sed -n 's/^arch: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")
	if [ -n "$counts" ]; then
		passed=${counts% *} failed=${counts#* }
	else
		failed=1
	fi
	[ "$failed" -eq 0 ] || grep -v '^ok' "$log"
}

# The functional tests that make namespaces, forge ICMP messages or change users: they need root, so they are run by sudo where the
# user is not root.
NETWORK="tests/functional/test_addresses.py tests/functional/test_icmp.py tests/functional/test_service_root.py tests/functional/test_processes_root.py tests/functional/test_reader_root.py"
as_root=
[ "$(id -u)" -eq 0 ] || as_root="sudo env B=$B PYTHONDONTWRITEBYTECODE=1 ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS"

# pytest_run PREFIX LOG ARGUMENT...: PREFIX is put before the command, unquoted. Sets passed and failed.
pytest_run() {
	prefix=$1 log=$2
	covered=$PWD/$R/covered-$(basename "$log" .log).txt
	shift 2
	# shellcheck disable=SC2086 # the prefix is words
	$prefix env "COVERED=$covered" timeout --kill-after=20 "${PYTEST_SECONDS:-1200}" "$PYTHON" -m pytest -q -rfEs \
		-p no:cacheprovider --color=no --durations=10 --junitxml="${log%.log}.xml" "$@" >"$log" 2>&1 </dev/null
	status=$?
	failed=0
	passed=$(pytest_count passed "$log")
	for word in failed errors\\? skipped xfailed xpassed; do
		failed=$((failed + $(pytest_count "$word" "$log")))
	done
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
	fi
}

# suite_pytest NAME PREFIX ARGUMENT...: what pytest finds by the arguments. Many tests here wait for other processes in real time, and a
# machine may stand still for a moment: up to three that failed are run once more, alone. What fails twice has failed; what did not is told.
suite_pytest() {
	name=$1 prefix=$2
	shift 2
	pytest_run "$prefix" "$R/$name.log" "$@"
	if [ "$failed" -ge 1 ] && [ "$failed" -le 3 ]; then
		first_passed=$passed first_failed=$failed
		sed -n 's/^FAILED \(tests[^ ]*::.*\)$/\1/p' "$R/$name.log" | sed 's/ - .*//' >"$R/$name.again"
		if [ "$(wc -l <"$R/$name.again")" -eq "$failed" ]; then
			set --
			while IFS= read -r test; do
				set -- "$@" "$test"
			done <"$R/$name.again"
			pytest_run "$prefix" "$R/$name-again.log" "$@"
			echo "$name: failed at first, run once more, $passed of $first_failed passed:" "$@"
			passed=$((first_passed + passed))
		fi
	fi
	[ "$failed" -eq 0 ] || tail -n "${PYTEST_LINES:-150}" "$R/$name.log"
}

# The functional tests, as the suite NAME.
suite_functional() {
	# shellcheck disable=SC2046,SC2086 # one word for each file
	suite_pytest "$1" "" tests/functional $(printf -- '--ignore=%s ' $NETWORK)
}

# The same with three workers: most exchanges cross from one to another.
suite_workers() {
	OSCORE_PROXY_WORKERS=3
	export OSCORE_PROXY_WORKERS
	suite_functional workers
	unset OSCORE_PROXY_WORKERS
}

# Both wait for other processes most of the time, so the one with workers runs beside the other where both are wanted. What it tells
# and counts waits in files until its turn.
workers_pid=
case " $SUITES " in *" functional "*"workers "*) workers_beside=yes ;; *) workers_beside= ;; esac

start_workers_beside() {
	[ -n "$workers_beside" ] || return 0
	(
		suite_workers >"$R/workers.told" 2>&1
		echo "$passed $failed" >"$R/workers.counts"
	) &
	workers_pid=$!
}

end_workers_beside() {
	wait "$workers_pid"
	cat "$R/workers.told"
	passed=0 failed=1
	[ ! -s "$R/workers.counts" ] || read -r passed failed <"$R/workers.counts"
}

for suite in $SUITES; do
	begin=$(date +%s)
	case $suite in
	unit | corpus | arch) "suite_$suite" ;;
	functional)
		start_workers_beside
		suite_functional functional
		;;
	workers)
		if [ -n "$workers_beside" ]; then
			end_workers_beside
		else
			suite_workers
		fi
		;;
	network)
		# shellcheck disable=SC2086 # one word for each file
		suite_pytest network "$as_root" $NETWORK
		;;
	interop)
		suite_pytest interop "" tests/interop
		sed -n '/^client to device /,/^O: /p' "$R/interop.log" # the matrix of transports
		;;
	*)
		echo "run.sh: no suite of the name $suite"
		passed=0 failed=1
		;;
	esac
	suite_report "$suite" "$passed" "$failed" $(($(date +%s) - begin))
done

for report in "$R"/sanitizer/report.*; do
	[ -f "$report" ] || continue
	echo "---- $report"
	head -n 60 "$report"
	total_failed=$((total_failed + 1))
done
cat "$R"/covered-*.txt 2>/dev/null | sort -u >"$R/covered.txt"
[ "$B" != build ] || cp "$R/covered.txt" build/covered.txt

echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]

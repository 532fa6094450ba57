#!/bin/sh
# Builds for other architectures with Debian's cross compilers and runs under qemu-user: the unit tests (the vectors of RFC 8613
# among them), the simulations, the fuzz targets over their corpora, and the program as far as it needs no worker. One line for
# each architecture, "ARCH: N passed, N failed"; ends with the sum of them.
#
#   ARCHES="arm64 armhf"     which ones (default: both)
#   B=build                  where the native program is: what the others print must be what it prints
#
# Each architecture has the folder build/cross/ARCH: sysroot (tests/cross-sysroot.sh), the build, results/NAME.log.
set -u

cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
ARCHES=${ARCHES:-arm64 armhf}

export TEST_EMULATED=1 # random tests make fewer runs

# Tests that qemu-user cannot run, since they are about the kernel that it stands in for: NAME and, behind it, why.
needs_a_kernel() {
	case $1 in
	test_sandbox) echo "seccomp filters and Landlock rules are the kernel's, qemu-user refuses both" ;;
	test_sandbox_needs) echo "runs in the sandbox, see test_sandbox" ;;
	test_confine) echo "what the reader cannot do, see test_sandbox" ;;
	test_resolve_confined) echo "kills who opens a file, by a seccomp filter" ;;
	test_group_confined) echo "leaves itself read, write and exit, by seccomp" ;;
	*) return 1 ;;
	esac
}

# architecture ARCH: sets what names it elsewhere.
architecture() {
	case $1 in
	arm64) triplet=aarch64-linux-gnu qemu=qemu-aarch64 ;;
	armhf) triplet=arm-linux-gnueabihf qemu=qemu-arm ;;
	*) echo "cross: do not know how to build for $1" >&2; return 1 ;;
	esac
	command -v "$qemu" >/dev/null || qemu=$qemu-static
	folder=build/cross/$1
	sysroot=$PWD/$folder/sysroot
	emulator="$qemu -L $sysroot"
}

build() {
	libraries=$sysroot/usr/lib/$triplet/pkgconfig:$sysroot/usr/lib/pkgconfig:$sysroot/usr/share/pkgconfig
	env PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR="$libraries" PKG_CONFIG_SYSROOT_DIR="$sysroot" \
		make --no-print-directory -j"$(nproc)" B="$folder" CC="$triplet-gcc --sysroot=$sysroot" EMULATOR="$emulator" \
		CFLAGS=-O2 WERROR=-Werror FUZZ_MAIN=tests/fuzz/replay.c tests fuzz-programs
}

# count WORD LOG: the tests behind a word of cmocka.
count() {
	sed -n "s/^\[  $1 *\].* \([0-9][0-9]*\) test(s).*/\1/p" "$2" | awk '{n += $1} END {print n + 0}'
}

# judge_test NAME: leaves "passed failed" in results/NAME.count; what went wrong is in results/NAME.out.
judge_test() {
	log=$folder/results/$1.log
	# shellcheck disable=SC2086 # the emulator is words
	timeout --kill-after=10 "${UNIT_SECONDS:-400}" $emulator "$folder/unit/$1" >"$log" 2>&1 </dev/null
	status=$?
	ok=$(count PASSED "$log")
	bad=$(($(count FAILED "$log") + $(count SKIPPED "$log")))
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad)) -eq 0 ]; then
		bad=$((bad + 1))
	fi
	echo "$ok $bad" >"$folder/results/$1.count"
	if [ "$bad" -ne 0 ]; then
		{ echo "---- $arch: $1 (status $status)"; grep -v '^\[ *\(OK\|RUN\) *\]' "$log" | tail -n 40; } >"$folder/results/$1.out"
	fi
}

# Two at a time: each judged by the file that it leaves.
run_tests() {
	running=0
	for source in tests/unit/test_*.c tests/sim/test_*.c; do
		name=$(basename "$source" .c)
		if reason=$(needs_a_kernel "$name"); then
			echo "$arch: not run: $name: $reason"
			continue
		fi
		judge_test "$name" &
		running=$((running + 1))
		[ $((running % 2)) -eq 1 ] || wait
	done
	wait
}

# Each fuzz target over its corpus: one test.
run_corpora() {
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		corpus=tests/fuzz/corpus/${name#fuzz_}
		log=$folder/results/$name.log
		# shellcheck disable=SC2086
		if timeout --kill-after=10 "${UNIT_SECONDS:-400}" $emulator "$folder/fuzz/$name" "$corpus" >"$log" 2>&1 </dev/null &&
			grep -q '^replayed [1-9]' "$log"; then
			echo "1 0" >"$folder/results/$name.count"
		else
			echo "0 1" >"$folder/results/$name.count"
			{ echo "---- $arch: $name over $corpus"; tail -n 20 "$log"; } >"$folder/results/$name.out"
		fi
	done
}

# same NAME ARGUMENT...: the program says and returns what the native one does.
same() {
	title=$1
	shift
	"$B/oscore-proxy" "$@" >"$folder/results/native" 2>&1 </dev/null
	wanted=$?
	# shellcheck disable=SC2086
	$emulator "$folder/oscore-proxy" "$@" >"$folder/results/$title.text" 2>&1 </dev/null
	status=$?
	# The versions of libraries are the machine's.
	[ "$title" != version ] || sed -i -s '2,$d' "$folder/results/native" "$folder/results/$title.text"
	if [ "$status" -eq "$wanted" ] && [ -s "$folder/results/native" ] &&
		cmp -s "$folder/results/native" "$folder/results/$title.text"; then
		echo "1 0" >"$folder/results/$title.count"
	else
		echo "0 1" >"$folder/results/$title.count"
		{
			echo "---- $arch: oscore-proxy $* (status $status, native $wanted)"
			diff "$folder/results/native" "$folder/results/$title.text" | head -n 20
		} >"$folder/results/$title.out"
	fi
}

run_program() {
	same version -V
	same check -t -c proxy.conf.example
	same print -T -c proxy.conf.example
	same refuse -t -c tests/data/conf/cross.bad.conf
	same explain -c proxy.conf.example -E 'GET coap://pump.plant.example/p from 10.0.0.7:5683 via local oscore'
	same manual --print-manual
}

# one ARCH: 0 if all of it went well; adds to the sums.
one() {
	arch=$1
	architecture "$arch" || return 1
	sh tests/cross-sysroot.sh "$arch" "$triplet" "$sysroot" || return 1
	mkdir -p "$folder/results"
	if ! build >"$folder/build.log" 2>&1; then
		echo "---- $arch: does not build"
		grep -v "^$triplet-gcc\|^link\|^unit" "$folder/build.log" | tail -n 40
		return 1
	fi
	rm -f "$folder"/results/*
	run_tests
	run_corpora
	run_program
	cat "$folder"/results/*.out 2>/dev/null
	# shellcheck disable=SC2046
	set -- $(cat "$folder"/results/*.count | awk '{ok += $1; bad += $2} END {print ok + 0, bad + 0}')
	echo "$arch: $1 passed, $2 failed"
	total_passed=$((total_passed + $1))
	total_failed=$((total_failed + $2))
}

sh tools/setup.sh build cross || exit 1
total_passed=0
total_failed=0
for name in $ARCHES; do
	one "$name" || { echo "$name: 0 passed, 1 failed"; total_failed=$((total_failed + 1)); }
done
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]

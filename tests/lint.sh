#!/bin/sh
# `make lint`: everything builds without a warning by gcc and by clang, and cppcheck, shellcheck, the Python compiler and
# mandoc have nothing to say. Every step runs; the last line counts them.
set -u

cd "$(dirname "$0")/.." || exit 1
out=build/lint
mkdir -p "$out"
sh tools/setup.sh dev || exit 1
jobs=$(nproc)
# Where gcc builds: who has built with its warnings as errors already says where, and nothing is built twice.
gcc_build=${LINT_GCC_BUILD:-$out/gcc}

passed=0
failed=0

# step NAME COMMAND...: runs it; what it printed is shown only if it failed.
step() {
	title=$1
	shift
	begin=$(date +%s)
	if "$@" >"$out/log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		verdict=ok
	else
		failed=$((failed + 1))
		verdict=FAILED
		tail -n 60 "$out/log"
	fi
	printf 'lint: %-34s %-6s %3d s\n' "$title" "$verdict" $(($(date +%s) - begin))
}

build_with_gcc() {
	make --no-print-directory -k -j"$jobs" B="$gcc_build" CC=gcc WERROR=-Werror tests
}

# build_with_clang ARGUMENT...: clang warns the same without optimising.
build_with_clang() {
	make --no-print-directory -k -j"$jobs" B="$out/clang" CC=clang CFLAGS=-O0 FORTIFY= WERROR=-Werror "$@"
}

# log_fatal() does not return, which cppcheck does not see; slab.c hands memory over by memcpy; ternaries of compound literals
# are beyond its parser.
check_c() {
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j "$jobs" -I. \
		-D_GNU_SOURCE '-Dlog_fatal(...)=abort()' --suppress=missingIncludeSystem --suppress=internalAstError \
		--suppress=memleak:base/slab.c base coap translate oscore conf proxy tools
}

check_shell() {
	git ls-files --cached --others --exclude-standard '*.sh' .ci/run | while read -r name; do
		[ ! -f "$name" ] || echo "$name"
	done | xargs shellcheck --severity=warning
}

# As `python -m py_compile`, but leaves no files behind.
check_python() {
	git ls-files --cached --others --exclude-standard '*.py' | xargs -n 50 python3 -c '
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)'
}

check_manual() {
	for page in docs/oscore-proxy.8 docs/oscore-reader.8 docs/oscore-keys.1 "$gcc_build/docs/oscore-proxy.conf.5"; do
		mandoc -T lint -W warning "$page" || return 1
	done
}

step "gcc, warnings are errors" build_with_gcc
step "clang, warnings are errors" build_with_clang tests
step "clang, the fuzz targets" build_with_clang FUZZ_MAIN=-fsanitize=fuzzer fuzz-programs
step "cppcheck" check_c
step "shellcheck" check_shell
step "python" check_python
step "manual pages" check_manual
echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/bin/sh
# Brings what the tests need and the machine lacks: Debian packages (tools/setup.sh, group "test"), the Python peers of
# requirements.txt in build/venv, the Node.js peers of package-lock.json in build/node_modules, the Java peers of pom.xml in build/java.
# Prints nothing and takes no time where all is there. A marker in each folder names the list that was installed.
set -eu

cd "$(dirname "$0")/.."
sh tools/setup.sh build test

# The system's Python, not one that a version manager put before it on the path.
python=/usr/bin/python3
[ -x "$python" ] || python=python3

# up_to_date MARKER FILE...: does the marker hold what the files hold now?
up_to_date() {
	marker=$1
	shift
	[ -f "$marker" ] && cat "$@" | cmp -s - "$marker"
}

if ! up_to_date build/venv/installed tests/requirements.txt || ! build/venv/bin/python -c 'import aiocoap, pytest' 2>/dev/null; then
	echo "setup: installing the Python peers into build/venv"
	rm -rf build/venv
	mkdir -p build
	"$python" -m venv build/venv
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt
	build/venv/bin/python -c 'import aiocoap.oscore, pytest'
	cat tests/requirements.txt >build/venv/installed
fi

if ! up_to_date build/node_modules/.installed tests/package.json tests/package-lock.json; then
	echo "setup: installing the Node.js peers into build/node_modules"
	rm -rf build/npm build/node_modules
	mkdir -p build/npm
	cp tests/package.json tests/package-lock.json build/npm/
	(cd build/npm && npm ci --silent --no-audit --no-fund --ignore-scripts)
	mv build/npm/node_modules build/node_modules
	rm -rf build/npm
	cat tests/package.json tests/package-lock.json >build/node_modules/.installed
fi

if ! up_to_date build/java/installed tests/interop/java/pom.xml; then
	echo "setup: installing the Java peers into build/java"
	rm -rf build/java
	mkdir -p build/java
	mvn --quiet --batch-mode --file tests/interop/java/pom.xml -DoutputDirectory="$PWD/build/java" \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies >build/java/log 2>&1 || { cat build/java/log; exit 1; }
	cat tests/interop/java/pom.xml >build/java/installed
fi

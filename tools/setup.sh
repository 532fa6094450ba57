#!/bin/sh
# Installs the Debian packages of the named groups (tools/apt-packages.txt) that are missing: setup.sh [GROUP...]; without a
# name `build`.
# Prints nothing and does nothing where all are there. Works as root, or with sudo.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
list=$here/apt-packages.txt
[ $# -gt 0 ] || set -- build

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Is one name of the line "A|B [command=C]" there?
line_is_content() {
	for word in $(echo "$1" | tr '|' ' '); do
		case $word in
		command=*) ! command -v "${word#command=}" >/dev/null 2>&1 || return 0 ;;
		*) ! is_installed "$word" || return 0 ;;
		esac
	done
	return 1
}

# The lines of the groups wanted, without their group.
wanted() {
	for group in "$@"; do
		sed -n "s/^$group //p" "$list"
	done
}

missing() {
	wanted "$@" | while read -r line; do
		line_is_content "$line" || echo "$line"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# The first name of a line that the release knows.
known_name() {
	names=$(echo "${1%% *}" | tr '|' ' ')
	for name in $names; do
		if apt-cache show "$name" >/dev/null 2>&1; then
			echo "$name"
			return
		fi
	done
	echo "setup: this release has none of: $names" >&2
	return 1
}

command -v dpkg-query >/dev/null 2>&1 || { echo "setup: not a Debian system; install by hand what $list names" >&2; exit 1; }
[ -n "$(missing "$@")" ] || exit 0

if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
	echo "setup: these packages are missing, and installing them needs root or sudo:" >&2
	missing "$@" | sed 's/^/  /' >&2
	exit 1
fi

echo "setup: reading the lists of packages (apt-get update)"
as_root apt-get -qq update
packages=
while read -r line; do
	packages="$packages $(known_name "$line")" || exit 1
done <<END
$(missing "$@")
END
echo "setup: installing$packages"
# shellcheck disable=SC2086 # a list of names
as_root apt-get -qq install -y --no-install-recommends $packages >/dev/null
left=$(missing "$@")
if [ -n "$left" ]; then
	echo "setup: still missing after the installation: $left" >&2
	exit 1
fi
echo "setup: done"

#!/bin/sh
# Lays out the libraries of another Debian architecture in a folder of their own: cross-sysroot.sh ARCH TRIPLET FOLDER
#
# What the group "build" of tools/apt-packages.txt names as libraries, cmocka, and all they depend on, in the release and from
# the sources that this machine's apt is set up with. apt works in FOLDER.apt on an empty list of installed packages, and the
# packages are unpacked, not installed: neither the machine's packages nor its architectures change, and it needs no root.
# Prints nothing and does nothing where FOLDER was made from the same list; FOLDER/made-from tells.
set -eu

arch=$1 triplet=$2 sysroot=$3
here=$(cd "$(dirname "$0")" && pwd)
list=$here/../tools/apt-packages.txt

# Names, and A|B where the releases differ.
wanted=$({ sed -n 's/^build \(lib[^ ]*\).*/\1/p' "$list"; sed -n 's/^test \(libcmocka[^ ]*\).*/\1/p' "$list"; } | tr '\n' ' ')
release=$(sed -n 's/^VERSION_ID=//p' /etc/os-release)
made_from="release $release: $wanted"
[ "$(cat "$sysroot/made-from" 2>/dev/null)" != "$made_from" ] || exit 0

rm -rf "$sysroot" "$sysroot.apt"
mkdir -p "$sysroot/usr/lib" "$sysroot.apt/lists/partial" "$sysroot.apt/archives/partial"
sysroot=$(cd "$sysroot" && pwd)
apt=$sysroot.apt
: >"$apt/status"

cat >"$apt/apt.conf" <<END
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
END
export APT_CONFIG="$apt/apt.conf"

echo "setup: reading the lists of packages of $arch"
# A list that a mirror has out of step in one form may be right in the other. A source that is not to be had (the updates, say)
# does no harm: what matters is whether the packages below are found.
apt-get -qq update >"$apt/log" 2>&1 || apt-get -qq -o Acquire::CompressionTypes::Order::=gz update >"$apt/log" 2>&1 || { sed -n 's/^E: /setup: /p' "$apt/log"; echo "setup: going on with the lists that came"; }
packages=
for names in $wanted; do
	for name in $(echo "$names" | tr '|' ' '); do
		# What stands in for a library is source, for every architecture: this machine's.
		case $name in lib*) ;; *) continue 2 ;; esac
		if apt-cache show "$name" >/dev/null 2>&1; then
			packages="$packages $name"
			continue 2
		fi
	done
	echo "setup: this release has for $arch none of: $names" >&2
	exit 1
done
echo "setup: fetching for $arch$packages"
# shellcheck disable=SC2086 # a list of names
apt-get -qq -y --download-only install $packages >"$apt/log" 2>&1 || { tail -n 20 "$apt/log" >&2; exit 1; }

# /lib is /usr/lib, as on an installed system.
ln -s usr/lib "$sysroot/lib"
for package in "$apt"/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$package" | tar -x -f - -C "$sysroot" --keep-directory-symlink --no-same-owner \
		--exclude='./usr/share/*'
done

# A link to /... would lead out of the folder.
find "$sysroot" -type l -lname '/*' | while read -r link; do
	ln -sfn "$(realpath -m -s --relative-to="$(dirname "$link")" "$sysroot$(readlink "$link")")" "$link"
done

rm -rf "$apt"
[ -f "$sysroot/usr/lib/$triplet/pkgconfig/libevent_core.pc" ] || { echo "setup: $sysroot lacks libevent" >&2; exit 1; }
echo "$made_from" >"$sysroot/made-from"

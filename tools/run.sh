#!/bin/sh
# Shows the gateway at work: starts it and a demo device, sends one plain and one OSCORE request through it, and puts what
# left the client beside what reached the device, and the way back. Called by `make run` once everything is built.
#
# With a terminal on standard input it then stays in the foreground, with the commands to try next, until Ctrl-C; without
# one it ends. Ends non-zero if a byte differs or anything failed. B is the build folder.
set -u

cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
gateway=127.0.0.1:5683
device=127.0.0.1:5700
uri=coap://$device/temperature
logs=
device_pid=
gateway_pid=
tail_pid=

# shellcheck disable=SC2317 # called by the trap
end_all() {
	trap '' INT TERM HUP
	for pid in $tail_pid $gateway_pid $device_pid; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	[ -z "$logs" ] || rm -rf "$logs"
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
	echo "run: $*" >&2
	for log in client.plain client.oscore device gateway; do
		[ ! -s "$logs/$log" ] || sed "s/^/  $log: /" "$logs/$log" | tail -n 20 >&2
	done
	exit 1
}

# A UDP port is looked for in every table: a wildcard socket of either family keeps it too.
port_is_taken() {
	cat /proc/net/udp /proc/net/udp6 2>/dev/null | awk -v port="$(printf ':%04X' "${1##*:}")" \
		'substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'
}

# await PID ADDRESS WHAT: until the process has its port, 10 s at most.
await() {
	tries=0
	until port_is_taken "$2"; do
		kill -0 "$1" 2>/dev/null || fail "the $3 ended before it listened on $2"
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the $3 does not listen on $2"
		sleep 0.1
	done
}

# wire LOG DIRECTION KIND WHAT: from a trace, of the last message sent or received that has (KIND oscore) or has not
# (plain) an OSCORE option, WHAT: its option 9, its Uri-Path, or its payload, in hex.
wire() {
	awk -v direction="$2" -v kind="$3" -v what="$4" '
		function finish() {
			if (wanted && (kind == "oscore") == (value["option 9"] != ""))
				result = value[what] == "" ? "(none)" : value[what]
			split("", value)
		}
		/^[^ ]/ { finish(); wanted = index($0, direction " ") == 1 }
		$1 == "option" { value["option " $2] = (value["option " $2] == "" ? "" : value["option " $2] " ") $4 }
		$1 == "payload" { value["payload"] = $2 }
		END { finish(); print result == "" ? "(no message)" : result }' "$logs/$1"
}

# both_ends TITLE KIND CLIENT_DIRECTION DEVICE_DIRECTION PART...: prints each part as both ends saw it, and compares.
both_ends() {
	title=$1 kind=$2 at_client=$3 at_device=$4
	shift 4
	case $at_client in
	sent*) first=client second=device ;;
	*) first=device second=client ;;
	esac
	echo "$title"
	for part in "$@"; do
		client_has=$(wire "client.$kind" "$at_client" "$kind" "$part")
		device_has=$(wire device "$at_device" "$kind" "$part")
		case $part in
		"option 9") name="OSCORE option" ;;
		"option 11") name="Uri-Path" ;;
		*) name=$part ;;
		esac
		verdict=equal
		if [ "$client_has" != "$device_has" ] || [ "$client_has" = "(no message)" ]; then
			verdict=DIFFERENT
			differs=$((differs + 1))
		fi
		if [ $first = client ]; then sent=$client_has received=$device_has; else sent=$device_has received=$client_has; fi
		printf '  %-14s %s sent      %s\n' "$name" "$first" "$sent"
		printf '  %-14s %s received  %s  %s\n' "" "$second" "$received" "$verdict"
	done
}

# ask KIND [OPTION]: one request through the gateway; its trace goes to the log client.KIND. What went wrong with it is
# said after both legs were shown.
ask() {
	kind=$1
	shift
	timeout 30 "$B/oscore-demo" get --trace --proxy $gateway "$@" $uri >"$logs/client.$kind" 2>&1 || unanswered="$unanswered $kind"
	printf '%s request for %s: %s\n' "$kind" $uri "$(tail -n 1 "$logs/client.$kind")"
}

for address in $gateway $device; do
	if port_is_taken "$address"; then
		echo "run: UDP port ${address##*:} is in use: another gateway or device runs on this machine. End it and try again." >&2
		exit 1
	fi
done
for program in oscore-proxy oscore-demo; do
	[ -x "$B/$program" ] || { echo "run: $B/$program is not built" >&2; exit 1; }
done
logs=$(mktemp -d) || exit 1

"$B/oscore-demo" device --bind $device --trace >"$logs/device" 2>&1 &
device_pid=$!
await $device_pid $device "demo device"
"$B/oscore-proxy" -c proxy.conf.example >"$logs/gateway" 2>&1 &
gateway_pid=$!
await $gateway_pid $gateway gateway
echo "gateway on $gateway, device on $device"
echo

differs=0
unanswered=
ask plain
both_ends "request" plain "sent to" "received from" "option 11"
both_ends "response" plain "received from" "sent to" payload
echo
ask oscore --oscore
both_ends "request" oscore "sent to" "received from" "option 9" payload
both_ends "response" oscore "received from" "sent to" "option 9" payload
echo
[ -z "$unanswered" ] || fail "not answered as it should be:$unanswered"
[ $differs -eq 0 ] || fail "$differs parts differ between the two legs"
echo "both legs are equal: the gateway carried the OSCORE option and the payload untouched"

[ -t 0 ] || exit 0

cat <<EOF

Now try, in another terminal:
  $B/oscore-demo get --oscore --trace --proxy $gateway $uri
  $B/oscore-demo get --oscore --proxy-uri --proxy $gateway coap://$device/.well-known/core
  $B/oscore-demo get --proxy $gateway $uri
  $B/oscore-proxy -c proxy.conf.example -E 'GET $uri from 127.0.0.1:40000 via coap oscore'
What the device receives and sends appears below. Ctrl-C ends everything.

EOF
trap 'echo; exit 0' INT
tail -n 0 -f "$logs/device" &
tail_pid=$!
wait $gateway_pid
fail "the gateway ended"

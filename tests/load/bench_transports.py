#!/usr/bin/env python3
"""bench_transports - what CoAP over TCP and DTLS costs beside UDP, beside libcoap and beside OpenSSL alone.

udp_tcp_ratio, tcp_udp_ratio: CPU for each request of the gateway from UDP to TCP, and from TCP to UDP, to that from UDP to UDP in the
same rounds. 64 clients keep 8 requests each under way, at 64 devices, so that what goes one way on a connection can go together; clients
over TCP have one connection each, and so have devices. The same with one request each under way at 256 devices, where nothing is together,
stands beside it.
dtls_ratio: CPU for each request from DTLS (pre-shared keys) to UDP, to that of libcoap's coap-server as a proxy with the same key.
hs_ratio: CPU for each new DTLS session, opened with a pre-shared key and closed, to that of a bare loop on OpenSSL (handshakes.c).
dtls_bytes, tls_bytes, tcp_bytes: resident bytes of all processes of the gateway for each of 10,000 idle sessions or connections, pages
that processes share counted once. Over TLS the client is as RFC 7925 4.2 wants a device: TLS 1.2 and AES_128_CCM_8; one of TLS 1.3 with
OpenSSL's own choice of suites stands beside it.

Before the last line it is told how 64 clients over DTLS, at half the rate that they reach alone, fare while 500 others a second open
sessions for 20 s: nothing of either may fail, and their 99th percentile of latency stays under four times the one they had alone; and what
a request over DTLS costs with 10,000 sessions beside one with 10: 1.2 times at most.

The gateway has one worker. What is measured is pinned to one core, load and devices to others. A slow ratio is no failure. The exit
status is not 0 if something did not run, an answer was wrong or missing, or the clients beside the new sessions fared worse than that.
"""
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time

import bench
from bench import BenchError, median, spread
from bench_http import TcpServer, written

CLIENTS, KEY = 64, "bench-key-16byte"
JOINED, SINGLE = (8, 64), (1, 256)  # requests of a client under way, devices
IDLE, IDLE_SOURCES = 10000, 16
STORM_RATE, STORM_SECONDS, STORM_WORSE, MANY_WORSE = 500, 20, 4.0, 1.2
IDENTITIES = 40000
FORMS = (("udp_tcp_ratio", "%.3f"), ("tcp_udp_ratio", "%.3f"), ("dtls_ratio", "%.3f"), ("hs_ratio", "%.3f"),
         ("dtls_bytes", "%.0f"), ("tls_bytes", "%.0f"), ("tcp_bytes", "%.0f"))

CONFIG = """
process: {{ workers = 1; user = ""; }};
limits: {{ dedup-memory = "2GB"; }};
transports: {{ connections = 40000; client-connections = 40000; sessions = 40000; }};
listeners: {{
  udp: {{ url = "coap://127.0.0.1:{udp}"; }};
  tcp: {{ url = "coap+tcp://127.0.0.1:{tcp}"; }};
  dtls: {{ url = "coaps://127.0.0.1:{dtls}"; psk-file = "{folder}/keys"; }};
  tls: {{ url = "coaps+tcp://127.0.0.1:{tls}"; certificate = "{folder}/cert.pem"; key = "{folder}/key.pem"; }};
}};
routes: {{ all: {{
  from = ["udp", "tcp", "dtls", "tls"]; forward-to = ["coap://127.0.0.0/8:*", "coap+tcp://127.0.0.0/8:*"];
  allow-networks = ["127.0.0.0/8"];
}}; }};
"""


class Gateway(TcpServer):
    """Its port is that of plain UDP; `port_of` has all."""

    def is_ready(self):
        return bench.Server.is_ready(self)


class Transports(bench.Bench):
    def prepare(self):
        """Certificate and keys of the gateway, and ports for more servers."""
        self.ports = iter(bench.free_ports(80)[16:])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=bench", "-keyout", self.folder + "/key.pem", "-out", self.folder + "/cert.pem"],
                       check=True, stderr=subprocess.DEVNULL)
        written(self.folder + "/keys", "".join("bench-%d:%s\n" % (i, KEY.encode().hex()) for i in range(IDENTITIES)))
        for secret in ("key.pem", "keys"):
            os.chmod(os.path.join(self.folder, secret), 0o600)

    def start_stream_devices(self):
        self.stream_port = next(self.ports)
        argv = [os.path.join(self.options.bin, "origin"), "-t", str(self.stream_port)]
        server = TcpServer("origin over TCP", argv, self.stream_port, self.cores.devices, self.folder)
        self.servers.append(server)
        server.start()

    def gateway_of(self):
        ports = {name: next(self.ports) for name in ("udp", "tcp", "dtls", "tls")}
        path = written("%s/gateway-%d.conf" % (self.folder, ports["udp"]), CONFIG.format(folder=self.folder, **ports))
        server = Gateway("gateway", [self.options.proxy, "-c", path], ports["udp"], self.cores.measured, self.folder, "ready")
        server.port_of = ports
        self.servers.append(server)
        return server

    def libcoap(self):
        """Its port of DTLS is the one behind that of UDP."""
        program = shutil.which("coap-server-openssl") or shutil.which("coap-server-gnutls")
        if program is None:
            raise BenchError("neither coap-server-openssl nor coap-server-gnutls (Debian: libcoap3-bin) is installed")
        port = next(self.ports)
        server = self.server("libcoap", [program, "-A", "127.0.0.1", "-p", str(port), "-k", KEY, "-P", ",proxyname"], port)
        server.port_of = {"dtls": port + 1}
        print("libcoap's server is %s" % os.path.basename(program))
        return server

    # ---- runs -----------------------------------------------------------------------------------------------------------
    def watched(self, server):
        return [word for pid in server.pids() for word in ("-P", str(pid))]

    def begin(self, argv, **more):
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load), **more)

    def outcome(self, process, server, seconds):
        """What a load program printed."""
        try:
            text, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise BenchError("a load at the %s does not end" % server.name) from error
        server.check()
        result = bench.parse_line(text)
        if process.returncode not in (0, 1) or not result:
            raise BenchError("load ended with status %d: %s" % (process.returncode, " ".join(process.args)))
        return result

    def load(self, server, carrier="udp", scheme="coap", seconds=1.0, clients=CLIENTS, window=1, rate=0, devices=256):
        """Begins a run; outcome() has its result."""
        origin = self.stream_port if scheme == "coap+tcp" else self.origin_port
        argv = [self.load_path, "--carrier", carrier, "--scheme", scheme, "-o", "-a", "-b", self.sources.take(clients),
                "-c", str(clients), "-w", str(window), "-f", str(devices), "-r", "%.0f" % rate, "-t", "%g" % seconds, "--drain",
                "0.2" if server.name == "libcoap" else "3", *self.watched(server), str(server.port_of[carrier]), str(origin)]
        return self.begin(argv)

    def run(self, name, server, seconds=1.0, **more):
        result = self.outcome(self.load(server, seconds=seconds, **more), server, seconds + 60)
        if "rps" not in result:
            raise BenchError("%s: no result" % name)
        self.note_faults(server, name, result)
        return result

    def handshakes(self, server, count, *more, **popen):
        argv = [os.path.join(self.options.bin, "handshakes"), "-n", str(count), *more, *self.watched(server), str(server.port_of["dtls"])]
        return self.begin(argv, **popen)

    def note_handshakes(self, server, result):
        if result["failed"] > 0:
            self.failures.append("%s: %d handshakes failed" % (server.name, result["failed"]))
        return result


def print_rounds(title, rounds):
    print("\n%-24s %10s %12s %8s %8s" % (title, "CPU us", "requests/s", "p50 us", "p99 us"))
    for name, results in rounds.items():
        print("  %-22s %10.2f %12.0f %8.0f %8.0f" % (
            name, *(median([r[f] for r in results]) for f in ("cpu_us_per_request", "rps", "p50_us", "p99_us"))))


def note_ratio(figures, figure, above, below, field):
    ratios = [a[field] / b[field] for a, b in zip(above, below) if b[field] > 0]
    figures[figure] = median(ratios)
    print("%s: median %.3f, [%.3f, %.3f], spread %.3f" % (figure, median(ratios), min(ratios), max(ratios), spread(ratios)))
    sys.stdout.flush()


def in_turns(house, ways, run, count=None):
    """All rounds (or `count`), each with every way once, beginning with another one each time; {way: [result of each round]}."""
    rounds, names = {name: [] for name in ways}, list(ways)
    for number in range(count or house.options.rounds):
        for step in range(len(names)):
            name = names[(number + step) % len(names)]
            rounds[name].append(run(name, ways[name]))
    return rounds


def measure_streams(house, figures):
    gateway = house.gateway_of().start()
    ways = {"UDP to UDP": {}, "UDP to TCP": {"scheme": "coap+tcp"}, "TCP to UDP": {"carrier": "tcp"},
            "TCP to TCP": {"carrier": "tcp", "scheme": "coap+tcp"}}
    for window, devices in (JOINED, SINGLE):
        def run(name, way, seconds=house.options.seconds, window=window, devices=devices):
            return house.run(name, gateway, seconds=seconds, window=window, devices=devices, **way)

        for name, way in ways.items():
            run(name, way, 0.4)
        rounds = in_turns(house, ways, run)
        print_rounds("%d requests, %d devices" % (CLIENTS * window, devices), rounds)
        told = figures if (window, devices) == JOINED else {}
        note_ratio(told, "udp_tcp_ratio", rounds["UDP to TCP"], rounds["UDP to UDP"], "cpu_us_per_request")
        note_ratio(told, "tcp_udp_ratio", rounds["TCP to UDP"], rounds["UDP to UDP"], "cpu_us_per_request")
    gateway.stop()


def measure_sessions(house, figures):
    """Requests over DTLS, beside libcoap."""
    gateway, libcoap = house.gateway_of().start(), house.libcoap().start()
    ways = {"gateway": gateway, "libcoap": libcoap}
    for server in ways.values():
        house.run("DTLS to UDP", server, seconds=0.4, carrier="dtls")
    rounds = in_turns(house, ways, lambda _, server: house.run("DTLS to UDP", server, seconds=house.options.seconds, carrier="dtls"))
    print_rounds("DTLS to UDP", rounds)
    note_ratio(figures, "dtls_ratio", rounds["gateway"], rounds["libcoap"], "cpu_us_per_request")
    gateway.stop()
    libcoap.stop()


def measure_handshakes(house, figures):
    gateway = house.gateway_of().start()
    port = next(house.ports)
    bare = house.server("bare OpenSSL", [os.path.join(house.options.bin, "handshakes"), "-s", str(port)], port)
    bare.port_of = {"dtls": port}
    bare.start()

    def run(_, server):
        return house.note_handshakes(server, house.outcome(house.handshakes(server, house.options.handshakes), server, 120))

    ways = {"gateway": gateway, "bare OpenSSL": bare}
    for name, server in ways.items():
        run(name, server)
    rounds = in_turns(house, ways, run)
    print("\n%-24s %10s %12s %8s %8s" % ("new DTLS sessions", "CPU us", "sessions/s", "p50 us", "p99 us"))
    for name, results in rounds.items():
        print("  %-22s %10.2f %12.0f %8.0f %8.0f" % (
            name, *(median([r[f] for r in results]) for f in ("cpu_us_each", "rate", "p50_us", "p99_us"))))
    note_ratio(figures, "hs_ratio", rounds["gateway"], rounds["bare OpenSSL"], "cpu_us_each")
    gateway.stop()
    bare.stop()


def measure_storm(house):
    """Others open sessions while 64 clients ask."""
    gateway = house.gateway_of().start()
    runs = [house.run("64 clients alone", gateway, seconds=house.options.seconds, carrier="dtls") for _ in range(3)]
    alone = {field: median([r[field] for r in runs]) for field in ("rps", "p99_us")}
    half = alone["rps"] / 2
    calm = house.run("64 clients at half the rate", gateway, seconds=house.options.seconds, carrier="dtls", rate=half)
    seconds = house.options.storm
    storm = house.handshakes(gateway, int(STORM_RATE * seconds), "-r", str(STORM_RATE), "-i", "1000", "-k", stdin=subprocess.PIPE)
    try:
        asking = house.run("64 clients beside new sessions", gateway, seconds=seconds, carrier="dtls", rate=half)
    finally:
        storm.stdin.write("\n")
        storm.stdin.flush()
        opened = house.note_handshakes(gateway, house.outcome(storm, gateway, 60))
    worse = asking["p99_us"] / alone["p99_us"]
    print("\n64 clients over DTLS alone: %.0f requests/s, p99 %.0f us; at half the rate p99 %.0f us; while %.0f sessions a second were "
          "opened for %g s %.0f us, %.2f times the one alone" % (alone["rps"], alone["p99_us"], calm["p99_us"], opened["rate"], seconds,
                                                          asking["p99_us"], worse))
    print("  %d sessions opened, %d failed, p50 %.0f us, p99 %.0f us; of %d requests %d were lost or wrong" % (
        opened["opened"], opened["failed"], opened["p50_us"], opened["p99_us"], asking["answered"], asking["lost"] + asking["wrong"]))
    if worse >= STORM_WORSE:
        house.failures.append("beside new sessions p99 is %.2f times that of before" % worse)
    gateway.stop()


def hold_sessions(house, gateway, first):
    """Opens the idle sessions; the process that has them."""
    process = house.handshakes(gateway, IDLE, "-k", "-i", str(first), stdin=subprocess.PIPE)
    result = bench.parse_line(process.stdout.readline())
    if not result:
        raise BenchError("idle sessions: none\n%s" % gateway.tail())
    house.note_handshakes(gateway, result)
    return process


def let_go(process):
    process.communicate("\n", timeout=30)


def measure_many(house, figures):
    """What 10,000 DTLS sessions weigh, and what they make a request of another one cost."""
    gateway = house.gateway_of().start()
    few = [house.run("10 sessions", gateway, seconds=house.options.seconds, carrier="dtls", clients=10) for _ in range(3)]
    gateway.stop()
    gateway.start()
    before = gateway.resident()
    holding = hold_sessions(house, gateway, 1000)
    time.sleep(1)
    figures["dtls_bytes"] = (gateway.resident() - before) / IDLE
    print("\ndtls_bytes: %.1f MB resident before, %.0f bytes more for each of %d sessions" % (before / 1e6, figures["dtls_bytes"], IDLE))
    many = [house.run("10 of 10,000 sessions", gateway, seconds=house.options.seconds, carrier="dtls", clients=10) for _ in range(3)]
    few_us, many_us = (median([r["cpu_us_per_request"] for r in runs]) for runs in (few, many))
    print("a request over DTLS costs %.2f us with 10 sessions, %.2f us with 10,000 more: %.2f times" % (few_us, many_us, many_us / few_us))
    if many_us / few_us > MANY_WORSE:
        house.failures.append("with 10,000 sessions a request costs %.2f times as much" % (many_us / few_us))
    let_go(holding)
    gateway.stop()


def stream_request(port):
    """A CSM and, behind it, a GET by Proxy-Uri as frames (RFC 8323 3.2)."""
    uri = ("coap://127.1.0.1:%d/t" % port).encode()
    options = bytes([0xDD, 35 - 13, len(uri) - 13]) + uri
    return b"\x00\xe1" + bytes([0xD1, len(options) - 13, 1, 0x42]) + options


def read_answer(connection):
    """Reads until the response with our token is there."""
    data = b""
    while b"\x45\x42" not in data or not data.endswith(b"x"):
        more = connection.recv(4096)
        if not more:
            raise BenchError("an idle connection got no answer")
        data += more


def tls_client(suites, version):
    """How a socket becomes a client's of TLS of this version, with these suites or those of OpenSSL's own choice."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["coap"])
    context.minimum_version = context.maximum_version = version
    if suites is not None:
        context.set_ciphers(suites)
    return context.wrap_socket


def measure_idle(house, figures):
    """Connections that were used once and are idle."""
    kinds = (("tls_bytes", "tls", tls_client("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", ssl.TLSVersion.TLSv1_2)),
             ("tls_bytes (TLS 1.3)", "tls", tls_client(None, ssl.TLSVersion.TLSv1_3)),
             ("tcp_bytes", "tcp", lambda s: s))
    for figure, name, wrap in kinds:
        gateway = house.gateway_of().start()
        before, connections = gateway.resident(), []
        for number in range(IDLE):
            plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            plain.bind(("127.2.0.%d" % (number % IDLE_SOURCES + 1), 0))
            plain.settimeout(10)
            plain.connect(("127.0.0.1", gateway.port_of[name]))
            connections.append(wrap(plain))
            connections[-1].sendall(stream_request(house.origin_port))
            read_answer(connections[-1])
        time.sleep(2)
        figures[figure] = (gateway.resident() - before) / IDLE
        print("%s: %.1f MB resident before, %.0f bytes more for each of %d connections" % (figure, before / 1e6, figures[figure], IDLE))
        for connection in connections:
            connection.close()
        gateway.stop()


PARTS = {"streams": measure_streams, "sessions": measure_sessions, "handshakes": measure_handshakes,
         "storm": lambda house, _: measure_storm(house), "many": measure_many, "idle": measure_idle}


def measure(house, figures):
    print(house.cores)
    house.prepare()
    house.start_devices()
    house.start_stream_devices()
    for name, part in PARTS.items():
        if not house.options.only or name in house.options.only:
            part(house, figures)


def main():
    parser = bench.parser_of(__doc__, "origin, load and handshakes")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; repeatable")
    options = bench.options_of(parser)
    options.handshakes = 1000 if options.quick else 4000
    options.storm = 5 if options.quick else STORM_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return bench.report(Transports, options, measure, FORMS)


if __name__ == "__main__":
    sys.exit(main())

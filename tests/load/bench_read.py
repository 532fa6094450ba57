#!/usr/bin/env python3
"""bench_read - what it costs to read OSCORE messages on their way.

64 clients keep a request each under way, at 256 devices; each client has a security context of its own, and every request and answer is
protected in truth. One gateway with one worker has three listeners for them: of the first nothing is read (the pass-through), what comes by
the second passes a gate that denies by method and path, and by the third a tap. A fourth is a tap that tells a feed, for comparison.

gate_ratio, tap_ratio: CPU for each request, of parent, worker and reader together, to that of the pass-through in the same rounds.
open_ratio: messages that the reader opens a second, to those of a bare OpenSSL loop over the same ciphertexts (opening.c).
isolation_p50, isolation_p99: latency of the pass-through with the reader stopped (SIGSTOP) for the whole of a round, to that of the round
beside it where it runs: half the rate that is reached alone, while other clients ask by the gate, whose requests are then refused in time,
and by the tap, whose requests pass unread. These rounds are of one second, and as many more: what else the machine does at times falls
into few of them. On a machine that is busy all the time the two say nothing: where the reader does not run, others get its core.

The gateway is pinned to one core, load and devices to others. It is a report: a slow figure is no failure. The exit status is not 0 if
something did not run, or an answer was wrong or missing.
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import bench
from bench import BenchError, median
from bench_http import written
from bench_transports import in_turns, note_ratio, print_rounds

CLIENTS, SIDE_CLIENTS, SIDE_RATE, ISOLATION_SECONDS = 64, 16, 1000, 1.0
FEW = 1000  # one request in so many may wait too long at a gate where the machine has other things to do
WAYS = ("pass", "gate", "tap", "feed")
FORMS = (("gate_ratio", "%.3f"), ("tap_ratio", "%.3f"), ("open_ratio", "%.3f"), ("isolation_p50", "%.3f"), ("isolation_p99", "%.3f"))

LISTENER = '  {way}: {{ url = "coap://127.0.0.1:{port}"; }};\n'
ROUTE = """  {way}: {{
    from = ["{way}"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; require = ["oscore"]; {read}
  }};
"""
CONFIG = """
process: {{ workers = 1; user = ""; }};
reader: {{ user = ""; }};
limits: {{ dedup-memory = "2GB"; }};
contexts: {{ clients: {{ keys = "{folder}/clients.keys"; }}; }};
feeds: {{ monitor: {{ socket = "{folder}/feed"; }}; }};
reads: {{
  gate: {{ context = "clients"; fields = ["code", "uri-path"]; deny = ["PUT,DELETE /firmware/**"]; }};
  tap: {{ context = "clients"; fields = ["code", "uri-path"]; }};
  feed: {{ context = "clients"; fields = ["code", "uri-path"]; feed = "monitor"; }};
}};
listeners: {{
{listeners}}};
routes: {{
{routes}}};
"""


class Consumer(threading.Thread):
    """Reads the feed, and keeps nothing of it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.lines, self.socket = 0, socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(1)

    def run(self):
        connection = self.socket.accept()[0]
        while True:
            piece = connection.recv(1 << 20)
            if not piece:
                return
            self.lines += piece.count(b"\n")


class ReadBench(bench.Bench):
    sequence = 0

    def start_devices(self):
        argv = [os.path.join(self.options.bin, "origin"), "-e", str(CLIENTS), str(self.origin_port)]
        self.server("origin", argv, self.origin_port, self.cores.devices).start()

    def gateway_of(self):
        ports = {way: next(self.ports) for way in WAYS}
        argv = [self.load_path, "--keys", "-c", str(CLIENTS), "1", "1"]
        keys = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
        os.chmod(written(self.folder + "/clients.keys", keys.stdout), 0o600)
        text = CONFIG.format(
            folder=self.folder, listeners="".join(LISTENER.format(way=way, port=port) for way, port in ports.items()),
            routes="".join(ROUTE.format(way=way, read="" if way == "pass" else 'read = "%s";' % way) for way in WAYS))
        path = written(self.folder + "/gateway.conf", text)
        server = self.server("gateway", [self.options.proxy, "-c", path], ports["pass"], ready="ready")
        server.port_of = ports
        return server

    def reader(self, gateway):
        """The process that opens messages."""
        for pid in gateway.pids():
            with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as comm:
                if comm.read().startswith("oscore-reader"):
                    return pid
        raise BenchError("there is no reader\n%s" % gateway.tail()[:1000])

    def begin(self, gateway, way, seconds, clients=CLIENTS, rate=0):
        argv = [self.load_path, "-s", "--sequence", str(self.sequence), "-a", "-b", self.sources.take(clients), "-c", str(clients),
                "-r", "%.0f" % rate, "-t", "%g" % seconds, "--drain", "3"]
        self.sequence += int((rate or 100000) * seconds / clients) + 2  # those of a client (load_sealed_each())
        for pid in gateway.pids():
            argv += ["-P", str(pid)]
        return subprocess.Popen(argv + [str(gateway.port_of[way]), str(self.origin_port)], stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load))

    def outcome(self, process, gateway, name, seconds, refusals=False):
        text = process.communicate(timeout=seconds + 60)[0]
        gateway.check()
        result = bench.parse_line(text)
        if process.returncode not in (0, 1) or "rps" not in result:
            raise BenchError("load ended with status %d: %s" % (process.returncode, " ".join(process.args)))
        self.note_faults(gateway, name, result)
        if result["refused"] > result["answered"] / FEW and not refusals:
            self.failures.append("%s: %d requests were refused" % (name, result["refused"]))
        return result

    def run(self, gateway, way, seconds, **more):
        return self.outcome(self.begin(gateway, way, seconds, **more), gateway, way, seconds)


def counters(gateway):
    """name: value, as SIGUSR2 prints them."""
    before = os.path.getsize(gateway.log)
    gateway.process.send_signal(signal.SIGUSR2)
    time.sleep(0.3)
    with open(gateway.log, encoding="utf-8", errors="replace") as log:
        log.seek(before)
        lines = [line.split() for line in log if not line.startswith("20")]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


def measure_ways(house, figures, gateway, consumer):
    for way in WAYS:
        house.run(gateway, way, 0.4)
    rounds = in_turns(house, {way: way for way in WAYS}, lambda _, way: house.run(gateway, way, house.options.seconds))
    print_rounds("%d clients" % CLIENTS, rounds)
    note_ratio(figures, "gate_ratio", rounds["gate"], rounds["pass"], "cpu_us_per_request")
    note_ratio(figures, "tap_ratio", rounds["tap"], rounds["pass"], "cpu_us_per_request")
    note_ratio({}, "a tap with a feed", rounds["feed"], rounds["pass"], "cpu_us_per_request")
    for field in ("rps", "p50_us", "p99_us"):
        note_ratio({}, "gate, %s" % field, rounds["gate"], rounds["pass"], field)
    told = counters(gateway)
    print("the feed: %d lines read, of %d that left; %d lost" % (consumer.lines, told.get("feed_lines", 0), told.get("feed_lines_lost", 0)))
    print("counted of reading: %s" % " ".join("%s=%d" % (n, v) for n, v in told.items() if "read" in n and v > 0))
    return median([r["rps"] for r in rounds["pass"]])


def beside(house, gateway, rate, stopped):
    """A round of the pass-through while others ask by gate and tap; with the reader stopped, or not."""
    seconds, reader = ISOLATION_SECONDS, house.reader(gateway)
    if stopped:
        os.kill(reader, signal.SIGSTOP)
    try:
        side = [house.begin(gateway, way, seconds + 1.0, clients=SIDE_CLIENTS, rate=SIDE_RATE) for way in ("gate", "tap")]
        time.sleep(0.3)
        result = house.run(gateway, "pass", seconds, rate=rate)
        for process in side:
            result[process.args[-2]] = house.outcome(process, gateway, "beside the pass-through", seconds, True)["refused"]
    finally:
        if stopped:
            os.kill(reader, signal.SIGCONT)
            time.sleep(0.3)  # for what waits for it
    return result


def measure_isolation(house, figures, gateway, rate):
    ways = {"the reader runs": False, "the reader is stopped": True}
    rounds = in_turns(house, ways, lambda _, stopped: beside(house, gateway, rate, stopped),
                      round(house.options.rounds * house.options.seconds / ISOLATION_SECONDS))
    print_rounds("pass-through, half rate", rounds)
    for figure, field in (("isolation_p50", "p50_us"), ("isolation_p99", "p99_us")):
        note_ratio(figures, figure, rounds["the reader is stopped"], rounds["the reader runs"], field)
    for name, results in rounds.items():
        print("%s: the gate refused %.0f requests in a round" % (name, median([r[str(gateway.port_of["gate"])] for r in results])))


def measure_opening(house, figures):
    program = os.path.join(house.options.bin, "opening")
    done = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=False, timeout=300,
                          preexec_fn=lambda: os.sched_setaffinity(0, house.cores.measured))
    print("\n" + done.stdout.rstrip())
    result = bench.parse_line(done.stdout)
    if done.returncode != 0 or "open_ratio" not in result:
        raise BenchError("opening ended with status %d" % done.returncode)
    figures["open_ratio"] = result["open_ratio"]


def measure(house, figures):
    consumer = Consumer(house.folder + "/feed")
    consumer.start()
    house.start_devices()
    gateway = house.gateway_of().start()
    print("%s; load average %.2f" % (house.cores, os.getloadavg()[0]))
    reached = measure_ways(house, figures, gateway, consumer)
    measure_isolation(house, figures, gateway, reached / 2)
    gateway.stop()
    measure_opening(house, figures)


def main():
    return bench.report(ReadBench, bench.options_of(bench.parser_of(__doc__, "load, origin and opening")), measure, FORMS)


if __name__ == "__main__":
    sys.exit(main())

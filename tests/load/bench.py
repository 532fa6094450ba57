#!/usr/bin/env python3
"""bench - what a request through the gateway costs, beside the least any proxy can do and beside libcoap.

Our gateway, the ceiling (relay.c), libcoap's coap-server as a proxy and a fleet of devices (origin.c) run side by side;
load.c goes round them in turn, in rounds, after a warm-up. Machines are noisy, so every figure is a ratio to the ceiling in
the same round, and what is quoted is the median over the rounds; the spread is the distance of the quartiles. What is
measured is pinned to one core, the load and the devices to others.

The gateway runs its shipped defaults, but for a duplicate store that has room for the records it is filled with before.
It is a report: a slow figure is no failure. The exit status is not 0 if something did not run, or if an answer was wrong
or missing.

RELAY=path, ORIGIN=path and LOAD=path take other programs with the same command lines.
"""
import argparse
import collections
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

FIGURES = ("cpu_ratio", "cpu_spread", "p50_ratio", "p99_ratio", "rps_ratio", "flat_ratio", "bytes_per_exchange", "dedup_bytes")
FILL_CLIENTS = 200
HOLD_CLIENTS, HOLD_DEVICES = 10000, 1000
DEDUP_MEMORY = "2GB"      # room for the records of the fill, and for those of the rounds, which live as long
DEDUP_RECORDS = 1500000   # nearly fill a store of the shipped size: its index, made for its size, is in the figure

CONFIG = """
listeners: {{ coap: {{ url = "coap://127.0.0.1:{port}"; }}; }};
routes: {{ all: {{ from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; }}; }};
limits: {{ {limits} }};
process: {{ workers = 1; user = ""; }};
"""

# name: what load is told; share: how much of a round's seconds; libcoap: is it in the round; clients: a point of flatness.
Load = collections.namedtuple("Load", "name arguments share libcoap clients")
MAIN, ONE = "-o, 64 clients", "GET, one at a time"
LOADS = (
    Load(MAIN, ["-o", "-c", "64", "-a"], 1.0, True, 64),
    Load(ONE, ["-c", "1"], 1.0, True, None),
    Load("-o, 10 clients", ["-o", "-c", "10", "-a"], 0.4, False, 10),
    Load("-o, 1,000 clients", ["-o", "-c", "1000", "-a"], 0.4, False, 1000),
    Load("-o, 10,000 clients", ["-o", "-c", "10000", "-a"], 0.6, False, 10000),
    Load("-n -o, 64 clients", ["-n", "-o", "-c", "64", "-a"], 0.4, True, None),
    Load("GET, 64 clients", ["-c", "64", "-a"], 0.4, True, None),
)


class BenchError(Exception):
    """Something did not run."""


class Cores:
    """Which cores the measured processes, the load and the devices run on."""

    def __init__(self, pin):
        cpus = sorted(os.sched_getaffinity(0))
        self.pinned = pin and len(cpus) > 1
        self.measured = {cpus[0]} if self.pinned else set(cpus)
        self.load = {cpus[1]} if self.pinned else set(cpus)
        self.devices = {cpus[2 if len(cpus) > 2 else 1]} if self.pinned else set(cpus)

    def __str__(self):
        if not self.pinned:
            return "nothing is pinned: relay, gateway, libcoap, load and devices share the cores"
        return "relay, gateway and libcoap are pinned to core %s, load to core %s, devices to core %s" % tuple(
            min(c) for c in (self.measured, self.load, self.devices))


class Sources:
    """Source addresses that no earlier run used: a Message ID of it could be taken for a duplicate."""

    def __init__(self):
        self.next = 1

    def take(self, count):
        first, self.next = self.next, self.next + count
        if self.next >= 0x200000:
            raise BenchError("out of source addresses")
        return str(first)


def udp_port_bound(port):
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(int(line.split()[1].split(":")[1], 16) == port for line in table.readlines()[1:])


def free_ports(count):
    """Ports nothing is bound to, below those the kernel gives to clients."""
    found = [p for p in range(20683, 30000, 7) if not udp_port_bound(p)]
    return found[:count]


def process_tree(root):
    """The process and all that it started."""
    children = collections.defaultdict(list)
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % entry, encoding="ascii", errors="replace") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children[parent].append(int(entry))
    tree = [root]
    for pid in tree:
        tree.extend(children[pid])
    return tree


class Server:
    """A process under test or a fleet of devices, from start to stop."""

    def __init__(self, name, argv, port, cores, folder, ready=None):
        self.name, self.argv, self.port, self.cores, self.ready = name, argv, port, cores, ready
        self.log = os.path.join(folder, "%s-%d.log" % (name, port))
        self.process = None

    def start(self):
        with open(self.log, "wb") as log:
            try:
                self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
            except OSError as error:
                raise BenchError("%s: %s" % (self.argv[0], error)) from error
        deadline = time.monotonic() + 10
        while not self.is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise BenchError("%s is not ready after 10 s\n%s" % (self.name, self.tail()))
            time.sleep(0.02)
        return self

    def is_ready(self):
        return udp_port_bound(self.port) and (self.ready is None or self.ready in self.tail())

    def check(self):
        if self.process.poll() is not None:
            raise BenchError("%s ended with status %d\n%s" % (self.name, self.process.returncode, self.tail()))

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-3000:]

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pids(self):
        return process_tree(self.process.pid)

    def rss(self):
        """Resident bytes of all its processes."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
                total += sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
        return total


def parse_line(text):
    """name=value pairs as a dictionary; numbers are numbers."""
    result = {}
    for word in text.split():
        name, _, value = word.partition("=")
        try:
            result[name] = float(value)
        except ValueError:
            result[name] = value
    return result


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cores, self.sources = Cores(not options.no_pin), Sources()
        self.failures, self.servers = [], []
        self.load_path = os.environ.get("LOAD", os.path.join(options.bin, "load"))
        ports = iter(free_ports(16))
        self.origin_port, self.silent_port = next(ports), next(ports)
        self.ports = ports

    # ---- processes ------------------------------------------------------------------------------------------------------
    def server(self, name, argv, port, cores=None, ready=None):
        server = Server(name, argv, port, cores or self.cores.measured, self.folder, ready)
        self.servers.append(server)
        return server

    def start_devices(self):
        origin = os.environ.get("ORIGIN", os.path.join(self.options.bin, "origin"))
        self.server("origin", [origin, str(self.origin_port)], self.origin_port, self.cores.devices).start()
        silent = os.path.join(self.options.bin, "origin")
        self.server("silent", [silent, "-s", str(self.silent_port)], self.silent_port, self.cores.devices).start()

    def relay(self, name, path):
        port = next(self.ports)
        return self.server(name, [path, str(port), str(self.origin_port)], port)

    def gateway(self, limits):
        port = next(self.ports)
        path = os.path.join(self.folder, "gateway-%d.conf" % port)
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(port=port, limits=limits))
        return self.server("gateway", [self.options.proxy, "-c", path], port, ready="ready")

    def libcoap(self):
        program = shutil.which("coap-server-notls")
        if program is None:
            print("coap-server-notls (Debian: libcoap3-bin) is not installed: no comparison with libcoap")
            return None
        port = next(self.ports)
        return self.server("libcoap", [program, "-A", "127.0.0.1", "-p", str(port), "-P", ",proxyname"], port)

    def stop_all(self):
        for server in self.servers:
            server.stop()

    # ---- runs of load ---------------------------------------------------------------------------------------------------
    def load_argv(self, server, arguments, origin_port):
        argv = [self.load_path, *arguments]
        for pid in server.pids():
            argv += ["-P", str(pid)]
        return argv + [str(server.port), str(origin_port)]

    def run_load(self, server, arguments, seconds):
        """One run; the result as a dictionary."""
        clients = int(arguments[arguments.index("-c") + 1]) if "-c" in arguments else 64
        argv = self.load_argv(server, [*arguments, "-t", "%g" % seconds], self.origin_port)
        if "LOAD" not in os.environ:
            argv[1:1] = ["-b", self.sources.take(clients), "--drain", "0.2" if server.name == "libcoap" else "3"]
        else:
            argv = [a for a in argv if a != "-a"]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=seconds + 60, check=False,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load))
        server.check()
        result = parse_line(done.stdout)
        if done.returncode not in (0, 1) or "rps" not in result:
            raise BenchError("load ended with status %d: %s" % (done.returncode, " ".join(argv)))
        return result

    def note_faults(self, server, load, result):
        if server.name == "libcoap":
            return
        for fault in ("wrong", "lost", "open"):
            if result.get(fault, 0) > 0:
                self.failures.append("%s, %s: %s=%d" % (server.name, load, fault, result[fault]))

    def measure(self, load, servers):
        """All rounds of one load; {server name: [result of each round]}."""
        results = collections.defaultdict(list)
        seconds = max(self.options.seconds * load.share, 0.5)
        for server in servers:
            self.note_faults(server, load.name, self.run_load(server, load.arguments, 0.4))
        for number in range(self.options.rounds):
            first = number % len(servers)
            for server in servers[first:] + servers[:first]:
                took = min(seconds, 1.0) if server.name == "libcoap" else seconds
                result = self.run_load(server, load.arguments, took)
                self.note_faults(server, load.name, result)
                results[server.name].append(result)
        return results

    # ---- memory ---------------------------------------------------------------------------------------------------------
    def fill(self, gateway, count, store):
        """Fills the duplicate store with requests that are refused; returns its bytes for each record, answers included."""
        before = gateway.rss()
        # Shaped like OSCORE: such a record has to stay, whatever else there is no room for.
        argv = self.load_argv(gateway, ["--fill", str(count), "-d", "-o", "-c", str(FILL_CLIENTS), "-a", "-b",
                                        self.sources.take(FILL_CLIENTS)], self.origin_port)
        argv[0] = os.path.join(self.options.bin, "load")
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=300, check=False,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load))
        gateway.check()
        result = parse_line(done.stdout)
        if done.returncode != 0:
            self.failures.append("fill of the duplicate store: %s" % done.stdout.strip())
        if not result.get("refused"):
            return None
        each = (gateway.rss() - before) / result["refused"]
        print("duplicate store of %s: %.0f records at %.0f/s, %.2f us of CPU each; memory grew by %.1f bytes for each, the "
              "%.0f-byte answer it repeats among them" % (store, result["refused"], result["rps"], result["cpu_us_per_request"],
                                                          each, result["answer_bytes"]))
        return each

    def hold(self, gateway, count):
        """Bytes of memory for each exchange with a silent device, copies of datagrams excluded."""
        clients = min(HOLD_CLIENTS, count // 20)
        argv = self.load_argv(gateway, ["--hold", str(count), "-o", "-c", str(clients), "-f", str(HOLD_DEVICES), "-a", "-b",
                                        self.sources.take(clients)], self.silent_port)
        argv[0] = os.path.join(self.options.bin, "load")
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load)) as process:
            lines, sizes = [], []
            for _ in range(2):
                lines.append(parse_line(process.stdout.readline()))
                gateway.check()
                sizes.append(gateway.rss())
                process.stdin.write("\n")
                process.stdin.flush()
        if process.returncode != 0:
            self.failures.append("exchanges with silent devices: not all were kept: %s" % lines[-1])
        each = (sizes[1] - sizes[0]) / count
        copy = lines[1].get("bytes_each", 0)
        print("exchanges: %d more to %d silent devices from %d clients, memory grew by %.1f bytes for each; %.1f of them are "
              "the datagram" % (count, HOLD_DEVICES, clients, each, copy))
        return each - copy


# ---- figures ------------------------------------------------------------------------------------------------------------
def ratios(results, name, field):
    """The ratio to the relay of each round."""
    return [mine[field] / relay[field] for mine, relay in zip(results[name], results["relay"]) if relay[field] > 0]


def median(values):
    return statistics.median(values) if values else float("nan")


def spread(values):
    if len(values) < 2:
        return 0.0
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return quarters[2] - quarters[0]


def parser_of(doc, programs):
    """What every report may be told; `programs`: those that are in --bin."""
    build = os.environ.get("B", "build")
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help="rounds (9)")
    parser.add_argument("--seconds", type=float, help="seconds of a round (3)")
    parser.add_argument("--bin", default=os.path.join(build, "load"), help="where %s are" % programs)
    parser.add_argument("--proxy", default=os.path.join(build, "oscore-proxy"), help="the gateway's program")
    parser.add_argument("--no-pin", action="store_true", help="leave the placing on cores to the kernel")
    return parser


def options_of(parser):
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 9)
    options.seconds = options.seconds or (1.0 if options.quick else 3.0)
    return options


def report(kind, options, measure, forms):
    """Has measure(house, figures) do its work, in a folder of its own, and tells what came of it. Returns the exit status."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.chmod(folder, 0o755)
        house = kind(options, folder)
        try:
            measure(house, figures)
        except (BenchError, OSError) as error:
            house.failures.append(str(error))
        finally:
            house.stop_all()
    return tell_outcome(house.failures, figures, forms)


def tell_outcome(failures, figures, forms):
    """The last lines of a bench: what failed, and its figures. Returns the exit status."""
    for failure in failures:
        print("FAILED: " + failure)
    print(" ".join("%s=%s" % (name, form % figures[name] if name in figures else "none") for name, form in forms))
    return 1 if failures else 0


def print_load(load, results):
    print("\n%-20s %9s %7s  %-20s %14s %14s %16s %7s" % (load.name, "CPU us", "ratio", "[min, max] spread", "p50 us ratio",
                                                         "p99 us ratio", "requests/s ratio", "resent"))
    for name, rounds in results.items():
        cpu = ratios(results, name, "cpu_us_per_request")
        columns = ["  %-18s %9.2f" % (name, median([r["cpu_us_per_request"] for r in rounds]))]
        columns.append("%7.2f  [%.2f, %.2f] %.2f    " % (median(cpu), min(cpu), max(cpu), spread(cpu)))
        for field, form in (("p50_us", "%8.0f %5.2f"), ("p99_us", "%8.0f %5.2f"), ("rps", "%10.0f %5.2f")):
            columns.append(form % (median([r[field] for r in rounds]), median(ratios(results, name, field))))
        columns.append("%7d" % sum(r["resent"] for r in rounds))
        lost = sum(r["lost"] + r["wrong"] for r in rounds)
        print(" ".join(columns) + ("  %d lost or wrong" % lost if lost else ""))
    sys.stdout.flush()


def last_line(figures):
    places = {"bytes_per_exchange": "%.0f", "dedup_bytes": "%.0f"}
    return " ".join("%s=%s" % (name, places.get(name, "%.3f") % figures[name] if figures.get(name) is not None else "none")
                    for name in FIGURES)


def run_rounds(bench, figures, gateway):
    """All loads; fills in the figures that are ratios."""
    fixed = [bench.relay("relay", os.environ.get("RELAY", os.path.join(bench.options.bin, "relay"))).start()]
    if bench.options.other_relay:
        fixed.append(bench.relay("other relay", bench.options.other_relay).start())
    if gateway:
        fixed.append(gateway)
    mine = "gateway" if gateway else fixed[-1].name
    flat = {}
    for load in LOADS:
        if bench.options.only and not any(load.name.startswith(o) for o in bench.options.only):
            continue
        libcoap = bench.libcoap() if load.libcoap else None
        # Started anew for each load: it keeps every client it has seen and looks at all of them at each wake-up.
        results = bench.measure(load, fixed + ([libcoap.start()] if libcoap else []))
        if libcoap:
            libcoap.stop()
        print_load(load, results)
        cpu = ratios(results, mine, "cpu_us_per_request")
        if load.clients:
            flat[load.clients] = median(cpu)
        if load.name == MAIN:
            figures.update(cpu_ratio=median(cpu), cpu_spread=spread(cpu), p99_ratio=median(ratios(results, mine, "p99_us")),
                           rps_ratio=median(ratios(results, mine, "rps")))
        if load.name == ONE:
            figures["p50_ratio"] = median(ratios(results, mine, "p50_us"))
    if len(flat) > 1:
        figures["flat_ratio"] = max(flat.values()) - min(flat.values())
        print("\nratio of CPU by client endpoints: " + ", ".join("%d: %.2f" % (n, flat[n]) for n in sorted(flat)))


def run(bench):
    options, figures = bench.options, {}
    print(bench.cores)
    print("%d rounds of %g s (fewer seconds for the side loads); figures are medians over the rounds, ratios are to the relay in "
          "the same round, spread is the distance of the quartiles" % (options.rounds, options.seconds))
    bench.start_devices()
    gateway = None
    if not options.no_proxy:
        kept = bench.gateway("exchanges = 300000;").start()
        figures["bytes_per_exchange"] = bench.hold(kept, options.hold)
        kept.stop()
        filled = bench.gateway("").start()
        figures["dedup_bytes"] = bench.fill(filled, min(DEDUP_RECORDS, options.fill * 3), "the shipped size")
        filled.stop()
        gateway = bench.gateway('dedup-memory = "%s";' % DEDUP_MEMORY).start()
        bench.fill(gateway, options.fill, DEDUP_MEMORY)
        sys.stdout.flush()
    run_rounds(bench, figures, gateway)
    for failure in bench.failures:
        print("FAILED: " + failure)
    print(last_line(figures))
    return 1 if bench.failures else 0


def main():
    parser = parser_of(__doc__, "relay, origin and load")
    parser.add_argument("--fill", type=int, help="records put into the duplicate store (5,000,000)")
    parser.add_argument("--hold", type=int, help="exchanges with silent devices (200,000)")
    parser.add_argument("--no-proxy", action="store_true", help="measure the others only")
    parser.add_argument("--other-relay", metavar="PATH", help="a second ceiling, measured in the same rounds")
    parser.add_argument("--only", action="append", metavar="LOAD", help="only loads whose name begins so; repeatable")
    options = options_of(parser)
    for name, full, quick in (("fill", 5000000, 500000), ("hold", 200000, 50000)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(options, folder)
        try:
            return run(bench)
        except BenchError as error:
            print("FAILED: %s" % error)
            return 1
        finally:
            bench.stop_all()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""bench_house - what several processes cost: crossing between workers, reloading and starting with many routes.

cross_ratio: CPU for each request of a gateway with two workers beside one with a single worker, in the same rounds. Clients and
devices are many, so half of the exchanges cross: the counters say how many did.
reload_ms: from the signal to the line that says that the new configuration is in force, with 10,000 routes, under load.
stall_ms: the longest exchange of that load while it was reloaded; the same without a reload stands beside it.
start_ms: from the start of the program to the line that says that it is ready, with 10,000 routes.

It is a report: a slow figure is no failure. The exit status is not 0 if something did not run, or an answer was wrong or missing.
"""
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import bench
from bench import BenchError, median, spread

CONFIG = """
process: {{ workers = {workers}; user = ""; }};
limits: {{ dedup-memory = "2GB"; }};
listeners: {{ coap: {{ url = "coap://127.0.0.1:{port}"; }}; }};
routes: {{ {routes} all: {{ from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; }}; }};
"""
ROUTES = 10000
LOAD = ["-o", "-c", "64", "-a"]
STALL_LOAD = ["-o", "-c", "8", "-a"]


def many_routes(count, salt):
    """Routes that the load does not take: each names its host, its clients and its origin."""
    return "\n".join('r%d: { hosts = ["h%d-%d.example"]; clients = ["10.%d.%d.0/24"]; to = ["coap://10.%d.%d.7"]; };' %
                     (i, i, salt, i >> 8 & 255, i & 255, i >> 8 & 255, i & 255) for i in range(count))


class House(bench.Bench):
    def gateway_of(self, workers, routes="", cores=None):
        port = next(self.ports)
        path = os.path.join(self.folder, "gateway-%d.conf" % port)
        server = self.server("gateway, %d worker%s" % (workers, "" if workers == 1 else "s"),
                             [self.options.proxy, "-c", path], port, cores, ready="ready")
        server.config, server.workers = path, workers
        self.configure(server, routes)
        return server

    @staticmethod
    def configure(server, routes):
        with open(server.config + ".new", "w", encoding="ascii") as file:
            file.write(CONFIG.format(workers=server.workers, port=server.port, routes=routes))
        os.rename(server.config + ".new", server.config)


def log_text(server):
    with open(server.log, encoding="utf-8", errors="replace") as log:
        return log.read()


def counters(server):
    """What the gateway prints of its counters when it is told to."""
    before = len(log_text(server))
    server.process.send_signal(signal.SIGUSR2)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = dict(re.findall(r"^([a-z_]+) (\d+)$", log_text(server)[before:], re.M))
        if "crossing_broken" in found:
            return {name: int(value) for name, value in found.items()}
        time.sleep(0.01)
    raise BenchError("no counters from %s\n%s" % (server.name, server.tail()))


def measure_crossing(house, figures):
    everywhere = set(os.sched_getaffinity(0))
    one = house.gateway_of(1, cores=everywhere).start()
    two = house.gateway_of(2, cores=everywhere).start()
    house.cores.load = house.cores.devices = everywhere
    results = house.measure(bench.Load("-o, 64 clients", LOAD, 1.0, False, 64), [one, two])
    ratios = [b["cpu_us_per_request"] / a["cpu_us_per_request"] for a, b in zip(results[one.name], results[two.name])]
    for server in (one, two):
        rounds = results[server.name]
        print("%-20s %7.2f us of CPU for a request, %6.0f requests/s, p50 %4.0f us, p99 %5.0f us" % (
            server.name, *(median([r[f] for r in rounds]) for f in ("cpu_us_per_request", "rps", "p50_us", "p99_us"))))
    counted = counters(two)
    share = counted["crossed"] / counted["requests"]
    print("of the exchanges of two workers %.0f %% crossed; ratio %.2f, [%.2f, %.2f], spread %.2f" % (
        100 * share, median(ratios), min(ratios), max(ratios), spread(ratios)))
    if not 0.4 <= share <= 0.6:
        house.failures.append("%.2f of the exchanges crossed, not half" % share)
    figures["cross_ratio"] = median(ratios)
    one.stop()
    two.stop()


def start_once(house, routes):
    server = house.gateway_of(2, routes, set(os.sched_getaffinity(0)))
    begin = time.monotonic()
    with open(server.log, "wb") as log:
        server.process = subprocess.Popen(server.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    while "ready" not in log_text(server):
        server.check()
        if time.monotonic() - begin > 30:
            raise BenchError("%s does not start\n%s" % (server.name, server.tail()))
        time.sleep(0.002)
    return server, 1000 * (time.monotonic() - begin)


def reload_once(house, server, routes):
    """Milliseconds from the signal to the line in the log."""
    done = log_text(server).count("in force")
    house.configure(server, routes)
    begin = time.monotonic()
    server.process.send_signal(signal.SIGHUP)
    while log_text(server).count("in force") == done:
        server.check()
        if time.monotonic() - begin > 30:
            raise BenchError("%s does not reload\n%s" % (server.name, server.tail()))
        time.sleep(0.002)
    return 1000 * (time.monotonic() - begin)


def longest_exchange(house, server, seconds, during=None):
    """Milliseconds of the longest exchange of a load, while something else happens after half a second."""
    result = {}

    def load():
        result.update(house.run_load(server, STALL_LOAD, seconds))

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(0.5)
    try:
        if during:
            during()
    finally:
        thread.join()
    house.note_faults(server, "during a reload", result)
    return result["max_us"] / 1000


def measure_reload(house, figures):
    starts, reloads, stalls, calm = [], [], [], []
    for number in range(house.options.restarts):
        server, took = start_once(house, many_routes(ROUTES, 0))
        starts.append(took)
        for again in range(house.options.reloads):
            calm.append(longest_exchange(house, server, 2.5))
            stalls.append(longest_exchange(house, server, 2.5, lambda salt=number * 100 + again + 1: reloads.append(
                reload_once(house, server, many_routes(ROUTES, salt)))))
        server.stop()
    print("%d routes, two workers: started in %s ms" % (ROUTES, ", ".join("%.0f" % s for s in starts)))
    print("reloaded in %s ms under load" % ", ".join("%.0f" % r for r in reloads))
    print("longest exchange meanwhile %s ms; without a reload %s ms" % (
        ", ".join("%.1f" % s for s in stalls), ", ".join("%.1f" % s for s in calm)))
    figures.update(start_ms=statistics.median(starts), reload_ms=statistics.median(reloads), stall_ms=statistics.median(stalls))


def measure(house, figures):
    house.start_devices()
    measure_crossing(house, figures)
    measure_reload(house, figures)


def main():
    options = bench.options_of(bench.parser_of(__doc__, "origin and load"))
    options.no_pin = True
    options.restarts, options.reloads = (1, 2) if options.quick else (3, 3)
    return bench.report(House, options, measure, (
        ("cross_ratio", "%.3f"), ("reload_ms", "%.0f"), ("stall_ms", "%.1f"), ("start_ms", "%.0f")))


if __name__ == "__main__":
    sys.exit(main())

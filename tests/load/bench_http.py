#!/usr/bin/env python3
"""bench_http - what a request over HTTP costs: the gateway from HTTP to CoAP beside nginx from HTTP to HTTP, in the same rounds.

wrk keeps 64 connections busy; the gateway, with one worker, asks 256 devices (origin.c), nginx with one process asks a second nginx
that returns as many bytes, over connections that are kept alive. What is measured is pinned to one core, load and origins to others.

http_cpu_ratio: CPU for each request of the gateway to that of nginx, the median over the rounds.
http_p99_ratio: the same of the 99th percentile of latency.
idle_mb, idle_tls_mb: resident memory of all processes of the gateway, pages that they share counted once, with 10,000 idle
connections that were used once.

It is a report: a slow figure is no failure. The exit status is not 0 if something did not run, or an answer was wrong or missing.
"""
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

import bench
from bench import BenchError, median, spread

CONNECTIONS, DEVICES, IDLE = 64, 256, 10000
IDLE_SOURCES = 16  # addresses that the idle connections come from
BODY = "x" * 16

GATEWAY = """
process: {{ workers = 1; user = ""; }};
limits: {{ dedup-memory = "2GB"; }};
http: {{ idle-timeout = "10min"; }};
listeners: {{
  web: {{ url = "http://127.0.0.1:{port}"; }};
  secure: {{ url = "https://127.0.0.1:{tls_port}"; certificate = "{folder}/cert.pem"; key = "{folder}/key.pem"; }};
}};
routes: {{ all: {{
  http-path = "/hc/{{+tu}}"; authenticate = "none"; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];
}}; }};
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy; fastcgi_temp_path {folder}/{name}-f;
  uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {upstream}
  server {{ listen 127.0.0.1:{port}; {server} }}
}}
"""

SCRIPT = """
local n = 0
function request()
  n = n + 1
  local i = (n * 7919) % {devices}
  return wrk.format("GET", "/hc/coap://127.1." .. math.floor(i / 250) .. "." .. (i % 250 + 1) .. ":{origin}/t")
end
function done(summary, latency, requests)
  print(string.format("result requests=%d errors=%d p50_us=%d p99_us=%d us=%d", summary.requests,
    summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect,
    latency:percentile(50), latency:percentile(99), summary.duration))
end
"""


def tcp_port_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class TcpServer(bench.Server):
    def is_ready(self):
        return tcp_port_open(self.port)

    def resident(self):
        """Resident bytes of all its processes; a page that several of them share is counted once."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii", errors="replace") as rollup:
                total += sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
        return total


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def written(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


class HttpBench(bench.Bench):
    def tcp_server(self, name, argv, port, cores):
        server = TcpServer(name, argv, port, cores, self.folder)
        self.servers.append(server)
        return server

    def gateway_of(self):
        port, tls_port = next(self.ports), next(self.ports)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=bench", "-keyout", self.folder + "/key.pem", "-out", self.folder + "/cert.pem"],
                       check=True, stderr=subprocess.DEVNULL)
        os.chmod(self.folder + "/key.pem", 0o600)
        path = written(self.folder + "/gateway.conf", GATEWAY.format(port=port, tls_port=tls_port, folder=self.folder))
        server = self.tcp_server("gateway", [self.options.proxy, "-c", path], port, self.cores.measured)
        server.tls_port = tls_port
        return server

    def nginx(self, name, cores, upstream, server):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        port = next(self.ports)
        path = written("%s/%s.conf" % (self.folder, name),
                       NGINX.format(folder=self.folder, name=name, port=port, upstream=upstream, server=server))
        return self.tcp_server(name, [program, "-c", path, "-p", self.folder], port, cores)

    def run_wrk(self, server, script, seconds):
        argv = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "%ds" % max(1, round(seconds)), "-s", script,
                "http://127.0.0.1:%d/" % server.port]
        before = cpu_seconds(server.pids())
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=seconds + 60, check=False,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.cores.load))
        spent = cpu_seconds(server.pids()) - before
        server.check()
        found = re.search(r"^result (.*)$", done.stdout, re.M)
        if found is None:
            raise BenchError("wrk gave no result for %s\n%s" % (server.name, done.stdout))
        result = bench.parse_line(found.group(1))
        if result["requests"] == 0:
            raise BenchError("%s answered nothing\n%s" % (server.name, server.tail()))
        result["cpu_us"] = 1e6 * spent / result["requests"]
        result["rps"] = 1e6 * result["requests"] / result["us"]
        return result


def measure_requests(house, figures, gateway):
    upstream = house.nginx("upstream", house.cores.devices, "", 'location / { default_type text/plain; return 200 "%s"; }' % BODY).start()
    nginx = house.nginx("nginx", house.cores.measured,
                        "upstream origin { server 127.0.0.1:%d; keepalive 256; }" % upstream.port,
                        'location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }').start()
    script = written(house.folder + "/devices.lua", SCRIPT.format(devices=DEVICES, origin=house.origin_port))
    rounds = {gateway.name: [], nginx.name: []}
    for server in (gateway, nginx):
        house.run_wrk(server, script, 1)
    for number in range(house.options.rounds):
        for server in (gateway, nginx) if number % 2 == 0 else (nginx, gateway):
            result = house.run_wrk(server, script, house.options.seconds)
            rounds[server.name].append(result)
            if result["errors"] > 0:
                house.failures.append("%s: %d requests failed" % (server.name, result["errors"]))
    for name, results in rounds.items():
        print("%-8s %6.2f us of CPU for a request, %6.0f requests/s, p50 %5.0f us, p99 %6.0f us" % (
            name, *(median([r[f] for r in results]) for f in ("cpu_us", "rps", "p50_us", "p99_us"))))
    for figure, field in (("http_cpu_ratio", "cpu_us"), ("http_p99_ratio", "p99_us")):
        ratios = [a[field] / b[field] for a, b in zip(rounds[gateway.name], rounds[nginx.name])]
        figures[figure] = median(ratios)
        print("%s: median %.3f, [%.3f, %.3f], spread %.3f" % (figure, median(ratios), min(ratios), max(ratios), spread(ratios)))


def open_idle(house, gateway, port, wrap):
    """IDLE connections, each used for one request; their sockets."""
    request = ("GET /hc/coap://127.1.0.1:%d/t HTTP/1.1\r\nHost: bench\r\n\r\n" % house.origin_port).encode()
    connections = []
    for number in range(IDLE):
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.bind(("127.2.0.%d" % (number % IDLE_SOURCES + 1), 0))
        plain.settimeout(10)
        plain.connect(("127.0.0.1", port))
        connection = wrap(plain)
        connection.sendall(request)
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            raise BenchError("an idle connection got no 200\n%s" % gateway.tail())
        connections.append(connection)
    return connections


def measure_idle(house, figures, gateway):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for figure, port, wrap in (("idle_mb", gateway.port, lambda s: s),
                               ("idle_tls_mb", gateway.tls_port, lambda s: context.wrap_socket(s, server_hostname="bench"))):
        before = gateway.resident()
        connections = open_idle(house, gateway, port, wrap)
        time.sleep(2)
        after = gateway.resident()
        figures[figure] = after / 1e6
        print("%s: %.1f MB resident with %d idle connections, %.1f MB before: %.2f kB for each" % (
            figure, after / 1e6, IDLE, before / 1e6, (after - before) / IDLE / 1e3))
        for connection in connections:
            connection.close()
        time.sleep(2)
        gateway.stop()
        gateway.start()


def measure(house, figures):
    house.start_devices()
    gateway = house.gateway_of().start()
    print(house.cores)
    measure_requests(house, figures, gateway)
    measure_idle(house, figures, gateway)


def main():
    options = bench.options_of(bench.parser_of(__doc__, "the origins"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return bench.report(HttpBench, options, measure, (
        ("http_cpu_ratio", "%.3f"), ("http_p99_ratio", "%.3f"), ("idle_mb", "%.1f"), ("idle_tls_mb", "%.1f")))


if __name__ == "__main__":
    sys.exit(main())

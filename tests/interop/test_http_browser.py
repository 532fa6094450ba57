"""Chromium: a page of another origin follows a device through the gateway, comes back when the stream ends, and changes the device."""

import contextlib
import http.server
import json
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import time

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "functional"))
import coap  # noqa: E402
from coap import CONTENT_FORMAT, ETAG, OBSERVE  # noqa: E402
from harness import Proxy, free_port  # noqa: E402

PATIENCE = 30
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
             "--disable-component-update", "--no-proxy-server", "--remote-debugging-port=0"]
# Tells its server each event, one after another, and what comes of a PUT when it is asked for one.
PAGE = """<!doctype html><title>device</title><script>
const target = %s;
let before = Promise.resolve();
const tell = what => before = before.then(() => fetch("/told", {method: "POST", body: JSON.stringify(what)}));
const events = new EventSource(target);
events.onopen = () => tell({open: true});
events.onmessage = e => tell({id: e.lastEventId, data: JSON.parse(e.data)});
events.addEventListener("error", e => tell(e.data ? {end: JSON.parse(e.data)} : {error: events.readyState}));
async function put() {
	const answer = await fetch(target, {method: "PUT", headers: {"Content-Type": "application/json"}, body: '{"on":true}'});
	tell({status: answer.status});
	const now = await fetch(target, {headers: {Accept: "application/json"}});
	tell({etag: now.headers.get("ETag"), text: await now.text()});
}
if (location.hash == "#put") put();
</script>"""


class Site(http.server.ThreadingHTTPServer):
    """Serves the page; `told` has what it tells."""

    daemon_threads = True

    def __init__(self):
        self.told, self.page = queue.Queue(), b""
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.page)

    def do_POST(self):
        self.server.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(b"")


class World:
    """The page's server, the gateway that lets its pages ask, a device, and browsers."""

    def __init__(self, folder):
        self.folder, self.browsers = folder, []
        self.site, port = Site(), free_port()
        self.origin = "http://127.0.0.1:%d" % self.site.server_port
        self.gateway = Proxy(folder, listeners='web: { url = "http://127.0.0.1:%d"; };' % port,
                             routes='web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; cors = ["%s"]; '
                             'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };\n' % self.origin)
        self.device = self.gateway.device()
        target = "http://127.0.0.1:%d/hc/%s/p" % (port, self.device.url)
        self.site.page = (PAGE % json.dumps(target)).encode()

    def open(self, url):
        with open(self.folder / "chromium.log", "ab") as log:
            profile = self.folder / ("profile%d" % len(self.browsers))
            self.browsers.append(subprocess.Popen([CHROMIUM, *ARGUMENTS, "--user-data-dir=%s" % profile, url], stdin=subprocess.DEVNULL,
                                                  stdout=log, stderr=log))

    def told(self):
        """What the page tells next."""
        try:
            return self.site.told.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("the page tells nothing\n" + (self.folder / "chromium.log").read_text()[-3000:]) from None

    def asked(self):
        """The next request at the device."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                m = self.device.recv(0.2)
                if not m.is_empty:
                    return m
        raise AssertionError("the device is not asked\n" + self.gateway.explain())

    def close(self):
        for b in self.browsers:
            b.kill()
            b.wait()
        self.site.shutdown()
        self.site.server_close()
        self.gateway.stop()


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    yield w
    w.close()


def test_page_follows_a_device(world):
    world.open(world.origin + "/")
    up = world.asked()
    assert up.code == coap.GET and up.uint(OBSERVE) == 0
    world.device.piggyback(up, options=[(OBSERVE, 5), (ETAG, b"\x01"), (CONTENT_FORMAT, 50)], payload=b'{"t":20}')
    assert world.told() == {"open": True}
    event = world.told()
    assert event["id"] == "01" and event["data"]["media-type"] == "application/json" and json.loads(event["data"]["text"]) == {"t": 20}
    world.device.separate(up, options=[(OBSERVE, 6), (ETAG, b"\x02"), (CONTENT_FORMAT, 42)], payload=b"\x00\xff")
    event = world.told()
    assert event["id"] == "02" and event["data"]["base64"] == "AP8="
    # The device ends it: the page is told, asks again, and gets what it does not have.
    world.device.separate(up, coap.code("5.03"), payload=b"restarts")
    assert world.told()["end"] == {"code": "5.03", "text": "restarts"}
    assert world.told() == {"error": 0}
    again = world.asked()
    assert again.uint(OBSERVE) == 0 and again.token != up.token
    world.device.piggyback(again, options=[(OBSERVE, 1), (ETAG, b"\x02"), (CONTENT_FORMAT, 42)], payload=b"\x00\xff")
    assert world.told() == {"open": True}
    world.device.separate(again, options=[(OBSERVE, 2), (ETAG, b"\x03")], payload=b"new")
    assert world.told()["id"] == "03", "02 was not told again"
    # The browser ends: so does the observation.
    world.browsers[0].kill()
    cancel = world.asked()
    assert cancel.uint(OBSERVE) == 1 and cancel.token == again.token
    world.device.piggyback(cancel)


def test_page_changes_a_device(world):
    """After a preflight request, which the device does not see."""
    world.open(world.origin + "/#put")
    told, seen = {}, []
    while len(seen) < 3:  # in whichever order
        m = world.asked()
        seen.append((m.code, m.uint(OBSERVE)))
        if m.has(OBSERVE):
            world.device.piggyback(m, coap.code("4.04"))
        elif m.code == coap.PUT:
            assert m.payload == b'{"on":true}' and m.uint(CONTENT_FORMAT) == 50
            world.device.piggyback(m, coap.CHANGED)
        else:
            world.device.piggyback(m, options=[(ETAG, b"\x07"), (CONTENT_FORMAT, 50)], payload=m.first(coap.ACCEPT))
    while not {"status", "etag", "error"} <= set(told):
        told.update(world.told())
    assert sorted(seen, key=str) == [(coap.GET, 0), (coap.GET, None), (coap.PUT, None)]
    assert told["status"] == 204 and told["etag"] == '"07"' and told["text"] == "2" and told["error"] == 2


def test_page_of_another_origin_may_not(world):
    world.open("http://localhost:%d/" % world.site.server_port)
    up = world.asked()
    world.device.piggyback(up, options=[(OBSERVE, 5)], payload=b"not for you")
    assert world.told() == {"error": 2}
    cancel = world.asked()
    assert cancel.uint(OBSERVE) == 1
    world.device.piggyback(cancel)

"""`-E` and the running gateway decide alike about requests over HTTP: whom it takes, what it refuses with which status, and the options as
they leave."""

import re

import coap
import pytest
from harness import fresh_address, free_port, free_tcp_port, run_proxy
from http_client import HttpClient
from test_http_identity import bearer, credentials  # noqa: F401 (a fixture)

DEVICE_ROUTES = """
  hidden: { from = ["web"]; http-path = "/hc/{+tu}"; paths = ["/secret/**"]; deny = true; forward-to = ["coap://127.0.0.0/8:*"]; };
  hc:     { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; methods = ["GET", "PUT"]; %(all)s };
  query:  { from = ["web"]; http-path = "/q?uri={+tu}"; identities = ["alice"]; %(all)s };
  parts:  { from = ["web"]; http-path = "/e/{+hp}{+p}{+qq}"; default-scheme = "coap"; authenticate = "none"; clients = ["127.0.0.9"];
                %(all)s };
  sealed: { from = ["web"]; http-path = "/sealed/{+tu}"; authenticate = "none"; require = ["oscore"]; %(all)s };
  other:  { from = ["other"]; http-path = "/other/{+tu}"; authenticate = "none"; %(all)s };
  lamp:   { from = ["web"]; hosts = ["lamp.example"]; http-path = "/lamp"; authenticate = "none"; to = ["coap://%(device)s/light"];
            allow-networks = ["127.0.0.0/8"]; };
  proxy:  { from = ["web"]; identities = ["dash-*"]; %(all)s };
"""
# the transfer's, not the mapping's
OF_BLOCKS = (coap.BLOCK1, coap.BLOCK2, coap.SIZE1, coap.SIZE2)
ALL = 'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];'
# method, target (%s: the device), Host, name, the client's address
CASES = [
    ("GET", "/hc/%s/p", None, None, None), ("GET", "/hc/%s/a/b?x&y=1", None, None, None), ("PUT", "/hc/%s/p", None, None, None),
    ("HEAD", "/hc/%s/p", None, None, None), ("DELETE", "/hc/%s/p", None, None, None), ("iPATCH", "/hc/%s/p", None, "alice", None),
    ("GET", "/hc/%s/secret/x", None, None, None), ("GET", "/hc/%s/secret", None, "alice", None),
    ("GET", "/hc/%s/a/../secret/y", None, None, None),
    ("GET", "/hc/%s/%%73ecret", None, None, None), ("GET", "/hc/%s/a%%2Fb//", None, None, None),
    ("GET", "/hc/coap://10.1.2.3/p", None, None, None),
    ("GET", "/hc/coaps://127.0.0.1/p", None, None, None), ("GET", "/hc/coap://", None, None, None),
    ("GET", "/hc/127.0.0.1/p", None, None, None),
    ("GET", "/q?uri=%s/p?x", None, "alice", None), ("GET", "/q?uri=%s/p?x", None, "mallory", None),
    ("GET", "/q?uri=%s/p", None, None, None),
    ("GET", "/e/127.0.0.1/p", None, None, None), ("GET", "/e/%%s/p?q", None, None, "127.0.0.9"), ("GET", "/sealed/%s/p", None, None, None),
    ("GET", "/other/%s/p", None, None, None), ("GET", "/lamp", "lamp.example", None, None), ("GET", "/lamp", "gw.example", None, None),
    ("GET", "/lamp", "LAMP.example", None, None), ("GET", "/nowhere", None, None, None), ("GET", "%s/p", None, "dash-1", None),
    ("GET", "%s/p", None, "alice", None), ("GET", "%s/p", None, None, None), ("GET", "coap://10.1.2.3/p", None, "dash-1", None),
    ("OPTIONS", "/hc/%s/p", None, None, None), ("TRACE", "/lamp", None, None, None), ("BREW", "/hc/%s/p", None, None, None),
]


def explained(proxy, method, target, host, name, client):
    """(status of the refusal or None, options as (number, text)) by -E."""
    uri = target if target.startswith("coap") else "http://%s%s" % (host or "gw.example", target)
    question = "%s %s from %s:%d via web%s" % (method, uri, client or "127.0.0.1", 40000, " as " + name if name else "")
    _, out, errors = run_proxy("-c", proxy.config, "-E", question)
    refused = re.search(r"^refused: (\d+)", out, re.M)
    assert refused or "takes the request" in out, (question, out, errors)
    options = [(int(n), v) for n, v in re.findall(r"^  option (\d+) [\w-]+: (.*)$", out, re.M)]
    return int(refused.group(1)) if refused else None, options


@pytest.fixture
def asked(start, credentials):  # noqa: F811
    """asked(case): (status of the refusal or None, what the device got) by the gateway, and by -E."""
    address = (fresh_address(), free_port())
    proxy = start(routes=DEVICE_ROUTES % dict(all=ALL, device="%s:%d" % address), sections=credentials,
                  web='}; other: { url = "http://127.0.0.1:%d";' % free_tcp_port())
    device = proxy.device(*address)

    def ask(method, target, host, name, client):
        target = target.replace("%%s", "%s:%d" % address).replace("%s", device.url).replace("%%", "%")
        connection = HttpClient(proxy, proxy.web_address, client)
        try:
            connection.send(method, target, bearer(name), host=host or "gw.example")
            came = device.pending()
            if came:
                device.piggyback(came[0], coap.CHANGED)
            status = connection.recv().status
        finally:
            connection.close()
        return (None if came else status, came[0] if came else None), explained(proxy, method, target, host, name, client)

    return ask


def test_both_decide_alike(asked):
    wrong, taken = [], 0
    for case in CASES:
        (status, up), (said, options) = asked(*case)
        got = []
        if up:
            taken += 1
            for number, value in up.options:
                got.append((number, value.decode() if number in (coap.URI_PATH, coap.URI_QUERY,
                                                                 coap.URI_HOST) else str(coap.number(value))))
        if status != said or (up and [o for o in got if o[0] not in OF_BLOCKS] != options):
            wrong.append("%s: %s %r, -E says %s %r" % (case, status, got, said, options))
    assert not wrong, "\n".join(wrong)
    assert taken == 10

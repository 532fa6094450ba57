"""CoAP clients at HTTP origins: methods, statuses, fields, freshness, errors (RFC 7252 10.1; conformance 1.12)."""

import csv
import pathlib

import pytest

import coap
from coap import ACCEPT, CONTENT_FORMAT, ETAG, LOCATION_PATH, LOCATION_QUERY, MAX_AGE, NON
from http_origin import Origin, WebPair

ROUTE = 'web: { from = ["coap"]; forward-to = ["http://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; %s };'
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
METHODS = {"GET": coap.GET, "POST": coap.POST, "PUT": coap.PUT, "DELETE": coap.DELETE, "PATCH": coap.PATCH, "iPATCH": coap.IPATCH}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    from harness import Proxy
    p = Proxy(tmp_path_factory.mktemp("web"), routes=ROUTE % "")
    yield p
    p.stop()


@pytest.fixture
def pair(web):
    yield WebPair(web)
    web.close_peers()
    web.check()


def uint_of(message, number):
    value = message.first(number)
    return None if value is None else coap.number(value)


@pytest.mark.covers("C7252-10-1", "C7252-10.1.1-1")
@pytest.mark.parametrize("kind", [coap.CON, NON])
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_a_get_fetches_the_representation(web, form, kind):
    pair = WebPair(web, form)
    sent, up, down = pair.exchange(path=("a", "b"), query=("x=1", "y"), type=kind, fields=[("Content-Type", "text/plain; charset=utf-8")],
                                   body=b"hello")
    assert (up.method, up.target) == ("GET", "/a/b?x=1&y")
    assert up.field("host") == "%s:%d" % (pair.origin.host, pair.origin.port)
    assert up.field("content-length") is None and up.field("transfer-encoding") is None
    assert (down.code, down.payload) == (coap.CONTENT, b"hello")
    assert uint_of(down, CONTENT_FORMAT) == 0
    assert down.type == (coap.ACK if kind == coap.CON else NON)

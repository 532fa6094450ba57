"""Congestion control and its parameters: RFC 7252 4.7, 4.8 (conformance 1.2)."""

import pytest

import coap
from coap import NON
from harness import Pair, run_proxy


@pytest.mark.covers("C7252-4.7-1")
def test_ten_clients_and_a_silent_origin_leave_one_in_flight(proxy):
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(10)]
    for p in pairs:
        p.send()
    device.pending()
    proxy.watch(10_000, device, step=500)
    assert len(device.distinct()) == 1


@pytest.mark.covers("C7252-4.7-1")
def test_queued_requests_leave_as_answers_come(proxy):
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(10)]
    tokens = {p.send().token for p in pairs}
    done = 0
    while done < 10:
        batch = [m for m in device.pending() if m.code]
        assert batch
        for up in batch:
            device.answer(up)
            done += 1
    got = {p.client.recv().token for p in pairs}
    assert got == tokens and len(device.distinct()) == 10


@pytest.mark.covers("C7252-4.7-3")
def test_acknowledged_request_frees_its_slot(proxy):
    device = proxy.device()
    first, second = Pair(proxy, device=device), Pair(proxy, device=device)
    first.send()
    up = device.recv()
    second.send()
    device.quiet()
    device.ack(up)
    up2 = device.recv()
    assert up2.mid != up.mid
    device.answer(up2)
    second.client.recv()
    device.separate(up)
    assert any(m.code == coap.CONTENT for m in first.client.pending())


@pytest.mark.covers("C7252-4.7-2")
def test_non_flood_to_a_dead_server_is_throttled(proxy):
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(20)]
    for p in pairs:
        for _ in range(5):
            p.send(type=NON)
    device.pending()
    proxy.watch(30_000, device, step=1000)
    assert len(device.ledger) <= 20, "100 requests of about 20 bytes to a silent server in 30 s"


@pytest.mark.covers("C7252-4.7-4")
def test_one_flooding_client_does_not_starve_another(proxy):
    """Of the first twenty requests that the origin sees, the quiet client has its share."""
    device = proxy.device()
    noisy, quiet = Pair(proxy, device=device), Pair(proxy, device=device)
    for _ in range(100):
        noisy.send(path=("noisy",))
    for _ in range(10):
        quiet.send(path=("quiet",))
    served = []
    while len(served) < 24:
        for up in [m for m in device.pending() if m.code]:
            served.append(up.first(coap.URI_PATH))
            device.answer(up)
    assert served.count(b"quiet") >= 8
    while any([device.answer(m) for m in device.pending() if m.code]):
        pass


@pytest.mark.covers("C7252-4.8-1")
@pytest.mark.parametrize("setting", ["ack-timeout = \"1s\"", "ack-timeout = \"1999ms\"", "ack-random-factor = 0.99",
                                     "origin-window = 0"])
def test_configuration_may_not_go_below_the_transmission_parameters(tmp_path, setting):
    file = tmp_path / "c"
    file.write_text('listeners: { coap: { url = "coap://127.0.0.1:5683"; }; };\nupstream: { %s; };\n' % setting)
    status, out, err = run_proxy("-t", "-c", file)
    assert status != 0
    assert "%s:2:" % file in out + err


@pytest.mark.covers("C7252-4.8-2")
def test_manual_says_what_a_longer_ack_timeout_means():
    status, out, _ = run_proxy("--print-manual")
    assert status == 0
    at = out.index("ack-timeout")
    assert "4.8.1" in out[at:at + 700] and "origins" in out[at:at + 700]

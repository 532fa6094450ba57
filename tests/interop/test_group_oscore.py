"""Group OSCORE's group mode between aiocoap and our own code: each opens what the other protects, and the reader reads both."""

import os

import pytest
from aiocoap import Message
from aiocoap.numbers import PUT

from group_members import CLIENT, SERVER, Endpoint, Group, Peer, content, plain

KINDS = [("CCM", "EdDSA"), ("CCM", "ES256"), ("CTR", "EdDSA"), ("CTR", "ES256"), ("GCM", "EdDSA"), ("ChaCha", "ES256")]


@pytest.fixture(params=KINDS, ids="-".join)
def group(request):
    return Group(*request.param)


@pytest.fixture
def peer(group):
    p = Peer(group, SERVER)
    yield p
    p.close()


def put(payload):
    return Message(code=PUT, uri_path=("firmware", "1"), payload=payload)


@pytest.mark.covers("D-GRP-2.1-1", "D-GRP-2.1-2", "D-GRP-3.3-1", "D-GRP-3.4-1", "D-GRP-4.1-1", "D-GRP-4.2-1", "D-GRP-3.1-1", "D-GRP-2-1")
def test_aiocoap_asks_and_our_member_answers(group, peer):
    client = Endpoint(group, CLIENT)
    peer.bundle("read-both")
    # what aiocoap takes for too short goes by the tag that AES-CTR has not
    for size in (9 if group.algorithm == "CTR" else 0, 60, 1024, 10000):
        body = os.urandom(size)
        option, payload = client.ask(put(body))
        inner = plain(put(body)).hex()
        assert peer.takes("request", option, payload) == "accepted " + inner
        assert peer.reads(option, payload) == "opened " + inner
        for numbered in (False, True, True):
            answer_option, answer = peer.answer(plain(content(body)), numbered)
            assert client.takes_response(answer_option, answer).payload == body
            assert peer.reads(answer_option, answer, option) == "opened " + plain(content(body)).hex()


@pytest.mark.covers("RBW-3", "RBW-4", "RBW-5", "D-GRP-7.5-1", "D-GRP-5.3-1")
def test_our_member_asks_and_aiocoap_answers(group):
    """And each bundle reads its direction."""
    peer, server = Peer(group, CLIENT), Endpoint(group, SERVER)
    body = os.urandom(50)
    for _ in range(3):
        option, payload = peer.ask(plain(put(body)))
        assert server.takes_request(option, payload).payload == body
        for numbered in (False, True):
            answer_option, answer = server.answer(content(body), numbered)
            assert peer.takes("response", answer_option, answer) == "accepted " + plain(content(body)).hex()
            for profile, request, response in (("verify-only", "verified", "verified"), ("read-responses", "verified", "opened"),
                                               ("read-both", "opened", "opened")):
                peer.bundle(profile, SERVER)
                assert peer.reads(option, payload).split()[0] == request
                assert peer.reads(answer_option, answer, option).split()[0] == response
                assert peer.reads(answer_option, answer[:-1] + bytes([answer[-1] ^ 1]), option) == "signature"
    peer.close()


@pytest.mark.covers("D-GRP-13.8-1", "D-GRP-3.4-1")
def test_another_group_manager_is_another_group(group):
    client = Endpoint(group, CLIENT)
    group.manager += b" cloned"
    peer = Peer(group, SERVER)
    assert peer.takes("request", *client.ask(put(b"x"))) == "forged"
    peer.close()

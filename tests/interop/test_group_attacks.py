"""The attack: whoever holds all that a reader has makes no member accept anything. Everything of group_attacker.py is tried against a member by
aiocoap and against one of our own; both take the untouched message afterwards, and both take what the attacker makes once a member signs it, so
that it is the signature alone that was missing.
"""

import pytest
from aiocoap import Message
from aiocoap.numbers import CHANGED, CONTENT, PUT
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import group_attacker
from group_attacker import Attacker, attacks
from group_members import CLIENT, SERVER, SIGNATURES, Endpoint, Group, Peer, content, plain

LINES = ("RBW-1", "RBW-2", "RBW-7", "D-GRP-13.1-1", "D-GRP-6-1", "D-GRP-7.2-1")


@pytest.fixture(params=[("CCM", "EdDSA"), ("CTR", "EdDSA"), ("CTR", "ES256")], ids="-".join)
def group(request):
    return Group(*request.param)


@pytest.fixture
def attacker(group, tmp_path):
    return Attacker(group.bundle("read-both", tmp_path))


def signer(group, key):
    """What signs with that private key."""
    if group.signature == "EdDSA":
        return Ed25519PrivateKey.from_private_bytes(key).sign

    def sign(what):
        r, s = decode_dss_signature(key.sign(what, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def own_key(group):
    return signer(group, SIGNATURES[group.signature].generate_with_ccs()[0])


def put(body):
    return Message(code=PUT, uri_path=("valve",), payload=body)


def seen(piv, gid, kid):
    return group_attacker.Message.request_of(kid, piv, gid)


def refused(name, take, *message):
    try:
        accepted = take(*message)
    except Exception:  # what kind is aiocoap's to choose
        return
    pytest.fail(f"{name}: aiocoap accepted {accepted.payload!r}")


@pytest.mark.covers(*LINES)
def test_no_request_is_forged(group, attacker):
    client, server, peer = Endpoint(group, CLIENT), Endpoint(group, SERVER), Peer(group, SERVER)
    (first_option, first), (option, payload) = client.ask(put(b"open....")), client.ask(put(b"open 100"))
    m = seen(b"\x01", group.gid, CLIENT)
    assert m.option == option and attacker.open(m, payload)[0] == plain(put(b"open 100"))  # it reads all of it
    tried = attacks(attacker, m, payload, (seen(b"\x00", group.gid, CLIENT), first), own_key(group))
    for name, message in tried.items():
        refused(name, server.takes_request, *message)
        assert not peer.takes("request", *message).startswith("accepted"), name
    assert len(tried) == 21 and server.takes_request(option, payload).payload == b"open 100"
    assert peer.takes("request", option, payload).startswith("accepted ")
    # shown again, it is one that was seen
    refused("a replay", server.takes_request, option, payload)
    assert peer.takes("request", option, payload) == "replayed"
    assert peer.takes("request", first_option, first).startswith("accepted ")
    # and with the member's own signature all of it is right
    forged = attacker.seal(seen(b"\x30", group.gid, CLIENT), plain(put(b"evil 100")), signer(group, group.keys[CLIENT][0]))
    assert server.takes_request(*forged).payload in (b"evil 000", b"evil 100")
    assert peer.takes("request", *forged).startswith("accepted ")
    peer.close()


@pytest.mark.parametrize("numbered", [False, True], ids=["bare", "numbered"])
@pytest.mark.covers(*LINES)
def test_no_response_is_forged(group, attacker, numbered):
    """The answers of one exchange, and those to another; and a request is no answer to itself, whatever keystream hides its signature."""
    client, server = Endpoint(group, CLIENT), Endpoint(group, SERVER)
    peer, peer_server = Peer(group, CLIENT), Endpoint(group, SERVER)
    for end, answerer, by_peer in ((client, server, False), (peer, peer_server, True)):
        ask = (lambda: peer.ask(plain(put(b"state...")))) if by_peer else (lambda: client.ask(put(b"state...")))
        answerer.takes_request(*ask())
        _, other = answerer.answer(content(b"ajar 005"))
        option, payload = ask()
        answerer.takes_request(option, payload)
        answer_option, answer = answerer.answer(content(b"shut 000"), numbered)
        request = seen(b"\x01", group.gid, CLIENT)
        m = group_attacker.Message(SERVER, answer_option, request.request, b"\x00" if numbered else b"")
        assert attacker.open(m, answer)[0] == plain(content(b"shut 000"))
        before = group_attacker.Message(SERVER, group_attacker.option_of(kid=SERVER), seen(b"\x00", group.gid, CLIENT).request)
        tried = attacks(attacker, m, answer, (before, other), own_key(group))
        mirrored = group_attacker.Message(CLIENT, option, request.request, b"\x01")
        tried["the request as its own answer"] = attacker.seal(mirrored, attacker.open(request, payload)[0], attacker.open(request, payload)[1])
        tried["the answer to another request"] = (before.option, other)
        for name, message in tried.items():
            if by_peer:
                assert not peer.takes("response", *message).startswith("accepted"), name
            else:
                for code in (CHANGED, CONTENT):
                    refused(name, client.takes_response, *message, code)
        forged = attacker.seal(group_attacker.Message(SERVER, group_attacker.option_of(b"\x30", kid=SERVER), request.request, b"\x30"),
                               plain(content(b"evil 000")), signer(group, group.keys[SERVER][0]))
        if by_peer:
            assert peer.takes("response", answer_option, answer).startswith("accepted ")
            assert peer.takes("response", *forged).startswith("accepted ")
        else:
            assert client.takes_response(answer_option, answer).payload == b"shut 000"
            assert client.takes_response(*forged).payload in (b"evil 000", b"evil 100")
    peer.close()

"""The OSCORE test descriptions 0 to 17 (the final ones, option 9): contexts, server and client steps, on aiocoap's library.

Every run starts with fresh contexts, so that two runs of a description give the same octets.
"""

import asyncio
import secrets

import aiocoap
import aiocoap.error
from aiocoap import oscore, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.numbers.codes import (
    BAD_REQUEST, CHANGED, CONTENT, DELETE, DELETED, FETCH, GET, INTERNAL_SERVER_ERROR, POST, PRECONDITION_FAILED, PUT, UNAUTHORIZED,
)
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.transports.oscore import OSCOREAddress

SECRET = bytes(range(1, 17))
SALT = bytes.fromhex("9e7ca92223786340")
ID_CONTEXT = bytes.fromhex("37cbf3210017a2d3")
TIMEOUT = 8


class Context(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):
    """A security context in memory."""

    echo_recovery = None

    def __init__(self, sender, recipient, id_context=None, state_lost=False):
        self.alg_aead = oscore.AES_CCM_16_64_128()
        self.hashfun = oscore.hashfunctions["sha256"]
        self.sender_id, self.recipient_id, self.id_context = sender, recipient, id_context
        self.sender_sequence_number = 0
        self.recipient_replay_window = oscore.ReplayWindow(32, lambda: None)
        if state_lost:
            self.echo_recovery = secrets.token_bytes(8)
        else:
            self.recipient_replay_window.initialize_empty()
        self.derive_keys(SALT, SECRET)

    def post_seqnoincrease(self):
        pass

    # what a CredentialsMap asks of its entries
    def as_dtls_psk(self):
        raise NotImplementedError

    def find_all_used_contextless_oscore_kid(self):
        return {self.recipient_id}


def broken(key):
    return key[:-1] + bytes([key[-1] ^ 0xFF])


# ---- the server -------------------------------------------------------------------------------------------------------


class Hello(resource.Resource):
    """`protected`: answers 4.01 to requests without OSCORE."""

    def __init__(self, protected=True):
        super().__init__()
        self.protected = protected
        self.served = 0

    def check(self, request):
        self.served += 1
        if self.protected and not isinstance(request.remote, OSCOREAddress):
            raise aiocoap.error.Unauthorized

    async def render_get(self, request):
        self.check(request)
        return aiocoap.Message(code=CONTENT, content_format=0, payload=b"Hello World!")


class HelloTag(Hello):
    async def render_get(self, request):
        self.check(request)
        if request.opt.uri_query != ("first=1",):
            raise aiocoap.error.BadRequest
        return aiocoap.Message(code=CONTENT, content_format=0, etag=b"\x2b", payload=b"Hello World!")


class HelloAge(Hello):
    async def render_get(self, request):
        self.check(request)
        if request.opt.accept != 0:
            raise aiocoap.error.BadRequest
        return aiocoap.Message(code=CONTENT, content_format=0, max_age=5, payload=b"Hello World!")


class HelloPost(Hello):
    async def render_post(self, request):
        self.check(request)
        return aiocoap.Message(code=CHANGED, content_format=0, payload=request.payload)


class HelloPut(Hello):
    """Exists, with the ETag 0x7b."""

    async def render_put(self, request):
        self.check(request)
        if request.opt.if_none_match or b"\x7b" not in request.opt.if_match:
            return aiocoap.Message(code=PRECONDITION_FAILED)
        return aiocoap.Message(code=CHANGED)


class Deletable(Hello):
    async def render_delete(self, request):
        self.check(request)
        return aiocoap.Message(code=DELETED)


class Observed(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.value = b"one"

    async def render_get(self, request):
        if not isinstance(request.remote, OSCOREAddress):
            raise aiocoap.error.Unauthorized
        return aiocoap.Message(code=CONTENT, content_format=0, payload=self.value)

    @property
    def watched(self):
        return bool(self._observations)

    def show(self, value):
        self.value = value
        self.updated_state()

    def fail(self):
        self.updated_state(aiocoap.Message(code=INTERNAL_SERVER_ERROR, payload=b"Terminate Observe"))


class Site(OscoreSiteWrapper):
    async def render_to_pipe(self, pipe):
        if pipe.request.mtype is None:
            pipe.request.mtype = aiocoap.CON  # without types errors are left unsaid
        await super().render_to_pipe(pipe)


class Server:
    """Contexts B and D, over UDP and TCP. reset() gives fresh contexts and resources."""

    @classmethod
    async def start(cls, port):
        self = cls()
        self.reset()
        self.context = await aiocoap.Context.create_server_context(self.site, bind=("127.0.0.1", port), transports=["udp6", "tcpserver"])
        return self

    def reset(self, state_lost=False):
        credentials = CredentialsMap()
        credentials[":b"] = Context(b"\x01", b"", state_lost=state_lost)
        credentials[":d"] = Context(b"\x01", b"", ID_CONTEXT, state_lost=state_lost)
        inner = resource.Site()
        self.resources = {
            "oscore/hello/coap": Hello(protected=False),
            "oscore/hello/1": Hello(),
            "oscore/hello/2": HelloTag(),
            "oscore/hello/3": HelloAge(),
            "oscore/hello/6": HelloPost(),
            "oscore/hello/7": HelloPut(),
            "oscore/observe1": Observed(),
            "oscore/observe2": Observed(),
            "oscore/test": Deletable(),
        }
        for path, handler in self.resources.items():
            inner.add_resource(path.split("/"), handler)
        self.site = Site(inner, credentials)
        if hasattr(self, "context"):
            self.context.serversite = self.site

    async def stop(self):
        await self.context.shutdown()


# ---- the client -------------------------------------------------------------------------------------------------------


def told(response):
    """What a client can tell of a response; the Observe number is the server's own affair."""
    options = [(int(o.number), o.encode()) for o in response.opt.option_list() if o.number != 6]
    return str(response.code), response.opt.observe is not None, options, response.payload


class Client:
    def __init__(self, base, server, security):
        self.base, self.server, self.security = base, server, security
        self.result = []

    async def __aenter__(self):
        transport = {"coap": "udp6", "coap+tcp": "tcpclient", "coap+ws": "ws"}[self.base.partition(":")[0]]
        self.context = await aiocoap.Context.create_client_context(transports=["oscore", transport])
        if self.security is not None:
            self.context.client_credentials[self.base + "/*"] = self.security
        return self

    async def __aexit__(self, *_):
        await self.context.shutdown()

    def message(self, method, path, **options):
        return aiocoap.Message(code=method, uri=self.base + path, **options)

    async def ask(self, method, path, **options):
        request = self.context.request(self.message(method, path, **options))
        try:
            response = await asyncio.wait_for(request.response, TIMEOUT)
        except (oscore.ProtectionInvalid, oscore.NotAProtectedMessage) as error:
            # an unprotected answer is reported by aiocoap as NotAProtectedMessage, which carries it
            plain = getattr(error, "plain_message", None)
            self.result.append((type(error).__name__, told(plain) if plain is not None else None))
            return None
        self.result.append(told(response))
        return response

    async def send_twice(self, path):
        """The same OSCORE message twice, each with a token and a Message ID of its own."""
        plain = self.message(GET, path)
        remote = plain.remote
        protected, identifiers = self.security.protect(plain)
        for _ in range(2):
            message = protected.copy()
            message.remote = remote
            response = await asyncio.wait_for(self.context.request(message, handle_blockwise=False).response, TIMEOUT)
            if response.opt.oscore is not None:
                response, _ = self.security.unprotect(response, identifiers)
            self.result.append(told(response))

    def repeat_next_token(self, token):
        """The next request takes `token` (RFC 7641 section 3.6: a cancellation has the token of its registration)."""
        manager = self.context.request_interfaces[-1]
        own = manager.next_token

        def once():
            manager.next_token = own
            return token

        manager.next_token = once

    @property
    def last_token(self):
        manager = self.context.request_interfaces[-1]
        return manager._token.to_bytes(8, "big").lstrip(b"\0")

    async def observe(self, path, actions):
        """Registers; each action makes the server notify. Returns the token."""
        request = self.context.request(self.message(GET, path, observe=0))
        self.result.append(told(await asyncio.wait_for(request.response, TIMEOUT)))
        token = self.last_token
        notifications = request.observation.__aiter__()
        for action in actions:
            action()
            try:
                self.result.append(told(await asyncio.wait_for(notifications.__anext__(), TIMEOUT)))
            except (StopAsyncIteration, aiocoap.error.Error) as error:
                self.result.append((type(error).__name__,))
        return token


async def _until(condition):
    for _ in range(400):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def d0(client):
    await client.ask(GET, "/oscore/hello/coap")


async def d1(client):
    await client.ask(GET, "/oscore/hello/1")


async def d3(client):
    await client.ask(GET, "/oscore/hello/2?first=1")


async def d4(client):
    await client.ask(GET, "/oscore/hello/3", accept=0)


async def d5(client):
    await client.ask(GET, "/oscore/hello/1", observe=0)


async def d6(client):
    observed = client.server.resources["oscore/observe1"]
    await client.observe("/oscore/observe1", [lambda: observed.show(b"two"), observed.fail])


async def d7(client):
    observed = client.server.resources["oscore/observe2"]
    token = await client.observe("/oscore/observe2", [lambda: observed.show(b"two")])
    client.repeat_next_token(token)
    await client.ask(GET, "/oscore/observe2", observe=1)
    client.result.append(("cancelled", await _until(lambda: not observed.watched)))


async def d8(client):
    await client.ask(POST, "/oscore/hello/6", payload=b"\x4a", content_format=0)


async def d9(client):
    await client.ask(PUT, "/oscore/hello/7", payload=b"\x7a", content_format=0, if_match=[b"\x7b"])


async def d10(client):
    await client.ask(PUT, "/oscore/hello/7", payload=b"\x8a", content_format=0, if_none_match=True)


async def d11(client):
    await client.ask(DELETE, "/oscore/test")


async def d15(client):
    await client.send_twice("/oscore/hello/1")


def context_a():
    return Context(b"", b"\x01")


def context_c():
    return Context(b"", b"\x01", ID_CONTEXT)


def wrong_sender_id():
    return Context(b"\x02", b"\x01")


def wrong_sender_key():
    context = context_a()
    context.sender_key = broken(context.sender_key)
    return context


def wrong_recipient_key():
    context = context_a()
    context.recipient_key = broken(context.recipient_key)
    return context


def nothing():
    return None


HELLO = [(12, b"")], b"Hello World!"
CONTENT_HELLO = ("2.05 Content", False, *HELLO)


def unprotected(code):
    """An answer without OSCORE, whatever its text."""

    def check(entry):
        return entry[0] == "NotAProtectedMessage" and entry[1] is not None and entry[1][0] == code

    return check


def plain_code(code):
    return lambda entry: entry[0] == code


# number: (client context, steps, the results that count as passed; a callable judges an entry)
DESCRIPTIONS = {
    0: (nothing, d0, [CONTENT_HELLO]),
    1: (context_a, d1, [CONTENT_HELLO]),
    2: (context_c, d1, [CONTENT_HELLO]),
    3: (context_a, d3, [("2.05 Content", False, [(4, b"\x2b"), (12, b"")], b"Hello World!")]),
    4: (context_a, d4, [("2.05 Content", False, [(12, b""), (14, b"\x05")], b"Hello World!")]),
    5: (context_a, d5, [CONTENT_HELLO]),
    6: (context_a, d6, [
        ("2.05 Content", True, [(12, b"")], b"one"),
        ("2.05 Content", True, [(12, b"")], b"two"),
        ("5.00 Internal Server Error", False, [], b"Terminate Observe"),
    ]),
    7: (context_a, d7, [
        ("2.05 Content", True, [(12, b"")], b"one"),
        ("2.05 Content", True, [(12, b"")], b"two"),
        ("2.05 Content", False, [(12, b"")], b"two"),
        ("cancelled", True),
    ]),
    8: (context_a, d8, [("2.04 Changed", False, [(12, b"")], b"\x4a")]),
    9: (context_a, d9, [("2.04 Changed", False, [], b"")]),
    10: (context_a, d10, [("4.12 Precondition Failed", False, [], b"")]),
    11: (context_a, d11, [("2.02 Deleted", False, [], b"")]),
    12: (wrong_sender_id, d1, [unprotected("4.01 Unauthorized")]),
    13: (wrong_sender_key, d1, [unprotected("4.00 Bad Request")]),
    14: (wrong_recipient_key, d1, [lambda entry: entry[0] == "ProtectionInvalid"]),
    15: (context_a, d15, [CONTENT_HELLO, plain_code("4.01 Unauthorized")]),
    16: (context_a, d1, [unprotected("4.02 Bad Option")]),
    17: (nothing, d1, [plain_code("4.01 Unauthorized")]),
}
PLAIN = (0, 17)          # no OSCORE message at all
UNAWARE = 16             # the origin knows no OSCORE
DECRYPTED = range(1, 12)  # both legs can be read with the keys


def passed(number, result, expected=None):
    """`expected`: what counts in the place of the description's own, where the way there leaves something out."""
    expected = expected or DESCRIPTIONS[number][2]
    if len(result) != len(expected):
        return False
    return all(want(got) if callable(want) else got == want for want, got in zip(expected, result))


async def run(number, base, server, client_of=Client):
    """One description against the server (or what stands in front of it) at `base`; returns what the client saw."""
    make_context, steps, _ = DESCRIPTIONS[number]
    server.reset()
    async with client_of(base, server, make_context()) as client:
        await asyncio.wait_for(steps(client), 3 * TIMEOUT)
        await asyncio.sleep(0.02)  # the last acknowledgement
    return client.result

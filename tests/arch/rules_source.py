"""Rules that the sources keep: who includes whom, what pure code may not touch, sizes, names that stay at the edge."""

import os
import re

import source

# A room may include itself and these.
ROOMS = {
    "base": [],
    "coap": ["base"],
    "translate": ["base", "coap"],
    "oscore": ["base", "coap"],
    "conf": ["base", "coap", "translate", "oscore"],
    "proxy": ["base", "coap", "translate", "oscore", "conf"],
    "tools": ["base", "coap", "translate", "oscore"],
}

# HTTP has a room of its own within proxy: what it may include there, and who may include it.
HTTP_ROOM = "proxy/http/"
HTTP_MAY_INCLUDE = ("base/", "coap/", "conf/", "translate/", "oscore/option.h", "proxy/decide/", "proxy/exchange/", "proxy/edge/", HTTP_ROOM)
MAY_INCLUDE_HTTP = (HTTP_ROOM, "proxy/process/", "proxy/main.c")
# the files that a context of TLS or DTLS is made of
HTTP_EXCEPT = {("proxy/edge/tls.h", "proxy/http/material.h"), ("proxy/edge/dtls.h", "proxy/http/material.h")}

# Decisions and translations are functions of their arguments: no time, chance, log, socket, event loop or cipher.
PURE = ("coap/", "translate/", "proxy/decide/")
PURE_OURS = ("base/clock.h", "base/random.h", "base/log.h", "proxy/exchange/", "proxy/edge/", "proxy/process/")
PURE_SYSTEM = ("event2/", "event.h", "time.h", "sys/", "unistd.h", "netdb.h", "poll.h", "openssl/")
PURE_EXCEPT = {("coap/message.h", "sys/socket.h")}  # takes the name of one of its flags away

# Above the edge nothing knows which transport carries a message. The scheme tables name them because URIs do; processes
# and main put the edges together.
TRANSPORT = re.compile(r"(?<![A-Za-z])(udp|dtls|tcp|tls|websocket)(?![a-z])", re.I)
TRANSPORT_FREE = ("base/", "coap/", "translate/", "oscore/", "proxy/decide/", "proxy/exchange/")
TRANSPORT_TABLES = ("coap/uri.c", "coap/uri.h")

CLOCK_CALLS = r"\b(clock_gettime|gettimeofday|timespec_get|nanosleep|usleep|sleep|time)\s*\("
UNBOUNDED = r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca)\s*\("

FILE_LINES, FUNCTION_LINES = 600, 100
SIZE_LIST = "tests/arch/allowed-sizes.txt"


def includes_follow_the_rooms():
    """includes: each room includes only those below it"""
    wrong = []
    for name in source.files_in(ROOMS, ".c", ".h"):
        room = name.split("/")[0]
        for quoted, path in source.includes(name):
            if not quoted:
                continue
            if not os.path.isfile(os.path.join(source.ROOT, path)):
                wrong.append(f"{name}: includes \"{path}\", which is no path from the root")
            elif path.split("/")[0] not in [room] + ROOMS[room]:
                wrong.append(f"{name}: {room} may not include {path}")
    return wrong


def http_stays_in_its_room():
    """http: proxy/http includes what it may, and only processes include it"""
    wrong = []
    for name in source.files_in(source.PRODUCT, ".c", ".h"):
        for quoted, path in source.includes(name):
            if quoted and name.startswith(HTTP_ROOM) and not path.startswith(HTTP_MAY_INCLUDE):
                wrong.append(f"{name}: may not include {path}")
            if path.startswith(HTTP_ROOM) and not name.startswith(MAY_INCLUDE_HTTP) and (name, path) not in HTTP_EXCEPT:
                wrong.append(f"{name}: may not include {path}")
    return wrong


def pure_code_touches_nothing():
    """purity: codecs, translations and decisions use no clock, chance, log, socket or event loop"""
    wrong = []
    for name in source.files_in(source.PRODUCT, ".c", ".h"):
        system = PURE_SYSTEM if name.startswith(PURE) else ("event2/", "event.h") if name.startswith(("oscore/", "conf/")) else ()
        for quoted, path in source.includes(name):
            if path.startswith(PURE_OURS if quoted and name.startswith(PURE) else () if quoted else system) and (name, path) not in PURE_EXCEPT:
                wrong.append(f"{name}: includes {path}")
    return wrong


def no_transport_above_the_edge():
    """transports: no transport is named above proxy/edge"""
    wrong = []
    for name in source.files_in(source.PRODUCT, ".c", ".h"):
        if name.startswith(TRANSPORT_FREE) and name not in TRANSPORT_TABLES:
            wrong += [f"{name}:{line}: {m.group(0)}" for line, m in source.lines_matching(name, TRANSPORT)]
    return wrong


def one_source_of_time():
    """time: only base/clock reads a clock or sleeps"""
    wrong = []
    for name in source.files_in(source.PRODUCT, ".c", ".h"):
        if not name.startswith("base/clock"):
            wrong += [f"{name}:{line}: {m.group(1)}" for line, m in source.lines_matching(name, CLOCK_CALLS)]
    return wrong


def no_unbounded_calls():
    """bounds: no library call that cannot be told a limit"""
    wrong = []
    for name in source.files_in(ROOMS, ".c", ".h"):
        wrong += [f"{name}:{line}: {m.group(1)}" for line, m in source.lines_matching(name, UNBOUNDED)]
    return wrong


def tools_stay_outside():
    """tools: the gateway includes nothing of tools/ and tests/"""
    return [f"{name}: includes {path}" for name in source.files_in(source.PRODUCT, ".c", ".h")
            for _, path in source.includes(name) if path.startswith(("tools/", "tests/"))]


def allowed_sizes():
    """path or path:function -> reason"""
    allowed = {}
    for line in source.read(SIZE_LIST).split("\n"):
        if line and not line.startswith("#"):
            what, _, reason = line.partition(" ")
            allowed[what] = reason.strip()
    return allowed


def files_and_functions_are_small():
    """sizes: files up to 600 lines, functions up to 100; tests/arch/allowed-sizes.txt has the exceptions"""
    big = {}
    for name in source.tracked_files():
        if name.endswith((".c", ".h", ".py", ".sh")):
            lines = source.read(name).count("\n")
            if lines > FILE_LINES:
                big[name] = lines
        if name.endswith(".c"):
            big.update({f"{name}:{f}": n for f, n in source.functions(name) if n > FUNCTION_LINES})
    allowed = allowed_sizes()
    wrong = [f"{what}: {lines} lines" for what, lines in big.items() if what not in allowed]
    wrong += [f"{SIZE_LIST}: {what} needs no exception (any more)" for what in allowed if what not in big]
    return wrong + [f"{SIZE_LIST}: {what} gives no reason" for what, reason in allowed.items() if not reason]


def words_stay_out():
    """words: nothing of the place it was written at"""
    # In pieces, so that this file holds none of them.
    # A session alone is a term of the field: of security, or a client's connection.
    words = re.compile(r"\b((this|last|work|working|coding|earlier|previous) ses" r"sions?|pro" r"mpts?|hel" r"pers?|ag" r"ents?)\b|\b(?-i:A" r"I)\b", re.I)
    paths = re.compile(r"(?<![\w.$}])/(wo" r"rk|t" r"mp|fa" r"rm|ro" r"ot|ho" r"me)/|\.lib" r"rary\b")
    hosts = re.compile(r"\b(registry\.npm" r"js|pypi\.o" r"rg|pythonh" r"osted|deb\.deb" r"ian\.org)")
    # What the field itself calls so: a (D)TLS association, an HTTP header, a class of node's coap, a fixture's scope.
    own = re.compile(r"\b(D?TLS|SSL)[ _-]\w+|user-\w+|scope=.\w+|\bpytest_\w+\(.*|\bses" r"sion\.\w+", re.I)
    wrong = []
    for name in source.tracked_files():
        if name.startswith("tests/data/") or name == "LICENSE":
            continue
        for number, line in enumerate(source.read(name).split("\n"), 1):
            rest = own.sub("", line)
            if name.endswith(".js"):
                rest = re.sub(r"\bag" r"ent\b", "", rest, flags=re.I)
            for pattern in (words, paths, hosts):
                wrong += [f"{name}:{number}: {m.group(0)}" for m in pattern.finditer(rest)]
    return wrong


RULES = [includes_follow_the_rooms, http_stays_in_its_room, pure_code_touches_nothing, no_transport_above_the_edge, one_source_of_time,
         no_unbounded_calls, tools_stay_outside, files_and_functions_are_small, words_stay_out]

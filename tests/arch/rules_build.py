"""Rules that the compiler and the built programs keep: headers that stand alone, nothing in the gateway that can seal or steer."""

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import source

BUILD = os.path.join(source.ROOT, os.environ.get("B", "build"))
# The programs that run at the gateway; those that are not built yet are not looked for.
GATEWAY = ("oscore-proxy", "oscore-reader")
# What must never be among their parts, by the name of the source that the compiler leaves in the symbol table.
FOREIGN_SOURCES = {"clock_steered.c", "random_seeded.c", "datagrams_faulty.c", "steer.c", "steer_worker.c", "steer_try.c",
                   "seal.c", "group_seal.c", "group_derive.c", "demo.c"}
# What could make or sign an OSCORE message, or bring in code that was not linked.
FOREIGN_IMPORTS = re.compile(r"(EVP_Encrypt\w*|EVP_Cipher(Init|Update|Final)\w*|EVP_MAC_\w+|EVP_DigestSign\w*|EVP_PKEY_sign\w*|"
                             r"dlopen|dlsym|system|popen)$")

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
         "-Wconversion", "-Werror", "-fsyntax-only"]


def headers_stand_alone():
    """headers: each compiles by itself, twice included"""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def compile_one(name):
            path = os.path.join(folder, name.replace("/", "_") + ".c")
            with open(path, "w", encoding="ascii") as file:
                file.write(f'#include "{name}"\n#include "{name}"\n')
            run = subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, "-I", source.ROOT, path], capture_output=True, text=True,
                                 check=False)
            errors = [line for line in run.stderr.splitlines() if "error" in line] + ["does not compile"]
            return f"{name}: {errors[0]}" if run.returncode else None

        return [w for w in pool.map(compile_one, source.files_in((*source.PRODUCT, "tools"), ".h")) if w]


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def gateway_programs():
    built = [os.path.join(BUILD, name) for name in GATEWAY]
    return [path for path in built if os.path.isfile(path)]


def gateway_is_built():
    """build: there is a gateway program to look at"""
    return [] if gateway_programs() else [f"{BUILD}: none of {', '.join(GATEWAY)}"]


def gateway_holds_no_foreign_source():
    """link: no steered clock, no faulty sockets, no sealing in the gateway"""
    wrong = []
    for path in gateway_programs():
        rows = [line.split() for line in output_of("readelf", "--wide", "--symbols", path).split("\n")]
        sources = {row[-1] for row in rows if len(row) == 8 and row[3] == "FILE"}
        if not sources:
            wrong.append(f"{path}: has no symbol table to read")
        wrong += [f"{path}: holds {name}" for name in sorted(sources & FOREIGN_SOURCES)]
    return wrong


def gateway_imports_nothing_that_seals():
    """imports: the gateway calls nothing that encrypts, signs or loads code"""
    wrong = []
    for path in gateway_programs():
        names = {line.split()[-1].split("@")[0] for line in output_of("nm", "--dynamic", "--undefined-only", path).split("\n") if line}
        wrong += [f"{path}: imports {name}" for name in sorted(names) if FOREIGN_IMPORTS.match(name)]
    return wrong


def gateway_has_no_test_hook():
    """hooks: nothing in the gateway is there for tests only"""
    wrong = []
    for path in gateway_programs():
        names = {line.split()[-1] for line in output_of("nm", "--defined-only", path).split("\n") if line}
        wrong += [f"{path}: defines {name}" for name in sorted(names) if name.endswith("_for_test")]
    return wrong


def gateway_is_hardened():
    """hardening: position independent, relocations read-only, no executable stack"""
    wrong = []
    for path in gateway_programs():
        head = output_of("readelf", "--wide", "--file-header", "--program-headers", "--dynamic", path)
        wanted = {"position independent": r"Type:\s+DYN", "read-only relocations": r"GNU_RELRO", "bound at start": r"BIND_NOW|\bNOW\b",
                  "stack without execution": r"GNU_STACK\s.*\sRW\s"}
        wrong += [f"{path}: not {what}" for what, pattern in wanted.items() if not re.search(pattern, head)]
    return wrong


RULES = [headers_stand_alone, gateway_is_built, gateway_holds_no_foreign_source, gateway_imports_nothing_that_seals,
         gateway_has_no_test_hook, gateway_is_hardened]

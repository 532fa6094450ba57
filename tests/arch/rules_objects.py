"""Rules about what each object may ask of the system: who may open, connect, start and become somebody else; and what the whole imports."""

import os
import re
import subprocess

import source

BUILD = os.path.join(source.ROOT, os.environ.get("B", "build"))
IMPORTS = "tests/arch/imports.txt"
# What the compiler brings in is not ours to list.
NOT_OURS = re.compile(r"__\w+_chk|__stack_chk\w*|__cxa\w*|_ITM_\w*|__gmon\w*|__libc_start\w*|__errno_location|__isoc\w+")

# A power over the system, by the calls that give it.
POWERS = {
    "files": r"(open|openat|creat|fopen|freopen|opendir|mkstemp|unlink|rename|mkdir|chmod|chown|truncate|memfd_create)(64)?|tmpfile|syscall",
    "sockets": r"socket|socketpair|bind|listen|accept4?|connect|getaddrinfo|getifaddrs",
    "processes": r"v?fork|clone|exec\w+|fexecve|posix_spawn\w*|system|popen|kill|waitpid|wait|ptrace|pthread_create",
    "identity": r"set(res|re|e)?[ug]id|setgroups|cap_\w+|chroot|prctl|seccomp_\w+|getpw\w+|setrlimit(64)?",
    "environment": r"(secure_)?getenv|setenv|putenv|unsetenv|clearenv",
    "code": r"dlopen|dlsym|mprotect",
}

# Which object has which, and why. Every other object has none.
PERMITTED = {
    # in the parent, or before a worker is confined
    "base/packets.o": ("sockets",),                 # the pairs between the parent and the others
    "base/landlock.o": ("files",),                  # calls that the C library has no names for: gives rights up
    "base/log_file.o": ("files",),
    "conf/snapshot.o": ("files",),                  # the configuration
    "proxy/exchange/resolve_files.o": ("files",),   # resolv.conf and hosts
    "proxy/edge/own_addresses.o": ("sockets",),     # the interfaces are asked for
    "proxy/process/parent.o": ("identity",),        # its limit of descriptors
    "proxy/process/workers.o": ("files", "processes"),      # starts, watches and ends workers; what outlives them
    "proxy/process/child.o": ("files",),            # /dev/null
    "proxy/process/reader.o": ("sockets", "processes"),     # pairs to the workers; watches and ends the reader
    "proxy/process/reader_start.o": ("files", "processes"),  # the program, and a process of it
    "proxy/process/reader_files.o": ("files",),     # provisioning files, of which it reads nothing
    "proxy/process/reader_check.o": ("processes",),  # -t
    "proxy/process/package.o": ("files",),          # what workers are to know, in memory
    "proxy/process/files.o": ("files",),            # certificates and keys, for the workers
    "proxy/process/feeds.o": ("files", "sockets"),  # the files and sockets of feeds, for the workers
    "proxy/process/worker_start.o": ("identity",),  # its name
    "proxy/process/preparing.o": ("files", "processes", "identity"),  # the thread that parses, and its priority
    "proxy/process/privileges.o": ("identity",),
    "proxy/process/sandbox.o": ("files", "sockets", "identity"),      # shuts the doors, and tries whether they are shut
    "proxy/process/notify.o": ("sockets", "environment"),   # the service manager
    "proxy/process/activation.o": ("environment",),
    # in the reader
    "oscore/reader/confine.o": ("files", "identity"),   # shuts the doors
    # in a worker that serves
    "proxy/edge/sockets.o": ("sockets",),           # source ports towards origins; and listeners, in the parent
    "proxy/edge/accepting.o": ("sockets",),         # clients are accepted
    "proxy/edge/stream_pool.o": ("sockets",),       # connections towards origins
    "proxy/edge/has_route.o": ("sockets",),         # an unconnected way is asked of the kernel
}


def symbols(path):
    """The calls that an object leaves to others."""
    run = subprocess.run(["nm", "--undefined-only", path], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in run.stdout.split("\n") if line.strip()}


def objects_of(target):
    """The objects of a program of the product, as the Makefile lists them."""
    run = subprocess.run(["make", "-s", "--no-print-directory", "-C", source.ROOT, target], capture_output=True, text=True, check=False)
    return run.stdout.split()


def gateway_objects():
    """Those of all programs of the product that serve."""
    return sorted({*objects_of("print-objects"), *objects_of("print-reader-objects")})


def powers_stay_where_they_belong():
    """powers: files, sockets, processes and identity are asked for by the objects of a short list alone"""
    wrong, used = [], {}
    for name in gateway_objects() or ["no objects"]:
        path = os.path.join(BUILD, "obj", name)
        if not os.path.isfile(path):
            wrong.append(f"{name}: is not built")
            continue
        found = symbols(path)
        for power, pattern in POWERS.items():
            calls = sorted(s for s in found if re.fullmatch(pattern, s))
            if calls:
                used.setdefault(name, set()).add(power)
            if calls and power not in PERMITTED.get(name, ()):
                wrong.append(f"{name}: {power}: {', '.join(calls)}")
    for name, powers in PERMITTED.items():
        wrong += [f"{name}: needs no {power} (any more)" for power in powers if power not in used.get(name, ())]
    return wrong


def imports_are_listed():
    """imports: the gateway calls nothing of its libraries that tests/arch/imports.txt does not list"""
    path = os.path.join(BUILD, "oscore-proxy")
    if not os.path.isfile(path):
        return [f"{path}: is not built"]
    run = subprocess.run(["nm", "--dynamic", "--undefined-only", path], capture_output=True, text=True, check=True)
    names = {line.split()[-1].split("@")[0] for line in run.stdout.split("\n") if line.strip()}
    listed = set(source.read(IMPORTS).split())
    # Releases of a library spell some calls differently: a name may be listed that this one does not use.
    return [f"{n} is not in {IMPORTS}" for n in sorted(names - listed) if not NOT_OURS.fullmatch(n)]


# Those that have descriptors of provisioning files pass them on. What a call leaves in memory it could read from.
HAVE_KEY_FILES = ("proxy/process/reader.o", "proxy/process/reader_files.o", "proxy/process/reader_start.o", "proxy/process/reader_check.o")
READS = re.compile(r"_*(p?readv?2?|f?read|fgetc?s?|getc|getline|getdelim|fscanf|mmap|sendfile|splice|tee|copy_file_range|fdopen|freopen)(64)?(_chk|_unlocked)?")


def the_parent_reads_no_provisioning_file():
    """key files: what has their descriptors in the parent calls nothing that reads"""
    wrong = []
    for name in HAVE_KEY_FILES:
        path = os.path.join(BUILD, "obj", name)
        found = symbols(path) if os.path.isfile(path) else {"(not built)"}
        wrong += [f"{name}: {s}" for s in sorted(found) if READS.fullmatch(s) or s == "(not built)"]
    return wrong


RULES = [the_parent_reads_no_provisioning_file, powers_stay_where_they_belong, imports_are_listed]

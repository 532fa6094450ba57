"""Rules for the program that holds the keys of others: what it is made of, what it calls, and what it never may."""

import os
import re
import subprocess

import rules_objects
import source

PROGRAM = os.path.join(rules_objects.BUILD, "oscore-reader")
IMPORTS = "tests/arch/imports-reader.txt"

# Never among its objects: what protects messages, what makes keys, what reaches anybody.
ROOMS = ("base/", "coap/", "oscore/")
FOREIGN_OBJECTS = re.compile(r"(.*/)?(seal|derive|group_seal|group_derive|log_file|clock_steered|random_seeded)\.o$")
# Never among its imports, whatever the list says. Opening a message needs none of these.
FORBIDDEN = re.compile(r"EVP_Encrypt\w*|EVP_Cipher(Init|Update|Final)?\w*|EVP_Seal\w*|EVP_MAC_\w+|HMAC\w*|EVP_DigestSign\w*|EVP_Sign\w*|EVP_PKEY_sign\w*|"
                       r"EVP_PKEY_derive\w*|EVP_PKEY_(key|param)?gen\w*|EVP_PKEY_new_raw_private_key\w*|EVP_PKEY_(en|de)crypt\w*|AES_\w+|ECDSA_\w+|"
                       r"RAND_\w+|BIO_\w+|PEM_\w+|SSL_\w+|"
                       r"dl(m?open|v?sym)|socket|connect|bind|listen|accept4?|send|sendto|sendmmsg|recv|recvfrom|recvmmsg|getaddrinfo|"
                       r"f?exec\w+|posix_spawn\w*|system|v?fork|clone\d?|pthread_create|popen|kill|ptrace|process_vm_\w+|"
                       r"f?open(at)?(64)?|creat(64)?|freopen(64)?|opendir|mkstemp\w*|memfd_create|unlink(at)?|rename\w*|"
                       r"set\w*[ug]id|mprotect|pkey_mprotect|(secure_)?getenv")
# What stands in no source of ours.
LIBRARIES = {"libcrypto", "libseccomp", "libcoap-3-notls", "libc", "ld-linux-x86-64", "ld-linux-aarch64", "ld-linux-armhf"}


def reader_is_made_of_few_parts():
    """reader: its objects are of base, coap and oscore, and none of them seals, derives or opens a file"""
    objects = rules_objects.objects_of("print-reader-objects")
    wrong = [] if objects else ["no objects"]
    return wrong + [name for name in objects if not name.startswith(ROOMS) or FOREIGN_OBJECTS.match(name)]


def reader_calls_what_is_listed():
    """reader: calls nothing that tests/arch/imports-reader.txt does not list, and nothing that could seal, sign or reach out"""
    if not os.path.isfile(PROGRAM):
        return [f"{PROGRAM}: is not built"]
    run = subprocess.run(["nm", "--dynamic", "--undefined-only", PROGRAM], capture_output=True, text=True, check=True)
    names = {line.split()[-1].split("@")[0] for line in run.stdout.split("\n") if line.strip()}
    listed = set(source.read(IMPORTS).split())
    wrong = [f"{n} is not in {IMPORTS}" for n in sorted(names - listed) if not rules_objects.NOT_OURS.fullmatch(n)]
    return wrong + [f"{n} may not be called, nor be listed" for n in sorted(names | listed) if FORBIDDEN.fullmatch(n)]


def reader_links_few_libraries():
    """reader: links no library but those that open a message and shut the process in"""
    if not os.path.isfile(PROGRAM):
        return [f"{PROGRAM}: is not built"]
    run = subprocess.run(["readelf", "--wide", "--dynamic", PROGRAM], capture_output=True, text=True, check=True)
    found = re.findall(r"\(NEEDED\).*\[([^\]]*?)\.so", run.stdout)
    return [f"links {name}" for name in found if name not in LIBRARIES] + ([] if found else ["links nothing"])


RULES = [reader_is_made_of_few_parts, reader_calls_what_is_listed, reader_links_few_libraries]

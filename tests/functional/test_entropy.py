"""No key without entropy: RFC 7252 11.6. The system's source of random bytes is replaced by one of the test."""

import os
import subprocess

import pytest

from harness import BUILD, Pair, Proxy

SOURCE = """
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int calls;

ssize_t getrandom(void *out, size_t len, unsigned flags)
{
	const char *how = getenv("RANDOM_SOURCE");

	if (flags != 0)
		abort(); /* neither what is there before the pool is ready, nor an error instead of waiting */
	if (strcmp(how, "missing") == 0) {
		memset(out, 7, len);
		errno = ENOSYS;
		return -1;
	}
	if (strcmp(how, "slow") == 0 && calls++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return syscall(SYS_getrandom, out, strcmp(how, "slow") == 0 && len > 100 ? 100 : len, flags);
}
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    """source(how): what the programs started from now on get from getrandom."""
    (tmp_path / "source.c").write_text(SOURCE)
    library = tmp_path / "source.so"
    subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-o", library, tmp_path / "source.c"], check=True)

    # the runtime of a sanitizer has to be the first of all libraries
    linked = subprocess.run(["ldd", BUILD / "oscore-proxy"], capture_output=True, text=True, check=True).stdout
    runtimes = [line.split()[2] for line in linked.splitlines() if "libasan" in line]

    def choose(how):
        monkeypatch.setenv("RANDOM_SOURCE", how)
        monkeypatch.setenv("LD_PRELOAD", " ".join([*runtimes, str(library)]))

    return choose


@pytest.mark.covers("C7252-11.6-1")
def test_without_a_source_of_random_bytes_nothing_starts(source, tmp_path):
    source("missing")
    with pytest.raises(AssertionError, match="ended at once") as told:
        Proxy(tmp_path)
    assert "getrandom" in str(told.value) and "ready" not in str(told.value)


@pytest.mark.covers("C7252-11.6-1")
def test_a_slow_source_is_waited_for(source, tmp_path):
    """Interrupted, and giving less than was asked for."""
    source("slow")
    proxy = Proxy(tmp_path)
    Pair(proxy).exchange()
    proxy.stop()

/*
 * confine - what the reader cannot do any more once it opens messages: no file, no socket but those it is given, no program, no other process,
 * no memory that is code. Whatever it tries of these ends it.
 *
 * Three layers: no capability and no way to gain one; Landlock takes every right to files away; seccomp leaves the system calls of the list in
 * confine.c, and any other kills the process. It becomes another user before it is started.
 */
#ifndef OSCORE_READER_CONFINE_H
#define OSCORE_READER_CONFINE_H

#include <stddef.h>

/* First of all: nobody may look into this process or have a core of it, it ends with its parent, and has nothing open beyond `last`.
 * Returns 0, or -1 with errno. */
int confine_begin(int last);

/* All three layers, for good. Everything that OpenSSL has to fetch or to load must have been. Messages with descriptors are received on `control`
 * alone. Appends to `missing` (size bytes, a text) what could not be put on and why: a kernel without one of the layers is no error. Returns 0, or
 * -1 with errno: then it must not open anything. */
int confine_enter(int control, char *missing, size_t size);

/* Landlock alone, which confine_enter() puts on before seccomp. Needs no_new_privs, or the capability for it. Returns 0, also where the kernel has
 * none of it (then `missing` says so), or -1 with errno. */
int confine_deny_files(char *missing, size_t size);

/* Appends "; " (unless it is the first) and the words to a text of `size` bytes, as far as they fit. */
void confine_missing(char *missing, size_t size, const char *what, const char *why);

#endif

/*
 * landlock - the rights that a process gives up by Landlock, for good: files, and what else the kernel knows of.
 *
 * The kernel's struct and numbers are written out: the headers of Debian 12 are older than many a kernel that the programs will run on.
 */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stdbool.h>

/* The version of the kernel's interface, or 0 with the reason in *missing (constant; else NULL). */
int landlock_version(const char **missing);

/* Takes from the calling thread, and those that it starts later, all rights to files that this version knows, signals to and abstract sockets of
 * processes outside, and if `network` TCP ports to bind and to connect to. What is open stays usable. Needs no_new_privs. Returns 0, or -1 with errno. */
int landlock_deny(int version, bool network);

#endif

/*
 * sandbox - what a worker cannot do any more once it serves: no file, no program, no other process, no socket but UDP and TCP, and none
 * that listens but those it was given.
 *
 * Two layers, each of which would hold alone: Landlock takes away every right to files (and, from ABI 6 on, signals to and
 * abstract sockets of processes outside); seccomp leaves the system calls of the event loop. What a confined process has
 * open stays usable. TCP is left to the socket rules of seccomp: Landlock does not forbid it.
 *
 * One thing stays possible: fstat() is, for the C library, a call that could also name a path, so whether a file exists and
 * how large it is can be learned where directories are searchable.
 */
#ifndef PROXY_PROCESS_SANDBOX_H
#define PROXY_PROCESS_SANDBOX_H

#include <stdbool.h>

#include "base/sanitized.h"

/* In builds with sanitizers neither layer is put on. */
#define SANDBOX_LEFT_OUT SANITIZED

/* What is there; the text says why a layer is not (constant, NULL where it is). */
struct sandbox_report {
	bool landlock, seccomp;
	int landlock_abi; /* 0: none */
	const char *landlock_missing, *seccomp_missing;
};

/* Tells what sandbox_enter() would put on, without doing it. */
void sandbox_probe(struct sandbox_report *report);

/* Puts Landlock on the calling thread, for good; threads that it starts later have it too, those that run already have not.
 * To be called before a worker starts its threads, when it has opened all files; sandbox_enter() does it where that was not
 * done. A kernel without Landlock is no error. Returns 0, or -1 with errno where the kernel has it and it failed. */
int sandbox_deny_files(void);

/* Puts both layers on, seccomp on all threads, for good, and sets no_new_privs. Everything the process needs must be open,
 * started and initialised. Fills report. Returns 0, also where the kernel or the build has none (the report says so), or -1
 * with errno: then the process must not serve. */
int sandbox_enter(struct sandbox_report *report);

#endif

/*
 * child - what a worker and the reader have in common before they are: the steps between fork and exec.
 */
#ifndef PROXY_PROCESS_CHILD_H
#define PROXY_PROCESS_CHILD_H

#include "proxy/process/privileges.h"

enum { CHILD_END_FD = 3 }; /* where it finds its end of the pair to its parent */

/* In a child alone, whose signals are blocked: none of them is its to handle, `end` is at CHILD_END_FD, nothing is read from standard input, and
 * everything else closes with the exec but standard output and error. It becomes `user`, if there is one. What goes wrong ends it, with a line in
 * the log (`log`, borrowed), which calls it `who`: "a worker". */
void child_begin(int log, int end, const struct privileges_user *user, const char *who);

/* It could not be started after all: the reason is in errno. */
_Noreturn void child_fail(const char *who);

#endif

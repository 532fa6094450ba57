/*
 * reader_start - the program oscore-reader, and a process of it: fork and exec, with one end of a pair (oscore/reader/control.h).
 */
#ifndef PROXY_PROCESS_READER_START_H
#define PROXY_PROCESS_READER_START_H

#include <sys/types.h>

#include "proxy/process/privileges.h"

/* The program that lies beside this one. A descriptor of it stays that of this release whatever is installed later. Returns it, for
 * reader_start() alone, or -1 with errno. */
int reader_program_open(void);

/* Starts it, as `user` if there is one; what goes wrong before it runs is told to `log`. Returns the parent's end of the pair, which does not block,
 * and the process in *pid, or -1 with errno. */
int reader_start(int program, int log, const struct privileges_user *user, pid_t *pid);

#endif

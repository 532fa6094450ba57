/*
 * steer_try - the test build tries from inside a worker what a worker must not be able to do.
 */
#ifndef PROXY_PROCESS_STEER_TRY_H
#define PROXY_PROCESS_STEER_TRY_H

#include <stddef.h>

/* What: "open PATH", "create PATH", "exec PATH", "connect-unix PATH", "listen-tcp PORT" (on 127.0.0.1), "kill PID", "ptrace PID",
 * "read-memory PID", "thread", "fork". Writes "ok", or the name of the error. */
void steer_try(const char *what, char *result, size_t room);

#endif

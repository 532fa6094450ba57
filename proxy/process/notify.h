/*
 * notify - telling the service manager how we are: the datagrams of sd_notify(3), written here so that no library of it is
 * linked into a process that runs as root.
 *
 * The parent alone uses it. Without a manager (no NOTIFY_SOCKET) everything here does nothing and succeeds, so callers need
 * not ask. Nothing here calls back, nothing is kept of the arguments.
 */
#ifndef PROXY_PROCESS_NOTIFY_H
#define PROXY_PROCESS_NOTIFY_H

#include <stdint.h>

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment, whatever they say: workers must
 * not find them. To be called once, before threads and other users of the environment.
 * Returns 1 if a manager listens for us, 0 if there is none, or -1 if a value cannot be used (the log says which; what is
 * left works, so the caller may go on). */
int notify_open(void);

/* Forgets the manager; notify_open() may be called again. */
void notify_close(void);

/* Sends assignments, one a line: "STOPPING=1", "WATCHDOG=1", "MAINPID=123". Never waits.
 * Returns 0, also without a manager, or -1 with errno: EAGAIN if the manager's queue is full, EMSGSIZE if the text is longer
 * than 2048 bytes. A lost "WATCHDOG=1" does no harm, the next one follows. */
int notify_send(const char *state);

/* "READY=1": started, or done with a reload. Waits up to a second for room, since a manager that misses it ends us.
 * Returns as notify_send() does. */
int notify_ready(void);

/* "RELOADING=1" with the time of now, which Type=notify-reload (systemd 253) wants: the end of the reload is told by
 * notify_ready(), also if the new configuration was refused. Updates the clock. Returns as notify_send() does. */
int notify_reloading(void);

/* "STATUS=": one line for `systemctl status`. Control characters become '?', a long line is cut. Returns as notify_send()
 * does. */
int notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Hands a duplicate of fd to the manager, which gives it back at the next start (see activation.h): a restart then loses
 * no datagram. A descriptor that it has already is not kept twice. The name is 1 to 255 printable ASCII characters without
 * ':'. Waits for room as notify_ready() does, but after a manager was once too slow for a second it waits no more.
 * Borrows fd. Returns as notify_send() does, with EINVAL for a bad name. */
int notify_store(int fd, const char *name);

/* Makes the manager forget every descriptor of that name. Returns as notify_store() does. */
int notify_unstore(const char *name);

/* Microseconds between two "WATCHDOG=1": half of what the manager allows; 0 if it does not watch us. */
uint64_t notify_watchdog_interval(void);

#endif

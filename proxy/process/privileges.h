/*
 * privileges - what the processes may do, by user and capability: the parent keeps four capabilities, a worker and the reader none.
 *
 * A parent that was started without them goes on: the workers then run as its own user, all else stays, and
 * privileges_list_missing() says for the start-up log what is not separated.
 */
#ifndef PROXY_PROCESS_PRIVILEGES_H
#define PROXY_PROCESS_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "proxy/process/sandbox.h"

struct privileges {
	bool can_bind_low; /* CAP_NET_BIND_SERVICE: ports below 1024 */
	bool can_set_user; /* CAP_SETUID and CAP_SETGID: workers, and the reader, get a user of their own */
	bool can_kill;     /* CAP_KILL: signals to workers and a reader of another user */
};

struct privileges_user {
	uid_t uid;
	gid_t gid;
};

/* Keeps of the process's capabilities CAP_NET_BIND_SERVICE, CAP_SETUID, CAP_SETGID and CAP_KILL, in the permitted and
 * effective set, nothing inheritable or ambient, and takes all others out of the bounding set where it may; sets
 * no_new_privs. Fills have with what there is. Returns 0, or -1 with errno if that did not come to be so. */
int privileges_drop_parent(struct privileges *have);

/* Looks a user up, which may read files and ask name services. Returns 0, or -1 if there is none or it cannot be found out
 * (errno 0: there is none). */
int privileges_find_user(const char *name, struct privileges_user *out);

/* Makes the process a worker or the reader, for good: the user and group, no further groups, no capability, no_new_privs, no core dump,
 * not dumpable (but in builds with sanitizers, which trace themselves), SIGKILL when its parent ends. user NULL, or the user
 * it is already: the user stays, everything else is done. Where the parent is not uid 0, exec takes the capabilities away, so
 * the change of user is to be done between fork and exec; calling it again behind exec, which makes a process dumpable,
 * is meant. Checks that it came to be so; returns 0, or -1 with errno: then the process must end. */
int privileges_become(const struct privileges_user *user);

enum { PRIVILEGES_LINES_MAX = 6, PRIVILEGES_LINE_MAX = 128 };

struct privileges_missing {
	unsigned count;
	char lines[PRIVILEGES_LINES_MAX][PRIVILEGES_LINE_MAX];
};

/* Tells which separations are not there, a line each, as "user: workers run as uid 1000: no CAP_SETUID and CAP_SETGID". user
 * is the one the workers become, NULL if they keep the caller's. */
void privileges_list_missing(struct privileges_missing *out, const struct privileges *have, const struct privileges_user *user,
	const struct sandbox_report *sandbox);

/* The same of the reader, beside the users of the workers and of itself. */
void privileges_list_reader(struct privileges_missing *out, const struct privileges_user *workers, const struct privileges_user *reader);

#endif

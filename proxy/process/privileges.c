#include "proxy/process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { LOOKUP_ROOM_FIRST = 1024, LOOKUP_ROOM_MAX = 1 << 20 };

static const cap_value_t kept[] = { CAP_NET_BIND_SERVICE, CAP_SETUID, CAP_SETGID, CAP_KILL };

/* ---- capabilities ---- */

static bool has(cap_t caps, cap_value_t which, cap_flag_t set)
{
	cap_flag_value_t value;

	return cap_get_flag(caps, which, set, &value) == 0 && value == CAP_SET;
}

static bool is_kept(cap_value_t which)
{
	for (size_t i = 0; i < COUNT(kept); i++)
		if (kept[i] == which)
			return true;
	return false;
}

/* The bounding set is what an exec could ever give. Dropping from it needs CAP_SETPCAP, which is about to go. */
static int bounding_set_drop(cap_t now)
{
	cap_flag_value_t raised = CAP_SET;

	if (!has(now, CAP_SETPCAP, CAP_PERMITTED))
		return 0;
	if (cap_set_flag(now, CAP_EFFECTIVE, 1, &(cap_value_t){ CAP_SETPCAP }, raised) < 0 || cap_set_proc(now) < 0)
		return -1;
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		if (!is_kept(c) && cap_get_bound(c) == 1 && cap_drop_bound(c) < 0)
			return -1;
	return 0;
}

/* Makes wanted all that the process has, and looks whether it is. With the inheritable set the kernel empties the ambient one. */
static int capabilities_set(cap_t wanted)
{
	cap_t now;
	int same;

	if (cap_set_proc(wanted) < 0)
		return -1;
	now = cap_get_proc();
	if (now == NULL)
		return -1;
	same = cap_compare(now, wanted) == 0;
	cap_free(now);
	if (!same)
		errno = EPERM;
	return same ? 0 : -1;
}

int privileges_drop_parent(struct privileges *have)
{
	cap_t now = cap_get_proc(), wanted = cap_init();
	int status = -1;

	if (now == NULL || wanted == NULL)
		goto out;
	for (size_t i = 0; i < COUNT(kept); i++) {
		if (!has(now, kept[i], CAP_PERMITTED))
			continue;
		if (cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
			cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0)
			goto out;
	}
	have->can_bind_low = has(wanted, CAP_NET_BIND_SERVICE, CAP_PERMITTED);
	have->can_set_user = has(wanted, CAP_SETUID, CAP_PERMITTED) && has(wanted, CAP_SETGID, CAP_PERMITTED);
	have->can_kill = has(wanted, CAP_KILL, CAP_PERMITTED);
	if (bounding_set_drop(now) < 0 || capabilities_set(wanted) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		goto out;
	status = 0;
out:
	cap_free(now);
	cap_free(wanted);
	return status;
}

/* ---- users ---- */

int privileges_find_user(const char *name, struct privileges_user *out)
{
	struct passwd entry, *found = NULL;
	char *room = NULL;
	int error = ERANGE;

	for (size_t size = LOOKUP_ROOM_FIRST; error == ERANGE && size <= LOOKUP_ROOM_MAX; size *= 2) {
		free(room);
		room = malloc(size);
		error = room != NULL ? getpwnam_r(name, &entry, room, size, &found) : ENOMEM;
	}
	if (found != NULL)
		*out = (struct privileges_user){ found->pw_uid, found->pw_gid };
	free(room);
	/* Some name services tell by an error that there is no such user. */
	errno = error == ENOENT || error == ESRCH ? 0 : error;
	return found != NULL ? 0 : -1;
}

static bool user_is(const struct privileges_user *user)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == user->uid && e == user->uid && s == user->uid &&
		rg == user->gid && eg == user->gid && sg == user->gid && getgroups(0, NULL) == 0;
}

static int user_change(const struct privileges_user *user)
{
	if (user_is(user))
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
		setresuid(user->uid, user->uid, user->uid) < 0)
		return -1;
	if (!user_is(user)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* Root must be out of reach; asked last, when nothing is left that could lead there. */
static bool can_go_back(const struct privileges_user *user)
{
	return user->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0);
}

int privileges_become(const struct privileges_user *user)
{
	const struct rlimit none = { 0, 0 };
	cap_t nothing;
	int status;

	if (user != NULL && user_change(user) < 0)
		return -1;
	nothing = cap_init();
	if (nothing == NULL)
		return -1;
	status = capabilities_set(nothing);
	cap_free(nothing);
	if (status < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -1;
	if (user != NULL && can_go_back(user)) {
		errno = EPERM;
		return -1;
	}
	/* A change of user sets both, so they come last. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, SANDBOX_LEFT_OUT, 0, 0, 0);
}

/* ---- the start-up log ---- */

static void line_add(struct privileges_missing *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line_add(struct privileges_missing *out, const char *format, ...)
{
	va_list args;

	if (out->count == PRIVILEGES_LINES_MAX)
		return;
	va_start(args, format);
	vsnprintf(out->lines[out->count++], PRIVILEGES_LINE_MAX, format, args);
	va_end(args);
}

void privileges_list_missing(struct privileges_missing *out, const struct privileges *have, const struct privileges_user *user,
	const struct sandbox_report *sandbox)
{
	unsigned uid = user != NULL ? user->uid : getuid();

	out->count = 0;
	if (!have->can_set_user)
		line_add(out, "user: workers run as uid %u: no CAP_SETUID and CAP_SETGID", (unsigned)getuid());
	else if (uid == getuid())
		line_add(out, "user: workers run as uid %u, as their parent does", uid);
	else if (!have->can_kill)
		line_add(out, "signals: workers of uid %u cannot be signalled: no CAP_KILL", uid);
	if (!have->can_bind_low)
		line_add(out, "ports: those below 1024 may not be had: no CAP_NET_BIND_SERVICE");
	if (!sandbox->landlock)
		line_add(out, "Landlock: %s", sandbox->landlock_missing);
	if (!sandbox->seccomp)
		line_add(out, "seccomp: %s", sandbox->seccomp_missing);
	if (SANDBOX_LEFT_OUT)
		line_add(out, "memory: workers are dumpable in a build with sanitizers");
}

void privileges_list_reader(struct privileges_missing *out, const struct privileges_user *workers, const struct privileges_user *reader)
{
	unsigned uid = reader != NULL ? reader->uid : getuid(), others = workers != NULL ? workers->uid : getuid();

	out->count = 0;
	if (uid == others)
		line_add(out, "user: the reader runs as uid %u, as the workers do", uid);
	else if (uid == getuid())
		line_add(out, "user: the reader runs as uid %u, as its parent does", uid);
}

/* objects: proxy/process/privileges.o proxy/process/sandbox.o base/landlock.o */
/*
 * Each case runs in a child, since what is given away does not come back. What a process without privileges does is tested as
 * any user (root's children give theirs away first); what needs root's own is tested as root, and as another user the refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/process/privileges.h"

enum { CHILD_GOOD = 0 };

/* ends a child with the number of the line that was wrong */
#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			dprintf(2, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			return __LINE__ % 90 + 1;                                        \
		}                                                                        \
	} while (0)

static struct privileges_user nobody;

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

static void expect_good(int (*what)(void))
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(what());
	status = wait_for(child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_GOOD);
}

/* The value of a line of /proc/self/status, as hex; the words of "Groups" are counted. UINT64_MAX: no such line. */
static uint64_t status_line(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	uint64_t value = UINT64_MAX;
	char line[512];

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtoull(line + strlen(name) + 1, NULL, 16);
	if (file != NULL)
		fclose(file);
	return value;
}

#define BIT(c) (UINT64_C(1) << (c))
static const uint64_t four = BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL);

/* Leaves the process these capabilities alone, as a container or a service manager would. */
static int reduce(uint64_t wanted, bool inheritable)
{
	cap_t caps = cap_init();
	int status = 0;

	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		if ((wanted & BIT(c)) == 0)
			continue;
		status |= cap_set_flag(caps, CAP_PERMITTED, 1, &c, CAP_SET);
		status |= cap_set_flag(caps, CAP_EFFECTIVE, 1, &c, CAP_SET);
		if (inheritable)
			status |= cap_set_flag(caps, CAP_INHERITABLE, 1, &c, CAP_SET);
	}
	status |= cap_set_proc(caps);
	cap_free(caps);
	return status;
}

static bool is_privileged(void)
{
	return (status_line("CapPrm") & (four | BIT(CAP_SETPCAP))) == (four | BIT(CAP_SETPCAP));
}

/* ---- the parent ---- */

static int parent_child(void)
{
	uint64_t before = status_line("CapPrm"), bound = status_line("CapBnd");
	bool may_shrink = (before & BIT(CAP_SETPCAP)) != 0;
	struct privileges have;

	if (is_privileged()) { /* something that must go */
		CHECK(reduce(before, true) == 0);
		CHECK(cap_set_ambient(CAP_CHOWN, CAP_SET) == 0 || errno == EINVAL);
	}
	CHECK(privileges_drop_parent(&have) == 0);
	CHECK(status_line("CapPrm") == (before & four) && status_line("CapEff") == (before & four));
	CHECK(status_line("CapInh") == 0 && status_line("CapAmb") == 0);
	CHECK(status_line("CapBnd") == (may_shrink ? bound & four : bound));
	CHECK(status_line("NoNewPrivs") == 1);
	CHECK(have.can_bind_low == ((before & BIT(CAP_NET_BIND_SERVICE)) != 0));
	CHECK(have.can_set_user == ((before & BIT(CAP_SETUID)) != 0 && (before & BIT(CAP_SETGID)) != 0));
	CHECK(have.can_kill == ((before & BIT(CAP_KILL)) != 0));
	CHECK(privileges_drop_parent(&have) == 0 && status_line("CapPrm") == (before & four)); /* nothing left to drop */
	return CHILD_GOOD;
}

/* Each of the four is kept where it is there and reported alone. */
static int parts_child(void)
{
	struct privileges have;

	CHECK(reduce(is_privileged() ? BIT(CAP_SETUID) | BIT(CAP_KILL) | BIT(CAP_CHOWN) : 0, false) == 0);
	bool some = status_line("CapPrm") != 0;

	CHECK(privileges_drop_parent(&have) == 0);
	CHECK(!have.can_bind_low && !have.can_set_user && have.can_kill == some);
	CHECK(status_line("CapPrm") == (some ? BIT(CAP_SETUID) | BIT(CAP_KILL) : 0));
	return CHILD_GOOD;
}

/* With the four alone the bounding set cannot be made smaller, which is no error. */
static int four_child(void)
{
	struct privileges have;
	bool some = is_privileged();
	uint64_t bound = status_line("CapBnd");

	CHECK(reduce(some ? four : 0, some) == 0);
	CHECK(privileges_drop_parent(&have) == 0);
	CHECK(have.can_bind_low == some && have.can_set_user == some && have.can_kill == some);
	CHECK(status_line("CapPrm") == (some ? four : 0) && status_line("CapInh") == 0 && status_line("CapBnd") == bound);
	return CHILD_GOOD;
}

static void test_the_parent_keeps_four(void **state)
{
	(void)state;
	expect_good(parent_child);
	expect_good(parts_child);
	expect_good(four_child);
}

/* ---- users ---- */

static void test_users_are_found(void **state)
{
	struct privileges_user user = { 7, 7 };

	(void)state;
	assert_int_equal(privileges_find_user("root", &user), 0);
	assert_int_equal(user.uid, 0);
	assert_int_equal(user.gid, 0);
	assert_int_equal(privileges_find_user("nobody", &user), 0);
	assert_int_not_equal(user.uid, 0);
	user = (struct privileges_user){ 7, 7 };
	assert_int_equal(privileges_find_user("no-such-user-here", &user), -1);
	assert_int_equal(errno, 0);
	assert_int_equal(user.uid, 7);
	assert_int_equal(privileges_find_user("", &user), -1);
}

/* ---- a worker ---- */

/* What every worker is, whatever its user. */
static int confined(void)
{
	struct rlimit core;
	int when_parent_ends = 0;

	CHECK(status_line("CapPrm") == 0 && status_line("CapEff") == 0 && status_line("CapInh") == 0 && status_line("CapAmb") == 0);
	CHECK(status_line("NoNewPrivs") == 1);
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == SANDBOX_LEFT_OUT);
	CHECK(prctl(PR_GET_PDEATHSIG, &when_parent_ends, 0, 0, 0) == 0 && when_parent_ends == SIGKILL);
	return CHILD_GOOD;
}

static int is_user(const struct privileges_user *user)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	CHECK(getresuid(&r, &e, &s) == 0 && r == user->uid && e == user->uid && s == user->uid);
	CHECK(getresgid(&rg, &eg, &sg) == 0 && rg == user->gid && eg == user->gid && sg == user->gid);
	CHECK(getgroups(0, NULL) == 0);
	CHECK(user->uid == 0 || (setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0));
	CHECK(user->uid == 0 || open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
	return confined();
}

static int nobody_child(void)
{
	struct privileges have;

	if (is_privileged())
		CHECK(setgroups(2, (gid_t[]){ 1, 2 }) == 0);
	CHECK(privileges_drop_parent(&have) == 0);
	if (!have.can_set_user) {
		CHECK(getuid() == nobody.uid || (privileges_become(&nobody) == -1 && errno == EPERM));
		return CHILD_GOOD;
	}
	CHECK(privileges_become(&nobody) == 0);
	CHECK(is_user(&nobody) == CHILD_GOOD);
	CHECK(privileges_become(&nobody) == 0); /* once more, as behind exec */
	CHECK(is_user(&nobody) == CHILD_GOOD);
	CHECK(privileges_become(&(struct privileges_user){ nobody.uid + 1, nobody.gid }) == -1);
	return CHILD_GOOD;
}

static int caller_child(void)
{
	uid_t uid = getuid();
	struct privileges have;

	CHECK(privileges_drop_parent(&have) == 0 && privileges_become(NULL) == 0);
	CHECK(getuid() == uid && confined() == CHILD_GOOD);
	CHECK(privileges_become(&(struct privileges_user){ uid + 1, 1 }) == -1 && errno == EPERM);
	return CHILD_GOOD;
}

/* Without CAP_SETUID (or as another user than root) the change is refused, the rest can still be had. */
static int powerless_child(void)
{
	CHECK(reduce(0, false) == 0);
	CHECK(privileges_become(&(struct privileges_user){ getuid() + 1, 1 }) == -1 && errno == EPERM);
	CHECK(privileges_become(NULL) == 0 && confined() == CHILD_GOOD);
	return CHILD_GOOD;
}

/* A user of the number 0 is a user without capabilities all the same. */
static int root_child(void)
{
	const struct privileges_user root = { 0, 0 };

	if (getuid() != 0 || (getgroups(0, NULL) > 0 && (status_line("CapPrm") & BIT(CAP_SETGID)) == 0)) {
		CHECK(privileges_become(&root) == -1 && errno == EPERM);
		return CHILD_GOOD;
	}
	CHECK(privileges_become(&root) == 0 && is_user(&root) == CHILD_GOOD);
	CHECK(setgroups(0, NULL) < 0 && setuid(nobody.uid) < 0);
	return CHILD_GOOD;
}

static void test_a_worker_becomes_its_user(void **state)
{
	(void)state;
	expect_good(nobody_child);
	expect_good(root_child);
}

static void test_a_worker_may_stay_the_callers(void **state)
{
	(void)state;
	expect_good(caller_child);
	expect_good(powerless_child);
}

/* ---- siblings ---- */

static uint64_t secret;

/* A child that became a worker of the user of all of them; it sits until it is killed. */
static pid_t worker_start(void)
{
	int pipes[2];
	pid_t child;
	char byte;

	if (pipe2(pipes, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return -1;
	if (child == 0) {
		secret = 42;
		if (privileges_become(is_privileged() ? &nobody : NULL) == 0 && write(pipes[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		child = -1;
	close(pipes[0]);
	return child;
}

static int sibling_child(void)
{
	pid_t sibling = worker_start();
	uint64_t seen = 0;
	struct iovec mine = { &seen, sizeof seen }, theirs = { &secret, sizeof secret };
	char path[32];
	ssize_t n;

	CHECK(sibling > 0 && privileges_become(is_privileged() ? &nobody : NULL) == 0);
	n = process_vm_readv(sibling, &mine, 1, &theirs, 1, 0);
	CHECK(SANDBOX_LEFT_OUT ? n == sizeof seen && seen == 42 : n < 0 && (errno == EPERM || errno == ENOSYS));
	snprintf(path, sizeof path, "/proc/%d/mem", (int)sibling);
	CHECK((open(path, O_RDONLY | O_CLOEXEC) >= 0) == SANDBOX_LEFT_OUT);
	kill(sibling, SIGKILL);
	return CHILD_GOOD;
}

/* Without seccomp: two workers of one user. (A dumpable one can be read, which shows that the test would see it.) */
static void test_a_sibling_cannot_be_read(void **state)
{
	(void)state;
	expect_good(sibling_child);
}

/* The writing end of the pipe is closed when the last of them has ended. */
static void test_a_worker_ends_with_its_parent(void **state)
{
	struct pollfd ended = { .events = POLLIN };
	int alive[2];
	pid_t parent;

	(void)state;
	assert_int_equal(pipe(alive), 0);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0)
		_exit(worker_start() > 0 ? 0 : 1);
	close(alive[1]);
	assert_int_equal(wait_for(parent), 0);
	ended.fd = alive[0];
	assert_int_equal(poll(&ended, 1, 10000), 1);
	assert_true((ended.revents & POLLHUP) != 0);
	close(alive[0]);
}

/* ---- the start-up log ---- */

static void expect_lines(const struct privileges *have, const struct privileges_user *user, const struct sandbox_report *sandbox,
	const char *wanted)
{
	struct privileges_missing missing;
	char text[PRIVILEGES_LINES_MAX * (PRIVILEGES_LINE_MAX + 1)] = "";
	size_t at = 0;

	privileges_list_missing(&missing, have, user, sandbox);
	for (unsigned i = 0; i < missing.count; i++)
		if (strncmp(missing.lines[i], "memory: ", 8) != 0)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", missing.lines[i]);
	assert_string_equal(text, wanted);
	assert_true(missing.count == 0 || (strncmp(missing.lines[missing.count - 1], "memory: ", 8) == 0) == SANDBOX_LEFT_OUT);
}

static void test_what_is_missing_is_told(void **state)
{
	const struct privileges all = { true, true, true }, none = { false, false, false }, no_kill = { true, true, false };
	const struct sandbox_report both = { .landlock = true, .seccomp = true, .landlock_abi = 6 };
	const struct sandbox_report neither = { .landlock_missing = "not in this kernel", .seccomp_missing = "not in this kernel" };
	const struct privileges_user self = { getuid(), getgid() }, user = { getuid() + 1, 5 };
	char text[512];

	(void)state;
	expect_lines(&all, &user, &both, "");
	snprintf(text, sizeof text, "user: workers run as uid %u, as their parent does\n", (unsigned)getuid());
	expect_lines(&all, &self, &both, text);
	expect_lines(&all, NULL, &both, text);
	snprintf(text, sizeof text, "signals: workers of uid %u cannot be signalled: no CAP_KILL\n", (unsigned)getuid() + 1);
	expect_lines(&no_kill, &user, &both, text);
	snprintf(text, sizeof text, "user: workers run as uid %u: no CAP_SETUID and CAP_SETGID\n"
		"ports: those below 1024 may not be had: no CAP_NET_BIND_SERVICE\n"
		"Landlock: not in this kernel\nseccomp: not in this kernel\n", (unsigned)getuid());
	expect_lines(&none, &user, &neither, text);
}

static void test_what_the_reader_lacks_is_told(void **state)
{
	const struct privileges_user self = { getuid(), getgid() }, user = { getuid() + 1, 5 }, other = { getuid() + 2, 5 };
	const struct {
		const struct privileges_user *workers, *reader;
		const char *wanted; /* behind "user: the reader runs as uid N, as "; NULL: nothing */
	} cases[] = {
		{ &user, &other, NULL }, { NULL, &other, NULL }, { &user, &user, "the workers do" }, { NULL, NULL, "the workers do" }, { NULL, &self, "the workers do" },
		{ &user, NULL, "its parent does" }, { &user, &self, "its parent does" },
	};
	struct privileges_missing missing;
	char text[PRIVILEGES_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		privileges_list_reader(&missing, cases[i].workers, cases[i].reader);
		assert_int_equal(missing.count, cases[i].wanted != NULL);
		if (cases[i].wanted == NULL)
			continue;
		snprintf(text, sizeof text, "user: the reader runs as uid %u, as %s", cases[i].reader == &user ? user.uid : getuid(), cases[i].wanted);
		assert_string_equal(missing.lines[0], text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_are_found),
		cmocka_unit_test(test_the_parent_keeps_four),
		cmocka_unit_test(test_a_worker_becomes_its_user),
		cmocka_unit_test(test_a_worker_may_stay_the_callers),
		cmocka_unit_test(test_a_sibling_cannot_be_read),
		cmocka_unit_test(test_a_worker_ends_with_its_parent),
		cmocka_unit_test(test_what_is_missing_is_told), cmocka_unit_test(test_what_the_reader_lacks_is_told),
	};

	if (privileges_find_user("nobody", &nobody) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tests/unit/group_world.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * A process that the kernel leaves read, write and exit verifies and opens messages with every algorithm: all that OpenSSL needs was fetched before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/process/sandbox.h"
#include "tests/unit/covers.h"
#include "tests/unit/group_world.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { ROUNDS = 50, ROOM = 256 << 10 };

static const struct {
	int algorithm;
	enum oscore_signature signature;
	enum oscore_hkdf hkdf;
} all[] = {
	{ 10, OSCORE_EDDSA, OSCORE_HKDF_SHA256 }, { 10, OSCORE_ES256, OSCORE_HKDF_SHA512 }, { 1, OSCORE_EDDSA, OSCORE_HKDF_SHA256 },
	{ 24, OSCORE_ES256, OSCORE_HKDF_SHA256 }, { OSCORE_A128CTR, OSCORE_EDDSA, OSCORE_HKDF_SHA256 },
};

/* All that is opened. It is made by another process, so that nothing is at hand here only because messages were made. */
static struct shared {
	struct group_world worlds[COUNT(all)];
	struct group_sealed sealed[COUNT(all)];
} *shared;
static uint8_t bytes[OSCORE_GROUP_PAYLOAD_MAX + OSCORE_GROUP_EXTRA];

/* Whether each message opens, and none that is altered verifies. */
static bool all_open(struct oscore_group_opener *opener)
{
	struct group_sealed *sealed = shared->sealed;

	for (size_t i = 0; i < COUNT(all); i++) {
		struct oscore_group_message m;
		struct msg_view view;

		if (oscore_group_message_init(&m, sealed[i].option, sealed[i].option_len, sealed[i].payload, sealed[i].payload_len, NULL) < 0 ||
		    oscore_group_open(opener, &shared->worlds[i].bundle, &m, bytes, sizeof bytes, &view) != OSCORE_GROUP_OPENED)
			return false;
		sealed[i].payload[0] ^= 1;
		if (oscore_group_open(opener, &shared->worlds[i].bundle, &m, bytes, sizeof bytes, &view) != OSCORE_GROUP_SIGNATURE)
			return false;
		sealed[i].payload[0] ^= 1;
	}
	return true;
}

static void seal_all(void)
{
	static const uint8_t inner[] = { 0x50, CODE_GET, 0, 0, 0xb1, 't', 0xff, 1, 2, 3 };
	struct oscore_group_request request;

	for (size_t i = 0; i < COUNT(all); i++) {
		struct group_world *w = &shared->worlds[i];

		group_world_init(w, all[i].algorithm, 10, all[i].signature, all[i].hkdf);
		if (group_seal_request(&shared->sealed[i], &request, &w->signers[GROUP_CLIENT], 5, inner, sizeof inner) < 0)
			_exit(3);
		for (size_t n = 0; n < GROUP_WORLD_MEMBERS; n++)
			w->bundle_members[n].verifier = NULL; /* is of that process */
	}
	_exit(0);
}

/* Room on the heap, as long as what is allocated is given back: more memory is none of the calls that are left. */
static bool heap_room(void)
{
	void *room;

	if (mallopt(M_MMAP_THRESHOLD, 2 * ROOM) != 1 || mallopt(M_TRIM_THRESHOLD, INT_MAX) != 1)
		return SANDBOX_LEFT_OUT;
	room = malloc(ROOM);
	free(room);
	return room != NULL;
}

/* Ends with 0 if all opened; the kernel ends it with SIGKILL for any other call than read, write and exit. */
static void open_all_confined(void)
{
	struct oscore_group_opener *opener = oscore_group_opener_new();
	size_t at;
	long status = 0;

	for (size_t i = 0; i < COUNT(all); i++)
		if (oscore_group_prepare(&shared->worlds[i].bundle, &at) != OSCORE_GROUP_SOUND)
			_exit(4);
	/* sanitizers have calls of their own: there it is but opened */
	if (opener == NULL || !heap_room() || (!SANDBOX_LEFT_OUT && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0))
		_exit(5);
	for (int i = 0; i < ROUNDS && status == 0; i++) {
		status = all_open(opener) ? 0 : 1;
		oscore_group_opener_forget(opener);
	}
	syscall(SYS_exit, status);
}

static void expect_child(void (*what)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		what();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void nothing_but_read_write_and_exit_is_needed(void **state)
{
	(void)state;
	covers("RBW-15");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	expect_child(seal_all);
	expect_child(open_all_confined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_read_write_and_exit_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: proxy/exchange/house.o proxy/exchange/house_sessions.o base/ring.o base/hash.o base/endpoint.o base/random_seeded.o base/log.o base/clock.o */
/*
 * The table of names in the house: what one worker enters every worker finds, the newest of a name is found, and neither a worker that died
 * over an entry nor one that writes all the time brings anybody to read what never stood there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/house_sessions.h"

enum { MEMORY = 4096, WORKERS = 3 };

static struct house workers[WORKERS];

static int set_up(void **state)
{
	int fd = memfd_create("house", MFD_CLOEXEC);

	(void)state;
	random_seed_for_test(5);
	if (fd < 0 || ftruncate(fd, (off_t)house_bytes(WORKERS, MEMORY)) != 0)
		return -1;
	for (unsigned w = 0; w < WORKERS; w++)
		if (house_map(&workers[w], fd, WORKERS, MEMORY, w) < 0)
			return -1;
	close(fd);
	house_begin(&workers[0]);
	for (unsigned w = 0; w < WORKERS; w++)
		house_next_incarnation(&workers[0], w);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned w = 0; w < WORKERS; w++)
		house_unmap(&workers[w]);
	return 0;
}

static struct endpoint peer_of(uint64_t session)
{
	return (struct endpoint){ .addr = { [15] = (uint8_t)session }, .port = (uint16_t)session, .transport = 2, .session = session };
}

static struct session_name name_of(const char *text)
{
	return house_session_name(&workers[0], text, strlen(text));
}

static uint32_t enter(unsigned worker, const char *name, uint64_t session, uint64_t *older)
{
	struct session_name n = name_of(name);
	struct endpoint peer = peer_of(session);
	struct house_session before;
	uint32_t place = house_session_enter(&workers[worker], &n, 7, &peer, &before);

	if (older != NULL)
		*older = before.peer.session;
	return place;
}

/* The session number that everybody finds under a name, 0: nobody does. */
static uint64_t find(const char *name)
{
	struct session_name n = name_of(name);
	struct house_session s[WORKERS];
	bool found[WORKERS];

	for (unsigned w = 0; w < WORKERS; w++) {
		struct endpoint peer;

		found[w] = house_session_find(&workers[w], &n, &s[w]);
		assert_int_equal(found[w], found[0]);
		if (!found[w])
			continue;
		assert_int_equal(s[w].peer.session, s[0].peer.session);
		peer = peer_of(s[w].peer.session);
		assert_true(endpoint_equal(&peer, &s[w].peer));
		assert_int_equal(s[w].listener, 7);
	}
	return found[0] ? s[0].peer.session : 0;
}

static void every_worker_finds_the_newest(void **state)
{
	uint64_t older;
	uint32_t a, b;
	struct endpoint peer;

	(void)state;
	assert_int_equal(find("meter-17"), 0);
	a = enter(1, "meter-17", 11, &older);
	assert_int_equal(older, 0);
	assert_int_equal(find("meter-17"), 11);
	assert_int_equal(find("meter-1"), 0);
	assert_int_equal(find("Meter-17"), 0); /* a name is its bytes */
	b = enter(2, "meter-17", 21, &older);
	assert_int_equal(older, 0); /* of the same worker alone */
	assert_int_equal(find("meter-17"), 21);
	assert_int_equal(enter(1, "meter-17", 12, &older), a);
	assert_int_equal(older, 11);
	assert_int_equal(find("meter-17"), 12);
	/* the older one's end changes nothing: the place is another's */
	peer = peer_of(11);
	house_session_leave(&workers[1], a, &peer);
	assert_int_equal(find("meter-17"), 12);
	peer = peer_of(12);
	house_session_leave(&workers[1], a, &peer);
	assert_int_equal(find("meter-17"), 21);
	peer = peer_of(21);
	house_session_leave(&workers[2], b, &peer);
	house_session_leave(&workers[2], HOUSE_NO_SESSION, &peer);
	assert_int_equal(find("meter-17"), 0);
}

static void a_dead_workers_sessions_are_absent(void **state)
{
	(void)state;
	enter(0, "a", 1, NULL);
	enter(1, "a", 2, NULL);
	assert_int_equal(find("a"), 2);
	house_next_incarnation(&workers[0], 1);
	assert_int_equal(find("a"), 1);
	/* and their places are the successor's */
	enter(1, "a", 3, NULL);
	assert_int_equal(find("a"), 3);
}

/* At whichever store it dies: what it left is absent, and the successor writes over it. */
static void a_worker_dies_over_an_entry(void **state)
{
	struct house_session_place *at;
	uint64_t older;
	uint32_t place;

	(void)state;
	enter(0, "b", 1, NULL);
	place = enter(1, "b", 2, NULL);
	at = &workers[1].cells[1].sessions[place];
	atomic_fetch_add(&at->version, 1);
	assert_int_equal(find("b"), 1);
	for (unsigned i = 0; i < HOUSE_SESSION_WORDS; i++) {
		atomic_store(&at->words[i], 0xabababababababab);
		assert_int_equal(find("b"), 1);
	}
	house_next_incarnation(&workers[0], 1);
	assert_int_equal(find("b"), 1);
	assert_int_equal(enter(1, "b", 3, &older), place);
	assert_int_equal(older, 0);
	assert_int_equal(find("b"), 3);
	assert_int_equal(atomic_load(&at->version) % 2, 0);
}

static void there_is_room_for_so_many(void **state)
{
	unsigned entered = 0, refused = 0;

	(void)state;
	for (unsigned i = 1; i <= 20000; i++) {
		char name[16];

		snprintf(name, sizeof name, "meter-%u", i);
		if (enter(0, name, i, NULL) == HOUSE_NO_SESSION)
			refused++;
		else
			entered++;
	}
	assert_true(refused < 10);
	assert_int_equal(find("meter-1"), 1);
	assert_int_equal(find("meter-20000"), 20000);
	/* a full set refuses, and changes nothing */
	for (unsigned i = 20001; i <= 200000; i++) {
		char name[16];

		snprintf(name, sizeof name, "meter-%u", i);
		refused += enter(0, name, i, NULL) == HOUSE_NO_SESSION;
	}
	assert_true(refused > 100000);
	assert_int_equal(find("meter-20000"), 20000);
}

/* One process writes all the time, this one reads: every entry that it sees is whole. */
static void nothing_is_read_in_halves(void **state)
{
	struct session_name n = name_of("c");
	struct endpoint peer = peer_of(1);
	struct house_session before, s;
	unsigned seen = 0;
	pid_t writer;
	int status;

	(void)state;
	house_session_enter(&workers[1], &n, 1, &peer, &before);
	writer = fork();
	if (writer == 0) {
		for (unsigned i = 1; i < 300000; i++) {
			struct endpoint next = peer_of(i);

			house_session_enter(&workers[1], &n, i, &next, &before);
			if (i % 8 == 0)
				house_session_leave(&workers[1], 0, &next);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		if (!house_session_find(&workers[0], &n, &s))
			continue;
		seen++;
		peer = peer_of(s.listener);
		assert_true(endpoint_equal(&peer, &s.peer));
		assert_true(s.order >= s.listener);
	}
	assert_int_equal(status, 0);
	assert_true(seen > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_worker_finds_the_newest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_workers_sessions_are_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_dies_over_an_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(there_is_room_for_so_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_read_in_halves, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: tests/sim/return_world.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Sessions and return paths under whatever comes: clients that register, answer, leave and come again, origins that ask soundly and not,
 * strangers, workers that die, time that passes. Whatever it was, nothing is left of it in the end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/sim/return_world.h"
#include "tests/unit/made.h"

enum { SEEDS = 24, STEPS = 300, BYTES = 64 };

static const unsigned clients[] = { PLAIN, PLAIN_TOO, FORGED, OVER_CONNECTION, OVER_CONNECTION + 1, SECURED, SECURED + 1 };

enum { CLIENTS_HERE = sizeof clients / sizeof clients[0] };

static struct {
	bool connected[CLIENTS_HERE];
	unsigned worker[CLIENTS_HERE];
	uint16_t mid;
} now;

static bool has_session(unsigned i)
{
	return clients[i] >= RELIABLE_CLIENTS;
}

static const struct sent *any_of(const struct sent_log *log)
{
	unsigned back = log->count < 40 ? log->count : 40;

	return log->count == 0 ? NULL : &log->all[log->count - 1 - random_below(back)];
}

static const char *any_options(void)
{
	static const char *const options[] = { "", "11='3' 11='0'", "6=", "6=01", "27=08", "27=10", "23=06", "3='x' 7=01", "35='coap://10.9.0.1/'",
		"39='coap'", "9=09010203", "9=", "16=01", "16=00", "258=1a", "2055=00", "17=", "12=28", "60=ffff", "292=01", "252=0102" };

	return options[random_below(sizeof options / sizeof options[0])];
}

static uint8_t any_code(void)
{
	static const uint8_t codes[] = { CODE_GET, CODE_POST, CODE_PUT, CODE_DELETE, CODE_FETCH, CODE_EMPTY, CODE_CONTENT, CODE_CHANGED,
		CODE_CONTINUE, CODE_NOT_FOUND, 0x1f, 0xe1, 0x20 };

	return codes[random_below(sizeof codes)];
}

/* ---- what happens ---- */

static void somebody_comes_or_leaves(void)
{
	unsigned i = random_below(CLIENTS_HERE);

	if (!has_session(i))
		return;
	if (now.connected[i] && the.proxy[now.worker[i]] != NULL) {
		client_gone(now.worker[i], clients[i]);
		now.connected[i] = false;
	} else if (!now.connected[i]) {
		now.worker[i] = random_below(3);
		now.connected[i] = the.proxy[now.worker[i]] != NULL;
		if (now.connected[i])
			session_begins(now.worker[i], clients[i], random_below(2) ? "one" : NULL);
	}
}

static bool is_here(unsigned i)
{
	return the.proxy[now.worker[i]] != NULL && (!has_session(i) || now.connected[i]);
}

static void somebody_asks(void)
{
	unsigned i = random_below(CLIENTS_HERE), far = 1 + random_below(ORIGINS - 1);
	char options[96];

	if (!is_here(i))
		return;
	snprintf(options, sizeof options, "3='r%u' %s 11='rd'", random_below(3) ? server : far, random_below(4) ? "" : "6=");
	ask(now.worker[i], clients[i], random_below(2) ? MSG_CON : MSG_NON, random_below(3) ? CODE_POST : CODE_GET, now.mid++, 0, options, NULL);
}

static void an_origin_answers(void)
{
	const struct sent *s = any_of(&the.to_origin);
	enum msg_type type = (enum msg_type)random_below(4);

	if (s == NULL || the.proxy[s->worker] == NULL)
		return;
	if (random_below(5) == 0)
		origin_empty(s, type, s->m.mid);
	else
		answer(s, type, now.mid++, any_code(), any_options(), random_below(2) ? "payload" : NULL);
}

static void an_origin_asks(void)
{
	const struct sent *s = any_of(&the.to_origin);
	struct sent from;

	if (s == NULL || the.proxy[s->worker] == NULL)
		return;
	from = *s;
	if (random_below(8) == 0)
		from.peer.port++;
	if (random_below(8) == 0)
		from.slot = random_below(40000);
	server_asks(&from, (enum msg_type)random_below(4), any_code(), random_below(4) ? now.mid++ : (uint16_t)(now.mid - 3), any_options(),
		random_below(2) ? "payload" : NULL);
}

static void somebody_answers(void)
{
	const struct sent *s = any_of(&the.to_client);
	enum msg_type type = (enum msg_type)random_below(4);

	uint8_t code = any_code();

	/* What is no message at all ends a connection: that is the edge's business. */
	if (s == NULL || the.proxy[s->worker] == NULL || (edge_of(&s->peer)->reliable && (type > MSG_NON || code == CODE_EMPTY)))
		return;
	client_answers(s, type, now.mid++, code, any_options(), random_below(2) ? "payload" : NULL);
}

static void garbage_comes(void)
{
	const struct sent *s = any_of(random_below(2) ? &the.to_client : &the.to_origin);
	struct local_address to = { .addr = { [15] = 9 } };
	uint8_t bytes[BYTES];
	size_t len = random_below(BYTES);

	if (s == NULL || the.proxy[s->worker] == NULL)
		return;
	random_bytes(bytes, sizeof bytes);
	bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
	the.current = s->worker;
	if (return_path_is_slot(s->slot))
		upstream_datagram(the.proxy[s->worker], s->slot, &s->peer, bytes, len, random_below(4) == 0);
	else if (s->slot == 0 && !edge_of(&s->peer)->reliable)
		receive_datagram(the.proxy[s->worker], 0, &s->peer, &to, bytes, len, random_below(4) == 0, false, 0);
}

static void a_worker_dies_or_returns(void)
{
	unsigned w = random_below(3);

	if (random_below(3) > 0)
		return;
	if (the.proxy[w] != NULL) {
		die(w);
		bury(w);
		for (unsigned i = 0; i < CLIENTS_HERE; i++)
			now.connected[i] = now.connected[i] && now.worker[i] != w;
		settle();
	}
	raise_worker(w);
}

static void step(void)
{
	static void (*const what[])(void) = { somebody_comes_or_leaves, somebody_asks, somebody_asks, an_origin_answers, an_origin_answers, an_origin_asks,
		an_origin_asks, somebody_answers, somebody_answers, garbage_comes };

	what[random_below(sizeof what / sizeof what[0])]();
	if (random_below(40) == 0)
		a_worker_dies_or_returns();
	if (random_below(3))
		settle();
	if (random_below(10) == 0)
		pass_time(random_below(20) * CLOCK_SECOND + 1);
}

static void run(uint64_t seed)
{
	return_world_begin("upstream: { return-ports = 5; };", "");
	random_seed_for_test(seed);
	memset(&now, 0, sizeof now);
	for (unsigned i = 0; i < CLIENTS_HERE; i++)
		now.worker[i] = has_session(i) ? 0 : i % 3;
	for (unsigned i = 0; i < STEPS; i++)
		step();
	for (unsigned i = 0; i < CLIENTS_HERE; i++)
		if (now.connected[i])
			client_gone(now.worker[i], clients[i]);
	/* observations end: a newer configuration has no routes of theirs */
	for (unsigned w = 0; w < 3; w++) {
		the.current = w;
		proxy_drain(the.proxy[w]);
	}
	pass_time(1000 * CLOCK_SECOND);
	pass_time(26 * 3600 * CLOCK_SECOND);
	nothing_remains();
	assert_int_equal(paths(), 0);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(the.house.cells[w].session_waiters, 0);
	workers_end();
}

static void whatever_comes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whatever_comes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

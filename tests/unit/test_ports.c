/* objects: proxy/edge/traits.o proxy/exchange/ports.o proxy/exchange/message_ids.o base/endpoint.o base/random_seeded.o base/clock_steered.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "tests/unit/covers.h"

enum { CLIENTS = 64, SLOTS = 64, IDS = 65536 };

static struct {
	struct proxy proxy;
	struct snapshot conf;
	struct origin origin;
	struct client clients[CLIENTS];
	uint64_t (*used_at)[IDS]; /* by slot: when an ID was taken, 0 never */
	unsigned opened, openable; /* slots */
} the;

int edge_open_slot(unsigned slot, bool ipv4)
{
	assert_true(ipv4);
	if (slot >= the.openable)
		return -1;
	if (slot >= the.opened)
		the.opened = slot + 1;
	return 0;
}

unsigned return_path_slot(const struct return_path *path)
{
	(void)path;
	fail();
	return 0;
}

int sessions_assign(struct proxy *p, struct exchange *x)
{
	(void)p, (void)x;
	fail();
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	memset(&the, 0, sizeof(the));
	random_seed_for_test(7252);
	the.openable = SLOTS;
	the.conf.settings.origin_ports = SLOTS;
	the.proxy.conf = &the.conf;
	the.proxy.bindings = calloc((size_t)BINDING_SETS * BINDING_WAYS, sizeof(*the.proxy.bindings));
	the.proxy.cell = calloc(1, sizeof(*the.proxy.cell));
	the.proxy.metrics = &the.proxy.cell->metrics;
	the.used_at = calloc(SLOTS, sizeof(*the.used_at));
	for (unsigned i = 0; i < CLIENTS; i++)
		the.clients[i].hash = random_u32() << 6 | i; /* client i hashes to slot i of 64 */
	the.origin.hash = random_u32();
	return endpoint_parse_literal(&the.origin.peer, "192.0.2.9", 9, false);
}

static int tear_down(void **state)
{
	(void)state;
	ports_free(&the.origin);
	assert_null(the.origin.uploads);
	free(the.proxy.bindings);
	free(the.proxy.cell);
	free(the.used_at);
	return 0;
}

static void move(uint64_t by)
{
	clock_steer(clock_now() + by);
}

/* Gives x a port and an ID; returns the slot, or -1. No ID of a slot may come again inside its lifetime. */
static int assign(struct exchange *x, unsigned client, bool keep_slot)
{
	uint64_t *used;

	x->client = &the.clients[client];
	x->origin = &the.origin;
	if (ports_assign(&the.proxy, x, keep_slot) < 0)
		return -1;
	assert_true(x->slot < the.opened);
	used = &the.used_at[x->slot][x->mid];
	assert_true(*used == 0 || clock_now() - *used >= EXCHANGE_LIFETIME);
	*used = clock_now();
	return x->slot;
}

static int ask(unsigned client)
{
	return assign(&(struct exchange){ .block1 = 0 }, client, false);
}

enum { RESOURCE = 7 };

static int upload_to(uint64_t resource, unsigned client, bool more)
{
	return assign(&(struct exchange){ .block1 = more ? 2 : 1, .resource = resource }, client, false);
}

static int upload(unsigned client, bool more)
{
	return upload_to(RESOURCE, client, more);
}

static void end_upload(unsigned client)
{
	ports_upload_ended(&(struct exchange){ .client = &the.clients[client], .origin = &the.origin, .resource = RESOURCE });
}

static void have_ports(unsigned count)
{
	the.opened = count;
	the.origin.port_count = (uint16_t)count;
}

/* All clients in turn, `rate` messages a second; returns how many got no ID. */
static unsigned load(unsigned rate, unsigned seconds)
{
	unsigned dry = 0;

	for (unsigned i = 0; i < rate * seconds; i++) {
		dry += ask(i % CLIENTS) < 0;
		move(CLOCK_SECOND / rate);
	}
	return dry;
}

static void a_client_keeps_its_port(void **state)
{
	int slots[CLIENTS];

	(void)state;
	have_ports(8);
	for (unsigned i = 0; i < CLIENTS; i++) {
		slots[i] = ask(i);
		assert_int_equal(slots[i], i % 8);
	}
	/* for as long as it does not pause, also when the pool has grown */
	for (unsigned round = 0; round < 10; round++) {
		if (round == 4)
			have_ports(32);
		move(240 * CLOCK_SECOND);
		for (unsigned i = 0; i < CLIENTS; i++)
			assert_int_equal(ask(i), slots[i]);
	}
	move(300 * CLOCK_SECOND);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(ask(i), i % 32);
}

/* Thousands of clients of one origin are remembered beside each other. */
static void many_clients_keep_their_ports(void **state)
{
	enum { MANY = 4096 };
	static struct client many[MANY];
	static uint16_t slots[MANY];
	struct exchange x = { .origin = &the.origin };

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		have_ports(8u << round);
		for (unsigned i = 0; i < MANY; i++) {
			if (round == 0)
				many[i].hash = random_u32();
			x.client = &many[i];
			assert_int_equal(ports_assign(&the.proxy, &x, false), 0);
			if (round == 0)
				slots[i] = x.slot;
			assert_int_equal(x.slot, slots[i]);
		}
	}
}

static void one_port_is_enough_below_half_its_rate(void **state)
{
	(void)state;
	assert_int_equal(load(120, 1000), 0);
	assert_int_equal(the.origin.port_count, 1);
	assert_int_equal(the.opened, 1);
	assert_int_equal(the.proxy.metrics->count[COUNT_PORTS_GROWN], 0);
}

static void the_pool_grows_past_half_the_rate(void **state)
{
	(void)state;
	covers("C7252-4.4-1");
	/* two thirds: those who have the port keep it, a second one stands by */
	assert_int_equal(load(177, 500), 0);
	assert_int_equal(the.origin.port_count, 2);
	assert_int_equal(load(2000, 300), 0);
	assert_in_range(the.origin.port_count, 8, 32);
	assert_true(the.proxy.metrics->count[COUNT_PORTS_GROWN] >= 2);
}

static void the_pool_has_a_bound(void **state)
{
	(void)state;
	the.conf.settings.origin_ports = 2;
	assert_true(load(2000, 100) > 0);
	assert_int_equal(the.origin.port_count, 2);
	assert_int_equal(the.opened, 2);
}

/* One port that cannot grow: at least 15/16 of its IDs in any 247 s, then none, then the same again. */
static void dry(void **state)
{
	unsigned taken = 0, again = 0;

	(void)state;
	covers("C7252-4.4-1");
	the.conf.settings.origin_ports = 1;
	while (ask(0) >= 0)
		taken++;
	assert_in_range(taken, IDS / 16 * 15, IDS);
	move(246 * CLOCK_SECOND);
	assert_int_equal(ask(1), -1);
	move(2 * CLOCK_SECOND);
	while (ask(2) >= 0)
		again++;
	assert_in_range(again, IDS / 16 * 15, IDS);
}

static void a_busy_port_is_left_between_transfers_only(void **state)
{
	struct exchange rows[] = {
		{ .observe = OBSERVE_REGISTER }, { .observe = OBSERVE_CANCEL }, { .has_block2 = true }, { .block1 = 1 },
		{ .code = CODE_POST, .oscore = true }, /* perhaps a block of something */
	};

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(ask(i), 0);
	assert_int_equal(load(2000, 20), 0); /* port 0 at many times its rate: the pool grows */
	assert_true(the.origin.port_count >= 8);
	assert_int_equal(ask(5), 5);         /* those without a transfer went */
	have_ports(SLOTS);
	the.clients[5].hash += 64 * 64;      /* another client of that hash, new to the origin */
	the.proxy.cell->ports[(the.origin.hash ^ 5 * 0x9e3779b1u) % PORT_SPACES].chunk_took = 1;
	the.origin.port_count = 4;
	assert_int_equal(ask(5), 1);
	the.proxy.cell->ports[(the.origin.hash ^ 1 * 0x9e3779b1u) % PORT_SPACES].chunk_took = 1;
	the.origin.port_count = 8;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(assign(&rows[i], 5, false), 1);
	assert_int_equal(ask(5), 5);
	assert_int_equal(ask(5), 5);
}

/* Without an ID left there, what needs no state of the origin's goes by another port; the rest waits. */
static void a_dry_port_is_left_by_what_can_be_anywhere(void **state)
{
	struct exchange stays[] = {
		{ .code = CODE_GET, .observe = OBSERVE_REGISTER }, { .code = CODE_GET, .observe = OBSERVE_CANCEL },
		{ .code = CODE_POST, .has_block2 = true }, { .code = CODE_POST, .block1 = 1 }, { .code = CODE_PUT, .block1 = 2 },
		{ .code = CODE_FETCH, .has_block2 = true, .oscore = true },
	};
	struct exchange goes[] = { { .code = CODE_POST }, { .code = CODE_FETCH, .has_block2 = true }, { .code = CODE_GET, .has_block2 = true },
		{ .code = CODE_POST, .oscore = true } };

	covers("C7252-4.4-1");
	(void)state;
	have_ports(1);
	the.conf.settings.origin_ports = 1;
	while (ask(5) == 0)
		;
	have_ports(4);
	the.conf.settings.origin_ports = 4;
	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
		assert_int_equal(assign(&stays[i], 4, false), -1);
	for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
		assert_int_equal(assign(&goes[i], 4, false), 1);
	/* and stays where it went */
	while (ask(4) == 1)
		;
	assert_int_equal(ask(4), 2);
	assert_int_equal(assign(&goes[2], 4, false), 2);
	while (ask(4) >= 0)
		;
	assert_int_equal(assign(&goes[2], 4, false), -1);
}

static void uploads_keep_apart(void **state)
{
	int slots[CLIENTS];

	(void)state;
	the.conf.settings.origin_ports = 4;
	for (unsigned i = 0; i < 4; i++) {
		slots[i] = upload(i, true);
		assert_in_range(slots[i], 0, 3);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(slots[i], slots[k]);
	}
	assert_int_equal(the.origin.port_count, 4);
	/* another resource has its own room */
	assert_true(upload_to(RESOURCE + 1, 12, true) >= 0);
	/* the fifth must wait; its plain requests need not, nor an upload in one block */
	assert_int_equal(upload(4, true), -1);
	assert_true(ask(4) >= 0);
	assert_true(upload(5, false) >= 0);
	/* each of the four stays where it is, whatever it asks */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(upload(i, true), slots[i]);
		assert_int_equal(ask(i), slots[i]);
		assert_int_equal(upload(i, false), slots[i]);
	}
	/* an end makes room for one; what has no upload ends nothing */
	end_upload(7);
	assert_int_equal(upload(4, true), -1);
	end_upload(2);
	assert_int_equal(upload(4, true), slots[2]);
	assert_int_equal(upload(6, true), -1);
	/* so does silence */
	move(246 * CLOCK_SECOND);
	assert_int_equal(upload(4, true), slots[2]);
	move(2 * CLOCK_SECOND);
	for (unsigned i = 8; i < 11; i++)
		assert_true(upload(i, true) >= 0);
	assert_int_equal(upload(11, true), -1);
	assert_int_equal(upload(4, true), slots[2]);
}

/* An upload that must keep apart from another's goes by itself; the blocks of its answer are asked for where it went. */
static void an_upload_takes_nothing_along(void **state)
{
	struct exchange hidden = { .code = CODE_POST, .oscore = true }, reads = { .code = CODE_GET, .has_block2 = true, .resource = RESOURCE };
	struct exchange rest = { .code = CODE_POST, .has_block2 = true, .resource = RESOURCE };
	int first, second;

	(void)state;
	covers("C7959-2.7-1");
	assert_int_equal(assign(&hidden, 0, false), 0);
	assert_int_equal(assign(&hidden, 1, false), 0);
	first = upload(0, true);
	second = upload(1, true);
	assert_int_equal(first, 0);
	assert_int_not_equal(second, 0);
	assert_int_equal(assign(&hidden, 1, false), 0);
	assert_int_equal(assign(&rest, 1, false), 0); /* the answer has not begun */
	assert_int_equal(upload(1, false), second);
	end_upload(1);
	assert_int_equal(assign(&rest, 1, false), second);
	assert_int_equal(assign(&reads, 1, false), 0);
	assert_int_equal(assign(&hidden, 1, false), 0);
	/* its place is free for another's; its own next one may go anywhere */
	assert_int_equal(upload(2, true), second);
	assert_int_not_equal(upload(1, true), second);
	end_upload(1);
	move(248 * CLOCK_SECOND);
	assert_int_equal(assign(&rest, 1, false), 0);
}

static void what_belongs_together_stays_on_its_port(void **state)
{
	struct exchange x = { .slot = 3 };

	(void)state;
	have_ports(8);
	assert_int_equal(assign(&x, 6, true), 3);
	assert_int_equal(assign(&x, 6, true), 3);
	assert_int_equal(ask(6), 6);
	/* nobody asks for it any more */
	x.client = NULL;
	x.slot = 5;
	assert_int_equal(ports_assign(&the.proxy, &x, false), 0);
	assert_int_equal(x.slot, 5);
}

static void without_sockets(void **state)
{
	(void)state;
	the.openable = 0;
	assert_int_equal(ask(0), -1);
	assert_int_equal(the.origin.port_count, 0);
	the.openable = 3; /* two, but not four */
	assert_true(upload(0, true) >= 0);
	assert_true(upload(1, true) >= 0);
	assert_int_equal(upload(2, true), -1);
	assert_int_equal(the.origin.port_count, 2);
	assert_true(ask(2) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_keeps_its_port), TEST(many_clients_keep_their_ports),
		TEST(one_port_is_enough_below_half_its_rate), TEST(the_pool_grows_past_half_the_rate),
		TEST(the_pool_has_a_bound), TEST(dry), TEST(a_dry_port_is_left_by_what_can_be_anywhere),
		TEST(a_busy_port_is_left_between_transfers_only), TEST(uploads_keep_apart), TEST(an_upload_takes_nothing_along),
		TEST(what_belongs_together_stays_on_its_port), TEST(without_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Errands: limits, ends, and clients and origins that do whatever they like, between scripted clients and a scripted carrier.
 *
 * The carrier fails the test if it is called against a rule of errand.h: more of a body than it takes, another length than was announced, a
 * call after the end.
 */
#include "tests/sim/workers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "proxy/exchange/errand.h"
#include "tests/unit/covers.h"

enum { CARRIED_MAX = 4096, BLOCK = 1024, STEPS = 6000, TEXT_MAX = 256, STALL = 60 };

/* One errand as the carrier sees it. */
struct carried {
	struct errand *errand;      /* NULL: over */
	uint64_t size, got;
	size_t room;                /* of the request's body */
	bool last, head, left;
	uint64_t given, length;     /* of the answer; length: of all of it */
	bool told_length;
};

static struct carried all[CARRIED_MAX];
static unsigned count, begun, left;
static enum error refusal;      /* of the next begin() */
static size_t room_at_first;
static uint8_t zeros[65536];

static struct carried *carried_of(const struct errand *e)
{
	struct carried *c = errand_carried(e);

	assert_ptr_equal(c->errand, e);
	return c;
}

static enum error carrier_begin(struct errand *e, const struct errand_request *r)
{
	struct carried *c = &all[count];

	assert_int_equal(r->scheme, URI_HTTP);
	assert_int_equal(r->address.port, 80);
	if (refusal != ERR_NONE)
		return refusal;
	assert_true(count < CARRIED_MAX);
	*c = (struct carried){ .errand = e, .size = r->size, .room = room_at_first, .last = r->size == 0 };
	count++;
	begun++;
	errand_set_carried(e, c);
	return ERR_NONE;
}

static size_t carrier_room(const struct errand *e)
{
	return carried_of(e)->room;
}

static void carrier_body(struct errand *e, const uint8_t *bytes, size_t len, bool last)
{
	struct carried *c = carried_of(e);

	assert_false(c->last);
	assert_true(len <= c->room);
	assert_true(bytes != NULL || len == 0);
	c->room -= len;
	c->got += len;
	c->last = last;
	if (c->size != ERRAND_SIZE_UNKNOWN) {
		assert_true(c->got <= c->size);
		assert_true(!last || c->got == c->size);
	}
}

/* It gives what there is room for at once. */
static void carrier_more(struct errand *e)
{
	struct carried *c = carried_of(e);
	size_t n = errand_room(e);

	if (!c->head || n == 0 || c->given == c->length)
		return;
	n = c->length - c->given < n ? (size_t)(c->length - c->given) : n;
	n = 1 + random_below((uint32_t)n);
	c->given += n;
	errand_data(e, zeros, n);
}

static void carrier_leave(struct errand *e)
{
	struct carried *c = carried_of(e);

	c->errand = NULL;
	c->left = true;
	left++;
}

static const struct errand_carrier carrier = { 1u << URI_HTTP, true, carrier_begin, carrier_room, carrier_body, carrier_more, carrier_leave };

static void head_is(struct carried *c, uint8_t code, uint64_t length, bool told)
{
	uint8_t bytes[16];
	struct msg_writer w;

	msg_begin(&w, bytes, sizeof bytes, MSG_ACK, code, 0, NULL, 0);
	if (MSG_CLASS(code) == 2)
		msg_add_uint(&w, OPT_CONTENT_FORMAT, 42);
	c->head = true;
	c->length = length;
	errand_head(c->errand, bytes, msg_end(&w), told ? length : ERRAND_SIZE_UNKNOWN, false);
}

static void give(struct carried *c, size_t n)
{
	c->given += n;
	errand_data(c->errand, zeros, n);
}

static void end(struct carried *c, enum error e)
{
	struct errand *errand = c->errand;

	c->errand = NULL;
	errand_end(errand, e);
}

static void begin(const char *settings)
{
	count = begun = left = 0;
	refusal = ERR_NONE;
	room_at_first = SIZE_MAX / 2;
	workers_begin(1, "web: { hosts = [\"web\"]; to = [\"http://10.8.0.1\"]; timeout = \"20s\"; };\n"
		"low: { hosts = [\"low\"]; to = [\"http://10.8.0.2\"]; timeout = \"20s\"; body-limit = \"4kB\"; };\n", settings);
	the.proxy[0]->carrier = &carrier;
}

static void finish(void)
{
	pass_time(2 * EXCHANGE_LIFETIME);
	nothing_remains();
	for (unsigned i = 0; i < count; i++)
		assert_null(all[i].errand);
	workers_end();
}

/* A request for a path of one letter: with Block1 or Block2 (-1: without), size 1024, or smaller. */
static const char *wish(const char *host, char path, int block2, int block1, bool more, unsigned szx)
{
	static char text[TEXT_MAX];
	int at = snprintf(text, sizeof text, "3='%s' 11='%c'", host, path);

	if (block2 >= 0)
		at += snprintf(text + at, sizeof text - (size_t)at, " 23=%06x", (unsigned)block2 << 4 | szx);
	if (block1 >= 0)
		snprintf(text + at, sizeof text - (size_t)at, " 27=%06x", (unsigned)block1 << 4 | (more ? 8u : 0) | szx);
	return text;
}

static const char *payload(size_t len)
{
	static char text[BLOCK + 1];

	memset(text, 'x', BLOCK);
	text[len] = '\0';
	return text;
}

static uint16_t next_mid;

static uint16_t get(unsigned client, char path)
{
	ask(0, client, MSG_CON, CODE_GET, ++next_mid, 0, wish("web", path, -1, -1, false, 6), NULL);
	return next_mid;
}

static uint16_t get_block(unsigned client, char path, int n)
{
	ask(0, client, MSG_CON, CODE_GET, ++next_mid, 0, wish("web", path, n, -1, false, 6), NULL);
	return next_mid;
}

static uint16_t put_block(unsigned client, char path, int n, bool more, size_t len)
{
	ask(0, client, MSG_CON, CODE_PUT, ++next_mid, 0, wish("web", path, -1, n, more, 6), payload(len));
	return next_mid;
}

static void gets(uint8_t code)
{
	is_message(next_to_client(), MSG_ACK, code, NULL, NULL);
}

/* ---- ends ---- */

static void what_the_carrier_refuses_is_refused(void **state)
{
	static const enum error errors[] = { ERR_BAD_OPTION, ERR_METHOD, ERR_TOO_LARGE, ERR_OVERLOAD, ERR_BAD_URI };

	(void)state;
	begin("");
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		refusal = errors[i];
		get(1, 'a');
		gets(error_row(errors[i])->coap_code);
	}
	assert_int_equal(begun, 0);
	finish();
}

static void an_end_before_the_head_is_the_answer(void **state)
{
	static const enum error errors[] = { ERR_UNREACHABLE, ERR_BAD_RESPONSE, ERR_ORIGIN_TIMEOUT, ERR_OVERLOAD };

	(void)state;
	covers("C7252-10.1-1");
	begin("");
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		get(1, 'a');
		end(&all[count - 1], errors[i]);
		gets(error_row(errors[i])->coap_code);
	}
	finish();
}

/* The carrier has forgotten the time. */
static void an_exchange_has_a_deadline_of_its_own(void **state)
{
	(void)state;
	begin("");
	get(1, 'a');
	pass_time(2 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	pass_time(19 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_CON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	assert_true(all[0].left);
	finish();
}

static void the_end_of_the_process_answers_what_was_sent(void **state)
{
	(void)state;
	begin("");
	get(1, 'a');
	put_block(2, 'b', 0, true, BLOCK);
	gets(CODE_CONTINUE);
	proxy_drain(the.proxy[0]);
	assert_false(proxy_is_drained(the.proxy[0]));
	get(3, 'c');
	gets(CODE_UNAVAILABLE);
	proxy_give_up(the.proxy[0]);
	gets(CODE_GATEWAY_TIMEOUT);
	assert_true(proxy_is_drained(the.proxy[0]));
	assert_true(all[0].left);
	finish();
}

static void a_carrier_that_goes_is_not_called_any_more(void **state)
{
	(void)state;
	begin("");
	get(1, 'a');
	the.proxy[0]->carrier = NULL;
	get(1, 'b'); /* nobody carries it */
	gets(CODE_NO_PROXY);
	pass_time(2 * CLOCK_SECOND);
	next_to_client();
	pass_time(19 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_CON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	assert_int_equal(left, 0);
	all[0].errand = NULL;
	finish();
}

static void what_goes_on_under_a_new_configuration_keeps_its_own(void **state)
{
	struct snapshot *conf;

	(void)state;
	begin("");
	get(1, 'a');
	head_is(&all[0], CODE_CONTENT, 3 * BLOCK, true);
	give(&all[0], 3 * BLOCK);
	gets(CODE_CONTENT);
	conf = workers_conf(0, "web: { hosts = [\"web\"]; to = [\"http://10.8.0.1\"]; };\n", "");
	snapshot_release(the.proxy[0]->conf);
	the.proxy[0]->conf = snapshot_keep(conf);
	end(&all[0], ERR_NONE);
	get_block(1, 'a', 1);
	gets(CODE_CONTENT);
	get_block(1, 'a', 2);
	gets(CODE_CONTENT);
	assert_int_equal(begun, 1);
	snapshot_release(conf);
	finish();
}

/* ---- limits ---- */

static void one_client_has_so_many_errands_at_once(void **state)
{
	(void)state;
	covers("C7959-7.1-1");
	begin("limits: { client-exchanges = 4; };");
	for (int i = 0; i < 4; i++) {
		put_block(1, (char)('a' + i), 0, true, BLOCK);
		gets(CODE_CONTINUE);
	}
	/* the one used longest ago goes */
	put_block(1, 'e', 0, true, BLOCK);
	gets(CODE_CONTINUE);
	put_block(1, 'a', 1, true, BLOCK);
	gets(CODE_REQUEST_INCOMPLETE);
	put_block(1, 'b', 1, true, BLOCK);
	gets(CODE_CONTINUE);
	/* nobody else's */
	put_block(2, 'a', 0, true, BLOCK);
	gets(CODE_CONTINUE);
	finish();
}

static void memory_for_bodies_is_bounded(void **state)
{
	unsigned refused = 0, kept = 0;

	(void)state;
	covers("C7959-2.5-3 C7959-7.1-1");
	begin("limits: { queue-memory = \"1MB\"; };");
	/* 40 clients, each with as much as may be gathered: more than the limit */
	for (unsigned client = 1; client <= 40; client++)
		for (int n = 0; n < 40; n++) {
			put_block(client, 'a', n, true, BLOCK);
			refused += MSG_CLASS(next_to_client()->m.code) != 2;
		}
	/* those that were used longest ago made room */
	for (unsigned client = 1; client <= 40; client++) {
		put_block(client, 'a', 40, true, BLOCK);
		kept += next_to_client()->m.code == CODE_CONTINUE;
	}
	assert_int_equal(refused, 0);
	assert_true(kept >= 8 && kept <= 17);
	assert_int_equal(begun, 0);
	finish();
}

static void a_body_limit_holds_both_ways(void **state)
{
	(void)state;
	begin("");
	for (int n = 0; n < 4; n++) {
		ask(0, 1, MSG_CON, CODE_PUT, ++next_mid, 0, wish("low", 'a', -1, n, true, 6), payload(BLOCK));
		if (n < 3)
			gets(CODE_CONTINUE);
	}
	gets(CODE_TOO_LARGE);
	ask(0, 1, MSG_CON, CODE_GET, ++next_mid, 0, wish("low", 'a', -1, -1, false, 6), NULL);
	head_is(&all[0], CODE_CONTENT, 4001, true);
	gets(CODE_BAD_GATEWAY);
	ask(0, 1, MSG_CON, CODE_GET, ++next_mid, 0, wish("low", 'a', -1, -1, false, 6), NULL);
	head_is(&all[1], CODE_CONTENT, 5000, false);
	give(&all[1], 4000);
	gets(CODE_CONTENT);
	give(&all[1], 1);
	assert_true(all[1].left);
	finish();
}

static void a_client_who_was_never_seen_has_small_windows(void **state)
{
	(void)state;
	begin("");
	get(1, 'a');
	get(UNKNOWN_CLIENTS, 'a');
	head_is(&all[0], CODE_CONTENT, 1 << 20, true);
	head_is(&all[1], CODE_CONTENT, 1 << 20, true);
	assert_in_range(errand_room(all[0].errand), 32768, 65536 - 16384);
	assert_in_range(errand_room(all[1].errand), 1024, 4096);
	give(&all[1], 4096);
	assert_true(next_to_client()->m.len <= 136);
	/* a block far away is not passed over to in somebody else's name */
	get_block(UNKNOWN_CLIENTS, 'a', 1000);
	gets(CODE_REQUEST_INCOMPLETE);
	finish();
}

/* Block by block to the end of a long answer, of which the carrier gives what there is room for. */
static void takes_all(unsigned client, unsigned blocks, unsigned szx)
{
	const struct sent *s;
	bool more = true;

	get(client, 'a');
	head_is(&all[count - 1], CODE_CONTENT, blocks * (uint64_t)BLOCK, true);
	carrier_more(all[count - 1].errand);
	for (unsigned n = 0; more; n++) {
		struct opt_block b;

		if (n > 0)
			ask(0, client, MSG_CON, CODE_GET, ++next_mid, 0, wish("web", 'a', (int)n, -1, false, szx), NULL);
		for (int i = 0; i < 1000 && the.to_client.seen == the.to_client.count; i++)
			carrier_more(all[count - 1].errand);
		s = next_to_client();
		assert_int_equal(s->m.code, CODE_CONTENT);
		assert_int_equal(opt_block_parse(&b, msg_option(&s->m, OPT_BLOCK2)), 0);
		assert_int_equal(b.num, n);
		szx = b.szx;
		more = b.more;
		if (all[count - 1].given == all[count - 1].length && all[count - 1].errand != NULL)
			end(&all[count - 1], ERR_NONE);
	}
	assert_int_equal(all[count - 1].given, blocks * BLOCK);
}

static void a_long_answer_passes_every_window(void **state)
{
	(void)state;
	begin("");
	takes_all(1, 200, 6);
	takes_all(UNKNOWN_CLIENTS, 20, 6);
	finish();
	/* while memory is short */
	begin("limits: { queue-memory = \"1MB\"; };");
	get(1, 'a');
	for (unsigned client = 2; client <= 41; client++)
		for (int n = 0; n < 40; n++) {
			put_block(client, 'a', n, true, BLOCK);
			next_to_client();
		}
	head_is(&all[0], CODE_CONTENT, 200 * BLOCK, true);
	assert_in_range(errand_room(all[0].errand), BLOCK + 1, 4 * BLOCK);
	finish();
}

static void two_who_wait_for_blocks_far_apart_get_both(void **state)
{
	(void)state;
	begin("");
	get(1, 'a');
	head_is(&all[0], CODE_CONTENT, 400 * BLOCK, true);
	give(&all[0], 2 * BLOCK);
	gets(CODE_CONTENT);
	all[0].head = false; /* it gives nothing by itself */
	get_block(1, 'a', 300);
	get_block(1, 'a', 2);
	all[0].head = true;
	for (int i = 0; i < 2000 && the.to_client.seen + 2 > the.to_client.count; i++)
		carrier_more(all[0].errand);
	assert_int_equal(option_value(next_to_client(), OPT_BLOCK2) >> 4, 2);
	assert_int_equal(option_value(next_to_client(), OPT_BLOCK2) >> 4, 300);
	assert_int_equal(begun, 1);
	finish();
}

/* ---- whatever they like ---- */

static void client_step(void)
{
	static const uint8_t codes[] = { CODE_GET, CODE_PUT, CODE_POST, CODE_DELETE };
	unsigned client = 1 + random_below(3) + (random_below(8) == 0 ? UNKNOWN_CLIENTS : 0), szx = random_below(4) == 0 ? random_below(7) : 6;
	int block1 = random_below(2) == 0 ? (int)random_below(6) : -1, block2 = random_below(2) == 0 ? (int)random_below(8) : -1;
	bool more = random_below(4) != 0;
	size_t len = random_below(8) == 0 ? random_below(BLOCK + 1) : random_below(3) == 0 ? 0 : 16u << szx;

	if (random_below(16) == 0)
		block2 = (int)random_below(1 << 20);
	ask(0, client, random_below(4) == 0 ? MSG_NON : MSG_CON, codes[random_below(4)], ++next_mid, 0,
		wish(random_below(4) == 0 ? "low" : "web", (char)('a' + (int)random_below(3)), block2, block1, more, szx), len > 0 ? payload(len) : NULL);
}

static void origin_step(void)
{
	static const uint8_t codes[] = { CODE_CONTENT, CODE_CHANGED, CODE_CONTENT, CODE_NOT_FOUND };
	struct carried *c = count > 0 ? &all[random_below(count)] : NULL;
	size_t room;

	if (c == NULL || c->errand == NULL)
		return;
	if (random_below(4) == 0) {
		c->room += random_below(4096);
		errand_writable(c->errand);
	} else if (!c->head && random_below(3) != 0) {
		head_is(c, codes[random_below(4)], random_below(4) == 0 ? random_below(100000) : random_below(3000), random_below(2) == 0);
	} else if (c->head && c->given < c->length) {
		room = errand_room(c->errand);
		room = c->length - c->given < room ? (size_t)(c->length - c->given) : room;
		if (room > 0)
			give(c, 1 + random_below((uint32_t)room));
	} else if (c->head ? c->given == c->length : random_below(8) == 0) {
		end(c, c->head && random_below(8) != 0 ? ERR_NONE : ERR_BAD_RESPONSE);
	}
}

static void clients_and_origins_may_do_whatever_they_like(void **state)
{
	uint64_t requests, responses;

	(void)state;
	covers("C7959-7-2");
	for (unsigned seed = 1; seed <= 12; seed++) {
		random_seed_for_test(seed);
		begin("limits: { client-exchanges = 24; };");
		room_at_first = seed % 2 == 0 ? 2048 : 65536;
		for (unsigned i = 0; i < STEPS && the.to_client.count < SENT_MAX - 200; i++) {
			if (random_below(3) == 0)
				client_step();
			else
				origin_step();
			if (random_below(16) == 0)
				pass_time(random_below(3 * CLOCK_SECOND));
		}
		pass_time(30 * CLOCK_SECOND);
		requests = counted(COUNT_REQUESTS);
		responses = counted(COUNT_RESPONSES) + counted(COUNT_ABANDONED) + counted(COUNT_UNVERIFIED_DROPPED);
		assert_true(responses >= requests);
		assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_carrier_refuses_is_refused), cmocka_unit_test(an_end_before_the_head_is_the_answer),
		cmocka_unit_test(an_exchange_has_a_deadline_of_its_own), cmocka_unit_test(the_end_of_the_process_answers_what_was_sent),
		cmocka_unit_test(a_carrier_that_goes_is_not_called_any_more),
		cmocka_unit_test(what_goes_on_under_a_new_configuration_keeps_its_own), cmocka_unit_test(one_client_has_so_many_errands_at_once),
		cmocka_unit_test(memory_for_bodies_is_bounded), cmocka_unit_test(a_body_limit_holds_both_ways),
		cmocka_unit_test(a_client_who_was_never_seen_has_small_windows), cmocka_unit_test(a_long_answer_passes_every_window),
		cmocka_unit_test(two_who_wait_for_blocks_far_apart_get_both),
		cmocka_unit_test(clients_and_origins_may_do_whatever_they_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

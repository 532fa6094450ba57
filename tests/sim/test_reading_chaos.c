/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Whatever happens in whatever order while requests wait to be read: each is answered once, what a gate refuses reaches no origin, and at
 * the end nothing is left. Clients ask, repeat, refresh, cancel, leave and upload; the reader answers late, wrongly, twice or never,
 * stands still and is replaced; origins answer, notify and are silent; configurations change; time passes.
 */
#include <stdlib.h>

#include "base/random.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/renew.h"
#include "tests/sim/fake_reader.h"

#define FIELDS "fields = [\"code\", \"uri-path\"];"
#define MS CLOCK_MS

enum { SEEDS = 60, STEPS = 150, MIDS = 40, FORBIDDEN = 'F', FIRST_STREAM = RELIABLE_CLIENTS, CLIENT_COUNT = 6, WORKER_COUNT = 2 };

static struct {
	uint16_t mid;
	unsigned generation;      /* of the configuration */
	bool asked[CLIENT_COUNT][MIDS];
	bool stream_gone;
} it;

static const char *const gates[] = { FIELDS " deny = [\"PUT /no/**\"];", FIELDS " deny = [\"PUT /no/**\"]; rate = 1000; burst = 1000;",
	FIELDS " deny = [\"PUT /no\", \"PUT /no/**\"]; body-limit = \"3kB\";" };

static unsigned client_of(unsigned i)
{
	return i == CLIENT_COUNT - 1 ? FIRST_STREAM : 1 + i;
}

/* A payload's first letter says whether the reader will find what is denied. */
static void ask_something(void)
{
	unsigned client = random_below(CLIENT_COUNT), origin = random_below(3) == 0 ? TAP + random_below(9) : GATE + random_below(7);
	bool stream = client == CLIENT_COUNT - 1, observes = random_below(4) == 0, upload = random_below(4) == 0 && !observes;
	uint16_t mid = random_below(5) == 0 && it.mid > 3 ? (uint16_t)(it.mid - 1 - random_below(3)) : ++it.mid;
	uint16_t token = observes ? (uint16_t)(900 + random_below(2)) : mid;
	char options[96], payload[40];

	if (stream && it.stream_gone)
		return;
	snprintf(options, sizeof options, "%s9=09%02x%02x%s", observes ? random_below(4) == 0 ? "6=01 " : "6= " : "", upload ? 1 : random_below(256),
		random_below(3), upload ? random_below(2) ? " 27=08" : " 27=10" : random_below(8) == 0 ? " 23=10" : "");
	snprintf(payload, sizeof payload, "%s", upload ? "0123456789abcdef" : random_below(2) ? "Forbidden" : "allowed");
	ask_as(token, client_of(client) % WORKER_COUNT, client_of(client), stream || random_below(2) ? MSG_CON : MSG_NON,
		observes ? CODE_FETCH : CODE_POST, mid, origin, options, random_below(12) == 0 && !upload ? NULL : payload);
}

static void reader_says(void)
{
	const struct asked *a;
	struct opening_answer odd = { .verdict = (uint8_t)random_below(OPENING_VERDICTS) };

	if (reader.count == 0)
		return;
	/* mostly the next, sometimes one that was answered, or is not wanted any more */
	a = reader.seen < reader.count && random_below(8) != 0 ? &reader.all[reader.seen++] : &reader.all[random_below(reader.count)];
	if (the.proxy[a->worker]->reader_link == NULL)
		return;
	if (a->q.payload_len > 0 && a->q.payload[0] == FORBIDDEN && !a->q.response)
		opened(a, CODE_PUT, "no/way");
	else if (random_below(6) == 0 && odd.verdict != OPENING_OPENED)
		answered_with(a, &odd);
	else
		opened(a, a->q.response ? CODE_CONTENT : CODE_GET, "temp");
}

static void origin_says(void)
{
	const struct sent *s;
	static uint16_t mid;

	if (the.to_origin.count == 0)
		return;
	s = &the.to_origin.all[the.to_origin.count - 1 - random_below(the.to_origin.count < 8 ? the.to_origin.count : 8)];
	if (the.proxy[s->worker] == NULL || !msg_code_is_request(s->m.code))
		return;
	switch (random_below(5)) {
	case 0:
		answer(s, MSG_NON, ++mid, CODE_CONTENT, "6=07 9=", "news");
		break;
	case 1:
		answer(s, s->m.type == MSG_CON ? MSG_ACK : MSG_NON, ++mid, CODE_CONTENT, "9= 23=08", "0123456789abcdef");
		break;
	case 2:
		origin_empty(s, random_below(2) ? MSG_ACK : MSG_RST, s->m.mid);
		break;
	default:
		answer(s, s->m.type == MSG_CON ? MSG_ACK : MSG_NON, ++mid, CODE_CONTENT, has_option(s, OPT_OBSERVE) ? "6=05 9=" : "9=", "answer");
	}
}

static void client_says(void)
{
	const struct sent *s = the.to_client.count > 0 ? &the.to_client.all[the.to_client.count - 1] : NULL;

	if (random_below(6) == 0 && !it.stream_gone) {
		client_gone(FIRST_STREAM % WORKER_COUNT, FIRST_STREAM);
		it.stream_gone = true;
	} else if (s != NULL && s->m.type == MSG_CON && s->peer.transport == URI_COAP) {
		the.current = s->worker;
		client_empty(s->worker, s->peer.addr[15], random_below(3) ? MSG_ACK : MSG_RST, s->m.mid);
	}
}

static void reader_changes(void)
{
	bool another = random_below(2);

	reader.blocks = random_below(6) == 0;
	reader.gone = random_below(8) == 0;
	for (unsigned w = 0; w < WORKER_COUNT; w++)
		if (!reader.gone && another)
			reader_begins(w);
		else if (!reader.blocks)
			reader_link_writable(the.proxy[w]);
}

static void configuration_changes(void)
{
	struct snapshot *before = the.conf;

	the.conf = reading_conf(gates[it.generation++ % 3], FIELDS, "");
	for (unsigned w = 0; w < WORKER_COUNT; w++) {
		the.current = w;
		proxy_renew(the.proxy[w], the.conf);
	}
	settle();
	snapshot_release(before);
}

static void step(void)
{
	unsigned what = random_below(100);

	if (what < 35)
		ask_something();
	else if (what < 62)
		reader_says();
	else if (what < 82)
		origin_says();
	else if (what < 86)
		client_says();
	else if (what < 89)
		reader_changes();
	else if (what < 91)
		configuration_changes();
	else
		pass_time(random_below(12) == 0 ? 2 * CLOCK_SECOND : random_below(25) * MS);
	if (random_below(3))
		settle();
}

static void nothing_forbidden_has_reached_an_origin(void)
{
	for (unsigned i = 0; i < the.to_origin.count; i++) {
		const struct sent *s = &the.to_origin.all[i];

		if (s->peer.addr[15] <= GATE_LAST && s->m.payload_len > 0)
			assert_int_not_equal(s->m.payload[0], FORBIDDEN);
	}
}

static void run(unsigned seed)
{
	memset(&it, 0, sizeof it);
	reading_begins(WORKER_COUNT, gates[0], FIELDS, "reader: { queue = 24; }; limits: { client-exchanges = 64; };");
	random_seed_for_test(seed);
	for (unsigned i = 0; i < STEPS; i++)
		step();
	nothing_forbidden_has_reached_an_origin();
	reader.blocks = false;
	/* all that waits ends by itself, but for observations, which the end of the gateway ends */
	pass_time(600 * CLOCK_SECOND);
	for (unsigned w = 0; w < WORKER_COUNT; w++) {
		the.current = w;
		proxy_drain(the.proxy[w]);
	}
	pass_time(600 * CLOCK_SECOND);
	for (unsigned w = 0; w < WORKER_COUNT; w++) {
		if (slab_count(the.proxy[w]->exchanges) != 0 || readings_count(the.proxy[w]) != 0 || reader_link_open(the.proxy[w]) != 0)
			fail_msg("seed %u: %u exchanges, %u readings, %u questions remain in worker %u", seed, slab_count(the.proxy[w]->exchanges),
				readings_count(the.proxy[w]), reader_link_open(the.proxy[w]), w);
	}
	nothing_forbidden_has_reached_an_origin();
	reading_ends();
}

static void nothing_is_left_and_nothing_forbidden_passes(void **state)
{
	const char *one = getenv("SEED");

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++)
		if (one == NULL || (unsigned)atoi(one) == seed)
			run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_and_nothing_forbidden_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

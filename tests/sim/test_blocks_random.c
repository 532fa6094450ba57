/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * Whatever a device may do by RFC 7959 and an owner by blocks.h, both bodies arrive as they were sent: thousands of transfers by chance.
 */
#include "base/random.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"
#include "tests/unit/runs.h"

enum { RUNS = 1000, LONG_MAX = 1 << 20, BODY_MAX = 40000, TURNS_MAX = 4000000 };

/* A device that follows the rules, each time with other habits. */
static struct {
	/* habits */
	bool knows_blocks, changes, stores_each, oscore;
	unsigned szx, losses, challenges; /* szx: the largest block it takes */
	size_t whole_max;                 /* the longest message it takes whole */
	const uint8_t *answer, *other;
	size_t answer_len;
	/* what it holds */
	uint8_t tag[BLOCKS_TAG], echo;
	uint8_t *body;
	size_t body_len;
	unsigned answer_szx;
	bool has_tag, done;
	unsigned applied;                 /* how often the whole request took effect */
} device;

static char options[64];

static void say(struct reply *r, uint8_t code)
{
	r->code = code;
	r->options = options;
}

static void add_block(unsigned number, uint32_t num, bool more, unsigned szx)
{
	snprintf(options + strlen(options), sizeof options - strlen(options), "%s", block_options("", number, num, more, szx, ""));
}

static bool challenges(const struct msg_view *m, struct reply *r)
{
	const struct msg_option *echo = msg_option(m, OPT_ECHO);

	if (device.challenges == 0 || device.oscore || random_below(3) != 0) {
		/* once it was shown, it is shown for ever */
		assert_true(device.echo == 0 || (echo != NULL && echo->len == 1 && echo->value[0] == device.echo));
		return false;
	}
	device.challenges--;
	device.echo++;
	snprintf(options, sizeof options, "252=%02x", device.echo);
	say(r, CODE_UNAUTHORIZED);
	return true;
}

/* The answer, from the block on that is asked for. */
static void answer(const struct msg_view *m, struct reply *r, uint8_t code)
{
	struct opt_block b = { .szx = 6 };
	const uint8_t *bytes = device.answer;
	size_t at, left;

	if (msg_option(m, OPT_BLOCK2) != NULL)
		assert_int_equal(opt_block_parse(&b, msg_option(m, OPT_BLOCK2)), 0);
	at = (size_t)b.num << (b.szx + 4);
	if (b.num == 0)
		device.answer_szx = device.szx;
	if (b.szx > device.answer_szx)
		b.szx = (uint8_t)device.answer_szx;
	while (b.szx > 0 && random_below(10) == 0)
		b.szx--;
	device.answer_szx = b.szx;
	if (device.changes && at > 0) {
		device.changes = false;
		device.answer = device.other;
		bytes = device.other;
	}
	assert_true(at <= device.answer_len);
	left = device.answer_len - at;
	say(r, code);
	snprintf(options, sizeof options, "4=%02x", bytes[0]);
	r->payload = bytes + at;
	r->len = left;
	if (!device.knows_blocks || (left <= 16u << b.szx && at == 0 && random_below(2) != 0))
		return;
	if (left > 16u << b.szx)
		r->len = 16u << b.szx;
	add_block(OPT_BLOCK2, (uint32_t)(at >> (b.szx + 4)), left > r->len, b.szx);
}

static void keep(const struct msg_view *m)
{
	assert_true(device.body_len + m->payload_len <= the.owner.body_len);
	if (m->payload_len > 0)
		memcpy(device.body + device.body_len, m->payload, m->payload_len);
	device.body_len += m->payload_len;
}

static void apply(void)
{
	device.applied++;
	device.done = true;
	assert_int_equal(device.body_len, the.owner.body_len);
	if (device.body_len > 0)
		assert_memory_equal(device.body, the.owner.body, device.body_len);
}

/* A block of the body. Returns whether it is the last, and the answer follows. */
static bool take_block(const struct msg_view *m, struct reply *r, const struct opt_block *b)
{
	const struct msg_option *tag = msg_option(m, OPT_REQUEST_TAG);
	unsigned szx = b->szx;

	assert_non_null(tag);
	assert_int_equal(tag->len, BLOCKS_TAG);
	if (b->num == 0) {
		if (m->payload_len > 16u << device.szx) {
			add_block(OPT_BLOCK1, 0, b->more, device.szx);
			say(r, CODE_TOO_LARGE);
			return false;
		}
		memcpy(device.tag, tag->value, BLOCKS_TAG);
		device.body_len = 0;
	}
	assert_memory_equal(device.tag, tag->value, BLOCKS_TAG);
	if (device.losses > 0 && random_below(20) == 0) {
		device.losses--;
		device.body_len = SIZE_MAX;
	}
	if (device.body_len == SIZE_MAX) {
		say(r, CODE_REQUEST_INCOMPLETE);
		return false;
	}
	assert_int_equal((size_t)b->num << (b->szx + 4), device.body_len);
	assert_true(b->more ? m->payload_len == 16u << b->szx : m->payload_len <= 16u << b->szx);
	keep(m);
	while (szx > 0 && random_below(20) == 0)
		szx--;
	add_block(OPT_BLOCK1, b->num, b->more && !device.stores_each, szx);
	if (b->more)
		say(r, device.stores_each ? CODE_CHANGED : CODE_CONTINUE);
	return !b->more;
}

static void serve_random(const struct msg_view *m, struct reply *r)
{
	struct opt_block b1;
	bool has_block1 = msg_option(m, OPT_BLOCK1) != NULL, has_block2 = msg_option(m, OPT_BLOCK2) != NULL;
	struct opt_block b2 = { 0 };
	uint8_t code = m->code == CODE_GET || m->code == CODE_FETCH ? CODE_CONTENT : CODE_CHANGED;

	options[0] = '\0';
	assert_true((msg_option(m, OPT_OSCORE) != NULL) == device.oscore);
	if (!device.knows_blocks && (has_block1 || has_block2)) {
		say(r, CODE_BAD_OPTION);
		return;
	}
	if (challenges(m, r))
		return;
	if (has_block2)
		assert_int_equal(opt_block_parse(&b2, msg_option(m, OPT_BLOCK2)), 0);
	if (b2.num > 0) {
		assert_true(device.done);
		answer(m, r, code);
		return;
	}
	if (has_block1) {
		assert_int_equal(opt_block_parse(&b1, msg_option(m, OPT_BLOCK1)), 0);
		if (!take_block(m, r, &b1))
			return;
		apply();
	} else {
		if (m->payload_len > device.whole_max && m->payload_len > 16) {
			say(r, CODE_TOO_LARGE);
			return;
		}
		device.body_len = 0;
		keep(m);
		apply();
	}
	answer(m, r, code);
}

static const uint8_t *chance_bytes(size_t len, unsigned seed)
{
	uint8_t *bytes = malloc(len + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(seed + i * 2654435761u / 251);
	bytes[0] = (uint8_t)seed;
	return bytes;
}

/* Lengths at the edges are as likely as all others. */
static size_t chance_length(bool may_be_long)
{
	static const size_t edges[] = { 0, 1, 15, 16, 17, 1023, 1024, 1025, 2048, 32768, 65535, 65536, 65537 };

	if (may_be_long && random_below(100) == 0)
		return random_below(LONG_MAX);
	if (random_below(3) == 0)
		return edges[random_below(sizeof edges / sizeof *edges - (may_be_long ? 0 : 4))];
	return random_below(random_below(2) != 0 ? 3000 : BODY_MAX);
}

static void choose_device(unsigned run, size_t body_len, size_t answer_len)
{
	memset(&device, 0, sizeof device);
	device.knows_blocks = body_len > 1024 || answer_len > 1024 || random_below(4) != 0;
	device.szx = random_below(7);
	if (body_len > 100000 || answer_len > 100000)
		device.szx = 4 + random_below(3);
	device.losses = body_len < 16384 ? random_below(BLOCKS_RESTARTS + 1) : 0;
	device.challenges = random_below(BLOCKS_RESTARTS + 1);
	device.stores_each = random_below(2) != 0;
	device.whole_max = device.knows_blocks ? random_below(1200) : 1100;
	device.answer = chance_bytes(answer_len, run | 1);
	device.other = chance_bytes(answer_len, run & ~1u);
	device.answer_len = answer_len;
	device.body = malloc(body_len + 1);
	assert_non_null(device.body);
	device.oscore = random_below(4) == 0;
}

static void choose_request(size_t body_len, const uint8_t *body)
{
	static const uint8_t with_body[] = { CODE_POST, CODE_PUT, CODE_FETCH, CODE_PATCH, CODE_IPATCH };
	uint8_t code = body_len > 0 ? with_body[random_below(sizeof with_body)] : CODE_GET;

	head_is(code, device.oscore ? "3='h' 9=0901" : "3='h' 11='p'");
	if (body_len > 0 && random_below(3) == 0)
		body_is(body, body_len);
	else if (body_len > 0)
		body_comes(body, body_len, 0);
	if (body_len > 0 && random_below(2) != 0)
		the.plan.body_size = body_len;
	the.plan.threshold = random_below(3) != 0 ? 1024 : random_below(1025);
	the.plan.block_size = (uint16_t)(16u << (body_len > 100000 ? 4 + random_below(3) : random_below(7)));
	/* changes once between the first blocks, where that can be mended */
	device.changes = !device.oscore && code == CODE_GET && random_below(3) == 0;
	the.at_once = random_below(2) != 0;
	the.device = serve_random;
}

/* One thing that happens: the device answers, more of the body comes, there is more room. */
static void turn(size_t patient_room)
{
	struct owner *o = &the.owner;

	switch (random_below(3)) {
	case 0:
		if (the.asking != NULL && !the.at_once) {
			struct reply reply = { 0 };

			serve_random(&the.asked, &reply);
			answers(reply.code, reply.options, reply.payload, reply.len);
		}
		break;
	case 1:
		if (!o->ended) {
			size_t most = (size_t)o->taken + BLOCKS_HELD, come = o->come + random_below(random_below(2) != 0 ? 5000 : 70000);

			come = come > most ? most : come;
			come = come > o->body_len ? o->body_len : come;
			more_comes(come, come == o->body_len);
		}
		break;
	default:
		if (o->room < patient_room) {
			o->room = random_below(4) == 0 ? patient_room : o->room + random_below(1500);
			transfer_continue(&o->t);
		}
	}
}

static void bodies_arrive_whatever_the_habits(void **state)
{
	unsigned changed = 0, learned = 0, in_blocks = 0, runs = runs_of(RUNS);

	covers("C7959-2.4-1 C7959-2.5-1 C7959-2.5-2 C7959-2.7-1 C8075-8.3-1");
	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		size_t body_len, answer_len, room, turns = 0;
		const uint8_t *body, *first, *second;
		bool had_change;

		bench_again();
		random_seed_for_test(run);
		body_len = random_below(3) == 0 ? 0 : chance_length(true);
		answer_len = chance_length(true);
		body = chance_bytes(body_len, run + 7);
		choose_device(run, body_len, answer_len);
		choose_request(body_len, body);
		had_change = device.changes;
		first = device.answer;
		second = device.other;
		room = random_below(2) != 0 ? SIZE_MAX : 2048 + random_below(BLOCKS_HELD);
		/* less than two blocks would let the first one go before the second has come */
		the.owner.room = had_change || random_below(2) != 0 ? room : 0;
		begin();
		while (!the.owner.over) {
			turn(room);
			assert_true(turns++ < TURNS_MAX);
		}
		got(1, body_len > 0 && the.head.m.code != CODE_FETCH ? CODE_CHANGED : CODE_CONTENT, ERR_NONE, device.answer, answer_len);
		assert_true(device.applied == 1 || (device.applied == 2 && device.answer == second));
		assert_true(the.owner.held_most <= BLOCKS_HELD);
		changed += had_change && device.answer == second;
		learned += !device.knows_blocks;
		in_blocks += the.asked_count > 1;
		free((void *)(uintptr_t)body);
		free((void *)(uintptr_t)first);
		free((void *)(uintptr_t)second);
		free(device.body);
	}
	/* all of it was tried */
	assert_true(changed > runs / 100);
	assert_true(learned > runs / 100);
	assert_true(in_blocks > runs / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bodies_arrive_whatever_the_habits, bench_set_up, bench_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

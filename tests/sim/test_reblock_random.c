/* objects: tests/sim/bodies.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Clients and origins of both kinds that send and take bodies by chance, some over a network that loses datagrams: every body arrives as it was,
 * in both directions, or somebody is told why not; whatever the blocks on either side are.
 */
#include "tests/sim/bodies.h"
#include "tests/unit/runs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

enum { RUNS = 40, ASKERS = 6, ROUNDS = 8, UP_MAX = 70000, DOWN_MAX = 70000, TURNS_MAX = 400000, REMEMBERED = 4096 };

/* One client and what he is about. */
static struct asker {
	unsigned client;           /* his number in the world */
	bool reliable;
	unsigned rounds;           /* left */
	/* the request under way */
	bool waits;
	uint16_t token, mid;
	const char *options;
	char text[128];
	const uint8_t *payload;
	size_t payload_len;
	uint64_t asked_at;
	unsigned repeats;
	/* the operation: a body up, a body down */
	uint8_t code;
	bool to_stream;
	unsigned up, down;         /* numbers of bodies */
	size_t up_len, up_at, down_len, down_at;
	unsigned szx;
	uint8_t tag[8];
	size_t tag_len;
	unsigned again;            /* how often he has begun anew */
} askers[ASKERS];

static uint16_t tokens;
static struct asker *by_token[1 << 16];
static unsigned loss;              /* of 100 datagrams */
static unsigned finished, given_up;

/* What origins remember: their answers to datagrams, and uploads by Request-Tag. */
static struct {
	unsigned slot, index;
	uint16_t mid;
	struct endpoint peer;
} answered[REMEMBERED];
static unsigned answered_count;
static struct upload_seen {
	uint8_t tag[8];
	uint8_t *bytes;
	size_t len;
} seen[512];
static unsigned seen_count;

static bool is_lost(const struct endpoint *peer)
{
	return !edge_of(peer)->reliable && random_below(100) < loss;
}

/* Nobody is sent more than he takes. */
static void fits(const struct sent *s)
{
	assert_true(s->m.len <= edge_message_limit(0, &s->peer));
}

/* ---- clients ---- */

/* Uri-Query says what the origin is to answer, and which body it must have got. */
static const char *resource(const struct asker *a)
{
	static char text[128];
	const char *place = a->to_stream ? stream("") : "";
	char host[32];

	snprintf(host, sizeof host, "3='o%u'", origin_at(bodies_workers - 1, 1));
	snprintf(text, sizeof text, "%s 11='c%u' 15='%u-%zu-%u-%zu'", a->to_stream ? place : host, a->client, a->up, a->up_len, a->down, a->down_len);
	return text;
}

static void send_again(struct asker *a)
{
	a->asked_at = clock_now();
	ask_bytes(0, a->client, a->reliable ? MSG_NON : MSG_CON, a->code, a->mid, a->text, a->payload, a->payload_len);
}

static void send_request(struct asker *a, const char *options, const uint8_t *payload, size_t len)
{
	snprintf(a->text, sizeof a->text, "%s", options);
	a->mid = ++tokens;
	by_token[a->mid] = a;
	a->payload = payload;
	a->payload_len = len;
	a->waits = true;
	a->repeats = 0;
	send_again(a);
}

/* The next part of the body up. */
static void send_part(struct asker *a)
{
	size_t left = a->up_len - a->up_at, size = opt_block_unit((uint8_t)a->szx);
	bool more;

	if (a->szx == BERT)
		size = 1024 * (1 + random_below(16));
	if (a->reliable && a->up_at == 0 && left <= 16384 && random_below(2) == 0)
		size = left;
	if (a->up_at == 0 && left <= size && random_below(2) == 0) {
		send_request(a, resource(a), body_of(a->up), left);
		a->up_at = left;
		return;
	}
	if (a->up_at == 0 && size > 1024 && a->szx != BERT) {
		send_request(a, resource(a), body_of(a->up), left);
		a->up_at = left;
		return;
	}
	more = left > size;
	send_request(a, block1_text(resource(a), (int)(a->up_at / opt_block_unit((uint8_t)a->szx)), more, a->szx), body_of(a->up) + a->up_at,
		more ? size : left);
	a->up_at += more ? size : left;
}

static void send_follow_up(struct asker *a)
{
	send_request(a, block2_text(resource(a), (int)(a->down_at / opt_block_unit((uint8_t)a->szx)), false, a->szx), NULL, 0);
}

static void begin_operation(struct asker *a)
{
	static const size_t edges[] = { 1, 16, 1023, 1024, 1025, 2048, 4096, 16383, 16384, 16385 };

	a->up_at = a->down_at = 0;
	a->tag_len = 0;
	if (a->again == 0) {
		a->code = random_below(3) == 0 ? CODE_GET : random_below(2) == 0 ? CODE_POST : CODE_PUT;
		a->to_stream = random_below(2) == 0;
		a->up = random_below(8);
		a->down = random_below(8);
		a->up_len = a->code == CODE_GET ? 0 : random_below(2) == 0 ? edges[random_below(10)] : 1 + random_below(UP_MAX);
		a->down_len = random_below(2) == 0 ? edges[random_below(10)] : 1 + random_below(DOWN_MAX);
		a->szx = a->reliable && random_below(2) == 0 ? BERT : a->up_len + a->down_len > 20000 ? 6 : 4 + random_below(3);
	}
	if (a->code == CODE_GET && (!a->reliable || random_below(2) == 0))
		send_follow_up(a);
	else if (a->code == CODE_GET)
		send_request(a, resource(a), NULL, 0);
	else
		send_part(a);
}

static void next_operation(struct asker *a)
{
	a->again = 0;
	if (a->rounds == 0)
		return;
	a->rounds--;
	begin_operation(a);
}

/* What was begun cannot be ended: unless it happens too often all is done anew. */
static void begin_anew(struct asker *a)
{
	if (++a->again > 4) {
		given_up++;
		next_operation(a);
		return;
	}
	begin_operation(a);
}

static bool has_other_tag(const struct asker *a, const struct msg_view *m)
{
	const struct msg_option *tag = msg_option(m, OPT_ETAG);

	return a->down_at > 0 && (tag != NULL ? tag->len : 0) != a->tag_len;
}

static void gets_answer(struct asker *a, const struct sent *s)
{
	const struct msg_option *tag = msg_option(&s->m, OPT_ETAG), *block = msg_option(&s->m, OPT_BLOCK2);
	struct opt_block b = { .szx = (uint8_t)a->szx };

	if (s->m.code == CODE_CONTINUE) {
		assert_true(a->up_at < a->up_len);
		is_block(s, OPT_BLOCK1, block_of(s, OPT_BLOCK1).num, true, a->szx);
		send_part(a);
		return;
	}
	if (MSG_CLASS(s->m.code) != 2) {
		/* the gateway or the origin has lost what was begun, or is busy: nothing else is a reason */
		assert_true(s->m.code == CODE_REQUEST_INCOMPLETE || s->m.code == CODE_UNAVAILABLE || s->m.code == CODE_GATEWAY_TIMEOUT);
		assert_true(loss > 0);
		begin_anew(a);
		return;
	}
	assert_int_equal(a->up_at, a->up_len);
	if (block != NULL)
		b = block_of(s, OPT_BLOCK2);
	if (has_other_tag(a, &s->m)) {
		begin_anew(a);
		return;
	}
	assert_int_equal(block != NULL ? opt_block_offset(&b) : 0, a->down_at);
	assert_true(a->reliable || s->m.payload_len <= 1024);
	assert_true(a->down_at + s->m.payload_len <= a->down_len);
	assert_memory_equal(s->m.payload, body_of(a->down) + a->down_at, s->m.payload_len);
	a->down_at += s->m.payload_len;
	a->tag_len = tag != NULL ? tag->len : 0;
	if (block != NULL && b.more) {
		if (b.szx < a->szx)
			a->szx = b.szx;
		send_follow_up(a);
		return;
	}
	assert_int_equal(a->down_at, a->down_len);
	finished++;
	next_operation(a);
}

static void client_turn(void)
{
	const struct sent *s = next_to_client();
	struct asker *a = s->m.token_len == 2 ? by_token[s->m.token[0] << 8 | s->m.token[1]] : NULL;

	fits(s);
	if (is_lost(&s->peer))
		return;
	if (s->m.type == MSG_CON)
		for (unsigned i = 0; i < ASKERS; i++) {
			struct endpoint peer = client_endpoint(askers[i].client);

			if (endpoint_equal(&peer, &s->peer))
				client_empty(0, askers[i].client, MSG_ACK, s->m.mid);
		}
	if (s->m.code == CODE_EMPTY || a == NULL || !a->waits || a->mid != (s->m.token[0] << 8 | s->m.token[1]))
		return;
	a->waits = false;
	gets_answer(a, s);
}

/* RFC 7252 4.2, roughly. */
static void repeat_requests(void)
{
	for (unsigned i = 0; i < ASKERS; i++) {
		struct asker *a = &askers[i];

		if (!a->waits || clock_now() - a->asked_at < (2 * CLOCK_SECOND) << a->repeats)
			continue;
		if (a->reliable || a->repeats == 4) {
			if (clock_now() - a->asked_at > 300 * CLOCK_SECOND) {
				assert_true(loss > 0);
				a->waits = false;
				begin_anew(a);
			}
			continue;
		}
		a->repeats++;
		send_again(a);
	}
}

/* ---- origins ---- */

static struct upload_seen *upload_of(const struct msg_view *m, bool begins)
{
	const struct msg_option *tag = msg_option(m, OPT_REQUEST_TAG);
	uint8_t name[8] = { 0 };

	/* who passes blocks as they come has no Request-Tag: then the client's path says whose they are */
	if (tag != NULL)
		memcpy(name, tag->value, tag->len);
	else
		memcpy(name, msg_option(m, OPT_URI_PATH)->value, msg_option(m, OPT_URI_PATH)->len);
	for (unsigned i = 0; i < seen_count; i++)
		if (memcmp(seen[i].tag, name, 8) == 0) {
			if (begins)
				seen[i].len = 0;
			return &seen[i];
		}
	assert_true(begins && seen_count < sizeof seen / sizeof seen[0]);
	memcpy(seen[seen_count].tag, name, 8);
	seen[seen_count].bytes = malloc(UP_MAX + MSG_MAX);
	seen[seen_count].len = 0;
	assert_non_null(seen[seen_count].bytes);
	return &seen[seen_count++];
}

/* The body is whole: it is what the query says. */
static void check_body(const struct msg_view *m, const uint8_t *bytes, size_t len, unsigned *down, size_t *down_len)
{
	const struct msg_option *query = msg_option(m, OPT_URI_QUERY);
	char text[64];
	unsigned up;
	size_t up_len;

	assert_true(query != NULL && query->len < sizeof text);
	memcpy(text, query->value, query->len);
	text[query->len] = '\0';
	assert_int_equal(sscanf(text, "%u-%zu-%u-%zu", &up, &up_len, down, down_len), 4);
	if (bytes == NULL)
		return;
	assert_int_equal(len, up_len);
	assert_memory_equal(bytes, body_of(up), len);
}

static void give(const struct sent *s, const char *echoed)
{
	struct opt_block b = { .szx = 6 };
	bool reliable = edge_of(&s->peer)->reliable, asked = msg_option(&s->m, OPT_BLOCK2) != NULL;
	uint8_t code = s->m.code == CODE_GET ? CODE_CONTENT : CODE_CHANGED;
	size_t at, left, size, len;
	unsigned down;
	char options[64];

	check_body(&s->m, NULL, 0, &down, &len);
	if (asked)
		b = block_of(s, OPT_BLOCK2);
	else if (reliable && edge_says.bert)
		b.szx = BERT;
	at = (size_t)opt_block_offset(&b);
	assert_true(at < len);
	left = len - at;
	size = b.szx == BERT ? 1024 * (1 + random_below(16)) : opt_block_unit(b.szx);
	/* over a connection all of it in one message, if that holds it and no block was wanted */
	if (reliable && !asked && left <= 16384)
		size = left;
	if (size >= left && at == 0 && !asked) {
		replies(s, code, echoed, body_of(down), len);
		return;
	}
	b.more = left > size;
	snprintf(options, sizeof options, "4=%02x %s", down + 1, block2_text("", (int)b.num, b.more, b.szx));
	if (*echoed != '\0')
		snprintf(options + strlen(options), sizeof options - strlen(options), " %s", echoed);
	replies(s, code, options, body_of(down) + at, b.more ? size : left);
}

static void serve_request(const struct sent *s)
{
	struct opt_block b;
	struct upload_seen *u;
	unsigned down;
	size_t len;

	if (!edge_of(&s->peer)->reliable)
		assert_true(s->m.payload_len <= 1024);
	if (msg_option(&s->m, OPT_BLOCK1) == NULL) {
		if (s->m.payload_len > 0)
			check_body(&s->m, s->m.payload, s->m.payload_len, &down, &len);
		give(s, "");
		return;
	}
	b = block_of(s, OPT_BLOCK1);
	assert_true(b.szx != BERT || edge_of(&s->peer)->reliable);
	u = upload_of(&s->m, b.num == 0);
	if (opt_block_offset(&b) != u->len) {
		replies(s, CODE_REQUEST_INCOMPLETE, "", NULL, 0);
		return;
	}
	memcpy(u->bytes + u->len, s->m.payload, s->m.payload_len);
	u->len += s->m.payload_len;
	if (b.more) {
		replies(s, CODE_CONTINUE, block1_text("", (int)b.num, true, b.szx), NULL, 0);
		return;
	}
	check_body(&s->m, u->bytes, u->len, &down, &len);
	give(s, block1_text("", (int)b.num, false, b.szx));
}

/* A repeat of a datagram gets its answer again: the test has it among what was answered, and does nothing, as the loss was on the way there. */
static bool was_answered(const struct sent *s)
{
	for (unsigned i = 0; i < answered_count && i < REMEMBERED; i++)
		if (answered[i].slot == s->slot && answered[i].mid == s->m.mid && endpoint_equal(&answered[i].peer, &s->peer))
			return true;
	answered[answered_count % REMEMBERED].slot = s->slot;
	answered[answered_count % REMEMBERED].mid = s->m.mid;
	answered[answered_count % REMEMBERED].peer = s->peer;
	answered_count++;
	return false;
}

static void origin_turn(void)
{
	const struct sent *s = next_to_origin();

	fits(s);
	if (is_lost(&s->peer) || !msg_code_is_request(s->m.code) || (!edge_of(&s->peer)->reliable && was_answered(s)))
		return;
	serve_request(s);
}

/* ---- all of it ---- */

static void begin_run(unsigned run)
{
	static const size_t limits[] = { 0, 0, 1152, 4096 };

	begin("limits: { queue-memory = \"64MB\"; };");
	random_seed_for_test(run);
	tokens = 0;
	memset(by_token, 0, sizeof by_token);
	memset(askers, 0, sizeof askers);
	answered_count = finished = given_up = 0;
	loss = run % 2 == 0 ? 0 : 10;
	edge_says.message_limit = limits[random_below(4)];
	edge_says.bert = edge_says.message_limit != 1152 && random_below(2) == 0;
	for (unsigned i = 0; i < ASKERS; i++) {
		askers[i].client = i % 2 == 0 ? PLAIN + i : STREAM + i;
		askers[i].reliable = i % 2 == 1;
		askers[i].rounds = ROUNDS;
		next_operation(&askers[i]);
	}
}

static bool is_going_on(void)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (askers[i].waits)
			return true;
	return false;
}

/* What was looked at is thrown away, so that the logs have room. */
static void forget_seen(struct sent_log *log)
{
	if (log->seen < log->count || log->count < SENT_MAX / 2)
		return;
	while (log->count > 0)
		free((void *)(uintptr_t)log->all[--log->count].m.bytes);
	log->seen = 0;
}

static void every_body_arrives(void **state)
{
	(void)state;
	covers("S-7 S-20 C8323-6-1 C8323-6-2 C7959-2.4-2 C7959-2.5-1");
	for (unsigned run = 0, runs = runs_of(RUNS); run < runs; run++) {
		unsigned turns = 0;

		begin_run(run);
		while (is_going_on()) {
			assert_true(turns++ < TURNS_MAX);
			settle();
			if (the.to_client.seen < the.to_client.count && random_below(2) == 0)
				client_turn();
			else if (is_under_way())
				origin_turn();
			else if (the.to_client.seen == the.to_client.count)
				pass_time(CLOCK_SECOND / 2);
			repeat_requests();
			forget_seen(&the.to_client);
			forget_seen(&the.to_origin);
		}
		assert_int_equal(finished + given_up, ASKERS * ROUNDS);
		assert_true(given_up <= (loss > 0 ? 3 : 0));
		the.to_client.seen = the.to_client.count;
		the.to_origin.seen = the.to_origin.count;
		while (seen_count > 0)
			free(seen[--seen_count].bytes);
		finish();
		if (run + 1 < runs)
			workers_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(every_body_arrives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

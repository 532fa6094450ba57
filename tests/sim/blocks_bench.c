#include "tests/sim/blocks_bench.h"

#include "base/clock.h"
#include "base/random.h"
#include "proxy/exchange/blocks_learned.h"
#include "proxy/exchange/blocks_state.h"

enum { QUEUE_MEMORY = 1 << 20, PATTERNS = 1024 };

struct bench the;

static uint8_t *patterns[PATTERNS];
static unsigned pattern_count;
static struct exchange somewhere; /* what a requester has under way: nobody looks into it */

/* ---- doubles ---- */

struct snapshot *snapshot_keep(struct snapshot *s)
{
	s->references++;
	return s;
}

void snapshot_release(struct snapshot *s)
{
	if (s == NULL)
		return;
	assert_true(s->references > 1);
	s->references--;
}

/* The answer in memory of its own, gone when it was heard. */
static void tell(struct requester *r, const struct reply *reply, bool notification)
{
	struct made made;
	struct msg_writer w;
	struct msg_view m;
	uint8_t *bytes, room[MSG_MAX];
	size_t len;

	made_message(&made, reply->code, reply->options != NULL ? reply->options : "", NULL);
	w.last_option = 0;
	writer_init(&w.w, room, sizeof room);
	writer_bytes(&w.w, made.bytes, made.m.len);
	msg_add_payload(&w, reply->payload, reply->len);
	len = msg_end(&w);
	assert_true(len > 0);
	bytes = malloc(len);
	assert_non_null(bytes);
	memcpy(bytes, room, len);
	r->hop = the.hop;
	assert_int_equal(msg_parse_datagram(&m, bytes, len), MSG_OK);
	r->exchange = reply->observes ? &somewhere : NULL;
	if (notification)
		r->notified(r, &m, reply->e, 0);
	else
		r->answered(r, &m, reply->e);
	memset(bytes, 0xdd, len);
	free(bytes);
}

static void tell_answer(const struct reply *reply)
{
	struct requester *r = the.asking;

	assert_non_null(r);
	the.asking = NULL;
	tell(r, reply, false);
}

void requester_ask(struct proxy *p, struct requester *r, const struct request_origin *from, const uint8_t *bytes, size_t len)
{
	struct reply reply = { 0 };

	assert_ptr_equal(p, &the.proxy);
	assert_null(the.asking);
	assert_null(r->exchange);
	if (from->conf != p->conf && r->decide(r, p->conf) == NULL) {
		reply = (struct reply){ .code = CODE_UNAVAILABLE, .e = ERR_WITHDRAWN };
		the.asking = r;
		tell_answer(&reply);
		return;
	}
	assert_ptr_equal(from->conf, p->conf);
	assert_ptr_equal(from->route, p->conf == &the.conf ? &the.route : &the.next_route);
	assert_true(len <= (the.hop.reliable ? the.hop.limit : MSG_DATAGRAM_MAX));
	memcpy(the.bytes, bytes, len);
	assert_int_equal(msg_parse_datagram(&the.asked, the.bytes, len), MSG_OK);
	r->exchange = &somewhere;
	the.asking = r;
	the.asked_count++;
	if ((uintptr_t)&reply < the.stack_least)
		the.stack_least = (uintptr_t)&reply;
	if ((uintptr_t)&reply > the.stack_most)
		the.stack_most = (uintptr_t)&reply;
	if (the.device == NULL || !the.at_once)
		return;
	the.device(&the.asked, &reply);
	if (!reply.silent)
		tell_answer(&reply);
}

void requester_leave(struct requester *r)
{
	if (r->exchange == NULL)
		return;
	if (the.asking == r)
		the.asking = NULL;
	r->exchange = NULL;
	the.left_count++;
}

void requester_note_refusal(struct proxy *p, const struct request_origin *from, uint8_t code, bool oscore, enum error e)
{
	(void)p;
	(void)from;
	(void)code;
	(void)oscore;
	the.noted = e;
}

/* ---- the owner ---- */

static struct owner *owner_of(struct transfer *t)
{
	struct owner *o = (struct owner *)t;

	assert_false(o->over);
	assert_false(o->left);
	return o;
}

static size_t owner_body(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last)
{
	struct owner *o = owner_of(t);
	size_t n;

	assert_true(offset >= o->taken);
	assert_true(offset <= o->body_len);
	n = offset < o->come ? o->come - (size_t)offset : 0;
	if (n > room)
		n = room;
	if (n > 0)
		memcpy(bytes, o->body + offset, n);
	*last = o->ended && offset + n == o->body_len;
	if (offset + n - o->taken > o->held_most)
		o->held_most = (size_t)(offset + n - o->taken);
	return n;
}

static void owner_body_taken(struct transfer *t, uint64_t offset)
{
	struct owner *o = owner_of(t);

	assert_true(offset >= o->taken && offset <= o->body_len);
	o->taken = offset;
}

static void owner_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	struct owner *o = owner_of(t);
	unsigned i = o->head_count++;
	char text[MADE_TEXT] = "";

	assert_int_equal(o->ends, i); /* the one before was ended */
	assert_int_equal(notification, i > 0);
	if (i < BENCH_HEADS) {
		o->heads[i].code = m->code;
		o->heads[i].e = e;
		o->heads[i].size = size;
		o->heads[i].notification = notification;
		o->heads[i].from = o->got_len;
		made_text(m, text);
		memcpy(o->heads[i].options, text, sizeof o->heads[i].options - 1);
	}
	if (o->on_head != NULL)
		o->on_head(o);
}

static void owner_data(struct transfer *t, const uint8_t *bytes, size_t len)
{
	struct owner *o = owner_of(t);

	assert_int_equal(o->ends + 1, o->head_count);
	assert_true(len > 0);
	if (o->got_len + len > o->got_room) {
		o->got_room = 2 * (o->got_len + len);
		o->got = realloc(o->got, o->got_room);
		assert_non_null(o->got);
	}
	memcpy(o->got + o->got_len, bytes, len);
	o->got_len += len;
	if (o->room != SIZE_MAX) {
		/* of an answer the first block comes unasked */
		assert_true(o->room >= len || o->heads[o->head_count - 1].from == o->got_len - len);
		o->room -= o->room < len ? o->room : len;
	}
	if (o->on_data != NULL)
		o->on_data(o);
}

static size_t owner_room(struct transfer *t)
{
	return owner_of(t)->room;
}

static void owner_end(struct transfer *t, enum error e, bool more)
{
	struct owner *o = owner_of(t);
	unsigned i = o->ends++;

	o->end_error = e;
	if (i < BENCH_HEADS) {
		o->heads[i].end_error = e;
		o->heads[i].ended = true;
		o->heads[i].len = o->got_len - o->heads[i].from;
	}
	o->over = !more;
	if (o->over)
		memset(&o->t.requester, 0xdd, sizeof o->t.requester); /* it may be freed now */
	if (o->on_end != NULL)
		o->on_end(o);
}

static const struct route *owner_decide(struct transfer *t, struct snapshot *conf)
{
	(void)owner_of(t);
	assert_ptr_equal(conf, &the.next_conf);
	the.decided_count++;
	return the.next_route.metrics_slot != 0 ? &the.next_route : NULL;
}

static const struct transfer_calls calls = { .body = owner_body, .body_taken = owner_body_taken, .head = owner_head, .room = owner_room,
	.data = owner_data, .end = owner_end, .decide = owner_decide };

/* ---- set-up ---- */

int bench_set_up(void **state)
{
	(void)state;
	memset(&the, 0, sizeof the);
	random_seed_for_test(1);
	the.proxy.buffers = buffers_create(QUEUE_MEMORY);
	the.proxy.wheel = wheel_create(clock_now());
	the.proxy.conf = &the.conf;
	the.conf.references = the.next_conf.references = 1;
	the.route.metrics_slot = 7;
	the.owner.room = SIZE_MAX;
	the.plan.from.conf = &the.conf;
	the.plan.from.route = &the.route;
	the.plan.answer_limit = UINT64_MAX;
	the.plan.threshold = 1024;
	the.plan.block_size = 1024;
	the.stack_least = UINTPTR_MAX;
	head_is(CODE_GET, "3='h' 11='p'");
	return 0;
}

static void tear_down(void)
{
	if (!the.owner.over && the.owner.t.state != NULL)
		transfer_leave(&the.owner.t);
	assert_int_equal(the.conf.references, 1);
	assert_int_equal(the.next_conf.references, 1);
	assert_int_equal(buffers_in_use(the.proxy.buffers), 0);
	if (the.proxy.transfers != NULL)
		assert_int_equal(slab_count(the.proxy.transfers), 0);
	slab_destroy(the.proxy.transfers);
	buffers_destroy(the.proxy.buffers);
	assert_int_equal(wheel_next(the.proxy.wheel), UINT64_MAX);
	wheel_destroy(the.proxy.wheel);
	free(the.owner.got);
}

int bench_tear_down(void **state)
{
	(void)state;
	tear_down();
	free(the.proxy.learned);
	bench_forget_patterns();
	return 0;
}

void bench_forget_patterns(void)
{
	while (pattern_count > 0)
		free(patterns[--pattern_count]);
}

void bench_again(void)
{
	tear_down();
	free(the.proxy.learned);
	bench_set_up(NULL);
}

void bench_next(void)
{
	struct blocks_learned *learned = the.proxy.learned;

	tear_down();
	bench_set_up(NULL);
	the.proxy.learned = learned;
}

void head_is(uint8_t code, const char *options)
{
	made_message(&the.head, code, options, NULL);
	the.plan.head = the.head.bytes;
	the.plan.head_len = the.head.m.len;
}

void body_is(const uint8_t *body, size_t len)
{
	body_comes(body, len, len);
	the.owner.ended = true;
	the.plan.body_size = len;
}

void body_comes(const uint8_t *body, size_t len, size_t come)
{
	the.owner.body = body;
	the.owner.body_len = len;
	the.owner.come = come;
	the.owner.ended = false;
	the.plan.has_body = true;
	the.plan.body_size = BLOCKS_SIZE_UNKNOWN;
}

const uint8_t *pattern(size_t len, unsigned seed)
{
	uint8_t *bytes = malloc(len + 1);
	uint32_t value = seed * 2654435761u + 1;

	assert_non_null(bytes);
	assert_true(pattern_count < PATTERNS);
	for (size_t i = 0; i < len; i++) {
		value = value * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(value >> 24);
	}
	patterns[pattern_count++] = bytes;
	return bytes;
}

const char *block_options(const char *before, unsigned number, uint32_t num, bool more, unsigned szx, const char *behind)
{
	static char texts[4][512];
	static unsigned next;
	char *text = texts[next++ % 4], hex[16] = "";
	unsigned long value = (unsigned long)num << 4 | (unsigned)more << 3 | szx;

	if (value != 0)
		snprintf(hex, sizeof hex, "%0*lx", value > 0xffff ? 6 : value > 0xff ? 4 : 2, value);
	snprintf(text, sizeof texts[0], "%s %u=%s %s", before, number, hex, behind);
	return text;
}

const char *block2(uint32_t num, bool more, unsigned szx)
{
	return block_options("", OPT_BLOCK2, num, more, szx, "");
}

const char *put_block(uint32_t num, bool more, unsigned szx, const char *size1)
{
	char behind[32] = "";

	if (num == 0 && *size1 != '\0')
		snprintf(behind, sizeof behind, "60=%s", size1);
	return block_options(H_P, OPT_BLOCK1, num, more, szx, behind);
}

const char *block1(uint32_t num, bool more, unsigned szx)
{
	return block_options("", OPT_BLOCK1, num, more, szx, "");
}

const char *get_block(uint32_t num, unsigned szx)
{
	return block_options("3='h' 11='p'", OPT_BLOCK2, num, false, szx, "");
}

void begin(void)
{
	transfer_begin(&the.proxy, &the.owner.t, &calls, &the.plan);
}

void more_comes(size_t come, bool end)
{
	the.owner.come = come;
	the.owner.ended = end;
	transfer_continue(&the.owner.t);
}

/* ---- what is asked ---- */

static void is_payload(const uint8_t *payload, size_t len)
{
	assert_int_equal(the.asked.payload_len, len);
	if (len > 0)
		assert_memory_equal(the.asked.payload, payload, len);
}

void asks(uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	struct made want;
	char a[MADE_TEXT], b[MADE_TEXT];

	assert_non_null(the.asking);
	assert_int_equal(the.asked.code, code);
	made_message(&want, code, options, NULL);
	assert_string_equal(made_text(&the.asked, a), made_text(&want.m, b));
	is_payload(payload, len);
	assert_true(transfer_is_asking(&the.owner.t));
}

const uint8_t *asked_tag(void)
{
	const struct msg_option *tag = msg_option(&the.asked, OPT_REQUEST_TAG);

	assert_non_null(tag);
	assert_int_equal(msg_option_count(&the.asked, OPT_REQUEST_TAG), 1);
	assert_int_equal(tag->len, BLOCKS_TAG);
	return tag->value;
}

void asks_tagged(uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	struct made want;
	char a[MADE_TEXT], b[MADE_TEXT], *star;

	assert_non_null(the.asking);
	asked_tag();
	made_message(&want, code, options, NULL);
	made_text(&the.asked, a);
	star = strstr(a, " 292=");
	assert_non_null(star);
	*star = '\0';
	assert_int_equal(the.asked.code, code);
	assert_string_equal(a, made_text(&want.m, b));
	is_payload(payload, len);
}

void asks_nothing(void)
{
	assert_null(the.asking);
	if (the.owner.t.state != NULL && !the.owner.over && wheel_next(the.proxy.wheel) == UINT64_MAX)
		assert_false(transfer_is_asking(&the.owner.t));
}

/* ---- what is answered ---- */

void answers(uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	tell_answer(&(struct reply){ .code = code, .options = options, .payload = payload, .len = len });
}

void answers_text(uint8_t code, const char *options, const char *text)
{
	answers(code, options, (const uint8_t *)text, strlen(text));
}

void fails(enum error e)
{
	const struct error_row *row = error_row(e);

	tell_answer(&(struct reply){ .code = row->coap_code, .payload = (const uint8_t *)row->text, .len = strlen(row->text), .e = e });
}

void accepts_observation(uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	tell_answer(&(struct reply){ .code = code, .options = options, .payload = payload, .len = len, .observes = true });
}

void notifies(uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	struct reply reply = { .code = code, .options = options, .payload = payload, .len = len, .observes = true };

	assert_non_null(the.owner.t.requester.exchange);
	tell(&the.owner.t.requester, &reply, true);
}

void notifies_last(uint8_t code, const char *options, const char *text, enum error e)
{
	struct reply reply = { .code = code, .options = options, .payload = (const uint8_t *)text, .len = strlen(text), .e = e };

	assert_non_null(the.owner.t.requester.exchange);
	tell(&the.owner.t.requester, &reply, true);
}

void pass_time(uint64_t time)
{
	clock_steer(clock_now() + time);
	wheel_run(the.proxy.wheel, clock_now());
}

void serve(void)
{
	while (the.asking != NULL) {
		struct reply reply = { 0 };

		the.device(&the.asked, &reply);
		if (reply.silent)
			return;
		tell_answer(&reply);
	}
}

/* ---- what the owner had of it ---- */

void got(unsigned heads, uint8_t code, enum error e, const uint8_t *body, size_t len)
{
	struct owner *o = &the.owner;

	assert_int_equal(o->head_count, heads);
	assert_int_equal(o->ends, heads);
	assert_int_equal(o->end_error, ERR_NONE);
	assert_int_equal(o->heads[heads - 1].code, code);
	assert_int_equal(o->heads[heads - 1].e, e);
	assert_int_equal(o->heads[heads - 1].len, len);
	if (o->heads[heads - 1].size != BLOCKS_SIZE_UNKNOWN)
		assert_int_equal(o->heads[heads - 1].size, len);
	if (len > 0)
		assert_memory_equal(o->got + o->heads[heads - 1].from, body, len);
}

void got_cut(unsigned heads, enum error e, size_t len)
{
	struct owner *o = &the.owner;

	assert_int_equal(o->head_count, heads);
	assert_int_equal(o->ends, heads);
	assert_int_equal(o->end_error, e);
	assert_int_equal(o->heads[heads - 1].len, len);
}

void got_nothing(void)
{
	assert_int_equal(the.owner.head_count, 0);
	assert_int_equal(the.owner.ends, 0);
}

void is_over(void)
{
	assert_true(the.owner.over);
	assert_null(the.owner.t.state);
	asks_nothing();
}

void put(const uint8_t *body, size_t len)
{
	head_is(CODE_PUT, H_P);
	body_is(body, len);
	begin();
}

/* objects: proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/* measures: proxy/exchange/blocks.c proxy/exchange/blocks_request.c proxy/exchange/blocks_answer.c proxy/exchange/blocks_learned.c */
/*
 * A device that says what it likes, in any order, to an owner whose pace the script sets. Each step is a byte that says what happens and the
 * bytes it asks for; a script that ends goes on in zeros until its steps are up.
 *
 * Whatever comes: each request is one that a server can read, the calls of blocks.h come in their order, no more is held than it says, and a
 * body never has parts of two representations in it: each byte that the device sends is a function of its place and of the options that
 * tell representations apart, and what the owner gets is looked at byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "proxy/exchange/blocks_learned.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "translate/outer.h"

enum { STEPS_MAX = 300, BODY = 70000, QUEUE_MEMORY = 1 << 16 };

enum happening { SAYS, SAYS_WELL, FAILS, NOTIFIES, NOTIFIES_WELL, LAST, MORE_BODY, ROOM, CONTINUES, ABORTS, LEAVES, RENEWS, TIME, HAPPENINGS };

static struct {
	struct proxy proxy;
	struct snapshot confs[2]; /* the one in force, and the one it began with */
	struct route route;
	struct requester *asking;
	struct msg_view asked;
	uint8_t bytes[MSG_MAX];
	unsigned asked_count;
	struct hop hop;           /* to the device, all zero: of datagrams */
} gateway;

static struct {
	struct transfer t;
	size_t body_len, come;
	uint64_t taken;
	size_t room;
	bool over, left, in_answer, from_origin, leaves_within;
	unsigned heads;
	uint64_t got;
	uint8_t representation;
} owner;

static struct exchange somewhere;

/* ---- doubles ---- */

struct snapshot *snapshot_keep(struct snapshot *s)
{
	s->references++;
	return s;
}

void snapshot_release(struct snapshot *s)
{
	if (s != NULL)
		CHECK(--s->references > 0);
}

void requester_ask(struct proxy *p, struct requester *r, const struct request_origin *from, const uint8_t *bytes, size_t len)
{
	struct outer_request wishes;
	uint16_t offender;

	CHECK(p == &gateway.proxy && gateway.asking == NULL && r->exchange == NULL && from->route == &gateway.route);
	if (from->conf != p->conf)
		CHECK(r->decide(r, p->conf) == &gateway.route);
	CHECK(from->conf == p->conf);
	CHECK(len <= (gateway.hop.reliable ? sizeof gateway.bytes : MSG_DATAGRAM_MAX));
	memcpy(gateway.bytes, bytes, len);
	CHECK(msg_parse_datagram(&gateway.asked, gateway.bytes, len) == MSG_OK);
	CHECK((gateway.hop.reliable ? outer_read_reliable_request : outer_read_request)(&gateway.asked, &wishes, &offender) == ERR_NONE);
	r->exchange = &somewhere;
	gateway.asking = r;
	gateway.asked_count++;
}

void requester_leave(struct requester *r)
{
	if (r->exchange != NULL && gateway.asking == r)
		gateway.asking = NULL;
	r->exchange = NULL;
}

void requester_note_refusal(struct proxy *p, const struct request_origin *from, uint8_t code, bool oscore, enum error e)
{
	(void)p;
	(void)from;
	(void)code;
	(void)oscore;
	(void)e;
}

/* ---- the owner ---- */

static void is_called(void)
{
	CHECK(!owner.over && !owner.left);
}

/* Now and then the owner leaves from within a call. */
static void may_leave(void)
{
	if (!owner.leaves_within || take() % 8 != 1)
		return;
	owner.left = true;
	transfer_leave(&owner.t);
}

static size_t owner_body(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last)
{
	size_t n;

	(void)t;
	is_called();
	CHECK(offset >= owner.taken && offset <= owner.body_len);
	n = offset < owner.come ? owner.come - (size_t)offset : 0;
	n = n > room ? room : n;
	CHECK(offset + n - owner.taken <= BLOCKS_HELD + 1);
	memset(bytes, 'b', n);
	*last = owner.come == owner.body_len && offset + n == owner.body_len;
	return n;
}

static void owner_body_taken(struct transfer *t, uint64_t offset)
{
	(void)t;
	is_called();
	CHECK(offset >= owner.taken && offset <= owner.body_len);
	owner.taken = offset;
	may_leave();
}

static uint8_t representation(const struct msg_view *m)
{
	static const uint16_t numbers[] = { OPT_ETAG, OPT_CONTENT_FORMAT };
	uint8_t sum = m->code;

	for (unsigned i = 0; i < 2; i++) {
		const struct msg_option *o = msg_option(m, numbers[i]);

		sum = (uint8_t)(sum * 31 + (o != NULL));
		/* of a format the value counts, not how it is written */
		for (unsigned k = 0; o != NULL && k < o->len; k++)
			if (numbers[i] == OPT_ETAG || o->value[k] != 0)
				sum = (uint8_t)(sum * 31 + o->value[k]);
	}
	return sum;
}

static uint8_t byte_at(uint8_t of, uint64_t place)
{
	return (uint8_t)(of + place * 7 + (place >> 10) * 13);
}

static void owner_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	(void)t;
	is_called();
	CHECK(!owner.in_answer && notification == (owner.heads > 0));
	CHECK(size == BLOCKS_SIZE_UNKNOWN || size <= 2 * (uint64_t)MSG_MAX);
	CHECK(msg_code_is_response(m->code));
	owner.in_answer = true;
	owner.heads++;
	owner.got = 0;
	owner.from_origin = e == ERR_NONE;
	owner.representation = representation(m);
	may_leave();
}

static void owner_data(struct transfer *t, const uint8_t *bytes, size_t len)
{
	(void)t;
	is_called();
	CHECK(owner.in_answer && len > 0 && (owner.got == 0 || owner.room >= len));
	for (size_t i = 0; owner.from_origin && i < len; i++)
		CHECK(bytes[i] == byte_at(owner.representation, owner.got + i));
	owner.got += len;
	owner.room -= owner.room < len ? owner.room : len;
	may_leave();
}

static size_t owner_room(struct transfer *t)
{
	(void)t;
	is_called();
	return owner.room;
}

static void owner_end(struct transfer *t, enum error e, bool more)
{
	(void)t;
	is_called();
	CHECK(owner.in_answer || (!more && e == ERR_LOST_SENT));
	owner.in_answer = false;
	owner.over = !more;
	if (more)
		may_leave();
}

static const struct route *owner_decide(struct transfer *t, struct snapshot *conf)
{
	(void)t, (void)conf;
	return &gateway.route;
}

/* ---- the device ---- */

static void tell(struct requester *r, const uint8_t *bytes, size_t len, enum error e, bool notification, bool observes)
{
	uint8_t *copy = malloc(len);
	struct msg_view m;

	CHECK(copy != NULL);
	memcpy(copy, bytes, len);
	CHECK(msg_parse_datagram(&m, copy, len) == MSG_OK);
	r->exchange = observes ? &somewhere : NULL;
	r->hop = gateway.hop;
	if (notification) {
		r->notified(r, &m, e, 0);
	} else {
		gateway.asking = NULL;
		r->answered(r, &m, e);
	}
	free(copy);
}

/* Adds a payload of that length, with the bytes that belong to the place which the block option names. */
static size_t fill(uint8_t *bytes, size_t head_len, size_t room, size_t len)
{
	struct opt_block b = { 0 };
	struct msg_view m;
	size_t at;

	if (msg_parse_datagram(&m, bytes, head_len) != MSG_OK || !msg_code_is_response(m.code) || m.payload_len > 0)
		return 0;
	if (len == 0 || len + 1 > room - head_len)
		return head_len;
	if (msg_option(&m, OPT_BLOCK2) != NULL && opt_block_parse(&b, msg_option(&m, OPT_BLOCK2)) < 0)
		b.num = 0;
	at = (size_t)opt_block_offset(&b);
	bytes[head_len] = 0xff;
	for (size_t i = 0; i < len; i++)
		bytes[head_len + 1 + i] = byte_at(representation(&m), at + i);
	return head_len + 1 + len;
}

/* Anything: a code, options as they come, a length of payload. */
static size_t anything(uint8_t *bytes, size_t room)
{
	struct msg_writer w;
	size_t len;

	msg_begin(&w, bytes, room, MSG_ACK, (uint8_t)take(), 0, NULL, 0);
	len = take();
	for (size_t i = 0; i < len; i++)
		writer_u8(&w.w, take());
	len = take() << 8;
	len |= take();
	return fill(bytes, writer_length(&w.w), room, len % 1200);
}

/* What a device would say by the rules, or nearly so. */
static size_t well(uint8_t *bytes, size_t room, bool notification)
{
	static const uint8_t codes[] = { CODE_CONTENT, CODE_CONTENT, CODE_CHANGED, CODE_CONTINUE, CODE_UNAUTHORIZED, CODE_BAD_OPTION,
		CODE_REQUEST_INCOMPLETE, CODE_TOO_LARGE };
	const struct msg_option *b1 = msg_option(&gateway.asked, OPT_BLOCK1), *b2 = msg_option(&gateway.asked, OPT_BLOCK2);
	unsigned how = take(), what = take();
	uint8_t code = codes[how & 7], etag = (uint8_t)(what >> 6);
	struct opt_block block1 = { 0 }, block2 = { .szx = what & 7 };
	struct msg_writer w;
	size_t len = what & 15;

	if (b1 != NULL)
		CHECK(opt_block_parse(&block1, b1) == 0);
	if (b2 != NULL && !notification)
		CHECK(opt_block_parse(&block2, b2) == 0);
	if ((what & 7) < block2.szx && how & 8) {
		block2.num *= opt_block_unit(block2.szx) / opt_block_unit(what & 7);
		block2.szx = what & 7;
	}
	if (how & 16)
		block1.szx = what & 7;
	block2.more = how >> 5 & 1;
	msg_begin(&w, bytes, room, MSG_ACK, code, 0, NULL, 0);
	msg_add_option(&w, OPT_ETAG, &etag, 1);
	if (notification)
		msg_add_uint(&w, OPT_OBSERVE, 1);
	if (how & 64)
		msg_add_uint(&w, OPT_BLOCK2, opt_block_value(&block2));
	if (b1 != NULL && how & 128)
		msg_add_uint(&w, OPT_BLOCK1, opt_block_value(&block1));
	if (code == CODE_UNAUTHORIZED)
		msg_add_option(&w, OPT_ECHO, &etag, 1);
	if (how & 64 && block2.more)
		len = opt_block_unit(block2.szx) * (block2.szx == OPT_SZX_BERT ? 1 + len : 1);
	return fill(bytes, writer_length(&w.w), room, len);
}

static void speak(enum happening what)
{
	bool notification = what == NOTIFIES || what == NOTIFIES_WELL || what == LAST, good = what == SAYS_WELL || what == NOTIFIES_WELL;
	struct requester *r = notification ? &owner.t.requester : gateway.asking;
	uint8_t bytes[MSG_MAX];
	bool observes;
	size_t len = good ? well(bytes, sizeof bytes, notification) : anything(bytes, sizeof bytes);

	if (len == 0 || r == NULL || (notification && (r->exchange == NULL || gateway.asking == r)))
		return;
	if (notification)
		observes = what != LAST;
	else /* the first answer may begin an observation */
		observes = r == &owner.t.requester && msg_option(&gateway.asked, OPT_OBSERVE) != NULL && MSG_CLASS(bytes[1]) == 2;
	tell(r, bytes, len, ERR_NONE, notification, observes);
}

static void fail(void)
{
	uint8_t bytes[] = { 0x60, CODE_GATEWAY_TIMEOUT, 0, 0, 0xff, 'x' };
	enum error e = take() % 2 ? ERR_MESSAGE_IDS : ERR_ORIGIN_TIMEOUT;

	if (gateway.asking != NULL)
		tell(gateway.asking, bytes, sizeof bytes, e, false, false);
}

/* ---- a run ---- */

static void happen(enum happening what)
{
	size_t most = (size_t)owner.taken + BLOCKS_HELD;

	switch (what) {
	case FAILS:
		fail();
		break;
	case MORE_BODY:
		owner.come += take() * 64u + take();
		owner.come = owner.come > owner.body_len ? owner.body_len : owner.come;
		owner.come = owner.come > most ? most : owner.come;
		break;
	case ROOM:
		owner.room += take() * 64u;
		break;
	case CONTINUES:
		transfer_continue(&owner.t);
		break;
	case ABORTS:
		if (take() == 1)
			transfer_abort_body(&owner.t, ERR_LOST_SENT);
		break;
	case LEAVES:
		if (take() != 1)
			break;
		owner.left = true;
		transfer_leave(&owner.t);
		break;
	case RENEWS:
		gateway.proxy.conf = &gateway.confs[gateway.proxy.conf == &gateway.confs[0]];
		break;
	case TIME:
		clock_steer(clock_now() + take() * CLOCK_SECOND);
		wheel_run(gateway.proxy.wheel, clock_now());
		break;
	default:
		speak(what);
	}
}

static const struct transfer_calls calls = { .body = owner_body, .body_taken = owner_body_taken, .head = owner_head, .room = owner_room,
	.data = owner_data, .end = owner_end, .decide = owner_decide };

static void start(void)
{
	static const uint8_t codes[] = { CODE_GET, CODE_POST, CODE_PUT, CODE_FETCH };
	unsigned flags = take(), sizes = take();
	bool was_reliable = gateway.hop.reliable;
	size_t message_limit = sizes & 16 ? 1152 : MSG_MAX; /* of one message, where it is not of datagrams */
	struct transfer_plan plan = { .from.conf = gateway.proxy.conf, .from.route = &gateway.route, .answer_limit = 20000 };
	uint8_t head[64];
	struct msg_writer w;

	owner.body_len = take() * 300u % BODY;
	owner.room = sizes & 8 ? 2048 : 100000;
	owner.leaves_within = sizes & 128;
	msg_begin(&w, head, sizeof head, MSG_CON, codes[flags & 3], 0, NULL, 0);
	if (!(sizes & 64))
		msg_add_option(&w, OPT_URI_HOST, "h", 1);
	if (codes[flags & 3] == CODE_PUT)
		msg_add_option(&w, OPT_IF_NONE_MATCH, NULL, 0);
	if (flags & 4 && (codes[flags & 3] == CODE_GET || codes[flags & 3] == CODE_FETCH))
		msg_add_uint(&w, OPT_OBSERVE, 0);
	if (flags & 8)
		msg_add_option(&w, OPT_OSCORE, "\x09\x01", 2);
	if (sizes & 64)
		msg_add_option(&w, OPT_PROXY_URI, "coap://h/p", 10);
	plan.head = head;
	plan.head_len = take() == 255 ? BLOCKS_HEAD_MAX + 1 : msg_end(&w);
	plan.has_body = codes[flags & 3] != CODE_GET && flags & 16;
	plan.body_size = flags & 32 ? owner.body_len : BLOCKS_SIZE_UNKNOWN;
	plan.threshold = flags & 64 ? 1024 : 100;
	plan.head_only = flags & 128;
	plan.block_size = (uint16_t)((sizes & 7) == 7 ? 1024 : 16u << (sizes & 7));
	gateway.hop = (struct hop){ .reliable = (sizes & 7) == 7, .known = true, .blocks = !(flags & 64) || message_limit >= MSG_MAX, .bert = message_limit >= MSG_MAX,
		.limit = message_limit };
	if (!gateway.hop.reliable)
		gateway.hop = (struct hop){ 0 };
	/* it is the same device only if it is spoken to in the same way */
	free(gateway.hop.reliable != was_reliable ? gateway.proxy.learned : NULL);
	if (gateway.hop.reliable != was_reliable)
		gateway.proxy.learned = NULL;
	owner.come = sizes & 16 ? owner.body_len : 0;
	owner.come = owner.come > BLOCKS_HELD ? BLOCKS_HELD : owner.come;
	buffers_set_limit(gateway.proxy.buffers, sizes & 32 ? 512 : QUEUE_MEMORY);
	transfer_begin(&gateway.proxy, &owner.t, &calls, &plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script.at = data;
	script.left = size;
	memset(&gateway, 0, sizeof gateway);
	random_seed_for_test(1);
	gateway.confs[0].references = gateway.confs[1].references = 1;
	gateway.proxy.conf = &gateway.confs[0];
	gateway.proxy.buffers = buffers_create(QUEUE_MEMORY);
	gateway.proxy.wheel = wheel_create(clock_now());
	CHECK(gateway.proxy.buffers != NULL && gateway.proxy.wheel != NULL);
	/* two transfers: the second one knows what the first has learned */
	for (unsigned i = 0; i < 2; i++) {
		memset(&owner, 0, sizeof owner);
		start();
		for (unsigned step = 0; step < STEPS_MAX && script.left > 0 && !owner.over && !owner.left; step++) {
			unsigned before = gateway.asked_count;

			happen(take() % HAPPENINGS);
			CHECK(gateway.asked_count - before <= 1);
		}
		if (!owner.over && !owner.left)
			transfer_leave(&owner.t);
		CHECK(!transfer_is_asking(&owner.t) && owner.t.state == NULL && gateway.asking == NULL);
		CHECK(gateway.confs[0].references == 1 && gateway.confs[1].references == 1);
		CHECK(buffers_in_use(gateway.proxy.buffers) == 0);
	}
	CHECK(gateway.proxy.transfers == NULL || slab_count(gateway.proxy.transfers) == 0);
	slab_destroy(gateway.proxy.transfers);
	free(gateway.proxy.learned);
	buffers_destroy(gateway.proxy.buffers);
	CHECK(wheel_next(gateway.proxy.wheel) == UINT64_MAX);
	wheel_destroy(gateway.proxy.wheel);
	return 0;
}

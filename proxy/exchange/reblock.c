#include "proxy/exchange/reblock.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/decide/policy.h"
#include "proxy/decide/target.h"
#include "proxy/exchange/blocks.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/observe.h"

enum { NUMBER_ROOM = 2 }; /* bytes that NUM of a later block may have more than that of the first */

/* ---- what needs it ---- */

static bool is_safe(const struct exchange *x)
{
	return !x->oscore && (x->code == CODE_GET || x->code == CODE_FETCH);
}

static bool needs_blocks(const struct exchange *x, const struct msg_view *m, const struct outer_request *r, const struct hop *hop, size_t len)
{
	bool bert = r->has_block1 && r->block1.szx == OPT_SZX_BERT;

	if (!hop->reliable)
		return bert || (client_is_reliable(x->client) && m->payload_len > OPT_BLOCK_LARGEST);
	/* Whether it takes blocks is known when it has answered: what goes by a transfer is right either way. */
	if (!hop->known)
		return bert || m->payload_len > OPT_BLOCK_LARGEST || (r->has_block1 && r->block1.num == 0);
	/* The first block decides for those that follow: of SZX 7 they may be as large as our own messages, of others they have a longer number. */
	if (bert && (!hop->bert || hop->limit < MSG_MAX))
		return true;
	return (r->has_block1 && !hop->blocks) || len + (r->has_block1 && r->block1.num == 0 ? NUMBER_ROOM : 0) > hop->limit;
}

enum error reblock_check(const struct exchange *x, const struct msg_view *m, const struct outer_request *r, const struct hop *hop, size_t len,
	bool *needed)
{
	/* The block layer has asked as is right for the hop. */
	*needed = !x->inner && (m->payload_len > 0 || r->has_block1) && needs_blocks(x, m, r, hop, len);
	/* Who knows no blocks would do it all again. */
	if (!x->inner && hop->known && !hop->blocks && r->has_block2 && r->block2.num > 0 && !is_safe(x))
		return ERR_BODY_INCOMPLETE;
	return ERR_NONE;
}

void reblock_plan(struct outer_plan *plan, const struct exchange *x, const struct outer_request *r, const struct hop *hop)
{
	struct opt_block b = r->block2;

	if (!r->has_block2)
		return;
	/* Where it is not known whether the hop knows blocks: whatever it gives, the client gets the beginning of that (held.h). */
	if (!hop->blocks || (!hop->known && !x->inner && b.num == 0)) {
		outer_drop(plan, OPT_BLOCK2);
		return;
	}
	if (b.szx == OPT_SZX_BERT && !hop->bert)
		b.szx = OPT_SZX_LARGEST; /* which counts alike */
	else if (hop->bert && !x->inner && !client_is_reliable(x->client) && b.num > 0 && opt_block_offset(&b) % OPT_BLOCK_LARGEST == 0)
		b = (struct opt_block){ .num = (uint32_t)(opt_block_offset(&b) / OPT_BLOCK_LARGEST), .szx = OPT_SZX_BERT }; /* the rest is held */
	else
		return;
	outer_drop(plan, OPT_BLOCK2);
	outer_add_uint(plan, OPT_BLOCK2, opt_block_value(&b));
}

/* ---- the errand and its transfer ---- */

/* One errand under way. */
struct carried {
	struct transfer transfer;
	struct errand *errand;     /* NULL: it has left, or is over; the transfer is over too then */
	unsigned depth;            /* calls of the transfer that have not returned */
	bool over;                 /* the transfer is */
	struct window body;        /* of the request, as far as the transfer may ask for it */
	bool ended;                /* that reaches its end */
	size_t head_len;
	uint8_t head[];            /* the request, without payload */
};

static struct carried *carried_of(struct transfer *t)
{
	struct carried *c = wheel_owner(t, struct carried, transfer);

	c->depth++;
	return c;
}

/* Behind each call of the transfer. */
static void leave_call(struct carried *c)
{
	c->depth--;
	if (c->depth == 0 && c->over && c->errand == NULL)
		free(c);
}

static void part(struct carried *c)
{
	window_forget(c->errand, &c->body, UINT64_MAX);
	c->errand = NULL;
}

static size_t on_body(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last)
{
	struct carried *c = carried_of(t);
	size_t from = (size_t)(offset - c->body.offset), n = c->body.len > from ? c->body.len - from : 0;

	n = n < room ? n : room;
	if (n > 0)
		memcpy(bytes, c->body.bytes + from, n);
	*last = c->ended && from + n == c->body.len;
	if (c->errand != NULL)
		errand_progress(c->errand);
	leave_call(c);
	return n;
}

static void on_body_taken(struct transfer *t, uint64_t offset)
{
	struct carried *c = carried_of(t);

	if (c->errand != NULL) {
		window_forget(c->errand, &c->body, offset);
		errand_writable(c->errand);
	}
	leave_call(c);
}

/* The head without what belongs to the hop towards the origin. */
static size_t write_answer(const struct msg_view *m, uint8_t *bytes, size_t room)
{
	static const uint16_t numbers[] = { OPT_BLOCK1, OPT_BLOCK2, OPT_SIZE1, OPT_SIZE2, OPT_OBSERVE };
	struct outer_plan plan;
	struct msg_writer w;

	outer_plan_init(&plan);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (numbers[i] != OPT_SIZE1 || m->code != CODE_TOO_LARGE)
			outer_drop(&plan, numbers[i]);
	msg_begin(&w, bytes, room, MSG_NON, m->code, 0, NULL, 0);
	outer_write_options(&w, m, &plan);
	return msg_end(&w);
}

static void on_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	struct carried *c = carried_of(t);
	uint8_t bytes[MSG_DATAGRAM_MAX];
	size_t len = write_answer(m, bytes, sizeof bytes);

	(void)e, (void)notification;
	if (c->errand != NULL && len > 0) {
		errand_head(c->errand, bytes, len, size == BLOCKS_SIZE_UNKNOWN ? ERRAND_SIZE_UNKNOWN : size, false);
	} else if (c->errand != NULL) {
		struct errand *errand = c->errand;

		part(c);
		transfer_leave(t);
		c->over = true;
		errand_end(errand, ERR_RESPONSE_SIZE);
	}
	leave_call(c);
}

static size_t on_room(struct transfer *t)
{
	struct carried *c = wheel_owner(t, struct carried, transfer);

	return c->errand != NULL ? errand_room(c->errand) : 0;
}

static void on_data(struct transfer *t, const uint8_t *bytes, size_t len)
{
	struct carried *c = carried_of(t);

	if (c->errand != NULL)
		errand_data(c->errand, bytes, len);
	leave_call(c);
}

static void on_end(struct transfer *t, enum error e, bool more)
{
	struct carried *c = carried_of(t);
	struct errand *errand = c->errand;

	c->over = !more;
	if (errand != NULL) {
		part(c);
		errand_end(errand, e);
	}
	leave_call(c);
}

/* Found as for any request that comes now. */
static const struct route *on_decide(struct transfer *t, struct snapshot *conf)
{
	struct carried *c = wheel_owner(t, struct carried, transfer);
	const struct client *client = c->errand->client;
	const struct listener *l = snapshot_listener(conf, client->listener);
	const struct policy_own own = { c->errand->proxy->own_addresses, c->errand->proxy->own_count };
	struct endpoint address;
	struct target_asked asked;
	struct outer_request r;
	struct target target;
	struct msg_view m;
	uint16_t offender;

	if (l == NULL || msg_parse_datagram(&m, c->head, c->head_len) != MSG_OK || outer_read_request(&m, &r, &offender) != ERR_NONE)
		return NULL;
	address = (struct endpoint){ .scope = c->errand->local.ifindex, .port = l->address.port, .transport = client->peer.transport };
	memcpy(address.addr, c->errand->local.addr, sizeof address.addr);
	asked = forward_asked(conf, client, &address, false);
	if (target_read(&m, &r, &asked, &client->peer, conf->listener_of_slot[client->listener], &target) != ERR_NONE)
		return NULL;
	target_recognise_own(&target, conf, &own);
	return route_find(conf, &target.question);
}

static const struct transfer_calls calls = { .body = on_body, .body_taken = on_body_taken, .head = on_head, .room = on_room, .data = on_data,
	.end = on_end, .decide = on_decide };

/* ---- the carrier ---- */

static enum error begin(struct errand *e, const struct errand_request *r)
{
	const struct settings *s = &r->conf->settings;
	struct carried *c = calloc(1, sizeof *c + r->m->len);
	struct transfer_plan plan = {
		.from = { .listener = e->client->listener, .peer = e->client->peer, .local = e->local, .conf = r->conf, .route = r->route,
			.begun = true, .errand = true },
		.head_len = r->m->len, .has_body = true, .body_size = r->size == ERRAND_SIZE_UNKNOWN ? BLOCKS_SIZE_UNKNOWN : r->size,
		.answer_limit = r->route->body_limit != 0 ? r->route->body_limit : s->http_body_limit, .threshold = OPT_BLOCK_LARGEST,
		.block_size = OPT_BLOCK_LARGEST, .hop = hop_of(e->proxy, &r->address), .may_be_old = true,
	};

	if (c == NULL)
		return ERR_OVERLOAD;
	c->errand = e;
	c->ended = r->size == 0;
	c->head_len = r->m->len;
	memcpy(c->head, r->m->bytes, r->m->len);
	plan.head = c->head;
	errand_set_carried(e, c);
	c->depth++;
	transfer_begin(e->proxy, &c->transfer, &calls, &plan);
	leave_call(c);
	return ERR_NONE;
}

static size_t room(const struct errand *e)
{
	const struct carried *c = errand_carried(e);

	return c->body.len < BLOCKS_HELD ? BLOCKS_HELD - c->body.len : 0;
}

static void body(struct errand *e, const uint8_t *bytes, size_t len, bool last)
{
	struct carried *c = errand_carried(e);

	c->depth++;
	if (window_add(e, &c->body, bytes, len) < 0) {
		transfer_abort_body(&c->transfer, ERR_OVERLOAD);
	} else {
		c->ended = last;
		transfer_continue(&c->transfer);
	}
	leave_call(c);
}

static void more(struct errand *e)
{
	struct carried *c = errand_carried(e);

	c->depth++;
	transfer_continue(&c->transfer);
	leave_call(c);
}

static void leave(struct errand *e)
{
	struct carried *c = errand_carried(e);

	c->depth++;
	part(c);
	transfer_leave(&c->transfer);
	c->over = true;
	leave_call(c);
}

static const struct errand_carrier carrier = { .begin = begin, .room = room, .body = body, .more = more, .leave = leave };

/* The request as the transfer is to ask it: what belongs to the client's hop is left out, and so is what would keep the answers to blocks from
 * us (RFC 7967). */
static size_t write_request(const struct msg_view *m, uint8_t *bytes, size_t room)
{
	static const uint16_t numbers[] = { OPT_BLOCK1, OPT_BLOCK2, OPT_SIZE1, OPT_SIZE2, OPT_REQUEST_TAG, OPT_OBSERVE, OPT_NO_RESPONSE };
	struct outer_plan plan;
	struct msg_writer w;

	outer_plan_init(&plan);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		outer_drop(&plan, numbers[i]);
	msg_begin(&w, bytes, room, MSG_CON, m->code, 0, NULL, 0);
	outer_write_options(&w, m, &plan);
	return msg_end(&w);
}

enum error reblock_begin(struct proxy *p, struct exchange *x, const struct errand_ask *ask, const struct endpoint *peer)
{
	uint8_t bytes[BLOCKS_HEAD_MAX];
	size_t len = write_request(ask->m, bytes, sizeof bytes);
	struct msg_view m;
	struct errand_request what = { .m = &m, .address = *peer, .host = { "", 0 }, .carrier = &carrier };

	if (len == 0)
		return ERR_TOO_LARGE;
	if (msg_parse_datagram(&m, bytes, len) != MSG_OK)
		log_fatal("reblock: a request of our own cannot be read");
	if (x->observation != NULL)
		observe_end(p, x->observation);
	x->observe = OBSERVE_NONE;
	return errand_begin(p, x, ask, &what);
}

#include "proxy/exchange/held.h"

#include <string.h>

#include "base/random.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/respond.h"
#include "translate/outer.h"

enum {
	OPTION_ROOM = 24, /* bytes of what is added to the head: Block2, Size2, ETag */
	TAG = 4,          /* bytes of an ETag of our own */
};

/* What came: a whole body, or a block of one. */
struct arrived {
	const struct msg_view *m;
	bool in_blocks;          /* it has a Block2 option: */
	struct opt_block block;
	uint64_t from;           /* where its payload begins in the body */
};

static struct arrived look_at(const struct msg_view *m)
{
	const struct msg_option *o = msg_option(m, OPT_BLOCK2);
	struct arrived a = { .m = m };

	a.in_blocks = o != NULL && opt_block_parse(&a.block, o) == 0;
	if (a.in_blocks)
		a.from = opt_block_offset(&a.block);
	return a;
}

/* A text for a person has no blocks (RFC 7252 5.5.2). */
static bool is_diagnostic(const struct msg_view *m)
{
	return MSG_CLASS(m->code) >= 4 && msg_option(m, OPT_CONTENT_FORMAT) == NULL && msg_option(m, OPT_OSCORE) == NULL;
}

/* The length that m has for its client: the token is another. */
static size_t length_for(const struct exchange *x, const struct msg_view *m)
{
	return m->len - m->token_len + x->token_len;
}

bool held_cuts(const struct exchange *x, const struct msg_view *m)
{
	const struct endpoint *peer;
	struct arrived a;

	if (x->inner || x->client == NULL || m->payload_len == 0)
		return false;
	peer = &x->client->peer;
	a = look_at(m);
	if (a.in_blocks && a.block.szx == OPT_SZX_BERT && !(edge_of(peer)->reliable && edge_takes_bert(0, peer)))
		return true;
	if (edge_of(peer)->reliable ? length_for(x, m) + OPTION_ROOM > edge_message_limit(0, peer) : m->payload_len > OPT_BLOCK_LARGEST)
		return true;
	/* An origin that knows no blocks was not asked for one. */
	return !a.in_blocks && x->has_block2 && x->block2.szx != OPT_SZX_BERT && MSG_CLASS(m->code) == 2 &&
		(x->block2.num > 0 || m->payload_len > opt_block_unit(x->block2.szx));
}

/* ---- the block ---- */

static enum error choose(const struct exchange *x, const struct arrived *a, bool notification, struct opt_block *b, uint64_t *from)
{
	size_t limit = respond_size_limit(x), overhead = length_for(x, a->m) - a->m->payload_len + OPTION_ROOM;
	uint64_t end = a->from + a->m->payload_len;

	b->szx = x->has_block2 && x->block2.szx < OPT_SZX_BERT ? x->block2.szx : OPT_SZX_LARGEST;
	*from = x->has_block2 && !notification ? opt_block_offset(&x->block2) : 0;
	while (b->szx > 0 && overhead + opt_block_unit(b->szx) > limit)
		b->szx--;
	if (overhead + opt_block_unit(b->szx) > edge_message_limit(0, &x->client->peer))
		return ERR_RESPONSE_SIZE;
	/* The origin may give another block than was asked for no more than any server. */
	if (*from < a->from || *from >= end)
		return a->in_blocks ? ERR_BAD_RESPONSE : ERR_BLOCK_SIZE;
	if (*from / opt_block_unit(b->szx) >= OPT_BLOCK_NUMBERS)
		return ERR_BLOCK_SIZE;
	b->num = (uint32_t)(*from / opt_block_unit(b->szx));
	b->more = end - *from > opt_block_unit(b->szx) || (a->in_blocks && a->block.more);
	return ERR_NONE;
}

/* ---- heads ---- */

/* Where the client must be able to tell two bodies apart that the origin does not name (RFC 7959 2.4). */
static bool wants_tag(const struct exchange *x, const struct arrived *a)
{
	return a->m->code == CODE_CONTENT && !x->oscore && !a->in_blocks && msg_option(a->m, OPT_ETAG) == NULL;
}

static size_t write_head(const struct exchange *x, const struct arrived *a, const struct opt_block *b, const uint8_t *tag, uint8_t *bytes)
{
	struct outer_plan plan;
	struct msg_writer w;

	outer_plan_init(&plan);
	outer_drop(&plan, OPT_BLOCK2);
	outer_drop(&plan, OPT_SIZE2);
	if (wants_tag(x, a))
		outer_add(&plan, OPT_ETAG, tag, TAG);
	if (b != NULL) {
		outer_add_uint(&plan, OPT_BLOCK2, opt_block_value(b));
		if (!a->in_blocks)
			outer_add_uint(&plan, OPT_SIZE2, (uint32_t)a->m->payload_len);
	} else {
		outer_drop(&plan, OPT_BLOCK1); /* of the exchange that is answered now alone */
	}
	msg_begin(&w, bytes, HELD_MESSAGE, (enum msg_type)a->m->type, a->m->code, a->m->mid, NULL, 0);
	outer_write_options(&w, a->m, &plan);
	return msg_end(&w);
}

static enum error hold(struct proxy *p, struct exchange *x, const struct arrived *a, const uint8_t *tag)
{
	struct msg_view head;
	struct errand_answer kept = { .head = &head, .from = a->from, .bytes = a->m->payload, .len = a->m->payload_len,
		.size = a->in_blocks ? ERRAND_SIZE_UNKNOWN : a->m->payload_len, .rest = a->in_blocks && a->block.more };
	uint8_t bytes[HELD_MESSAGE];
	size_t len = write_head(x, a, NULL, tag, bytes);

	if (len == 0)
		return ERR_RESPONSE_SIZE;
	if (msg_parse_datagram(&head, bytes, len) != MSG_OK)
		log_fatal("held: a head of our own cannot be read");
	/* What can be asked anew is told anyhow. */
	return errand_keep(p, x, x->body_key, &kept) == 0 || (x->code == CODE_GET && !x->oscore) ? ERR_NONE : ERR_OVERLOAD;
}

/* The beginning of a text. */
static enum error cut_text(const struct exchange *x, const struct arrived *a, struct held_cut *cut)
{
	size_t limit = respond_size_limit(x), overhead = length_for(x, a->m) - a->m->payload_len + 1;

	cut->m = *a->m;
	if (overhead >= limit)
		return ERR_RESPONSE_SIZE;
	limit -= overhead;
	cut->m.payload_len = limit < OPT_BLOCK_LARGEST ? limit : OPT_BLOCK_LARGEST;
	if (cut->m.payload_len > a->m->payload_len)
		cut->m.payload_len = a->m->payload_len;
	cut->m.len -= a->m->payload_len - cut->m.payload_len;
	return ERR_NONE;
}

enum error held_cut(struct proxy *p, struct exchange *x, const struct msg_view *m, bool notification, struct held_cut *cut)
{
	struct arrived a = look_at(m);
	struct opt_block b = { 0 };
	uint8_t tag[TAG];
	uint64_t from;
	enum error e;
	size_t len;

	if (is_diagnostic(m))
		return cut_text(x, &a, cut);
	if (edge_of(&x->client->peer)->reliable && !edge_takes_blocks(0, &x->client->peer))
		return ERR_RESPONSE_SIZE;
	e = choose(x, &a, notification, &b, &from);
	if (e != ERR_NONE)
		return e;
	random_bytes(tag, sizeof tag);
	len = write_head(x, &a, &b, tag, cut->bytes);
	if (len == 0 || msg_parse_datagram(&cut->m, cut->bytes, len) != MSG_OK)
		return ERR_RESPONSE_SIZE;
	cut->m.payload = m->payload + (from - a.from);
	cut->m.payload_len = (size_t)(a.from + m->payload_len - from);
	if (cut->m.payload_len > opt_block_unit(b.szx))
		cut->m.payload_len = opt_block_unit(b.szx);
	cut->m.len += cut->m.payload_len + 1;
	/* Its last block alone: there is nothing to follow. */
	return b.more ? hold(p, x, &a, tag) : ERR_NONE;
}

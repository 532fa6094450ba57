/* The body of a request, block by block (RFC 7959 2.3, 2.5). */
#include <string.h>

#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/respond.h"

static bool is_same_format(const struct errand *e, const struct msg_view *m)
{
	const struct msg_option *o = msg_option(m, OPT_CONTENT_FORMAT);
	uint32_t format = UINT32_MAX;

	if (o != NULL && msg_uint(o, &format) < 0)
		return false;
	return format == e->content_format;
}

/* What the origin takes without being begun, or once it is. */
static size_t room(const struct errand *e)
{
	if (!e->begun)
		return e->unread || e->body.len < ERRAND_GATHERED ? ERRAND_BERT : 0; /* of what is read whole the limit is another */
	return e->carried != NULL && e->body.len == 0 ? errand_carrier_of(e)->room(e) : 0;
}

/* The longest block that may follow one of this size. */
static size_t next_block(const struct opt_block *b)
{
	return b->szx == OPT_SZX_BERT ? ERRAND_BERT : ERRAND_BLOCK;
}

/* RFC 7959 2.3, 2.5: blocks of another Content-Format, and blocks behind a gap, belong to no body. */
static enum error check_block(const struct errand *e, const struct errand_ask *ask, uint64_t offset)
{
	size_t len = ask->m->payload_len;
	uint64_t end = offset + len, limit = errand_body_limit(e);

	if (offset > 0 && !is_same_format(e, ask->m))
		return ERR_BODY_INCOMPLETE;
	if (offset != e->received || e->uploaded)
		return ERR_BODY_INCOMPLETE;
	if (end > limit || (offset == 0 && e->size1 > limit))
		return ERR_TOO_LARGE;
	if (e->begun && e->announced != ERRAND_SIZE_UNKNOWN && (end > e->announced || (!ask->r->block1.more && end < e->announced)))
		return ERR_BAD_REQUEST; /* what was said of its size has reached the origin, and was not so */
	return ERR_NONE;
}

enum error errand_upload(struct errand *e, struct exchange *x, const struct errand_ask *ask)
{
	const struct opt_block *b = &ask->r->block1;
	bool blocks = x->block1 != 0, has_body = e->oscore || (e->method != CODE_GET && e->method != CODE_DELETE); /* an OSCORE message stays whole */
	uint64_t offset = blocks ? opt_block_offset(b) : 0;
	size_t len = has_body ? ask->m->payload_len : 0;
	enum error error;

	/* The last one again: its answer was lost. */
	if (blocks && b->num > 0 && offset + len == e->received && is_same_format(e, ask->m) && b->more != e->uploaded)
		return ERR_NONE;
	error = check_block(e, ask, offset);
	if (error != ERR_NONE)
		return error;
	if (len > 0 && e->begun && !e->answered && room(e) < len)
		return ERR_OVERLOAD; /* it did not wait for its 2.31 */
	if (window_add(e, &e->body, ask->m->payload, len) < 0)
		return ERR_OVERLOAD;
	e->received += len;
	e->uploaded = !blocks || !b->more;
	return ERR_NONE;
}

/* Where everything is here its length is known. Else it is as the client says, if that can be true and has to be told. */
static uint64_t size_of(const struct errand *e)
{
	const struct errand_carrier *c = errand_carrier_of(e);

	if (e->uploaded)
		return e->received;
	return c != NULL && c->announces && e->size1 > e->received ? e->size1 : ERRAND_SIZE_UNKNOWN;
}

static void begin(struct errand *e)
{
	struct errand_request r = { .scheme = e->scheme, .address = e->peer, .host = { e->host, strlen(e->host) }, .conf = e->conf, .route = e->route };
	const struct errand_carrier *c = errand_carrier_of(e);
	struct msg_view m;
	enum error error;

	if (msg_parse_datagram(&m, e->head.bytes, e->head.len) != MSG_OK)
		log_fatal("errand: a request of our own cannot be read");
	r.m = &m;
	if (e->uploaded && e->last != NULL)
		reading_tap_body(e->last, &m, e->body.bytes, e->body.len);
	r.size = e->announced = size_of(e);
	e->begun = true;
	error = c != NULL ? c->begin(e, &r) : ERR_DRAINING;
	buffers_drop(e->proxy->buffers, &e->head);
	if (error != ERR_NONE)
		errand_fail(e, error);
}

/* While nobody waits for it nobody asks, either: who comes again has it asked about. */
static void have_judged(struct errand *e)
{
	struct msg_view m;

	for (const struct exchange *x = e->first; x != NULL; x = x->next)
		if (x->reading != NULL && reading_waits(x->reading))
			return;
	if (e->last == NULL)
		return;
	if (msg_parse_datagram(&m, e->head.bytes, e->head.len) != MSG_OK)
		log_fatal("errand: a request of our own cannot be read");
	reading_gate_errand(e->proxy, e, e->last, &m, e->body.bytes, e->body.len);
}

void errand_feed(struct errand *e)
{
	const struct errand_carrier *c = errand_carrier_of(e);
	size_t n;
	bool last;

	if (!e->begun && e->unread && e->uploaded)
		have_judged(e);
	else if (!e->begun && !e->unread && (e->uploaded || e->body.len >= ERRAND_GATHERED))
		begin(e);
	if (!e->begun || e->fed || e->dead)
		return;
	if (e->carried == NULL) {
		window_forget(e, &e->body, UINT64_MAX); /* the answer is there, or there is none: nobody wants it */
		return;
	}
	n = c->room(e) < e->body.len ? c->room(e) : e->body.len;
	last = e->uploaded && n == e->body.len;
	if ((n == 0 && !last) || e->announced == 0)
		return;
	e->fed = last;
	c->body(e, e->body.bytes, n, last);
	window_forget(e, &e->body, e->body.offset + n);
}

bool errand_upload_step(struct errand *e, struct exchange *x)
{
	struct opt_block b = x->upload_block;
	uint8_t bytes[16];
	struct msg_writer w;
	struct msg_view m;

	/* What has been answered well already takes the rest as it comes. */
	if (room(e) < next_block(&b) && e->carried != NULL)
		return false;
	b.more = true;
	msg_begin(&w, bytes, sizeof bytes, MSG_NON, CODE_CONTINUE, 0, NULL, 0);
	msg_add_uint(&w, OPT_BLOCK1, opt_block_value(&b));
	if (msg_parse_datagram(&m, bytes, msg_end(&w)) != MSG_OK)
		log_fatal("errand: an answer of our own cannot be read");
	errand_detach(e, x);
	respond_relay(e->proxy, x, &m);
	errand_answered(x);
	return true;
}

#include "proxy/exchange/blocks_answer.h"

#include <string.h>

#include "proxy/exchange/blocks_request.h"

enum { REFUSAL_MAX = 128 };

/* ---- to the owner; each returns whether there still is one ---- */

static bool tell_head(struct blocks_state *s, const struct msg_view *m, enum error e, uint64_t size)
{
	struct transfer *t = s->transfer;
	bool notification = s->answered;

	s->answered = s->answer.delivered = true;
	t->calls->head(t, m, e, size, notification);
	return s->transfer != NULL;
}

static bool tell_data(struct blocks_state *s, const struct msg_view *m)
{
	if (m->payload_len > 0)
		s->transfer->calls->data(s->transfer, m->payload, m->payload_len);
	return s->transfer != NULL;
}

/* An answer or notification is over. */
static void finish(struct blocks_state *s, enum error e, bool more)
{
	struct transfer *t = s->transfer;

	buffers_drop(s->proxy->buffers, &s->answer.held);
	s->phase = BLOCKS_RESTING;
	s->answer.delivered = false;
	if (more)
		t->calls->end(t, e, true);
	else
		blocks_end(s, e);
}

static bool more_follows(const struct blocks_state *s)
{
	return blocks_observes(s) || s->pending.bytes != NULL || s->pending_lost;
}

/* An answer of ours. */
static void refuse(struct blocks_state *s, enum error e)
{
	const struct error_row *row = error_row(e);
	uint8_t bytes[REFUSAL_MAX];
	struct msg_writer w;
	struct msg_view m;

	msg_begin(&w, bytes, sizeof bytes, MSG_NON, s->oscore ? row->oscore_code : row->coap_code, 0, NULL, 0);
	if (e == ERR_TOO_LARGE && s->hop.reliable && s->hop.known)
		msg_add_uint(&w, OPT_SIZE1, (uint32_t)blocks_message_room(s));
	msg_add_payload(&w, row->text, strlen(row->text));
	if (msg_parse_datagram(&m, bytes, msg_end(&w)) != MSG_OK)
		log_fatal("blocks: the answer to error %u cannot be written", e);
	if (tell_head(s, &m, e, m.payload_len) && (s->head_only || tell_data(s, &m)))
		finish(s, ERR_NONE, false);
}

/* e was counted where it was found. */
static void fail(struct blocks_state *s, enum error e)
{
	if (s->answer.delivered) {
		finish(s, e, more_follows(s));
		return;
	}
	buffers_drop(s->proxy->buffers, &s->answer.held);
	s->phase = BLOCKS_RESTING;
	/* A notification that nobody has seen: the next one says more than its end would. */
	if (!s->answered || !more_follows(s))
		refuse(s, e);
}

void blocks_fail(struct blocks_state *s, enum error e)
{
	requester_note_refusal(s->proxy, &s->from, s->code, s->oscore, e);
	fail(s, e);
}

/* ---- one answer ---- */

static int32_t content_format_of(const struct msg_view *m)
{
	const struct msg_option *o = msg_option(m, OPT_CONTENT_FORMAT);
	uint32_t value;

	return o != NULL && msg_uint(o, &value) == 0 && value <= UINT16_MAX ? (int32_t)value : -1;
}

static bool has_etag(const struct msg_view *m, const uint8_t *etag, size_t len)
{
	const struct msg_option *o = msg_option(m, OPT_ETAG);

	return o == NULL ? len == 0 : o->len == len && memcmp(o->value, etag, len) == 0;
}

static void remember(struct blocks_answer *a, const struct msg_view *m, uint8_t szx)
{
	const struct msg_option *etag = msg_option(m, OPT_ETAG);

	a->code = m->code;
	a->szx = szx;
	a->content_format = content_format_of(m);
	a->etag_len = etag != NULL && etag->len <= BLOCKS_ETAG_MAX ? (uint8_t)etag->len : 0;
	if (a->etag_len > 0)
		memcpy(a->etag, etag->value, a->etag_len);
}

static bool is_same_representation(const struct blocks_answer *a, const struct msg_view *m)
{
	return m->code == a->code && content_format_of(m) == a->content_format && has_etag(m, a->etag, a->etag_len);
}

/* Whether m holds what its Block2 option says (RFC 7959 2.2, 2.3), from `offset` of the body on. */
static bool is_block_at(const struct msg_view *m, const struct opt_block *b, uint64_t offset)
{
	return opt_block_offset(b) == offset && opt_block_holds(b, m->payload_len);
}

/* The largest block to ask for where the first one is of this size. */
static uint8_t largest_szx(const struct blocks_state *s, uint8_t first)
{
	if (first == OPT_SZX_BERT && s->block_szx == BLOCK_SZX_MAX)
		return OPT_SZX_BERT;
	return first < s->block_szx ? first : s->block_szx;
}

/* All of an answer that came in one message, or the first block of one that can no longer become another. */
static void pass(struct blocks_state *s, const struct msg_view *m, enum error e, bool complete)
{
	if (!tell_head(s, m, e, complete ? m->payload_len : BLOCKS_SIZE_UNKNOWN))
		return;
	if (!s->head_only && !tell_data(s, m))
		return;
	if (complete || s->head_only)
		finish(s, ERR_NONE, more_follows(s));
}

void blocks_answer_begin(struct blocks_state *s, const struct msg_view *m, enum error e)
{
	struct blocks_answer *a = &s->answer;
	struct opt_block b = { 0 };
	int block = e == ERR_NONE ? blocks_read_option(s, m, OPT_BLOCK2, &b) : 0;

	s->phase = BLOCKS_FETCHING;
	a->delivered = false;
	a->received = m->payload_len;
	if (block < 0 || (block > 0 && !is_block_at(m, &b, 0))) {
		blocks_fail(s, ERR_BAD_RESPONSE);
		return;
	}
	if (e == ERR_NONE && a->received > a->limit && !s->head_only) {
		blocks_fail(s, ERR_RESPONSE_SIZE);
		return;
	}
	if (!b.more || s->head_only) {
		pass(s, m, e, !b.more);
		return;
	}
	if (blocks_is_from_group(s)) {
		s->member = s->transfer->requester.responder;
		s->from.device = &s->member;
	}
	remember(a, m, largest_szx(s, b.szx));
	if (buffers_keep(s->proxy->buffers, &a->held, m->bytes, m->len) < 0)
		pass(s, m, e, false);
}

/* Gives the first block out of hand. */
static bool release(struct blocks_state *s, uint64_t size)
{
	struct buffer held = s->answer.held;
	struct msg_view m;

	if (held.bytes == NULL)
		return true;
	s->answer.held = (struct buffer){ 0 };
	if (msg_parse_datagram(&m, held.bytes, held.len) != MSG_OK)
		log_fatal("blocks: what was parsed once cannot be parsed again");
	if (tell_head(s, &m, ERR_NONE, size))
		tell_data(s, &m);
	buffers_drop(s->proxy->buffers, &held);
	return s->transfer != NULL;
}

/* The resource has changed meanwhile: two representations are never put together (RFC 7959 2.4). */
static void on_another(struct blocks_state *s)
{
	if (s->answer.delivered || !blocks_send_again(s)) {
		blocks_fail(s, ERR_BAD_RESPONSE);
		return;
	}
	buffers_drop(s->proxy->buffers, &s->answer.held);
}

void blocks_answer_more(struct blocks_state *s, const struct msg_view *m, enum error e)
{
	struct blocks_answer *a = &s->answer;
	struct opt_block b;

	if (e != ERR_NONE) {
		fail(s, e);
		return;
	}
	if (blocks_take_challenge(s, m))
		return;
	if (!is_same_representation(a, m)) {
		on_another(s);
		return;
	}
	if (blocks_read_option(s, m, OPT_BLOCK2, &b) <= 0 || b.szx > a->asked_szx || !is_block_at(m, &b, a->received)) {
		blocks_fail(s, ERR_BAD_RESPONSE);
		return;
	}
	if (a->received + m->payload_len > a->limit) {
		blocks_fail(s, ERR_RESPONSE_SIZE);
		return;
	}
	a->received += m->payload_len;
	if (b.szx < a->asked_szx)
		a->szx = b.szx;
	if (!release(s, b.more ? BLOCKS_SIZE_UNKNOWN : a->received) || !tell_data(s, m))
		return;
	if (!b.more)
		finish(s, ERR_NONE, more_follows(s));
}

static bool has_room(struct blocks_state *s, uint64_t len)
{
	struct transfer *t = s->transfer;
	size_t room = t->calls->room(t);

	return s->transfer != NULL && room >= len;
}

/* Asks for as large a block as there is room for beside `held` bytes. */
static bool ask_next(struct blocks_state *s, uint64_t held)
{
	struct blocks_answer *a = &s->answer;

	a->asked_szx = a->szx;
	if (a->szx == OPT_SZX_BERT && !has_room(s, held + BLOCKS_BERT_MAX))
		a->asked_szx = BLOCK_SZX_MAX; /* which counts alike */
	if (s->transfer == NULL || (a->asked_szx != OPT_SZX_BERT && !has_room(s, held + block_bytes(a->asked_szx))))
		return false;
	blocks_ask_next(s);
	return true;
}

bool blocks_fetch(struct blocks_state *s)
{
	/* What is held wants room too; if there is none, it goes first. */
	if (s->answer.held.bytes != NULL && ask_next(s, s->answer.received))
		return true;
	if (s->transfer != NULL && release(s, BLOCKS_SIZE_UNKNOWN) && ask_next(s, 0))
		return true;
	return s->transfer == NULL;
}

/* ---- notifications ---- */

/* What is older and not complete ends. */
static void supersede(struct blocks_state *s)
{
	if (s->phase == BLOCKS_RESTING)
		return;
	blocks_stop_asking(s);
	if (s->answer.delivered) {
		finish(s, ERR_BAD_RESPONSE, true);
		return;
	}
	buffers_drop(s->proxy->buffers, &s->answer.held);
	s->phase = BLOCKS_RESTING;
}

static void begin_notification(struct blocks_state *s, const struct msg_view *m, enum error e)
{
	s->answer.restarts = 0;
	blocks_answer_begin(s, m, e);
}

void blocks_notified(struct blocks_state *s, const struct msg_view *m, enum error e, bool at_once)
{
	buffers_drop(s->proxy->buffers, &s->pending);
	s->pending_lost = false;
	if (at_once) {
		supersede(s);
		if (s->transfer == NULL)
			return;
		if (has_room(s, m->payload_len)) {
			begin_notification(s, m, e);
			return;
		}
		if (s->transfer == NULL)
			return;
	}
	s->pending_error = e;
	if (buffers_keep(s->proxy->buffers, &s->pending, m->bytes, m->len) < 0)
		s->pending_lost = !blocks_observes(s);
}

bool blocks_take_pending(struct blocks_state *s)
{
	struct buffer pending;
	struct msg_view m;
	bool taken = false;

	if (s->pending.bytes == NULL && !s->pending_lost)
		return false;
	supersede(s);
	if (s->transfer == NULL)
		return true;
	if (s->pending_lost) {
		s->pending_lost = false;
		blocks_fail(s, ERR_OVERLOAD);
		return true;
	}
	pending = s->pending;
	if (msg_parse_datagram(&m, pending.bytes, pending.len) != MSG_OK)
		log_fatal("blocks: what was parsed once cannot be parsed again");
	if (has_room(s, m.payload_len)) {
		s->pending = (struct buffer){ 0 };
		begin_notification(s, &m, s->pending_error);
		buffers_drop(s->proxy->buffers, &pending);
		taken = true;
	}
	return taken || s->transfer == NULL;
}

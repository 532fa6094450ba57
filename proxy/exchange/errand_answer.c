/* The body of an answer, block by block, as the client asks for it (RFC 7959 2.4, 2.7). */
#include <string.h>

#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/respond.h"

enum {
	OPTION_ROOM = 24,        /* bytes of what is added to the head: Block1, Block2, Size2, ETag */
	WIDE = 16 * ERRAND_BLOCK, /* bytes of a block of SZX 7 */
};

/* A block of the answer to x. */
struct piece {
	uint64_t from;
	size_t len;
	struct opt_block block;
	bool whole;              /* it needs no Block2 */
};

uint64_t errand_wanted(const struct exchange *x)
{
	return x->has_block2 ? opt_block_offset(&x->block2) : 0;
}

/* Options that were not there before, at their place. */
struct additions {
	struct msg_view *m;
	uint8_t values[4][4];
	size_t count;
};

static void add(struct msg_view *m, uint16_t number, const uint8_t *value, size_t len)
{
	unsigned at = m->option_count;

	if (m->option_count == MSG_OPTIONS_MAX)
		return;
	for (; at > 0 && m->options[at - 1].number > number; at--)
		m->options[at] = m->options[at - 1];
	m->options[at] = (struct msg_option){ number, (uint16_t)len, value };
	m->option_count++;
}

static void add_uint(struct additions *a, uint16_t number, uint32_t value)
{
	uint8_t *bytes = a->values[a->count++];
	size_t len = 0;

	for (int shift = 24; shift >= 0; shift -= 8)
		if (len > 0 || value >> shift != 0)
			bytes[len++] = (uint8_t)(value >> shift);
	add(a->m, number, bytes, len);
}

/* Max-Age counts from when the head came. */
static void age(struct additions *a, uint64_t microseconds)
{
	struct msg_option *o = (struct msg_option *)(uintptr_t)msg_option(a->m, OPT_MAX_AGE);
	uint32_t value, seconds = (uint32_t)(microseconds / CLOCK_SECOND);

	if (o == NULL || seconds == 0 || msg_uint(o, &value) < 0)
		return;
	a->m->option_count--;
	memmove(o, o + 1, (size_t)(a->m->options + a->m->option_count - o) * sizeof *o);
	add_uint(a, OPT_MAX_AGE, value > seconds ? value - seconds : 0);
}

static void read_head(const struct errand *e, struct msg_view *m)
{
	if (msg_parse_datagram(m, e->answer.bytes, e->answer.len) != MSG_OK)
		log_fatal("errand: an answer's head cannot be read");
}

/* A block's size in bytes, and how it is told. */
struct measure {
	size_t size;
	uint8_t szx;
	bool whole; /* more than that cannot be told at all */
};

/* As asked for, and no larger than what the client takes, or what may be sent to one who was never seen. Of a client who knows no blocks all of the
 * answer is one. */
static struct measure choose_size(const struct errand *e, const struct exchange *x)
{
	const struct endpoint *peer = &x->client->peer;
	size_t limit = respond_size_limit(x), overhead = (size_t)e->answer.len + x->token_len + OPTION_ROOM;
	uint8_t asked = x->has_block2 ? x->block2.szx : OPT_SZX_BERT;
	struct measure m = { .szx = asked < OPT_SZX_BERT ? asked : OPT_SZX_LARGEST };

	if (edge_of(peer)->reliable && !x->inner && limit > overhead) {
		m.size = limit - overhead;
		m.whole = !edge_takes_blocks(0, peer);
		if (m.whole)
			return m;
		m.size = (m.size < WIDE ? m.size : WIDE) / ERRAND_BLOCK * ERRAND_BLOCK;
		m.szx = asked;
		if (asked == OPT_SZX_BERT && m.size > ERRAND_BLOCK && edge_takes_bert(0, peer) && !errands_are_short(e->proxy))
			return m;
		m.szx = asked < OPT_SZX_BERT ? asked : OPT_SZX_LARGEST;
	}
	while (m.szx > 0 && overhead + opt_block_unit(m.szx) > limit)
		m.szx--;
	m.size = opt_block_unit(m.szx);
	return m;
}

/* A diagnostic message is for a person, and has no blocks: what is longer than one is cut (RFC 7252 5.5.2). */
static bool is_diagnostic(const struct msg_view *m)
{
	return MSG_CLASS(m->code) >= 4 && msg_option(m, OPT_CONTENT_FORMAT) == NULL && msg_option(m, OPT_OSCORE) == NULL;
}

/* All of what x got the beginning of, if it is here; else its piece. `head`: of the answer, without blocks. */
static void have_read(const struct errand *e, struct exchange *x, const struct piece *piece, const struct msg_view *m, struct msg_view *head)
{
	bool whole = piece->from == 0 && e->ended && e->error == ERR_NONE && !e->rest && e->window.offset == 0;

	head->payload = e->window.bytes;
	head->payload_len = e->window.len;
	reading_answer(x, whole ? head : m, false);
}

/* Answers x. Returns whether it got this answer, not another one that made it prove where it is. */
static bool send_piece(struct errand *e, struct exchange *x, struct msg_view *m, const struct piece *piece)
{
	struct additions a = { .m = m };
	struct opt_block upload = x->upload_block;
	bool sent, read = x->reading != NULL;
	struct msg_view whole;

	if (read)
		whole = *m;

	age(&a, clock_now() - e->answered_at);
	if (!piece->whole || (x->has_block2 && !is_diagnostic(m)))
		add_uint(&a, OPT_BLOCK2, opt_block_value(&piece->block));
	if (x->block1 != 0) {
		upload.more = false;
		add_uint(&a, OPT_BLOCK1, opt_block_value(&upload));
	}
	if (piece->block.more && piece->from == 0 && e->size <= UINT32_MAX)
		add_uint(&a, OPT_SIZE2, (uint32_t)e->size);
	/* Blocks of two answers must not be taken for those of one (RFC 7959 2.4); what OSCORE protects its ends can tell. */
	if (!piece->whole && m->code == CODE_CONTENT && !e->oscore && !e->untagged && msg_option(m, OPT_ETAG) == NULL)
		add(m, OPT_ETAG, e->tag, sizeof e->tag);
	if (piece->len > 0) {
		m->payload = e->window.bytes + (piece->from - e->window.offset);
		m->payload_len = piece->len;
	}
	m->len += piece->len + (piece->whole ? 0 : OPTION_ROOM);
	errand_detach(e, x);
	sent = respond_relay(e->proxy, x, m);
	if (sent && read)
		have_read(e, x, piece, m, &whole);
	errand_answered(x);
	return sent;
}

/* The client has all: what could not be asked for anew is kept for a while. */
static void on_last(struct errand *e, bool whole)
{
	bool again = e->method == CODE_GET && !e->oscore;

	if (e->first == NULL && (whole || again))
		e->dead = true;
}

bool errand_answer_step(struct errand *e, struct exchange *x)
{
	struct measure measure = choose_size(e, x);
	struct piece piece = { .from = errand_wanted(x), .block.szx = measure.szx };
	uint64_t end = e->window.offset + e->window.len;
	size_t size = measure.size, available = piece.from < end ? (size_t)(end - piece.from) : 0;
	struct msg_view m;
	bool diagnostic;

	if (!e->answered)
		return false;
	if (piece.from < e->window.offset) {
		errand_refuse(e, x, ERR_BODY_INCOMPLETE);
		return true;
	}
	if (available <= size && !e->ended)
		return false;
	read_head(e, &m);
	diagnostic = is_diagnostic(&m);
	if (available <= size && e->error != ERR_NONE && !diagnostic) {
		errand_refuse(e, x, e->error);
		return true;
	}
	if ((piece.from > 0 && available == 0) || piece.from / opt_block_unit(measure.szx) >= OPT_BLOCK_NUMBERS) {
		errand_refuse(e, x, ERR_BLOCK_SIZE);
		return true;
	}
	if (available > size && measure.whole && !diagnostic) {
		errand_refuse(e, x, ERR_RESPONSE_SIZE);
		return true;
	}
	piece.block.num = (uint32_t)(piece.from / opt_block_unit(measure.szx));
	piece.block.more = (available > size || e->rest) && !diagnostic;
	piece.len = available > size ? size : available;
	piece.whole = piece.from == 0 && !piece.block.more;
	if (send_piece(e, x, &m, &piece) && !piece.block.more)
		on_last(e, piece.whole);
	return true;
}

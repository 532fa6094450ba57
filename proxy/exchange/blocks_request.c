#include "proxy/exchange/blocks_request.h"

#include <string.h>

#include "base/random.h"
#include "proxy/exchange/blocks_answer.h"
#include "translate/outer.h"

enum {
	HOP_ROOM = 192, /* what block options, Request-Tag and Echo, and on its way the token and other options, add to a head */
	PART_MAX = MSG_MAX + 1, /* one byte more than goes: so it is known whether there is more */
};

/* What one request has beside its head. */
struct part {
	const struct opt_block *block1, *block2;
	bool observes;
	const uint8_t *payload;
	size_t len;
};

/* ---- writing ---- */

static bool changes_head(const struct blocks_state *s, const struct part *part)
{
	return part->block1 != NULL || part->block2 != NULL || s->echo_len > 0 || part->observes != s->registers;
}

static bool has_tag(const struct blocks_state *s)
{
	return s->sending.mode == BLOCKS_CUT;
}

static void plan_request(struct outer_plan *plan, const struct blocks_state *s, const struct part *part)
{
	outer_plan_init(plan);
	plan->drop_payload = true;
	if (!part->observes)
		outer_drop(plan, OPT_OBSERVE);
	if (s->echo_len > 0) {
		outer_drop(plan, OPT_ECHO);
		outer_add(plan, OPT_ECHO, s->echo, s->echo_len);
	}
	if (has_tag(s))
		outer_add(plan, OPT_REQUEST_TAG, s->sending.tag, sizeof s->sending.tag);
	if (part->block1 != NULL) {
		outer_add_uint(plan, OPT_BLOCK1, opt_block_value(part->block1));
		if (part->block1->num == 0 && s->sending.size <= UINT32_MAX)
			outer_add_uint(plan, OPT_SIZE1, (uint32_t)s->sending.size);
	}
	if (part->block2 != NULL)
		outer_add_uint(plan, OPT_BLOCK2, opt_block_value(part->block2));
	/* It asks about the resource before the first block (RFC 7959 2.10). */
	if ((part->block1 != NULL && part->block1->num > 0) || (part->block2 != NULL && part->block2->num > 0))
		outer_drop(plan, OPT_IF_NONE_MATCH);
}

static size_t write_request(const struct blocks_state *s, const struct part *part, uint8_t *bytes, size_t room)
{
	struct msg_view head;
	struct outer_plan plan;
	struct msg_writer w;

	if (!changes_head(s, part)) {
		writer_init(&w.w, bytes, room);
		writer_bytes(&w.w, s->head.bytes, s->head.len);
	} else {
		if (msg_parse_datagram(&head, s->head.bytes, s->head.len) != MSG_OK)
			return 0;
		plan_request(&plan, s, part);
		msg_begin(&w, bytes, room, head.type, head.code, 0, NULL, 0);
		outer_write_options(&w, &head, &plan);
	}
	msg_add_payload(&w, part->payload, part->len);
	return msg_end(&w);
}

static void ask(struct blocks_state *s, const struct part *part)
{
	uint8_t bytes[MSG_MAX];
	size_t len = write_request(s, part, bytes, s->hop.reliable ? sizeof bytes : MSG_DATAGRAM_MAX);

	if (len == 0)
		blocks_fail(s, ERR_TOO_LARGE);
	else
		blocks_ask(s, bytes, len);
}

/* ---- the body ---- */

static size_t pull(struct blocks_state *s, uint64_t offset, uint8_t *bytes, size_t room, bool *last)
{
	struct transfer *t = s->transfer;

	*last = false;
	return t->calls->body(t, offset, bytes, room, last);
}

/* What a reliable hop takes is known. */
static bool is_measured(const struct blocks_state *s)
{
	return s->hop.reliable && s->hop.known;
}

static bool knows_no_blocks(const struct blocks_state *s)
{
	return s->sending.no_blocks || (is_measured(s) && !s->hop.blocks);
}

size_t blocks_message_room(const struct blocks_state *s)
{
	size_t limit = is_measured(s) && s->hop.limit < MSG_MAX ? s->hop.limit : is_measured(s) ? MSG_MAX : MSG_DATAGRAM_MAX;
	size_t head = HOP_ROOM + (size_t)s->head.len;

	return limit > head ? limit - head : 0;
}

/* The longest body that goes whole. */
static size_t whole_limit(const struct blocks_state *s)
{
	size_t limit = s->sending.no_blocks || s->sending.threshold > BLOCKS_WHOLE_MAX ? BLOCKS_WHOLE_MAX : s->sending.threshold;

	if (is_measured(s))
		return blocks_message_room(s);
	if (s->oscore)
		limit += BLOCKS_SEALING;
	return limit < blocks_message_room(s) ? limit : blocks_message_room(s);
}

/* From now on the body goes in blocks, as an operation of its own (RFC 9175 3.5.2). */
static void begin_blocks(struct blocks_state *s, uint8_t szx)
{
	while (szx > 0 && (szx == OPT_SZX_BERT ? 2 * OPT_BLOCK_LARGEST : block_bytes(szx)) > blocks_message_room(s))
		szx--;
	s->sending.mode = BLOCKS_CUT;
	s->sending.szx = szx;
	s->sending.offset = 0;
	random_bytes(s->sending.tag, sizeof s->sending.tag);
}

enum readiness { READY, WAITS, FAILED };

/* A body that is longer than goes whole: it is cut, unless the device just refused blocks. */
static enum readiness is_too_long(struct blocks_state *s)
{
	bool bert = is_measured(s) && s->hop.bert && s->block_szx == BLOCK_SZX_MAX;

	if (s->sending.fell_back || (is_measured(s) && !s->hop.blocks)) {
		blocks_fail(s, ERR_TOO_LARGE);
		return FAILED;
	}
	s->sending.no_blocks = false; /* it may have learned them */
	begin_blocks(s, bert ? OPT_SZX_BERT : s->block_szx);
	return READY;
}

/* Reads the body if all of it has come and it goes whole. */
static enum readiness read_whole(struct blocks_state *s, uint8_t *bytes)
{
	size_t limit = whole_limit(s), n;
	bool last;

	if (s->sending.size != BLOCKS_SIZE_UNKNOWN && s->sending.size > limit)
		return is_too_long(s);
	n = pull(s, 0, bytes, limit + 1, &last);
	if (s->transfer == NULL)
		return FAILED;
	if (n > limit)
		return is_too_long(s);
	if (!last)
		return WAITS;
	s->sending.mode = BLOCKS_WHOLE;
	s->sending.offset = 0;
	s->sending.len = (uint16_t)n;
	s->sending.more = false;
	return READY;
}

/* Of the blocks that it goes in: as large as the hop takes, where that may be more than 1024 bytes. */
static size_t block_size(const struct blocks_state *s)
{
	size_t room = blocks_message_room(s);

	if (s->sending.szx != OPT_SZX_BERT)
		return block_bytes(s->sending.szx);
	return (room < BLOCKS_BERT_MAX ? room : BLOCKS_BERT_MAX) / OPT_BLOCK_LARGEST * OPT_BLOCK_LARGEST;
}

/* What the device takes may have become less since the body was begun. */
static void fit_block(struct blocks_state *s)
{
	while (s->sending.szx > 0 && (block_size(s) == 0 || block_size(s) > blocks_message_room(s)))
		s->sending.szx--;
}

/* Reads the next block; it is known to be the last one, or not to be. */
static enum readiness read_block(struct blocks_state *s, uint8_t *bytes, struct opt_block *b)
{
	size_t size, unit, n;
	bool last;

	fit_block(s);
	size = block_size(s);
	unit = block_bytes(s->sending.szx);
	if (s->sending.offset / unit > BLOCK_NUMBER_MAX) {
		blocks_fail(s, ERR_TOO_LARGE);
		return FAILED;
	}
	n = pull(s, s->sending.offset, bytes, size + 1, &last);
	if (s->transfer == NULL)
		return FAILED;
	if (n <= size && !last)
		return WAITS;
	s->sending.more = n > size;
	s->sending.len = (uint16_t)(n > size ? size : n);
	*b = (struct opt_block){ .num = (uint32_t)(s->sending.offset / unit), .more = s->sending.more, .szx = s->sending.szx };
	return READY;
}

static enum readiness read_body(struct blocks_state *s, uint8_t *bytes, struct opt_block *b)
{
	enum readiness readiness = READY;

	if (s->sending.mode != BLOCKS_CUT)
		readiness = read_whole(s, bytes);
	return readiness == READY && s->sending.mode == BLOCKS_CUT ? read_block(s, bytes, b) : readiness;
}

bool blocks_send(struct blocks_state *s)
{
	struct opt_block block1, block2 = { .szx = s->block_szx };
	struct part part = { 0 };
	uint8_t bytes[PART_MAX];
	enum readiness readiness;

	s->sending.sized = is_measured(s);
	if (s->sending.has_body) {
		readiness = read_body(s, bytes, &block1);
		if (readiness != READY)
			return readiness == FAILED;
		part.payload = bytes;
		part.len = s->sending.len;
	}
	if (s->sending.mode == BLOCKS_CUT)
		part.block1 = &block1;
	/* An observation begins with the whole request. */
	part.observes = s->registers && !s->sending.more && !blocks_observes(s);
	/* Only where a smaller block than the largest is wanted: a device that knows no blocks refuses the option (RFC 7252 5.4.1). */
	s->sending.asked_block2 = !s->sending.more && !knows_no_blocks(s) && s->block_szx < BLOCK_SZX_MAX;
	if (s->sending.asked_block2)
		part.block2 = &block2;
	ask(s, &part);
	return true;
}

/* ---- what the device says to it ---- */

/* 4.02 to block options may mean them: the same without (RFC 8075 8.3). */
static bool drops_blocks(struct blocks_state *s)
{
	bool was_cut = s->sending.mode == BLOCKS_CUT;

	if (s->sending.no_blocks || s->sending.offset > 0 || !(was_cut || s->sending.asked_block2))
		return false;
	s->sending.no_blocks = s->sending.fell_back = true;
	s->sending.mode = BLOCKS_UNDECIDED;
	return true;
}

/* The size to begin with where the device refused a whole body: smaller than that, and as it says (RFC 7959 2.9.3, 4). */
static uint8_t szx_below(const struct blocks_state *s, const struct msg_view *m)
{
	const struct msg_option *size1 = msg_option(m, OPT_SIZE1);
	uint32_t most = s->sending.len - 1u, said;
	uint8_t szx = s->block_szx;

	if (size1 != NULL && msg_uint(size1, &said) == 0 && said < most)
		most = said;
	while (szx > 0 && block_bytes(szx) > most)
		szx--;
	return szx;
}

/* 4.13: in blocks what went whole, in smaller ones if the device names a size (RFC 7959 2.9.3, RFC 8075 8.3). */
static bool cuts_smaller(struct blocks_state *s, const struct msg_view *m)
{
	struct opt_block b;
	bool has_size = blocks_read_option(s, m, OPT_BLOCK1, &b) > 0;

	if (s->sending.mode == BLOCKS_WHOLE && !knows_no_blocks(s) && s->sending.len > block_bytes(0)) {
		uint8_t szx = szx_below(s, m);

		begin_blocks(s, has_size && b.szx < szx ? b.szx : szx);
		return true;
	}
	if (s->sending.mode != BLOCKS_CUT || s->sending.offset > 0 || !has_size || b.szx >= s->sending.szx)
		return false;
	s->sending.szx = b.szx;
	return true;
}

/* 4.08: a block was lost on the device's side. From the first one again, as long as the owner still has it. */
static bool starts_over(struct blocks_state *s)
{
	if (s->sending.mode != BLOCKS_CUT || s->sending.taken || s->sending.restarts == BLOCKS_RESTARTS)
		return false;
	s->sending.restarts++;
	begin_blocks(s, s->sending.szx);
	return true;
}

/* The owner keeps the beginning of a body that he can hold whole, and of others what leaves him room to read on. */
static void take(struct blocks_state *s)
{
	uint64_t keeps = s->sending.size <= BLOCKS_KEPT ? BLOCKS_KEPT : BLOCKS_HELD / 2;

	if (s->sending.offset < keeps)
		return;
	s->sending.taken = true;
	s->transfer->calls->body_taken(s->transfer, s->sending.offset);
}

/* A block was accepted. False if what the device says cannot be. */
static bool goes_on(struct blocks_state *s, const struct msg_view *m)
{
	struct opt_block b;

	if (blocks_read_option(s, m, OPT_BLOCK1, &b) <= 0 || b.num != s->sending.offset / block_bytes(s->sending.szx))
		return false;
	s->sending.offset += s->sending.len;
	if (b.szx < s->sending.szx)
		s->sending.szx = b.szx;
	take(s);
	return true;
}

/* The body of a FETCH is part of what is asked (RFC 8132 2): each block of its answer is asked for with it, where it went whole. Under OSCORE
 * the OSCORE option says which answer is meant (RFC 8613 4.1.3.4.2). */
static bool repeats_body(const struct blocks_state *s)
{
	return s->code == CODE_FETCH && s->sending.mode == BLOCKS_WHOLE && !s->oscore;
}

/* The body has done its duty. */
static void take_all(struct blocks_state *s)
{
	if (!s->sending.has_body || s->sending.more || repeats_body(s))
		return;
	s->sending.taken = true;
	s->transfer->calls->body_taken(s->transfer, s->sending.offset + s->sending.len);
}

/* The gateway itself found the message too long, and by that what this hop takes: it is measured anew. */
static bool fits_hop(struct blocks_state *s)
{
	if ((!s->sending.sized && !is_measured(s)) || s->sending.measured || s->sending.offset > 0 || !s->sending.has_body)
		return false;
	s->sending.measured = true;
	s->sending.mode = BLOCKS_UNDECIDED;
	return true;
}

static bool asks_again(struct blocks_state *s, const struct msg_view *m)
{
	switch (m->code) {
	case CODE_UNAUTHORIZED:
		return blocks_take_challenge(s, m);
	case CODE_BAD_OPTION:
		return drops_blocks(s);
	case CODE_TOO_LARGE:
		return cuts_smaller(s, m);
	case CODE_REQUEST_INCOMPLETE:
		return starts_over(s);
	default:
		return false;
	}
}

void blocks_request_answered(struct blocks_state *s, const struct msg_view *m, enum error e)
{
	bool goes_well = e == ERR_NONE && MSG_CLASS(m->code) == 2;

	if (e == ERR_NONE && !blocks_is_from_group(s) && asks_again(s, m))
		return;
	if (e == ERR_TOO_LARGE && fits_hop(s))
		return;
	if (goes_well && s->sending.more) {
		if (!goes_on(s, m))
			blocks_fail(s, ERR_BAD_RESPONSE);
		return;
	}
	if (e == ERR_NONE && m->code == CODE_CONTINUE) {
		blocks_fail(s, ERR_BAD_RESPONSE);
		return;
	}
	if (e == ERR_NONE && s->sending.fell_back && m->code != CODE_BAD_OPTION)
		blocks_note_plain(s);
	if (goes_well)
		take_all(s);
	if (s->transfer != NULL)
		blocks_answer_begin(s, m, e);
}

/* ---- the rest of the answer ---- */

void blocks_ask_next(struct blocks_state *s)
{
	uint64_t num = s->answer.received / block_bytes(s->answer.asked_szx);
	struct opt_block block2 = { .num = (uint32_t)num, .szx = s->answer.asked_szx };
	struct part part = { .block2 = &block2 };
	uint8_t bytes[PART_MAX];
	bool last;

	if (num > BLOCK_NUMBER_MAX) {
		blocks_fail(s, ERR_RESPONSE_SIZE);
		return;
	}
	if (repeats_body(s)) {
		part.payload = bytes;
		part.len = pull(s, 0, bytes, s->sending.len, &last);
		if (s->transfer == NULL)
			return;
		if (part.len < s->sending.len) {
			blocks_fail(s, ERR_INTERNAL); /* it was not to be taken away */
			return;
		}
	}
	ask(s, &part);
}

bool blocks_send_again(struct blocks_state *s)
{
	if (s->oscore || s->sending.taken || (s->code != CODE_GET && s->code != CODE_FETCH) || s->answer.restarts == BLOCKS_RESTARTS)
		return false;
	s->answer.restarts++;
	s->phase = BLOCKS_SENDING;
	if (s->sending.mode == BLOCKS_CUT)
		begin_blocks(s, s->sending.szx);
	return true;
}

#include "coap/signal.h"

#include <string.h>

#include "coap/option.h"

enum { /* RFC 8323 5.3 to 5.6, RFC 8974 2.2.1: numbers within one code */
	CSM_MESSAGE_SIZE = 2, CSM_BLOCKWISE = 4, CSM_TOKEN_LENGTH = 6,
	PING_CUSTODY = 2,
	RELEASE_ALTERNATIVE = 2, RELEASE_HOLD_OFF = 4,
	ABORT_BAD_OPTION = 2,
	HOLD_OFF_MAX = 0xffffff,
	ALTERNATIVE_MAX = 255,
};

struct option_rule {
	uint8_t code, number;
	uint8_t min_len, max_len;
	bool repeats;
};

static const struct option_rule rules[] = {
	{ SIGNAL_CSM, CSM_MESSAGE_SIZE, 0, 4, false },
	{ SIGNAL_CSM, CSM_BLOCKWISE, 0, 0, false },
	{ SIGNAL_CSM, CSM_TOKEN_LENGTH, 0, 3, false },
	{ SIGNAL_PING, PING_CUSTODY, 0, 0, false },
	{ SIGNAL_PONG, PING_CUSTODY, 0, 0, false },
	{ SIGNAL_RELEASE, RELEASE_ALTERNATIVE, 1, ALTERNATIVE_MAX, true },
	{ SIGNAL_RELEASE, RELEASE_HOLD_OFF, 0, 3, false },
	{ SIGNAL_ABORT, ABORT_BAD_OPTION, 0, 2, false },
};

void signal_settings_init(struct signal_settings *s)
{
	*s = (struct signal_settings){ .message_size = SIGNAL_MESSAGE_SIZE_BASE, .token_length = MSG_TOKEN_BASE };
}

/* True if the option means something here; `earlier` options of its number came before it. */
static bool is_recognised(const struct msg_option *o, uint8_t code, unsigned earlier)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		const struct option_rule *r = &rules[i];

		if (r->code == code && r->number == o->number)
			return o->len >= r->min_len && o->len <= r->max_len && (r->repeats || earlier == 0);
	}
	return false;
}

static void csm_option(struct signal_settings *peer, uint16_t number, uint32_t value)
{
	if (number == CSM_MESSAGE_SIZE)
		peer->message_size = value;
	else if (number == CSM_BLOCKWISE)
		peer->blockwise = true;
	else if (value >= MSG_TOKEN_BASE)
		peer->token_length = value < MSG_TOKEN_MAX ? value : MSG_TOKEN_MAX;
}

static void release_option(struct signal *s, const struct msg_option *o, uint32_t value)
{
	if (o->number == RELEASE_HOLD_OFF)
		s->hold_off = value;
	else if (s->alternative_count < SIGNAL_ALTERNATIVES_MAX)
		s->alternatives[s->alternative_count++] = (struct signal_text){ (const char *)o->value, o->len };
}

enum signal_result signal_parse(struct signal *s, struct signal_settings *peer, const struct msg_view *m)
{
	unsigned earlier = 0;

	*s = (struct signal){ .code = m->code, .diagnostic = { (const char *)m->payload, m->payload_len } };
	/* all that is critical first, for a message that is refused changes nothing; no signal has a critical option yet */
	for (unsigned i = 0; i < m->option_count; i++) {
		if (opt_is_critical(m->options[i].number)) {
			s->bad_option = m->options[i].number;
			return SIGNAL_BAD_OPTION;
		}
	}
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		uint32_t value = 0;

		earlier = i > 0 && o[-1].number == o->number ? earlier + 1 : 0;
		if (!is_recognised(o, m->code, earlier))
			continue;
		if (msg_uint(o, &value) < 0)
			value = 0; /* a text: what is a number has at most 4 bytes here */
		switch (m->code) {
		case SIGNAL_CSM:
			csm_option(peer, o->number, value);
			break;
		case SIGNAL_PING:
		case SIGNAL_PONG:
			s->custody = true;
			break;
		case SIGNAL_RELEASE:
			release_option(s, o, value);
			break;
		default:
			s->bad_option = (uint16_t)value;
		}
	}
	return m->code >= SIGNAL_CSM && m->code <= SIGNAL_ABORT ? SIGNAL_OK : SIGNAL_UNKNOWN;
}

size_t signal_write_csm(uint8_t *bytes, size_t capacity, const struct signal_settings *ours)
{
	struct msg_writer w;

	msg_begin(&w, bytes, capacity, MSG_NON, SIGNAL_CSM, 0, NULL, 0);
	msg_add_uint(&w, CSM_MESSAGE_SIZE, ours->message_size);
	if (ours->blockwise)
		msg_add_option(&w, CSM_BLOCKWISE, NULL, 0);
	if (ours->token_length > MSG_TOKEN_BASE)
		msg_add_uint(&w, CSM_TOKEN_LENGTH, ours->token_length);
	return msg_end(&w);
}

size_t signal_write_ping(uint8_t *bytes, size_t capacity, enum signal_code code, const uint8_t *token, size_t token_len, bool custody)
{
	struct msg_writer w;

	msg_begin(&w, bytes, capacity, MSG_NON, (uint8_t)code, 0, token, token_len);
	if (custody)
		msg_add_option(&w, PING_CUSTODY, NULL, 0);
	return msg_end(&w);
}

size_t signal_write_release(uint8_t *bytes, size_t capacity, const char *alternative, uint32_t hold_off)
{
	struct msg_writer w;

	msg_begin(&w, bytes, capacity, MSG_NON, SIGNAL_RELEASE, 0, NULL, 0);
	if (alternative != NULL)
		msg_add_option(&w, RELEASE_ALTERNATIVE, alternative, strlen(alternative));
	if (hold_off > 0)
		msg_add_uint(&w, RELEASE_HOLD_OFF, hold_off < HOLD_OFF_MAX ? hold_off : HOLD_OFF_MAX);
	return msg_end(&w);
}

size_t signal_write_abort(uint8_t *bytes, size_t capacity, uint16_t bad_option, const char *diagnostic)
{
	struct msg_writer w;
	size_t len = strlen(diagnostic), room;

	msg_begin(&w, bytes, capacity, MSG_NON, SIGNAL_ABORT, 0, NULL, 0);
	if (bad_option != 0)
		msg_add_uint(&w, ABORT_BAD_OPTION, bad_option);
	room = writer_room(&w.w);
	/* the marker takes one byte */
	if (room > 1)
		msg_add_payload(&w, diagnostic, len < room - 1 ? len : room - 1);
	return msg_end(&w);
}

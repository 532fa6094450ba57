#include "tools/group_member.h"

#include <string.h>

const char *group_verdict_text(enum group_verdict v)
{
	static const char *const texts[] = {
		[GROUP_ACCEPTED] = "accepted", [GROUP_NO_GROUP_MODE] = "no-group-mode", [GROUP_MALFORMED] = "malformed", [GROUP_UNKNOWN] = "unknown",
		[GROUP_REPLAYED] = "replayed", [GROUP_FORGED] = "forged", [GROUP_UNREADABLE] = "unreadable",
	};

	return texts[v];
}

static bool window_has(const struct group_window *w, uint64_t number)
{
	if (!w->any || number > w->highest)
		return false;
	return w->highest - number >= GROUP_MEMBER_WINDOW || (w->taken >> (w->highest - number) & 1) != 0;
}

static void window_take(struct group_window *w, uint64_t number)
{
	if (!w->any || number > w->highest) {
		uint64_t step = w->any ? number - w->highest : GROUP_MEMBER_WINDOW;

		w->taken = step >= GROUP_MEMBER_WINDOW ? 0 : w->taken << step;
		w->highest = number;
		w->any = true;
	}
	w->taken |= UINT32_C(1) << (w->highest - number);
}

int group_member_init(struct group_member *m, const struct group_signer *signer)
{
	memset(m, 0, sizeof *m);
	m->signer = *signer;
	m->opener = oscore_group_opener_new();
	return m->opener == NULL ? -1 : 0;
}

void group_member_fini(struct group_member *m)
{
	oscore_group_opener_free(m->opener);
	memset(m, 0, sizeof *m);
}

static enum group_verdict verdict_of(enum oscore_group_result result)
{
	switch (result) {
	case OSCORE_GROUP_OPENED:
		return GROUP_ACCEPTED;
	case OSCORE_GROUP_SIGNATURE:
		return GROUP_FORGED;
	case OSCORE_GROUP_STRANGER:
		return GROUP_UNKNOWN;
	case OSCORE_GROUP_FORMAT:
	case OSCORE_GROUP_SIZE:
		return GROUP_MALFORMED;
	default: /* a member reads all its peers: VERIFIED alone is not enough */
		return GROUP_UNREADABLE;
	}
}

/* What can be told without a key. */
static enum group_verdict look(const struct group_member *m, struct oscore_group_message *message, size_t *peer, const uint8_t *option,
	size_t option_len, const uint8_t *payload, size_t payload_len, const struct oscore_group_request *request)
{
	const struct oscore_group *g = m->signer.group;
	const struct oscore_group_member *from;
	struct oscore_option parsed;

	if (oscore_option_parse(&parsed, option, option_len, OSCORE_FLAG_GROUP) < 0)
		return GROUP_MALFORMED;
	if ((parsed.flags & OSCORE_FLAG_GROUP) == 0)
		return GROUP_NO_GROUP_MODE;
	if (oscore_group_message_init(message, option, option_len, payload, payload_len, request) < 0 || parsed.kid == NULL)
		return GROUP_MALFORMED;
	from = oscore_group_concerns(g, message) ? oscore_group_sender(g, message) : NULL;
	if (from == NULL || from == m->signer.self)
		return GROUP_UNKNOWN;
	*peer = (size_t)(from - g->members);
	return GROUP_ACCEPTED;
}

enum group_verdict group_member_take_request(struct group_member *m, const uint8_t *option, size_t option_len, const uint8_t *payload,
	size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner, struct oscore_group_request *request)
{
	struct oscore_group_message message;
	size_t peer = 0;
	enum group_verdict verdict = look(m, &message, &peer, option, option_len, payload, payload_len, NULL);
	uint64_t number;

	memset(inner, 0, sizeof *inner);
	if (verdict != GROUP_ACCEPTED)
		return verdict;
	number = oscore_option_sequence(&message.option);
	if (window_has(&m->windows[peer], number))
		return GROUP_REPLAYED;
	verdict = verdict_of(oscore_group_open(m->opener, m->signer.group, &message, bytes, capacity, inner));
	if (verdict != GROUP_ACCEPTED || oscore_group_request_of(request, &message.option) < 0)
		return verdict;
	window_take(&m->windows[peer], number);
	return verdict;
}

enum group_verdict group_member_take_response(struct group_member *m, struct group_exchange *exchange, const uint8_t *option, size_t option_len,
	const uint8_t *payload, size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner)
{
	struct oscore_group_message message;
	size_t peer = 0;
	enum group_verdict verdict = look(m, &message, &peer, option, option_len, payload, payload_len, &exchange->request);
	struct group_window *numbers = &exchange->numbers[peer];
	bool bare;

	memset(inner, 0, sizeof *inner);
	if (verdict != GROUP_ACCEPTED)
		return verdict;
	bare = message.option.piv == NULL;
	if (bare ? exchange->bare_taken[peer] : window_has(numbers, oscore_option_sequence(&message.option)))
		return GROUP_REPLAYED;
	verdict = verdict_of(oscore_group_open(m->opener, m->signer.group, &message, bytes, capacity, inner));
	if (verdict != GROUP_ACCEPTED)
		return verdict;
	if (bare)
		exchange->bare_taken[peer] = true;
	else
		window_take(numbers, oscore_option_sequence(&message.option));
	return verdict;
}

int group_member_ask(struct group_member *m, struct group_sealed *s, struct group_exchange *exchange, const uint8_t *inner, size_t inner_len)
{
	memset(exchange, 0, sizeof *exchange);
	return group_seal_request(s, &exchange->request, &m->signer, m->sequence++, inner, inner_len);
}

int group_member_answer(struct group_member *m, struct group_sealed *s, const struct oscore_group_request *request, bool numbered,
	const uint8_t *inner, size_t inner_len)
{
	uint64_t sequence = m->sequence;

	m->sequence += numbered ? 1 : 0;
	return group_seal_response(s, request, &m->signer, numbered ? &sequence : NULL, false, inner, inner_len);
}

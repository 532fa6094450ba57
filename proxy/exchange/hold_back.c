#include "proxy/exchange/hold_back.h"

/* Method and URI as they left: Uri-Host, Uri-Path, Uri-Query. */
static uint64_t key_of(const struct proxy *p, const struct origin *o, const uint8_t *request, size_t len)
{
	uint64_t hash = hash_bytes(&p->hash_key, &o->peer, sizeof o->peer);
	struct msg_view m;

	if (msg_parse_datagram(&m, request, len) != MSG_OK)
		return 0;
	hash = hash_mix(&p->hash_key, hash, &m.code, sizeof m.code);
	for (unsigned i = 0; i < m.option_count; i++) {
		const struct msg_option *option = &m.options[i];

		if (option->number == OPT_URI_HOST || option->number == OPT_URI_PATH || option->number == OPT_URI_QUERY) {
			hash = hash_mix(&p->hash_key, hash, &option->number, sizeof option->number);
			hash = hash_mix(&p->hash_key, hash, option->value, option->len);
		}
	}
	return hash | 1;
}

void hold_back_note(struct proxy *p, const struct exchange *x, const struct msg_view *response)
{
	const struct msg_option *option = msg_option(response, OPT_MAX_AGE);
	uint32_t seconds = 60;
	uint64_t key, until;

	if (x->request.bytes == NULL || (option != NULL && msg_uint(option, &seconds) < 0))
		return;
	key = key_of(p, x->origin, x->request.bytes, x->request.len);
	until = clock_now() + seconds * CLOCK_SECOND;
	p->hold_backs[key % HOLD_BACKS] = (struct hold_back){ key, until };
	if (until > p->held_back_until)
		p->held_back_until = until;
}

bool hold_back_active(const struct proxy *p, struct exchange *x, const struct origin *o, const uint8_t *request, size_t len)
{
	const struct hold_back *h;
	uint64_t key;

	if (p->held_back_until <= clock_now() || x->oscore)
		return false;
	key = key_of(p, o, request, len);
	h = &p->hold_backs[key % HOLD_BACKS];
	if (h->request != key || h->until <= clock_now())
		return false;
	x->retry_after = (uint32_t)((h->until - clock_now() + CLOCK_SECOND - 1) / CLOCK_SECOND);
	return true;
}

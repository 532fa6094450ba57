#include "proxy/exchange/reachability.h"

#include <string.h>

bool reachability_is_trusted(const struct proxy *p, const struct endpoint *peer)
{
	const struct settings *s = &p->conf->settings;

	if (edge_of(peer)->proven)
		return true;
	for (size_t i = 0; i < s->trusted_count; i++)
		if (network_contains(&s->trusted[i], peer))
			return true;
	return false;
}

bool reachability_is_verified(const struct client *c)
{
	return c->trusted || c->verified_until > clock_now();
}

void reachability_set_verified(struct proxy *p, struct client *c)
{
	if (c->trusted)
		return;
	if (c->verified_until <= clock_now())
		proxy_count(p, COUNT_VERIFIED);
	c->verified_until = clock_now() + p->conf->settings.verified_for;
	c->challenged_at = 0;
}

static void echo_of(const struct proxy *p, const struct endpoint *peer, uint32_t seconds, uint8_t echo[ECHO_LENGTH])
{
	struct {
		struct endpoint peer;
		uint64_t seconds;
	} claim = { *peer, seconds };
	uint64_t mac = hash_bytes(&p->echo_key, &claim, sizeof claim);

	for (int i = 0; i < 4; i++)
		echo[i] = (uint8_t)(seconds >> (24 - 8 * i));
	memcpy(echo + 4, &mac, sizeof mac);
}

void reachability_make_echo(const struct proxy *p, const struct endpoint *peer, uint8_t echo[ECHO_LENGTH])
{
	echo_of(p, peer, (uint32_t)(clock_now() / CLOCK_SECOND), echo);
}

bool reachability_check_echo(const struct proxy *p, const struct endpoint *peer, const uint8_t *echo, size_t len)
{
	uint8_t expected[ECHO_LENGTH], difference = 0;
	uint32_t seconds = 0, now = (uint32_t)(clock_now() / CLOCK_SECOND);

	if (len != ECHO_LENGTH)
		return false;
	for (int i = 0; i < 4; i++)
		seconds = seconds << 8 | echo[i];
	echo_of(p, peer, seconds, expected);
	for (int i = 0; i < ECHO_LENGTH; i++)
		difference |= (uint8_t)(expected[i] ^ echo[i]);
	return difference == 0 && now - seconds <= p->conf->settings.verified_for / CLOCK_SECOND;
}

bool reachability_take_rate(struct proxy *p, const struct endpoint *peer, size_t len)
{
	uint8_t prefix[16] = { 0 };
	int64_t rate = p->conf->settings.unverified_rate;
	struct rate_bucket *b;
	uint64_t elapsed;

	memcpy(prefix, peer->addr, endpoint_is_ipv4(peer) ? 15 : 6);
	b = &p->rates[hash_bytes(&p->hash_key, prefix, sizeof prefix) % RATE_BUCKETS];
	elapsed = clock_now() - b->at;
	b->at = clock_now();
	/* One second's worth may be saved up. */
	if (elapsed > CLOCK_SECOND)
		elapsed = CLOCK_SECOND;
	b->credit += (int64_t)elapsed * rate;
	if (b->credit > rate * (int64_t)CLOCK_SECOND)
		b->credit = rate * (int64_t)CLOCK_SECOND;
	if (b->credit < (int64_t)(len * CLOCK_SECOND))
		return false;
	b->credit -= (int64_t)(len * CLOCK_SECOND);
	return true;
}

#include "proxy/edge/dtls_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "proxy/exchange/house.h"

#define COOKIE_TIME (64 * CLOCK_SECOND)
#define TICKET_TIME (DTLS_TICKET_HOURS * 3600 * CLOCK_SECOND)

/* The secret's first bytes are the cookies' alone, the others the tickets'. */
enum { COOKIE_SECRET = sizeof(struct hash_key), TICKET_SECRET = HOUSE_SECRET - COOKIE_SECRET };

static const uint8_t *secret;

void dtls_keys_use(const uint8_t *bytes)
{
	secret = bytes;
}

/* ---- cookies ---- */

static void cookie_of(const struct dtls_path *path, uint64_t stretch, uint8_t out[DTLS_COOKIE])
{
	struct {
		uint8_t peer[16], local[16];
		uint32_t scope, ifindex;
		uint16_t port, slot;
		uint32_t zero;
	} claim = { .scope = path->peer.scope, .ifindex = path->local.ifindex, .port = path->peer.port, .slot = path->slot };
	uint64_t times[2] = { 2 * stretch, 2 * stretch + 1 }, mac;
	struct hash_key master, key;

	memcpy(&master, secret, sizeof master);
	key.k0 = hash_bytes(&master, &times[0], sizeof times[0]);
	key.k1 = hash_bytes(&master, &times[1], sizeof times[1]);
	memcpy(claim.peer, path->peer.addr, sizeof claim.peer);
	memcpy(claim.local, path->local.addr, sizeof claim.local);
	mac = hash_bytes(&key, &claim, sizeof claim);
	memcpy(out, &mac, sizeof mac);
}

void dtls_cookie_make(const struct dtls_path *path, uint8_t out[DTLS_COOKIE])
{
	cookie_of(path, clock_now() / COOKIE_TIME, out);
}

bool dtls_cookie_check(const struct dtls_path *path, const uint8_t *cookie, size_t len)
{
	uint64_t now = clock_now() / COOKIE_TIME;
	uint8_t expected[DTLS_COOKIE];

	if (len != DTLS_COOKIE)
		return false;
	for (uint64_t age = 0; age < 2 && age <= now; age++) {
		cookie_of(path, now - age, expected);
		if (CRYPTO_memcmp(cookie, expected, DTLS_COOKIE) == 0)
			return true;
	}
	return false;
}

/* ---- tickets ---- */

enum ticket_part { PART_NAME, PART_CIPHER, PART_MAC };

static int derive(const uint8_t digest[DTLS_DIGEST], uint64_t stretch, enum ticket_part part, uint8_t out[32])
{
	uint8_t claim[DTLS_DIGEST + sizeof stretch + 1];
	unsigned int len = 0;

	memcpy(claim, digest, DTLS_DIGEST);
	memcpy(claim + DTLS_DIGEST, &stretch, sizeof stretch);
	claim[sizeof claim - 1] = (uint8_t)part;
	return HMAC(EVP_sha256(), secret + COOKIE_SECRET, TICKET_SECRET, claim, sizeof claim, out, &len) != NULL && len == 32 ? 0 : -1;
}

int dtls_ticket_key_make(const uint8_t digest[DTLS_DIGEST], unsigned age, struct dtls_ticket_key *out)
{
	uint64_t stretch = clock_now() / TICKET_TIME - age;

	if (clock_now() / TICKET_TIME < age || derive(digest, stretch, PART_NAME, out->name) < 0 ||
		derive(digest, stretch, PART_CIPHER, out->cipher) < 0)
		return -1;
	return derive(digest, stretch, PART_MAC, out->mac);
}

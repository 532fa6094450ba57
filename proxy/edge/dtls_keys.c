#include "proxy/edge/dtls_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
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

static int digest(const void *bytes, size_t len, uint8_t out[DTLS_DIGEST])
{
	unsigned int written = 0;

	return EVP_Digest(bytes, len, out, &written, EVP_sha256(), NULL) == 1 && written == DTLS_DIGEST ? 0 : -1;
}

int dtls_digest_add(uint8_t sum[DTLS_DIGEST], const void *bytes, size_t len)
{
	uint8_t both[2 * DTLS_DIGEST];

	memcpy(both, sum, DTLS_DIGEST);
	if (digest(bytes, len, both + DTLS_DIGEST) < 0)
		return -1;
	return digest(both, sizeof both, sum);
}

uint64_t dtls_ticket_time(void)
{
	return clock_now() / TICKET_TIME;
}

/* Everything has a fixed length, and what comes out is told to nobody; so a plain digest behind the secret will do. */
static int derive(const uint8_t files[DTLS_DIGEST], uint64_t time, uint8_t part, uint8_t out[DTLS_DIGEST])
{
	uint8_t claim[TICKET_SECRET + DTLS_DIGEST + sizeof time + 1];
	int status;

	memcpy(claim, secret + COOKIE_SECRET, TICKET_SECRET);
	memcpy(claim + TICKET_SECRET, files, DTLS_DIGEST);
	memcpy(claim + TICKET_SECRET + DTLS_DIGEST, &time, sizeof time);
	claim[sizeof claim - 1] = part;
	status = digest(claim, sizeof claim, out);
	OPENSSL_cleanse(claim, sizeof claim);
	return status;
}

int dtls_ticket_key_make(const uint8_t files[DTLS_DIGEST], uint64_t time, struct dtls_ticket_key *out)
{
	uint8_t name[DTLS_DIGEST];

	if (derive(files, time, 0, name) < 0 || derive(files, time, 1, out->mac) < 0 || derive(files, time, 2, out->cipher) < 0)
		return -1;
	memcpy(out->name, name, sizeof out->name);
	return 0;
}

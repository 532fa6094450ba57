#include "oscore/names.h"

#include <strings.h>

#include "oscore/group.h"

struct name {
	const char *name;
	int number;
};

/* The first name of a number is the registry's; others are what people write. */
static const struct name ciphers[] = {
	{ "AES-CCM-16-64-128", OSCORE_AES_CCM_16_64_128 }, { "AES-CCM-16-64-256", OSCORE_AES_CCM_16_64_256 },
	{ "AES-CCM-16-128-128", OSCORE_AES_CCM_16_128_128 }, { "AES-CCM-16-128-256", OSCORE_AES_CCM_16_128_256 },
	{ "A128GCM", OSCORE_A128GCM }, { "AES-128-GCM", OSCORE_A128GCM }, { "A256GCM", OSCORE_A256GCM }, { "AES-256-GCM", OSCORE_A256GCM },
	{ "ChaCha20/Poly1305", OSCORE_CHACHA20_POLY1305 }, { "ChaCha20-Poly1305", OSCORE_CHACHA20_POLY1305 },
	/* and, for groups alone: */
	{ "A128CTR", OSCORE_A128CTR }, { "A192CTR", OSCORE_A192CTR }, { "A256CTR", OSCORE_A256CTR },
};
enum { CTR_NAMES = 3 };
static const struct name signatures[] = { { "EdDSA", OSCORE_EDDSA }, { "ES256", OSCORE_ES256 } };
static const struct name agreements[] = { { "ECDH-SS-HKDF-256", OSCORE_ECDH_SS_HKDF_256 } };
static const struct name hkdfs[] = { { "SHA-256", OSCORE_HKDF_SHA256 }, { "SHA-512", OSCORE_HKDF_SHA512 } };

#define ROWS(table) table, sizeof(table) / sizeof(table)[0]
#define AEADS "AES-CCM-16-64-128, AES-CCM-16-64-256, AES-CCM-16-128-128, AES-CCM-16-128-256, A128GCM, A256GCM, ChaCha20/Poly1305"
static const struct kind {
	const struct name *names;
	size_t count;
	const char *all;
} kinds[OSCORE_NAMES_COUNT] = {
	[OSCORE_NAMES_AEAD] = { ciphers, sizeof ciphers / sizeof ciphers[0] - CTR_NAMES, AEADS },
	[OSCORE_NAMES_GROUP] = { ROWS(ciphers), AEADS ", A128CTR, A192CTR, A256CTR" },
	[OSCORE_NAMES_SIGNATURE] = { ROWS(signatures), "EdDSA, ES256" },
	[OSCORE_NAMES_AGREEMENT] = { ROWS(agreements), "ECDH-SS-HKDF-256" },
	[OSCORE_NAMES_HKDF] = { ROWS(hkdfs), "SHA-256, SHA-512" },
};

bool oscore_names_number(enum oscore_names kind, const char *name, size_t len, int *number)
{
	const struct kind *k = &kinds[kind];

	for (size_t i = 0; i < k->count; i++) {
		if (strncasecmp(k->names[i].name, name, len) == 0 && k->names[i].name[len] == '\0') {
			*number = k->names[i].number;
			return true;
		}
	}
	return false;
}

const char *oscore_names_name(enum oscore_names kind, int number)
{
	const struct kind *k = &kinds[kind];

	for (size_t i = 0; i < k->count; i++)
		if (k->names[i].number == number)
			return k->names[i].name;
	return NULL;
}

const char *oscore_names_all(enum oscore_names kind)
{
	return kinds[kind].all;
}

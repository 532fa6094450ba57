#include "proxy/edge/tls_psk.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/tls.h"

struct psk {
	char *identity;     /* in `text` */
	uint8_t *key;       /* likewise */
	uint32_t line;
	uint8_t key_len;
};

/* The text is a copy of the file in which identities end in a NUL and keys have become bytes. */
struct tls_psks {
	char *text;
	size_t text_len;
	struct psk *all;    /* by identity */
	size_t count, room;
};

/* ---- reading ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Each two digits become a byte, in their place. Returns how many, or -1 if that is no key. */
static int key_decode(char *digits, size_t len)
{
	if (len % 2 != 0 || len < 2 * TLS_PSK_MIN || len > 2 * TLS_PSK_MAX)
		return -1;
	for (size_t i = 0; i < len / 2; i++) {
		int high = digit_of(digits[2 * i]), low = digit_of(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		digits[i] = (char)(high << 4 | low);
	}
	return (int)(len / 2);
}

static bool is_identity(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] <= ' ' || at[i] > '~')
			return false;
	return len > 0 && len <= TLS_PSK_IDENTITY_MAX;
}

static struct psk *add(struct tls_psks *p)
{
	size_t room = p->room > 0 ? 2 * p->room : 16;
	struct psk *all;

	if (p->count == p->room) {
		all = realloc(p->all, room * sizeof *all);
		if (all == NULL)
			return NULL;
		p->all = all;
		p->room = room;
	}
	return &p->all[p->count++];
}

/* Returns what is wrong with the line, or NULL. */
static const char *line_parse(struct tls_psks *p, char *at, size_t len, uint32_t number)
{
	char *colon = memrchr(at, ':', len);
	struct psk *k;
	int key_len;

	if (colon == NULL)
		return "is not identity:key";
	if (!is_identity(at, (size_t)(colon - at)))
		return "the identity is not 1 to 128 printable characters without spaces";
	key_len = key_decode(colon + 1, len - (size_t)(colon + 1 - at));
	if (key_len < 0)
		return "the key is not 16 to 64 bytes in hexadecimal";
	if (p->count == TLS_PSK_LINES_MAX)
		return "there are more than 100000 keys";
	k = add(p);
	if (k == NULL)
		return "not enough memory";
	*colon = '\0';
	*k = (struct psk){ .identity = at, .key = (uint8_t *)colon + 1, .line = number, .key_len = (uint8_t)key_len };
	return NULL;
}

static int by_identity(const void *a, const void *b)
{
	return strcmp(((const struct psk *)a)->identity, ((const struct psk *)b)->identity);
}

/* Of two lines with one identity, the later; NULL if there are none. */
static const struct psk *find_twice(const struct tls_psks *p)
{
	for (size_t i = 1; i < p->count; i++)
		if (strcmp(p->all[i - 1].identity, p->all[i].identity) == 0)
			return p->all[i].line > p->all[i - 1].line ? &p->all[i] : &p->all[i - 1];
	return NULL;
}

static int lines_parse(struct tls_psks *p, char *error, size_t room)
{
	const struct psk *twice;
	const char *wrong;
	uint32_t number = 0;
	size_t len;

	for (char *at = p->text, *end = at + p->text_len; at < end; at += len + 1) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t used;

		len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);
		used = len > 0 && at[len - 1] == '\r' ? len - 1 : len;
		number++;
		if (used == 0 || at[0] == '#')
			continue;
		wrong = line_parse(p, at, used, number);
		if (wrong != NULL) {
			snprintf(error, room, "%u: %s", (unsigned)number, wrong);
			return -1;
		}
	}
	if (p->count == 0) {
		snprintf(error, room, "1: there is no key in it");
		return -1;
	}
	qsort(p->all, p->count, sizeof p->all[0], by_identity);
	twice = find_twice(p);
	if (twice == NULL)
		return 0;
	snprintf(error, room, "%u: the identity was there before", (unsigned)twice->line);
	return -1;
}

struct tls_psks *tls_psks_parse(const uint8_t *bytes, size_t len, char *error, size_t room)
{
	struct tls_psks *p = calloc(1, sizeof *p);

	if (p != NULL)
		p->text = malloc(len + 1);
	if (p == NULL || p->text == NULL) {
		snprintf(error, room, "1: not enough memory");
		free(p);
		return NULL;
	}
	memcpy(p->text, bytes, len);
	p->text_len = len;
	if (lines_parse(p, error, room) == 0)
		return p;
	tls_psks_free(p);
	return NULL;
}

void tls_psks_free(struct tls_psks *p)
{
	if (p == NULL)
		return;
	OPENSSL_cleanse(p->text, p->text_len);
	free(p->text);
	free(p->all);
	free(p);
}

static const struct psk *find(const struct tls_psks *p, const char *identity)
{
	char copy[TLS_PSK_IDENTITY_MAX + 1];
	struct psk wanted = { .identity = copy };

	if (snprintf(copy, sizeof copy, "%s", identity) >= (int)sizeof copy)
		return NULL;
	return bsearch(&wanted, p->all, p->count, sizeof p->all[0], by_identity);
}

/* ---- what OpenSSL asks ---- */

/* Where the keys hang on a context, and the identity on a connection. */
static int keys_index = -1, identity_index = -1;

static void on_context_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	tls_psks_free(ptr);
}

static int make_indices(void)
{
	if (keys_index < 0)
		keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
	if (identity_index < 0)
		identity_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return keys_index < 0 || identity_index < 0 ? -1 : 0;
}

static const struct tls_psks *keys_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_index);
}

/* Notes whom it is about: the last one that was found is the one that counts, if the handshake is finished by it. */
static const struct psk *look_up(SSL *ssl, const char *identity)
{
	const struct tls_psks *p = keys_of(ssl);
	const struct psk *k = p != NULL ? find(p, identity) : NULL;

	SSL_set_ex_data(ssl, identity_index, k != NULL ? k->identity : NULL);
	return k;
}

/* TLS 1.2: returns the key's length, or 0 if there is none. */
static unsigned int on_server_key(SSL *ssl, const char *identity, unsigned char *key, unsigned int room)
{
	const struct psk *k = identity != NULL ? look_up(ssl, identity) : NULL;

	if (k == NULL || k->key_len > room)
		return 0;
	memcpy(key, k->key, k->key_len);
	return k->key_len;
}

/* A key as TLS 1.3 wants it: with a hash, which is SHA-256 where nothing else was agreed upon (RFC 8446 4.2.11). */
static SSL_SESSION *wrap_key(SSL *ssl, const struct psk *k)
{
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *s = SSL_SESSION_new();

	if (s != NULL && cipher != NULL && SSL_SESSION_set1_master_key(s, k->key, k->key_len) == 1 &&
		SSL_SESSION_set_cipher(s, cipher) == 1 && SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

/* TLS 1.3: an identity that is not known is no error, the client may have another, or go on by certificate. */
static int on_find_key(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **out)
{
	char text[TLS_PSK_IDENTITY_MAX + 1] = "";
	const struct psk *k;

	*out = NULL;
	if (len <= TLS_PSK_IDENTITY_MAX && memchr(identity, '\0', len) == NULL)
		memcpy(text, identity, len);
	k = look_up(ssl, text);
	if (k == NULL)
		return 1;
	*out = wrap_key(ssl, k);
	return *out != NULL;
}

int tls_psks_keep(SSL_CTX *context, struct tls_psks *p)
{
	if (make_indices() == 0 && SSL_CTX_set_ex_data(context, keys_index, p) == 1)
		return 0;
	tls_psks_free(p);
	return -1;
}

int tls_psks_use(SSL_CTX *context, struct tls_psks *p)
{
	if (tls_psks_keep(context, p) < 0)
		return -1;
	SSL_CTX_set_psk_server_callback(context, on_server_key);
	SSL_CTX_set_psk_find_session_callback(context, on_find_key);
	return 0;
}

void tls_psks_drop(SSL_CTX *context)
{
	if (keys_index < 0)
		return;
	tls_psks_free(SSL_CTX_get_ex_data(context, keys_index));
	SSL_CTX_set_ex_data(context, keys_index, NULL);
}

const uint8_t *tls_psk_find(const SSL_CTX *context, const char *identity, size_t *len)
{
	const struct tls_psks *p = keys_index >= 0 ? SSL_CTX_get_ex_data(context, keys_index) : NULL;
	const struct psk *k = p != NULL ? find(p, identity) : NULL;

	if (k == NULL)
		return NULL;
	*len = k->key_len;
	return k->key;
}

/* ---- what we show ---- */

/* Of TLS 1.3 too: there OpenSSL takes the key for one of SHA-256. */
static unsigned int on_client_key(SSL *ssl, const char *hint, char *identity, unsigned int identity_room, unsigned char *key, unsigned int room)
{
	const char *shown = SSL_get_ex_data(ssl, identity_index);
	const struct psk *k = shown != NULL ? find(keys_of(ssl), shown) : NULL;

	(void)hint;
	if (k == NULL || k->key_len > room || strlen(k->identity) >= identity_room)
		return 0;
	memcpy(identity, k->identity, strlen(k->identity) + 1);
	memcpy(key, k->key, k->key_len);
	return k->key_len;
}

bool tls_psks_have(const SSL_CTX *context, const char *identity)
{
	const struct tls_psks *p = keys_index >= 0 ? SSL_CTX_get_ex_data(context, keys_index) : NULL;

	return p != NULL && find(p, identity) != NULL;
}

int tls_psk_show(SSL *ssl, const char *identity)
{
	const struct tls_psks *p = keys_index >= 0 ? keys_of(ssl) : NULL;
	const struct psk *k = p != NULL ? find(p, identity) : NULL;

	if (k == NULL || SSL_set_ex_data(ssl, identity_index, k->identity) != 1)
		return -1;
	SSL_set_psk_client_callback(ssl, on_client_key);
	return 0;
}

/* ---- who was let in ---- */

/* What was agreed upon earlier by TLS 1.2 or DTLS, and taken up again: by its key, unless that was withdrawn. */
static const char *resumed_identity(const SSL *ssl)
{
	const char *identity = SSL_session_reused(ssl) == 1 ? SSL_get_psk_identity(ssl) : NULL;
	const struct psk *k = identity != NULL && keys_of(ssl) != NULL ? find(keys_of(ssl), identity) : NULL;

	return k != NULL ? k->identity : NULL;
}

const char *tls_psk_identity(const SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	const char *shown;
	bool used;

	if (identity_index < 0 || cipher == NULL || !SSL_is_init_finished(ssl))
		return NULL;
	/* There is no other way to take up an earlier connection of TLS 1.3, so one that is taken up was let in by its key. */
	if (SSL_version(ssl) == TLS1_3_VERSION)
		used = SSL_session_reused(ssl) == 1;
	else
		used = SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
	if (!used)
		return NULL;
	shown = SSL_get_ex_data(ssl, identity_index);
	return shown != NULL ? shown : resumed_identity(ssl);
}

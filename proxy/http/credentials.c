#include "proxy/http/credentials.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { DIGEST = CREDENTIAL_DIGEST, SECRET_MAX = 4096, BASIC_MAX = 1024 };

struct credential {
	uint8_t digest[DIGEST];
	bool basic;
	char *name;
};

/* Sorted: those of passwords behind those of tokens; tokens by digest, passwords by name. */
struct credentials {
	size_t count, tokens;
	EVP_MD *sha256;
	struct credential *list;
};

static int compare(const void *one, const void *other)
{
	const struct credential *a = one, *b = other;

	if (a->basic != b->basic)
		return a->basic - b->basic;
	return a->basic ? strcmp(a->name, b->name) : memcmp(a->digest, b->digest, DIGEST);
}

static bool read_digest(struct http_text text, uint8_t digest[DIGEST])
{
	if (text.len != 2 * DIGEST)
		return false;
	for (size_t i = 0; i < DIGEST; i++) {
		int high = byte_hex(text.at[2 * i]), low = byte_hex(text.at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static struct http_text next_word(struct http_text *line)
{
	struct http_text word;

	while (line->len > 0 && (*line->at == ' ' || *line->at == '\t'))
		line->at++, line->len--;
	word.at = line->at;
	while (line->len > 0 && *line->at != ' ' && *line->at != '\t')
		line->at++, line->len--;
	word.len = (size_t)(line->at - word.at);
	return word;
}

static bool is_name(struct http_text name)
{
	if (name.len == 0 || name.len > CREDENTIAL_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~')
			return false;
	return true;
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct credentials *c, struct http_text line)
{
	struct http_text kind = next_word(&line), name = next_word(&line), hash = next_word(&line);
	struct credential *new = &c->list[c->count];

	if (kind.len == 0 || kind.at[0] == '#')
		return NULL;
	if (c->count == CREDENTIALS_MAX)
		return "is one line too many";
	new->basic = http_text_equal(kind, "basic");
	if (!new->basic && !http_text_equal(kind, "bearer"))
		return "begins with neither bearer nor basic";
	if (!is_name(name) || (new->basic && memchr(name.at, ':', name.len) != NULL))
		return "has no name of printable characters";
	if (!read_digest(hash, new->digest))
		return "has no SHA-256 in hexadecimal behind the name";
	if (next_word(&line).len > 0)
		return "has more than three words";
	new->name = strndup(name.at, name.len);
	if (new->name == NULL)
		return "finds no memory";
	c->count++;
	c->tokens += !new->basic;
	return NULL;
}

static const char *find_twins(const struct credentials *c)
{
	for (size_t i = 1; i < c->count; i++)
		if (compare(&c->list[i - 1], &c->list[i]) == 0)
			return c->list[i].name;
	return NULL;
}

struct credentials *credentials_parse(const char *text, size_t len, char *error, size_t room)
{
	struct credentials *c = calloc(1, sizeof *c);
	const char *wrong = NULL, *end = text + len;
	size_t lines = 1;

	for (const char *at = text; at < end; at++)
		lines += *at == '\n';
	if (c != NULL) {
		c->list = calloc(lines, sizeof *c->list);
		c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	if (c == NULL || c->list == NULL || c->sha256 == NULL) {
		snprintf(error, room, "1: finds no memory");
		credentials_free(c);
		return NULL;
	}
	lines = 0;
	while (text < end && wrong == NULL) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct http_text line = { text, (size_t)((newline != NULL ? newline : end) - text) };

		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		lines++;
		wrong = read_line(c, line);
		text = newline != NULL ? newline + 1 : end;
	}
	if (wrong == NULL) {
		qsort(c->list, c->count, sizeof *c->list, compare);
		if (find_twins(c) == NULL)
			return c;
		snprintf(error, room, "%zu: a password of one name, or a token, stands there twice: %s", lines, find_twins(c));
	} else {
		snprintf(error, room, "%zu: %s", lines, wrong);
	}
	credentials_free(c);
	return NULL;
}

void credentials_free(struct credentials *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		free(c->list[i].name);
	if (c->list != NULL)
		OPENSSL_cleanse(c->list, c->count * sizeof *c->list);
	free(c->list);
	EVP_MD_free(c->sha256);
	free(c);
}

static bool digest_of(const struct credentials *c, const void *secret, size_t len, uint8_t digest[DIGEST])
{
	return EVP_Digest(secret, len, digest, NULL, c->sha256, NULL) == 1;
}

/* The secrets are compared by their hashes: how long that takes tells nothing of them. */
static const struct credential *find_token(const struct credentials *c, const uint8_t digest[DIGEST])
{
	struct credential key = { .basic = false };

	memcpy(key.digest, digest, DIGEST);
	return bsearch(&key, c->list, c->tokens, sizeof key, compare);
}

static const struct credential *find_password(const struct credentials *c, const char *name, const uint8_t digest[DIGEST])
{
	struct credential key = { .basic = true, .name = (char *)name };
	const struct credential *found = bsearch(&key, c->list + c->tokens, c->count - c->tokens, sizeof key, compare);

	return found != NULL && CRYPTO_memcmp(digest, found->digest, DIGEST) == 0 ? found : NULL;
}

static const struct credential *check_token(const struct credentials *c, struct http_text token, uint8_t digest[DIGEST])
{
	if (token.len == 0 || token.len > SECRET_MAX || !digest_of(c, token.at, token.len, digest))
		return NULL;
	return find_token(c, digest);
}

static const struct credential *check_password(const struct credentials *c, struct http_text coded, uint8_t digest[DIGEST])
{
	uint8_t text[BASIC_MAX + 4];
	const struct credential *found = NULL;
	uint8_t *colon;
	int len;

	if (coded.len == 0 || coded.len % 4 != 0 || coded.len / 4 * 3 > BASIC_MAX || memchr(coded.at, ' ', coded.len) != NULL)
		return NULL;
	len = EVP_DecodeBlock(text, (const unsigned char *)coded.at, (int)coded.len);
	if (len < 0)
		return NULL;
	len -= (coded.at[coded.len - 1] == '=') + (coded.at[coded.len - 2] == '=');
	colon = memchr(text, ':', (size_t)len);
	if (colon != NULL && memchr(text, '\0', (size_t)(colon - text)) == NULL) {
		*colon = '\0';
		if (digest_of(c, colon + 1, (size_t)(text + len - colon - 1), digest))
			found = find_password(c, (const char *)text, digest);
	}
	OPENSSL_cleanse(text, sizeof text);
	return found;
}

const char *credentials_check(const struct credentials *c, struct http_text authorization, struct credential_proof *proof)
{
	struct http_text rest = authorization, scheme = next_word(&rest), value = next_word(&rest);
	const struct credential *found = NULL;

	if (next_word(&rest).len > 0)
		return NULL;
	if (http_text_is(scheme, "Bearer"))
		found = check_token(c, value, proof->digest);
	else if (http_text_is(scheme, "Basic"))
		found = check_password(c, value, proof->digest);
	if (found == NULL)
		return NULL;
	proof->used = true;
	proof->basic = found->basic;
	return found->name;
}

bool credentials_hold(const struct credentials *c, const char *name, const struct credential_proof *proof)
{
	const struct credential *found = proof->basic ? find_password(c, name, proof->digest) : find_token(c, proof->digest);

	return found != NULL && strcmp(found->name, name) == 0;
}

#include "proxy/edge/websocket_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/random.h"

enum { KEY_BYTES = 16 };

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */

bool websocket_key_is_sound(const char *key, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	while (at < len && memchr(digits, key[at], sizeof digits - 1) != NULL)
		at++;
	return len == WEBSOCKET_KEY_LEN && at == len - 2 && key[at] == '=' && key[at + 1] == '=';
}

int websocket_accept(char accept[WEBSOCKET_ACCEPT_LEN + 1], const char key[WEBSOCKET_KEY_LEN])
{
	uint8_t both[WEBSOCKET_KEY_LEN + sizeof guid - 1], digest[SHA_DIGEST_LENGTH];

	memcpy(both, key, WEBSOCKET_KEY_LEN);
	memcpy(both + WEBSOCKET_KEY_LEN, guid, sizeof guid - 1);
	if (EVP_Digest(both, sizeof both, digest, NULL, EVP_sha1(), NULL) != 1)
		return -1;
	EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
	return 0;
}

size_t websocket_agreement_write(char out[WEBSOCKET_AGREEMENT_MAX], const char key[WEBSOCKET_KEY_LEN])
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1];

	if (websocket_accept(accept, key) < 0)
		return 0;
	return (size_t)snprintf(out, WEBSOCKET_AGREEMENT_MAX, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n\r\n", accept);
}

size_t websocket_request_write(char out[WEBSOCKET_REQUEST_MAX], char key[WEBSOCKET_KEY_LEN + 1], const char *host)
{
	uint8_t bytes[KEY_BYTES];
	int len;

	random_bytes(bytes, sizeof bytes);
	EVP_EncodeBlock((unsigned char *)key, bytes, sizeof bytes);
	len = snprintf(out, WEBSOCKET_REQUEST_MAX, "GET " WEBSOCKET_PATH " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\nSec-WebSocket-Version: " WEBSOCKET_VERSION "\r\n\r\n",
		host, key);
	return len < WEBSOCKET_REQUEST_MAX ? (size_t)len : 0;
}

/* ---- the answer to a client ---- */

struct piece {
	const char *text;
	size_t len;
};

static bool piece_is(struct piece p, const char *text)
{
	return p.len == strlen(text) && strncasecmp(p.text, text, p.len) == 0;
}

static struct piece trimmed(struct piece p)
{
	while (p.len > 0 && (p.text[0] == ' ' || p.text[0] == '\t')) {
		p.text++;
		p.len--;
	}
	while (p.len > 0 && (p.text[p.len - 1] == ' ' || p.text[p.len - 1] == '\t'))
		p.len--;
	return p;
}

/* What stands before the next of these bytes, and steps over both; all that is left if there is none. */
static struct piece take_until(struct piece *rest, const char *end, bool *found)
{
	const char *at = memmem(rest->text, rest->len, end, strlen(end));
	struct piece p = { rest->text, at != NULL ? (size_t)(at - rest->text) : rest->len };
	size_t taken = p.len + (at != NULL ? strlen(end) : 0);

	*found = at != NULL;
	rest->text += taken;
	rest->len -= taken;
	return p;
}

static bool list_has(struct piece list, const char *word)
{
	bool more = true;

	while (more)
		if (piece_is(trimmed(take_until(&list, ",", &more)), word))
			return true;
	return false;
}

/* No control, so no lone end of a line. */
static bool line_is_sound(struct piece line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((uint8_t)line.text[i] < ' ' && line.text[i] != '\t') || line.text[i] == 0x7f)
			return false;
	return true;
}

/* How often each was there, as it must be. */
struct found {
	unsigned upgrade, connection, accept, protocol;
};

static const char *field_check(struct found *f, struct piece name, struct piece value, const char *accept)
{
	if (piece_is(name, "Upgrade")) {
		f->upgrade += piece_is(value, "websocket");
	} else if (piece_is(name, "Connection")) {
		f->connection += list_has(value, "upgrade");
	} else if (piece_is(name, "Sec-WebSocket-Accept")) {
		if (value.len != WEBSOCKET_ACCEPT_LEN || memcmp(value.text, accept, value.len) != 0)
			return "Sec-WebSocket-Accept is not for what was asked";
		f->accept++;
	} else if (piece_is(name, "Sec-WebSocket-Protocol")) {
		if (value.len != strlen(WEBSOCKET_PROTOCOL) || memcmp(value.text, WEBSOCKET_PROTOCOL, value.len) != 0)
			return "the protocol is not " WEBSOCKET_PROTOCOL;
		f->protocol++;
	} else if (piece_is(name, "Sec-WebSocket-Extensions")) {
		return "an extension was not offered";
	}
	return NULL;
}

size_t websocket_answer_length(const uint8_t *bytes, size_t len)
{
	const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end != NULL ? (size_t)(end - bytes) + 4 : 0;
}

const char *websocket_answer_check(const uint8_t *bytes, size_t len, const char key[WEBSOCKET_KEY_LEN])
{
	static const char status[] = "HTTP/1.1 101";
	struct piece rest = { (const char *)bytes, len - 2 }; /* without the empty line */
	struct found f = { 0 };
	char accept[WEBSOCKET_ACCEPT_LEN + 1];
	struct piece line;
	bool sound;

	line = take_until(&rest, "\r\n", &sound);
	if (!line_is_sound(line) || line.len < sizeof status - 1 || memcmp(line.text, status, sizeof status - 1) != 0 ||
		(line.len > sizeof status - 1 && line.text[sizeof status - 1] != ' '))
		return "its answer is not 101";
	if (websocket_accept(accept, key) < 0)
		return "there is no SHA-1";
	while (rest.len > 0) {
		struct piece name;
		const char *why;

		line = take_until(&rest, "\r\n", &sound);
		name = take_until(&line, ":", &sound);
		if (!sound || name.len == 0 || memchr(name.text, ' ', name.len) != NULL || !line_is_sound(name) || !line_is_sound(line))
			return "its answer has a line that is no field";
		why = field_check(&f, name, trimmed(line), accept);
		if (why != NULL)
			return why;
	}
	if (f.upgrade == 0 || f.connection == 0)
		return "its answer has no Upgrade to WebSocket";
	return f.accept == 1 && f.protocol == 1 ? NULL : "its answer lacks Sec-WebSocket-Accept or -Protocol, or has one twice";
}

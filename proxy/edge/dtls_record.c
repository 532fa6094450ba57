#include "proxy/edge/dtls_record.h"

enum { VERSION_MAJOR = 0xfe, CLIENT_HELLO = 1, VERSION = 2 };

bool dtls_record_next(const uint8_t **at, const uint8_t *end, struct dtls_record *out)
{
	const uint8_t *p = *at;

	if (end - p < DTLS_RECORD_HEADER || p[1] != VERSION_MAJOR)
		return false;
	out->type = p[0];
	out->epoch = (uint16_t)(p[3] << 8 | p[4]);
	out->body = p + DTLS_RECORD_HEADER;
	out->len = (size_t)(p[11] << 8 | p[12]);
	if ((size_t)(end - out->body) < out->len)
		return false;
	*at = out->body + out->len;
	return true;
}

size_t dtls_sound_part(const uint8_t *bytes, size_t len, size_t least)
{
	const uint8_t *at = bytes, *sound = bytes;
	struct dtls_record r;

	while (dtls_record_next(&at, bytes + len, &r) && (r.epoch == 0 || r.len >= least))
		sound = at;
	return (size_t)(sound - bytes);
}

const uint8_t *dtls_client_hello(const uint8_t *bytes, size_t len)
{
	const uint8_t *at = bytes;
	struct dtls_record r;
	size_t fragment_at, fragment_len;

	if (!dtls_record_next(&at, bytes + len, &r) || r.type != DTLS_HANDSHAKE || r.epoch != 0 || r.len < DTLS_MESSAGE_HEADER ||
		r.body[0] != CLIENT_HELLO)
		return NULL;
	fragment_at = (size_t)r.body[6] << 16 | (size_t)r.body[7] << 8 | r.body[8];
	fragment_len = (size_t)r.body[9] << 16 | (size_t)r.body[10] << 8 | r.body[11];
	if (fragment_at != 0 || fragment_len < VERSION + DTLS_RANDOM || r.len < DTLS_MESSAGE_HEADER + fragment_len)
		return NULL;
	return r.body + DTLS_MESSAGE_HEADER + VERSION;
}

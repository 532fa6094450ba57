#include "proxy/http/proxy_protocol.h"

#include <string.h>

#include "base/bytes.h"

enum {
	SIGNATURE = 12,
	VERSION = 2, LOCAL = 0, PROXY = 1,          /* halves of the byte behind the signature */
	STREAM_IPV4 = 0x11, STREAM_IPV6 = 0x21,     /* the byte behind that */
};

static const uint8_t signature[SIGNATURE] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

size_t proxy_protocol_length(const uint8_t *bytes, size_t len)
{
	size_t whole;

	if (memcmp(bytes, signature, len < SIGNATURE ? len : SIGNATURE) != 0)
		return 0;
	if (len < PROXY_PROTOCOL_FIRST)
		return PROXY_PROTOCOL_FIRST;
	whole = PROXY_PROTOCOL_FIRST + ((size_t)bytes[14] << 8 | bytes[15]);
	return whole <= PROXY_PROTOCOL_MAX ? whole : 0;
}

static void read_address(struct reader *r, bool ipv4, struct endpoint *e)
{
	size_t size = ipv4 ? 4 : 16;
	const uint8_t *at = reader_bytes(r, size);

	*e = (struct endpoint){ .port = 0 };
	if (ipv4)
		e->addr[10] = e->addr[11] = 0xff;
	if (at != NULL)
		memcpy(e->addr + sizeof e->addr - size, at, size);
}

int proxy_protocol_parse(struct proxy_protocol *h, const uint8_t *bytes, size_t len)
{
	unsigned command, family;
	struct reader r;

	*h = (struct proxy_protocol){ .told = false };
	if (len < PROXY_PROTOCOL_FIRST || proxy_protocol_length(bytes, len) != len || bytes[12] >> 4 != VERSION)
		return -1;
	command = bytes[12] & 15;
	family = bytes[13];
	if (command != LOCAL && command != PROXY)
		return -1;
	if (command == LOCAL || (family != STREAM_IPV4 && family != STREAM_IPV6))
		return 0;
	reader_init(&r, bytes + PROXY_PROTOCOL_FIRST, len - PROXY_PROTOCOL_FIRST);
	read_address(&r, family == STREAM_IPV4, &h->source);
	read_address(&r, family == STREAM_IPV4, &h->target);
	h->source.port = (uint16_t)reader_u16(&r);
	h->target.port = (uint16_t)reader_u16(&r);
	h->told = !r.failed;
	return r.failed ? -1 : 0;
}

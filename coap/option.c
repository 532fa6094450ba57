#include "coap/option.h"

#include <stddef.h>

enum {
	REQ = OPT_IN_REQUEST, RESP = OPT_IN_RESPONSE, BOTH = REQ | RESP,
	REPEAT_REQ = OPT_REPEAT_REQUEST, REPEAT_RESP = OPT_REPEAT_RESPONSE,
	URI_MAX_BYTES = 1034,
};

/* By number, so that no search is needed; but for the few whose numbers are large. */
#define ROW(number, ...) [number] = {number, __VA_ARGS__}
static const struct opt_row low[] = {
	ROW(OPT_IF_MATCH, OPT_OPAQUE, REQ | REPEAT_REQ, 0, 8, "If-Match"),
	ROW(OPT_URI_HOST, OPT_STRING, REQ, 1, 255, "Uri-Host"),
	ROW(OPT_ETAG, OPT_OPAQUE, BOTH | REPEAT_REQ, 1, 8, "ETag"),
	ROW(OPT_IF_NONE_MATCH, OPT_EMPTY, REQ, 0, 0, "If-None-Match"),
	ROW(OPT_OBSERVE, OPT_UINT, BOTH, 0, 3, "Observe"),                             /* RFC 7641 2 */
	ROW(OPT_URI_PORT, OPT_UINT, REQ, 0, 2, "Uri-Port"),
	ROW(OPT_LOCATION_PATH, OPT_STRING, RESP | REPEAT_RESP, 0, 255, "Location-Path"),
	ROW(OPT_OSCORE, OPT_OPAQUE, BOTH, 0, 255, "OSCORE"),                           /* RFC 8613 2 */
	ROW(OPT_URI_PATH, OPT_STRING, REQ | REPEAT_REQ, 0, 255, "Uri-Path"),
	ROW(OPT_CONTENT_FORMAT, OPT_UINT, BOTH, 0, 2, "Content-Format"),
	ROW(OPT_MAX_AGE, OPT_UINT, RESP, 0, 4, "Max-Age"),
	ROW(OPT_URI_QUERY, OPT_STRING, REQ | REPEAT_REQ, 0, 255, "Uri-Query"),
	ROW(OPT_HOP_LIMIT, OPT_UINT, REQ, 1, 1, "Hop-Limit"),                          /* RFC 8768 3 */
	ROW(OPT_ACCEPT, OPT_UINT, REQ, 0, 2, "Accept"),
	ROW(OPT_LOCATION_QUERY, OPT_STRING, RESP | REPEAT_RESP, 0, 255, "Location-Query"),
	ROW(OPT_BLOCK2, OPT_UINT, BOTH, 0, 3, "Block2"),                               /* RFC 7959 2.1 */
	ROW(OPT_BLOCK1, OPT_UINT, BOTH, 0, 3, "Block1"),
	ROW(OPT_SIZE2, OPT_UINT, BOTH, 0, 4, "Size2"),                                 /* RFC 7959 4 */
	ROW(OPT_PROXY_URI, OPT_STRING, REQ, 1, URI_MAX_BYTES, "Proxy-Uri"),
	ROW(OPT_PROXY_SCHEME, OPT_STRING, REQ, 1, 255, "Proxy-Scheme"),
	ROW(OPT_SIZE1, OPT_UINT, BOTH, 0, 4, "Size1"),
};
#undef ROW
static const struct opt_row high[] = {
	{OPT_ECHO, OPT_OPAQUE, BOTH, 1, 40, "Echo"},                                /* RFC 9175 2.2 */
	{OPT_NO_RESPONSE, OPT_UINT, REQ, 0, 1, "No-Response"},                      /* RFC 7967 2 */
	{OPT_REQUEST_TAG, OPT_OPAQUE, REQ | REPEAT_REQ, 0, 8, "Request-Tag"},       /* RFC 9175 3.2 */
};

const struct opt_row *opt_row(uint16_t number)
{
	if (number < sizeof(low) / sizeof(low[0]))
		return low[number].name != NULL ? &low[number] : NULL;
	for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++)
		if (high[i].number == number)
			return &high[i];
	return NULL;
}

/* Bytes of a uint behind its leading zeros, which a recipient has to accept (RFC 7252 3.2). */
static unsigned uint_significant(const struct msg_option *o)
{
	unsigned zeros = 0;

	while (zeros < o->len && o->value[zeros] == 0)
		zeros++;
	return o->len - zeros;
}

static bool length_is_legal(const struct opt_row *row, const struct msg_option *o)
{
	/* with one legal length only (Hop-Limit) a leading zero is a wrong length */
	if (row->format == OPT_UINT && row->min_len != row->max_len)
		return uint_significant(o) <= row->max_len;
	return o->len >= row->min_len && o->len <= row->max_len;
}

bool opt_is_recognised(const struct msg_option *o, uint8_t code, unsigned earlier)
{
	const struct opt_row *row = opt_row(o->number);
	bool request = msg_code_is_request(code);

	if (!row || !(request || msg_code_is_response(code)))
		return false;
	if (!(row->use & (request ? REQ : RESP)))
		return false;
	if (earlier > 0 && !(row->use & (request ? REPEAT_REQ : REPEAT_RESP)))
		return false;
	/* observing is defined for two methods: RFC 7641 2, RFC 8132 2.4 */
	if (o->number == OPT_OBSERVE && request && code != CODE_GET && code != CODE_FETCH)
		return false;
	return length_is_legal(row, o);
}

int opt_block_parse(struct opt_block *b, const struct msg_option *o)
{
	uint32_t value;

	if (uint_significant(o) > 3 || msg_uint(o, &value))
		return -1;
	b->num = value >> 4;
	b->more = value >> 3 & 1;
	b->szx = value & 7;
	return 0;
}

uint32_t opt_block_value(const struct opt_block *b)
{
	return b->num << 4 | (uint32_t)b->more << 3 | b->szx;
}

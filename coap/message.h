/*
 * message - a CoAP message as a view of received bytes, and the writer of an outgoing one (RFC 7252 3, RFC 8974 2.1).
 *
 * A view allocates nothing and copies nothing: it points into the bytes it was parsed from and is valid as long as they
 * are. Options are encoded and decoded with libcoap's codec (coap_opt_parse, coap_opt_encode); limits are ours.
 */
#ifndef COAP_MESSAGE_H
#define COAP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"

/* Linux has a socket flag MSG_RST, which nothing here uses; the name is ours. */
#undef MSG_RST
#define MSG_RST MSG_RESET
enum msg_type { MSG_CON, MSG_NON, MSG_ACK, MSG_RESET };

enum {
	MSG_HEADER = 4,
	MSG_OPTIONS_MAX = 96,     /* options of one message; more is a format error */
	MSG_TOKEN_MAX = 65804,    /* RFC 8974 2.1 */
	MSG_TOKEN_BASE = 8,       /* RFC 7252 3 */
	MSG_DATAGRAM_MAX = 2048,  /* bytes of a datagram that are read; longer ones are seen as truncated */
	MSG_MAX = 18432,          /* bytes of any message, in the form of a datagram: 16 kB of payload, and options */
};

#define MSG_CODE(class, detail) ((class) << 5 | (detail))
#define MSG_CLASS(code) ((code) >> 5)

enum msg_code {
	CODE_EMPTY = 0,
	CODE_GET = 1, CODE_POST, CODE_PUT, CODE_DELETE, CODE_FETCH, CODE_PATCH, CODE_IPATCH,
	CODE_CREATED = MSG_CODE(2, 1), CODE_DELETED, CODE_VALID, CODE_CHANGED, CODE_CONTENT,
	CODE_CONTINUE = MSG_CODE(2, 31),
	CODE_BAD_REQUEST = MSG_CODE(4, 0), CODE_UNAUTHORIZED, CODE_BAD_OPTION, CODE_FORBIDDEN, CODE_NOT_FOUND,
	CODE_METHOD_NOT_ALLOWED, CODE_NOT_ACCEPTABLE,
	CODE_REQUEST_INCOMPLETE = MSG_CODE(4, 8), CODE_TOO_LARGE = MSG_CODE(4, 13), CODE_TOO_MANY = MSG_CODE(4, 29),
	CODE_INTERNAL = MSG_CODE(5, 0), CODE_NOT_IMPLEMENTED, CODE_BAD_GATEWAY, CODE_UNAVAILABLE, CODE_GATEWAY_TIMEOUT,
	CODE_NO_PROXY,
	CODE_HOP_LIMIT = MSG_CODE(5, 8),
};

static inline bool msg_code_is_request(uint8_t code)
{
	return code != 0 && MSG_CLASS(code) == 0;
}

static inline bool msg_code_is_response(uint8_t code)
{
	return MSG_CLASS(code) >= 2 && MSG_CLASS(code) <= 5;
}

struct msg_option {
	uint16_t number;
	uint16_t len;
	const uint8_t *value;
};

struct msg_view {
	const uint8_t *bytes; /* the whole message */
	size_t len;
	const uint8_t *token;
	const uint8_t *payload; /* NULL if there is none */
	size_t payload_len;
	uint32_t token_len;
	uint16_t mid;
	uint8_t type; /* enum msg_type */
	uint8_t code;
	uint16_t option_count;
	struct msg_option options[MSG_OPTIONS_MAX]; /* in the order of the message, so sorted by number */
};

/* What msg_parse_datagram() found. Everything but MSG_OK leaves only type, code, mid (and token where the header was
 * sound: `token` non-NULL) to be used. */
enum msg_result {
	MSG_OK,
	MSG_IGNORE,       /* shorter than a header, or version not 1: no reaction at all (RFC 7252 3) */
	MSG_FORMAT_ERROR, /* the message is to be rejected (RFC 7252 4.2, 4.3) */
	MSG_TOO_MANY_OPTIONS, /* sound as far as it was read, but over MSG_OPTIONS_MAX; token is set */
};

/* Parses one datagram (borrows bytes). RFC 7252 3, 3.1, 4.1 with the extended token lengths of RFC 8974 2.1: TKL 15 is a
 * format error, an Empty message with anything behind the Message ID too, also a payload marker without payload, an
 * option number above 65535, an option that runs past the end. */
enum msg_result msg_parse_datagram(struct msg_view *m, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

/* First option with this number, or NULL. */
const struct msg_option *msg_option(const struct msg_view *m, uint16_t number);
/* How many options have this number. */
unsigned msg_option_count(const struct msg_view *m, uint16_t number);

/* The value of a uint option of at most 4 significant bytes; leading zero bytes are accepted (RFC 7252 3.2). Returns 0,
 * or -1 if the value does not fit 32 bits. */
int msg_uint(const struct msg_option *o, uint32_t *value) __attribute__((warn_unused_result));

/* An outgoing message. Options must be added in ascending order of their numbers. */
struct msg_writer {
	struct writer w;
	uint16_t last_option;
};

/* Begins a datagram message: header and token (any length up to MSG_TOKEN_MAX). */
void msg_begin(struct msg_writer *m, uint8_t *bytes, size_t capacity, enum msg_type type, uint8_t code, uint16_t mid,
	const uint8_t *token, size_t token_len);
void msg_add_option(struct msg_writer *m, uint16_t number, const void *value, size_t len);
/* Adds a uint option in its shortest form (0 is empty). */
void msg_add_uint(struct msg_writer *m, uint16_t number, uint32_t value);
void msg_add_payload(struct msg_writer *m, const void *payload, size_t len); /* nothing if len is 0 */
/* Length of the message, or 0 if it did not fit. */
size_t msg_end(const struct msg_writer *m);

/* Writes an Empty message (ACK, RST) of 4 bytes. */
void msg_write_empty(uint8_t bytes[MSG_HEADER], enum msg_type type, uint16_t mid);

/* Replaces type and Message ID of a written datagram in place. */
void msg_set_type(uint8_t *bytes, enum msg_type type);
void msg_set_mid(uint8_t *bytes, uint16_t mid);

/* "GET", "POST", ... or "0.31", "2.05": always terminated. */
enum { MSG_CODE_TEXT_MAX = 8 };
const char *msg_code_text(uint8_t code, char out[MSG_CODE_TEXT_MAX]);

#endif

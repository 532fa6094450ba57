/*
 * signal - the messages by which two peers of a connection speak about the connection itself (RFC 8323 5, RFC 8974 2.2.1).
 *
 * All are in datagram form (coap/stream.h). The numbers of their options mean something else with each code.
 */
#ifndef COAP_SIGNAL_H
#define COAP_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coap/message.h"

enum signal_code {
	SIGNAL_CSM = MSG_CODE(7, 1), SIGNAL_PING, SIGNAL_PONG, SIGNAL_RELEASE, SIGNAL_ABORT,
};

enum {
	SIGNAL_MESSAGE_SIZE_BASE = 1152, /* RFC 8323 5.3.1 */
	SIGNAL_ALTERNATIVES_MAX = 8,     /* addresses of a Release that are kept; later ones are ignored */
};

static inline bool signal_is(uint8_t code)
{
	return MSG_CLASS(code) == 7;
}

/* What one side has said of itself by the CSMs it sent so far. */
struct signal_settings {
	uint32_t message_size; /* largest frame it takes, header included */
	uint32_t token_length; /* longest token of a request it takes: MSG_TOKEN_BASE to MSG_TOKEN_MAX */
	bool blockwise;        /* knows Block1 and Block2 */
};

/* What holds before a CSM says otherwise. */
void signal_settings_init(struct signal_settings *s);

/* True if blocks of SZX 7, several times 1024 bytes, may be sent to a peer that said this (RFC 8323 5.3.2, 6). */
static inline bool signal_settings_take_bert(const struct signal_settings *s)
{
	return s->blockwise && s->message_size > SIGNAL_MESSAGE_SIZE_BASE;
}

struct signal_text {
	const char *text; /* not terminated */
	size_t len;
};

/* A signal as a view of the message it was parsed from. What its code does not have is 0. */
struct signal {
	uint8_t code;
	bool custody;        /* Ping: answer when earlier requests are answered; Pong: was done (RFC 8323 5.4.1) */
	uint16_t bad_option; /* Abort: the Bad-CSM-Option it names; with SIGNAL_BAD_OPTION: ours to name */
	uint32_t hold_off;   /* Release: seconds in which not to come back */
	unsigned alternative_count;
	struct signal_text alternatives[SIGNAL_ALTERNATIVES_MAX]; /* Release: where else to go; 1 to 255 bytes each, of any kind */
	struct signal_text diagnostic; /* the payload, of any code (RFC 8323 5.2) */
};

enum signal_result {
	SIGNAL_OK,
	SIGNAL_UNKNOWN,    /* a code of class 7 that has no meaning yet; to be ignored */
	SIGNAL_BAD_OPTION, /* s->bad_option is critical and not known: the connection is to be aborted (RFC 8323 5.2) */
};

/* Takes apart a message whose code signal_is() (borrows it as long as *s is used). A CSM also changes *peer, option by option: what it does
 * not name stays as it was (RFC 8323 5.3). Elective options that are not known, have an illegal length, or are
 * there once too often are ignored (RFC 7252 5.4.1, 5.4.3, 5.4.5), so is a token length below 8; one above MSG_TOKEN_MAX counts as that
 * (RFC 8974 2.2.1). With SIGNAL_BAD_OPTION *peer is as it was. */
enum signal_result signal_parse(struct signal *s, struct signal_settings *peer, const struct msg_view *m)
	__attribute__((warn_unused_result));

/* Each writes a whole message in datagram form and returns its length, or 0 if it did not fit. */

size_t signal_write_csm(uint8_t *bytes, size_t capacity, const struct signal_settings *ours);
/* code: SIGNAL_PING, or SIGNAL_PONG with the token of the Ping. */
size_t signal_write_ping(uint8_t *bytes, size_t capacity, enum signal_code code, const uint8_t *token, size_t token_len, bool custody);
/* alternative: host, or host and port, of 1 to 255 bytes, NULL for none; hold_off in seconds, 0 for none, at most 24 bits. */
size_t signal_write_release(uint8_t *bytes, size_t capacity, const char *alternative, uint32_t hold_off);
/* bad_option: the option of a CSM that is the reason, or 0; diagnostic: a text for people, cut off where there is no room for all of it. */
size_t signal_write_abort(uint8_t *bytes, size_t capacity, uint16_t bad_option, const char *diagnostic);

#endif

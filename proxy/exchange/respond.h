/*
 * respond - the one place where a client is answered: with what the origin said, or with an error of ours.
 *
 * The answer to a CON is piggybacked until an Empty ACK was sent, separate afterwards (RFC 7252 5.2); the answer to a NON
 * is NON. Each function only sends; the caller ends the exchange.
 */
#ifndef PROXY_EXCHANGE_RESPOND_H
#define PROXY_EXCHANGE_RESPOND_H

#include "proxy/exchange/proxy.h"

/* Answers with the row of `e`; `offender` is the option at fault or 0 (RFC 9290 body, where the client accepts it). */
void respond_error(struct proxy *p, struct exchange *x, enum error e, uint16_t offender);

/* Answers with the origin's response (checked by outer_check_response() before). Returns false if the client got something
 * else, or nothing, because it is not known to be where it says (RFC 9175 2.4). */
bool respond_relay(struct proxy *p, struct exchange *x, const struct msg_view *response);

/* How long an answer to x may be: all of a datagram, or what may be sent to a client who was never seen (RFC 9175 2.4). */
size_t respond_size_limit(const struct exchange *x);

/* Sends the Empty ACK of a CON request, once. */
void respond_acknowledge(struct proxy *p, struct exchange *x);

/* Relays a notification, `age` microseconds after it came. Returns the delivery if it left (or waits) as CON, else NULL. */
struct delivery *respond_notify(struct proxy *p, struct exchange *x, const struct msg_view *notification, bool confirmable,
	uint64_t age);

/* The same in the place of the notification under way. */
void respond_supersede(struct proxy *p, struct exchange *x, const struct msg_view *notification, uint64_t age);

/* A message of ours that is no proxying: code, Content-Format and payload. */
void respond_content(struct proxy *p, struct exchange *x, uint8_t code, int content_format, const void *payload, size_t len);

/* A document of ours of any length: whole if it is short, else the block of it that is asked for, as a server that keeps no state would
 * (RFC 7959 2.4). */
void respond_document(struct proxy *p, struct exchange *x, unsigned content_format, const void *bytes, size_t len);

/* A RST, or an Empty ACK, without any state. */
void respond_empty(unsigned listener, const struct endpoint *peer, const struct local_address *local, enum msg_type type,
	uint16_t mid);

#endif

/*
 * reachability - is a client really at the address it claims? (RFC 9175 2.4 item 3, RFC 7252 11.3)
 *
 * An endpoint is verified for some minutes by an Echo of ours that came back, or by an ACK that repeats a random Message
 * ID of ours. Clients of trusted networks need neither.
 */
#ifndef PROXY_EXCHANGE_REACHABILITY_H
#define PROXY_EXCHANGE_REACHABILITY_H

#include "proxy/exchange/proxy.h"

enum { ECHO_LENGTH = 12, UNVERIFIED_FACTOR = 3, UNVERIFIED_BYTES = 136 };

bool reachability_is_trusted(const struct proxy *p, const struct endpoint *peer);
bool reachability_is_verified(const struct client *c);
void reachability_set_verified(struct proxy *p, struct client *c);

/* Writes our Echo value for a client: time and a keyed hash over its address and the time. */
void reachability_make_echo(const struct proxy *p, const struct endpoint *peer, uint8_t echo[ECHO_LENGTH]);
/* True if the value is one of ours for this client and not older than verified-for. */
bool reachability_check_echo(const struct proxy *p, const struct endpoint *peer, const uint8_t *echo, size_t len);

/* Takes len bytes from the allowance of the client's /24 or /48; false if it is used up. */
bool reachability_take_rate(struct proxy *p, const struct endpoint *peer, size_t len);

#endif

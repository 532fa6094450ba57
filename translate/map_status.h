/*
 * map_status - CoAP response codes to HTTP statuses and back (RFC 8075 7, RFC 7252 10.1 and 10.2, RFC 8613 11).
 *
 * Pure: tables, the first row that fits counts. What the header fields say besides (Retry-After, Location, ETag) is not here.
 */
#ifndef TRANSLATE_MAP_STATUS_H
#define TRANSLATE_MAP_STATUS_H

#include <stdbool.h>
#include <stdint.h>

struct status_of_code {
	uint16_t status;    /* 0: never leaves the gateway, or no response code; 502 is what is left to the caller */
	const char *reason; /* NULL: the standard one */
};

/* What the status depends on besides the code. */
struct status_question {
	bool has_payload;
	bool conditional;   /* the HTTP request was, and validation may be told as 304 */
	bool blame_request; /* 4.02: the option came from a field of the client */
	bool slow_sender;   /* 4.08: the client was too slow with its body */
	bool behind_parent; /* 5.05: the request went to another proxy */
};

struct status_of_code status_of_code(uint8_t code, const struct status_question *q);

/* What the code depends on besides the status. */
struct code_question {
	uint8_t method; /* CoAP request code */
	bool oscore;    /* the answer carries the OSCORE field */
	bool observing; /* the request was an Outer FETCH with Observe */
	bool validated; /* the request had an If-None-Match of the client's own ETag */
};

/* The CoAP code of a final HTTP status; 5.02 for what has none. An answer with an OSCORE field and another status than 200 is no OSCORE
 * message (RFC 8613 11.1) and gives 5.02; that an OSCORE request was answered without the field is the caller's to see. 425 gives 5.03, to
 * which Max-Age 0 belongs. */
uint8_t code_of_status(unsigned status, const struct code_question *q);

/* True for the redirects that an OSCORE request may follow, field and body sent again (RFC 8613 11.1): 307, 308. */
bool status_may_be_followed(unsigned status);

#endif

/*
 * map_response - the heads of responses between CoAP and HTTP, both ways (RFC 7252 10, RFC 8075 6 and 7, RFC 8613 11).
 *
 * Pure. Content is never touched; what frames it (Content-Length, Transfer-Encoding) and what blocks need is the caller's.
 */
#ifndef TRANSLATE_MAP_RESPONSE_H
#define TRANSLATE_MAP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "coap/uri.h"
#include "translate/http_message.h"
#include "translate/map_media.h"
#include "translate/map_status.h"

enum { LOCATION_MAX = 2 * URI_MAX };

/* ---- CoAP to HTTP ---- */

/* Maps the URI of a resource that a device has made into the space this gateway hosts. Writes at most room bytes, returns the length, or
 * -1 if the resource has no name there. */
typedef int response_locate(void *arg, const char *uri, size_t len, char *out, size_t room);

/* What is known of the request that is answered. */
struct response_question {
	struct status_question about; /* has_payload is read from the message */
	bool oscore;            /* it was an OSCORE message */
	bool legacy;            /* and its header field had the name of the drafts */
	bool identified;        /* the client was told apart by something that caches do not see: its certificate, its address */
	uint32_t age;           /* seconds since the response was made */
	const char *allow;      /* the methods that the resource has, if they are known: 4.05 becomes 405 */
	const char *date;       /* the value of Date; NULL: none is written */
	const struct uri *target;   /* what was asked; NULL: no Location */
	response_locate *locate;    /* called before this returns; NULL: no Location */
	void *locate_arg;
};

/* Writes status line and fields, but for framing and the empty line. Returns the status; or 0 if HTTP has nothing to be told: a code
 * that stays inside, a critical option that is not understood, Content-Format 10001, 2.03 without ETag or
 * to a request without a condition, an OSCORE message that nobody asked
 * for or that cannot be one (code, option, no payload). Then w holds rubbish, and the caller answers 502. Whether w was too small is in
 * w->failed.
 *
 * Content-Type, with Content-Encoding, is the one of the Content-Format; without one, an error's payload is a diagnostic message
 * (text/plain;charset=utf-8), and any other payload has no Content-Type: RFC 7252 5.5.1 gives it no type, and RFC 9110 8.3 leaves to the
 * recipient what to make of it. A diagnostic never becomes part of the status line.
 *
 * Cache-Control is always there: max-age is Max-Age, 60 if absent, less `age`; what CoAP does not let be kept (2.01, 2.02, 2.04, unknown
 * successes), errors about one request or one client (4.02, 4.08, 4.12, 4.29, 5.08, a challenge) and all that answers an OSCORE request are
 * no-store. Retry-After is the Max-Age of 5.03, if present, and of 4.29. 4.01 with
 * Echo is 503 to be retried at once: whoever gets here could not answer the challenge (RFC 9175 2.3). 204 and 304 have no content, and
 * those that answer HEAD have none in spite of their fields. */
unsigned map_response_write_http(struct writer *w, const struct msg_view *m, const struct response_question *q);

/* ---- HTTP to CoAP ---- */

/* What is known of the request that is answered. */
struct origin_question {
	const struct msg_view *request; /* the CoAP request: method, Observe, ETag, Accept and OSCORE are looked at */
	struct media_policy media;
	bool legacy_header;       /* Object-Security is OSCORE's header field as well */
	const struct uri *target; /* what was asked of the HTTP server; NULL: Location is dropped */
	uint32_t resident;        /* seconds for which the response has been here */
};

struct origin_answer {
	size_t len;     /* of the message */
	bool drop_body; /* the response's content is not for the client */
};

/* Writes the CoAP response in the form of a datagram: ACK, Message ID 0, no token, no payload. ERR_NONE; ERR_BAD_RESPONSE where the answer
 * cannot be told: 1xx, 206, half of an OSCORE message, one that nobody asked for, a success other than 200 to an OSCORE request (RFC 8613
 * 11.1), 304 whose tag is none of the request's; ERR_RESPONSE_FORMAT for a success whose content no Content-Format stands for (RFC 7252
 * 10.1.1 wants it set accordingly; with the loose mapping there is one for all that has no coding); ERR_RESPONSE_SIZE if it does not fit.
 *
 * The content of an error is kept as diagnostic message if it is text/plain without a coding, or under its Content-Format, else dropped. A
 * 200 in another format than the one that Accept demands becomes 4.06. Max-Age is what is left of freshness, 0 where nothing is promised
 * (map_freshness); for 5.03 and 4.29 it is Retry-After; 0 for errors that answer an OSCORE request (RFC 8613 4.1.3.1). Location becomes
 * Location-Path and Location-Query if it is of the same origin, and is dropped otherwise. */
enum error map_response_of_http(const struct http_head *head, const struct origin_question *q, uint8_t *bytes, size_t room,
	struct origin_answer *answer);

/* True if the response sends an OSCORE request elsewhere in a way that keeps method and body (307, 308; RFC 8613 11.1), with the one
 * Location it has. Whether the new target may be asked is for policy to say; if not, map_response_of_http() makes it 5.02. All other
 * redirections, and those of other requests, end here. */
bool map_response_redirects(const struct http_head *head, const struct msg_view *request, struct http_text *location);

#endif

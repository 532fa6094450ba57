/*
 * errors - the one table of everything that can go wrong with a message: what the peer is told and what is counted.
 *
 * Columns: name, class, CoAP code, code towards a request that carried OSCORE, HTTP status, counter, text.
 * Codes for OSCORE requests are the ones that OSCORE clients take unprotected: 4.00 4.01 4.02 4.04 4.13 5.02 5.03 5.04
 * 5.05; the codes of the Outer block layer (4.08, 4.13) and 5.08 stay what they are. The text is the diagnostic payload
 * (RFC 7252 5.5.2): short, for a person, without address or key.
 *
 * Three classes that are never mixed: the peer's fault (answered and counted), the network's or the origin's (answered
 * and counted), ours (5.00 or 5.03, and a warning in the log).
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#include <stdint.h>

#define COAP_CODE(class, detail) ((class) << 5 | (detail))

/*        name                  class   CoAP            OSCORE          HTTP counter                 text */
#define ERRORS_TABLE(X)                                                                                                         \
	X(ERR_BAD_REQUEST,      PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_bad_request",   "Bad request")            \
	X(ERR_BAD_OPTION,       PEER,   COAP_CODE(4, 2),  COAP_CODE(4, 2),  400, "refused_bad_option",    "Option not understood")  \
	X(ERR_BAD_URI,          PEER,   COAP_CODE(4, 2),  COAP_CODE(4, 2),  400, "refused_bad_uri",       "Not a valid target URI") \
	X(ERR_BLOCK_SIZE,       PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_block",         "Bad block option")       \
	X(ERR_HOP_LIMIT_VALUE,  PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_hop_limit",     "Bad Hop-Limit")          \
	X(ERR_NO_ROUTE,         PEER,   COAP_CODE(4, 4),  COAP_CODE(4, 4),  404, "refused_no_route",      "No such resource here")  \
	X(ERR_NO_ROUTE_FORWARD, PEER,   COAP_CODE(5, 5),  COAP_CODE(5, 5),  501, "refused_no_proxy",      "Not a proxy for that target") \
	X(ERR_FORBIDDEN,        PEER,   COAP_CODE(4, 3),  COAP_CODE(4, 1),  403, "refused_forbidden",     "Forbidden by policy")    \
	X(ERR_ADDRESS,          PEER,   COAP_CODE(4, 3),  COAP_CODE(4, 1),  403, "refused_address",       "Target address not allowed") \
	X(ERR_METHOD,           PEER,   COAP_CODE(4, 5),  COAP_CODE(4, 1),  405, "refused_method",        "Method not allowed here") \
	X(ERR_METHOD_UNKNOWN,   PEER,   COAP_CODE(5, 1),  COAP_CODE(4, 2),  501, "refused_method_unknown", "Method not known")      \
	X(ERR_OSCORE_REQUIRED,  PEER,   COAP_CODE(4, 1),  COAP_CODE(4, 1),  403, "refused_unprotected",   "OSCORE is required here") \
	X(ERR_SCHEME_MISSING,   PEER,   COAP_CODE(4, 2),  COAP_CODE(4, 2),  400, "refused_no_scheme",     "No scheme in the target URI") \
	X(ERR_SCHEME,           PEER,   COAP_CODE(5, 5),  COAP_CODE(5, 5),  501, "refused_scheme",        "Scheme not supported")   \
	X(ERR_CREDENTIALS,      PEER,   COAP_CODE(4, 1),  COAP_CODE(4, 1),  401, "refused_credentials",   "Credentials are needed")  \
	X(ERR_IDENTITY,         PEER,   COAP_CODE(4, 3),  COAP_CODE(4, 1),  403, "refused_identity",      "Not for this identity")  \
	X(ERR_BARE_HTTP,        PEER,   COAP_CODE(4, 3),  COAP_CODE(4, 1),  403, "refused_bare_http",     "Over https alone")       \
	X(ERR_MEDIA_TYPE,       PEER,   COAP_CODE(4, 15), COAP_CODE(4, 0),  415, "refused_media_type",    "Media type not supported") \
	X(ERR_HALF_OSCORE,      PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_half_oscore",   "Neither plain nor OSCORE") \
	X(ERR_HTTP_METHOD,      PEER,   COAP_CODE(5, 1),  COAP_CODE(4, 2),  501, "refused_http_method",   "No such method in CoAP")  \
	X(ERR_SENDER_SLOW,      PEER,   COAP_CODE(4, 8),  COAP_CODE(4, 8),  408, "refused_slow",          "Body did not come in time") \
	X(ERR_BODY_INCOMPLETE,  PEER,   COAP_CODE(4, 8),  COAP_CODE(4, 8),  502, "refused_incomplete",    "Blocks of the body are missing") \
	X(ERR_TOKEN_LENGTH,     PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_token",         "Token too long")         \
	X(ERR_TOO_LARGE,        PEER,   COAP_CODE(4, 13), COAP_CODE(4, 13), 413, "refused_too_large",     "Message too large")      \
	X(ERR_CHALLENGE,        PEER,   COAP_CODE(4, 1),  COAP_CODE(4, 1),  401, "challenged",            "")                       \
	X(ERR_READ_DENIED,      PEER,   COAP_CODE(4, 3),  COAP_CODE(4, 1),  403, "refused_by_reading",    "Forbidden by policy")    \
	X(ERR_READ_UNKNOWN,     PEER,   COAP_CODE(4, 1),  COAP_CODE(4, 1),  403, "refused_unknown_context", "Security context not found") \
	X(ERR_READ_BAD,         PEER,   COAP_CODE(4, 0),  COAP_CODE(4, 0),  400, "refused_decryption",    "Decryption failed")      \
	X(ERR_READ_MALFORMED,   PEER,   COAP_CODE(4, 2),  COAP_CODE(4, 2),  400, "refused_cose",          "Failed to decode COSE")  \
	X(ERR_READ_CLOSED,      PEER,   COAP_CODE(4, 1),  COAP_CODE(4, 1),  403, "refused_closed_context", "Security context closed") \
	X(ERR_READ_RATE,        PEER,   COAP_CODE(4, 29), COAP_CODE(5, 3),  429, "refused_read_rate",     "Too many requests")      \
	X(ERR_CLIENT_LIMIT,     PEER,   COAP_CODE(4, 29), COAP_CODE(5, 3),  429, "refused_client_limit",  "Too many requests at once") \
	X(ERR_HOP_LIMIT,        PEER,   COAP_CODE(5, 8),  COAP_CODE(5, 8),  508, "refused_hops",          "")                       \
	X(ERR_LOOP,             PEER,   COAP_CODE(5, 8),  COAP_CODE(5, 8),  508, "refused_loop",          "")                       \
	X(ERR_ORIGIN_LIMIT,     ORIGIN, COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_origin_limit",  "Origin is busy")         \
	X(ERR_ORIGIN_RESTING,   ORIGIN, COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_origin_rests",  "Origin is resting")      \
	X(ERR_SESSION_ABSENT,   ORIGIN, COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "session_absent",        "Not connected now")      \
	X(ERR_MESSAGE_IDS,      ORIGIN, COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_message_ids",   "Origin is busy")         \
	X(ERR_ORIGIN_TIMEOUT,   ORIGIN, COAP_CODE(5, 4),  COAP_CODE(5, 4),  504, "origin_timeout",        "No answer from the origin") \
	X(ERR_ORIGIN_RESET,     ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "origin_reset",          "Origin rejected the message") \
	X(ERR_UNREACHABLE,      ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "origin_unreachable",    "Origin unreachable")     \
	X(ERR_ORIGIN_LOST,      ORIGIN, COAP_CODE(5, 4),  COAP_CODE(5, 4),  504, "origin_lost",           "Connection to the origin ended") \
	X(ERR_NAME,             ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "name_failed",           "Name did not resolve")   \
	X(ERR_BAD_RESPONSE,     ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "origin_bad_response",   "Origin's answer not understood") \
	X(ERR_RESPONSE_FORMAT,  ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "origin_media_type",     "No Content-Format for the origin's content") \
	X(ERR_RESPONSE_SIZE,    ORIGIN, COAP_CODE(5, 2),  COAP_CODE(5, 2),  502, "origin_too_large",      "Origin's answer too large") \
	X(ERR_OVERLOAD,         OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_overload",      "Gateway is busy")        \
	X(ERR_READER_ABSENT,    OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_reader_absent", "Gateway cannot read now") \
	X(ERR_READER_LATE,      OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_reader_late",   "Gateway did not read it in time") \
	X(ERR_READER_FULL,      OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_reader_queue",  "Gateway is busy reading") \
	X(ERR_READER_FAILED,    OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_reader_failed", "Gateway failed to read")  \
	X(ERR_RETURN_PORTS,     OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_return_ports",  "No return path left")    \
	X(ERR_DRAINING,         OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_draining",      "Gateway is closing down") \
	X(ERR_WITHDRAWN,        OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "withdrawn",             "No longer allowed here") \
	X(ERR_LOST_UNSENT,      OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "lost_unsent",           "Gateway lost the request") \
	X(ERR_LOST_SENT,        OURS,   COAP_CODE(5, 4),  COAP_CODE(5, 4),  504, "lost_sent",             "Gateway lost track of the request") \
	X(ERR_DUPLICATES_FULL,  OURS,   COAP_CODE(5, 3),  COAP_CODE(5, 3),  503, "refused_duplicates",    "Gateway is busy")        \
	X(ERR_INTERNAL,         OURS,   COAP_CODE(5, 0),  COAP_CODE(5, 3),  500, "internal_error",        "Internal error")

enum error_class { ERROR_PEER, ERROR_ORIGIN, ERROR_OURS };

enum error {
	ERR_NONE,
#define X(name, class, coap, oscore, http, counter, text) name,
	ERRORS_TABLE(X)
#undef X
	ERR_COUNT
};

struct error_row {
	const char *name;
	enum error_class class;
	uint8_t coap_code, oscore_code;
	uint16_t http_status;
	const char *counter, *text;
};

/* The row of e; ERR_NONE and values out of range give the row of ERR_INTERNAL. */
const struct error_row *error_row(enum error e);

#endif

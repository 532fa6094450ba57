#include "translate/map_status.h"

#include <stddef.h>

#include "coap/message.h"

enum {
	CODE_CONFLICT = MSG_CODE(4, 9),
	CODE_PRECONDITION = MSG_CODE(4, 12),
	CODE_FORMAT = MSG_CODE(4, 15),
	CODE_UNPROCESSABLE = MSG_CODE(4, 22),
};

/* ---- CoAP to HTTP ---- */

enum code_condition { ALWAYS, WITH_PAYLOAD, CONDITIONAL, BLAMES_REQUEST, SLOW_SENDER, BEHIND_PARENT };

/* RFC 8075 7 with its notes; 4.08: RFC 7959 5; 5.08: RFC 8768 5; 4.09, 4.22 and 4.29 mean the same on both sides. */
static const struct {
	uint8_t code;
	uint8_t condition; /* enum code_condition */
	uint16_t status;
	const char *reason;
} code_rows[] = {
	{CODE_CONTENT, ALWAYS, 200, NULL},
	{CODE_CREATED, ALWAYS, 201, NULL},
	{CODE_DELETED, WITH_PAYLOAD, 200, NULL},
	{CODE_DELETED, ALWAYS, 204, NULL},
	{CODE_VALID, CONDITIONAL, 304, NULL},
	{CODE_VALID, ALWAYS, 200, NULL},
	{CODE_CHANGED, WITH_PAYLOAD, 200, NULL},
	{CODE_CHANGED, ALWAYS, 204, NULL},
	{CODE_CONTINUE, ALWAYS, 0, NULL},
	{CODE_BAD_REQUEST, ALWAYS, 400, NULL},
	{CODE_UNAUTHORIZED, ALWAYS, 403, NULL}, /* no challenge goes with it, as 401 would need */
	{CODE_BAD_OPTION, BLAMES_REQUEST, 400, NULL},
	{CODE_BAD_OPTION, ALWAYS, 500, NULL},
	{CODE_FORBIDDEN, ALWAYS, 403, NULL},
	{CODE_NOT_FOUND, ALWAYS, 404, NULL},
	{CODE_METHOD_NOT_ALLOWED, ALWAYS, 400, "CoAP server returned 4.05"}, /* 405 must list the methods, which nobody knows */
	{CODE_NOT_ACCEPTABLE, ALWAYS, 406, NULL},
	{CODE_REQUEST_INCOMPLETE, SLOW_SENDER, 408, NULL},
	{CODE_REQUEST_INCOMPLETE, ALWAYS, 0, NULL},
	{CODE_CONFLICT, ALWAYS, 409, NULL},
	{CODE_PRECONDITION, ALWAYS, 412, NULL},
	{CODE_TOO_LARGE, ALWAYS, 413, NULL},
	{CODE_FORMAT, ALWAYS, 415, NULL},
	{CODE_UNPROCESSABLE, ALWAYS, 422, NULL},
	{CODE_TOO_MANY, ALWAYS, 429, NULL},
	{CODE_INTERNAL, ALWAYS, 500, NULL},
	{CODE_NOT_IMPLEMENTED, ALWAYS, 501, NULL},
	{CODE_BAD_GATEWAY, ALWAYS, 502, NULL},
	{CODE_UNAVAILABLE, ALWAYS, 503, NULL},
	{CODE_GATEWAY_TIMEOUT, ALWAYS, 504, NULL},
	{CODE_NO_PROXY, BEHIND_PARENT, 502, NULL},
	{CODE_HOP_LIMIT, ALWAYS, 508, NULL},
};

static bool code_condition_holds(uint8_t condition, const struct status_question *q)
{
	switch ((enum code_condition)condition) {
	case ALWAYS: return true;
	case WITH_PAYLOAD: return q->has_payload;
	case CONDITIONAL: return q->conditional;
	case BLAMES_REQUEST: return q->blame_request;
	case SLOW_SENDER: return q->slow_sender;
	case BEHIND_PARENT: return q->behind_parent;
	}
	return false;
}

/* A code without a row is taken for x.00 of its class (RFC 7252 5.9). */
static uint16_t status_of_class(uint8_t code, bool has_payload)
{
	switch (MSG_CLASS(code)) {
	case 2: return has_payload ? 200 : 204;
	case 4: return 400;
	case 5: return 500;
	default: return 0;
	}
}

struct status_of_code status_of_code(uint8_t code, const struct status_question *q)
{
	for (size_t i = 0; i < sizeof code_rows / sizeof code_rows[0]; i++)
		if (code_rows[i].code == code && code_condition_holds(code_rows[i].condition, q))
			return (struct status_of_code){code_rows[i].status, code_rows[i].reason};
	return (struct status_of_code){status_of_class(code, q->has_payload), NULL};
}

/* ---- HTTP to CoAP ---- */

/* What the request was about. */
enum status_condition { ANY_METHOD, RETRIEVES, CHANGES, DELETES, VALIDATED };

/* RFC 7252 10.1 and the codes of 5.9 that mean the same; 408 and 413: RFC 7959 5; 508: RFC 8768 5. Redirects have no code (RFC 8613
 * 11.1). */
static const struct {
	uint16_t first, last;
	uint8_t condition; /* enum status_condition */
	uint8_t code;
} status_rows[] = {
	{201, 201, CHANGES, CODE_CREATED},
	{202, 202, ANY_METHOD, CODE_CHANGED},
	{206, 206, ANY_METHOD, CODE_BAD_GATEWAY}, /* nobody asked for a part */
	{200, 299, RETRIEVES, CODE_CONTENT},
	{200, 299, CHANGES, CODE_CHANGED},
	{200, 299, DELETES, CODE_DELETED},
	{304, 304, VALIDATED, CODE_VALID},
	{400, 400, ANY_METHOD, CODE_BAD_REQUEST},
	{401, 401, ANY_METHOD, CODE_UNAUTHORIZED},
	{403, 403, ANY_METHOD, CODE_FORBIDDEN},
	{404, 404, DELETES, CODE_DELETED}, /* RFC 7252 10.1.3: it is not there, as was wanted */
	{410, 410, DELETES, CODE_DELETED},
	{404, 404, ANY_METHOD, CODE_NOT_FOUND},
	{405, 405, ANY_METHOD, CODE_METHOD_NOT_ALLOWED},
	{406, 406, ANY_METHOD, CODE_NOT_ACCEPTABLE},
	{407, 407, ANY_METHOD, CODE_BAD_GATEWAY}, /* what is asked of this gateway is no matter of the client */
	{408, 408, ANY_METHOD, CODE_REQUEST_INCOMPLETE},
	{409, 409, ANY_METHOD, CODE_CONFLICT},
	{410, 410, ANY_METHOD, CODE_NOT_FOUND},
	{412, 412, ANY_METHOD, CODE_PRECONDITION},
	{413, 413, ANY_METHOD, CODE_TOO_LARGE},
	{414, 414, ANY_METHOD, CODE_BAD_OPTION},
	{415, 415, ANY_METHOD, CODE_FORMAT},
	{416, 417, ANY_METHOD, CODE_BAD_GATEWAY},
	{421, 421, ANY_METHOD, CODE_BAD_GATEWAY},
	{422, 422, ANY_METHOD, CODE_UNPROCESSABLE},
	{423, 424, ANY_METHOD, CODE_CONFLICT},
	{425, 425, ANY_METHOD, CODE_UNAVAILABLE},
	{428, 428, ANY_METHOD, CODE_PRECONDITION},
	{429, 429, ANY_METHOD, CODE_TOO_MANY},
	{431, 431, ANY_METHOD, CODE_BAD_OPTION},
	{451, 451, ANY_METHOD, CODE_FORBIDDEN},
	{400, 499, ANY_METHOD, CODE_BAD_REQUEST},
	{501, 501, ANY_METHOD, CODE_NOT_IMPLEMENTED},
	{502, 502, ANY_METHOD, CODE_BAD_GATEWAY},
	{503, 503, ANY_METHOD, CODE_UNAVAILABLE},
	{504, 504, ANY_METHOD, CODE_GATEWAY_TIMEOUT},
	{505, 505, ANY_METHOD, CODE_BAD_GATEWAY},
	{508, 508, ANY_METHOD, CODE_HOP_LIMIT},
	{500, 599, ANY_METHOD, CODE_INTERNAL},
};

static bool status_condition_holds(uint8_t condition, const struct code_question *q)
{
	bool retrieves = q->method == CODE_GET || q->method == CODE_FETCH;

	switch ((enum status_condition)condition) {
	case ANY_METHOD: return true;
	case RETRIEVES: return retrieves;
	case CHANGES: return !retrieves && q->method != CODE_DELETE;
	case DELETES: return q->method == CODE_DELETE;
	case VALIDATED: return q->validated;
	}
	return false;
}

uint8_t code_of_status(unsigned status, const struct code_question *q)
{
	if (q->oscore) {
		if (status != 200)
			return CODE_BAD_GATEWAY;
		return q->observing ? CODE_CONTENT : CODE_CHANGED;
	}
	for (size_t i = 0; i < sizeof status_rows / sizeof status_rows[0]; i++)
		if (status >= status_rows[i].first && status <= status_rows[i].last && status_condition_holds(status_rows[i].condition, q))
			return status_rows[i].code;
	return CODE_BAD_GATEWAY;
}

bool status_may_be_followed(unsigned status)
{
	return status == 307 || status == 308;
}

#include "translate/map_method.h"

#include "coap/message.h"

/* RFC 7252 10.2.1 to 10.2.7, RFC 8132 2 and 3; what has no row has no method of CoAP: 501. */
static const struct {
	const char *method;
	int code;
} from_http[] = {
	{"GET", CODE_GET},       {"HEAD", CODE_GET},    {"POST", CODE_POST},   {"PUT", CODE_PUT},       {"DELETE", CODE_DELETE},
	{"FETCH", CODE_FETCH},   {"PATCH", CODE_PATCH}, {"iPATCH", CODE_IPATCH}, {"QUERY", METHOD_QUERY},
};

static const char *const to_http[] = {
	[CODE_GET] = "GET", [CODE_POST] = "POST", [CODE_PUT] = "PUT", [CODE_DELETE] = "DELETE", [CODE_PATCH] = "PATCH", [CODE_IPATCH] = "PATCH",
};

int method_of_http(struct http_text method)
{
	for (size_t i = 0; i < sizeof from_http / sizeof from_http[0]; i++)
		if (http_text_equal(method, from_http[i].method))
			return from_http[i].code;
	return METHOD_NONE;
}

const char *method_of_code(uint8_t code)
{
	return code < sizeof to_http / sizeof to_http[0] ? to_http[code] : NULL;
}

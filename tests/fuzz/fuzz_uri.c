/* objects: coap/uri.o coap/message.o base/endpoint.o */
/* measures: coap/uri.c */
/*
 * URIs. What parses is turned into options and composed again: the result is a normal form, so it parses, gives the same
 * options and composes to itself. The input is taken as an authority and as a host option too.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "coap/uri.h"
#include "tests/fuzz/fuzz.h"

enum { COMPOSED_MAX = 8192 };

struct request {
	uint8_t bytes[2 * URI_MAX + 64];
	struct msg_writer w;
	struct msg_view view;
	unsigned options;
};

static void option_write(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct request *r = arg;

	CHECK(number == OPT_URI_PATH || number == OPT_URI_QUERY);
	CHECK(len <= 255);
	if (number == OPT_URI_PATH)
		CHECK(!(len > 0 && len < 3 && memcmp(value, "..", len) == 0));
	msg_add_option(&r->w, number, value, len);
	r->options++;
}

/* Returns false if the URI gives no request: a part is too long, or there are too many. */
static bool request_make(struct request *r, const struct uri *u)
{
	msg_begin(&r->w, r->bytes, sizeof(r->bytes), MSG_CON, CODE_GET, 0, NULL, 0);
	r->options = 0;
	if (uri_each_option(u, option_write, r) != URI_OK)
		return false;
	CHECK(msg_end(&r->w) > 0);
	if (msg_parse_datagram(&r->view, r->bytes, msg_end(&r->w)) != MSG_OK) {
		CHECK(r->options > MSG_OPTIONS_MAX);
		return false;
	}
	return true;
}

static void part_lies_within(const struct uri_part *part, const char *text, size_t len)
{
	CHECK(part->len == 0 || (part->at >= text && part->at + part->len <= text + len));
}

static void uri_there_and_back(const struct uri *u)
{
	static struct request first, second;
	char host[URI_HOST_MAX + 1], again[URI_HOST_MAX + 1];
	static char composed[COMPOSED_MAX], twice[COMPOSED_MAX];
	struct uri v;
	int len;

	CHECK(uri_host_decode(&u->host, host) > 0);
	if (!request_make(&first, u))
		return;
	len = uri_compose(&first.view, u->scheme, host, u->port, composed, sizeof(composed));
	CHECK(len > 0 && (size_t)len == strlen(composed));
	if (len > URI_MAX)
		return; /* escaping made it longer than a URI may be */
	CHECK(uri_parse(&v, composed, (size_t)len) == URI_OK);
	CHECK(v.scheme == u->scheme && v.port == u->port && v.host_is_ipv6 == u->host_is_ipv6);
	CHECK(uri_host_decode(&v.host, again) > 0 && strcmp(host, again) == 0);
	CHECK(request_make(&second, &v));
	CHECK(second.view.len == first.view.len && memcmp(second.bytes, first.bytes, first.view.len) == 0);
	CHECK(uri_compose(&second.view, v.scheme, again, v.port, twice, sizeof(twice)) == len);
	CHECK(strcmp(composed, twice) == 0);
	CHECK(uri_compose(&second.view, v.scheme, again, v.port, twice, (size_t)len) == -1);
}

/* The input as options: its lines are Uri-Host, Uri-Port, then segments; one that begins with '?' is a query. */
static void composed_from_options(const uint8_t *data, size_t size)
{
	static uint8_t bytes[4096];
	static struct msg_view m;
	static char composed[3 * 4096];
	struct msg_writer w;
	const uint8_t *end = data + size;
	struct uri u;
	int len;

	msg_begin(&w, bytes, sizeof(bytes), MSG_CON, CODE_GET, 0, NULL, 0);
	for (unsigned line = 0; data < end; line++) {
		const uint8_t *stop = memchr(data, '\n', (size_t)(end - data));
		const uint8_t *next = stop ? stop + 1 : end;
		size_t n = (size_t)((stop ? stop : end) - data);

		if (line == 0)
			msg_add_option(&w, OPT_URI_HOST, data, n);
		else if (line == 1)
			msg_add_option(&w, OPT_URI_PORT, data, n);
		else if (n > 0 && *data == '?')
			msg_add_option(&w, OPT_URI_QUERY, data + 1, n - 1);
		else
			msg_add_option(&w, OPT_URI_PATH, data, n);
		data = next;
	}
	if (msg_end(&w) == 0 || msg_parse_datagram(&m, bytes, msg_end(&w)) != MSG_OK)
		return;
	len = uri_compose(&m, URI_COAP, "fe80::1%eth0", 5683, composed, sizeof(composed));
	CHECK(len == -1 || (size_t)len == strlen(composed));
	if (len > 0 && len <= URI_MAX)
		CHECK(uri_parse(&u, composed, (size_t)len) == URI_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char host[URI_HOST_MAX + 1];
	struct uri u;
	enum uri_result r = uri_parse(&u, text, size);

	CHECK(uri_result_text(r) != NULL);
	if (r == URI_OK) {
		part_lies_within(&u.host, text, size);
		part_lies_within(&u.path, text, size);
		part_lies_within(&u.query, text, size);
		CHECK(u.port != 0);
		uri_there_and_back(&u);
	}
	if (uri_parse_authority(&u, text, size) == URI_OK)
		CHECK(u.port != 0 && uri_host_decode(&u.host, host) > 0);
	if (uri_host_is_valid(data, size))
		CHECK(size > 0 && size <= URI_HOST_MAX && !memchr(data, '%', size) && !memchr(data, '/', size));
	struct uri_part part = {text, size};

	if (uri_host_decode(&part, host) > 0)
		CHECK(uri_host_is_valid((const uint8_t *)host, strlen(host)));
	composed_from_options(data, size);
	return 0;
}

/* objects: translate/map_response.o translate/map_response_http.o translate/map_oscore.o translate/map_etag.o translate/map_freshness.o */
/* objects: translate/map_status.o translate/map_media.o translate/content_formats.o translate/http_message.o */
/* objects: coap/uri.o coap/option.o coap/message.o base/endpoint.o base/errors.o */
/* measures: translate/map_response.c translate/map_response_http.c translate/map_freshness.c translate/map_status.c */
/*
 * Responses between HTTP and CoAP. The first byte picks the request that is answered, the rest is a head of HTTP or a datagram. A
 * head becomes a message that parses, with options that are recognised and may be there, and can be told to HTTP again. A datagram
 * becomes a head whose every line is one field, or nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "translate/map_response.h"

enum { BYTES = 16384 };

static const struct {
	uint8_t code;
	uint16_t number; /* one option, 0: none */
	const char *value;
	bool observe;
} requests[] = {
	{CODE_GET, 0, "", false}, {CODE_GET, OPT_ETAG, "x", false}, {CODE_GET, OPT_ACCEPT, "2", false}, {CODE_PUT, 0, "", false},
	{CODE_POST, 0, "", false}, {CODE_DELETE, 0, "", false}, {CODE_FETCH, 0, "", false}, {CODE_PATCH, 0, "", false},
	{CODE_POST, OPT_OSCORE, "\t%", false}, {CODE_FETCH, OPT_OSCORE, "\t%", true},
};

static const char target[] = "http://[2001:db8::1]:8080/a/b?c";

static void request_make(struct msg_view *v, uint8_t *bytes, size_t room, unsigned choice)
{
	struct msg_writer w;

	msg_begin(&w, bytes, room, MSG_CON, requests[choice].code, 1, NULL, 0);
	if (requests[choice].observe)
		msg_add_uint(&w, OPT_OBSERVE, 0);
	if (requests[choice].number != 0)
		msg_add_option(&w, requests[choice].number, requests[choice].value, strlen(requests[choice].value));
	CHECK(msg_parse_datagram(v, bytes, msg_end(&w)) == MSG_OK);
}

/* ---- CoAP to HTTP ---- */

static int locate(void *arg, const char *uri, size_t len, char *out, size_t room)
{
	struct uri u;

	(void)arg;
	if (len <= URI_MAX)
		CHECK(uri_parse(&u, uri, len) == URI_OK && u.port == 8080);
	return snprintf(out, room, "/hc/%.*s", (int)len, uri);
}

/* Every line of what was written must be a field. */
static void head_is_sound(const struct writer *w, unsigned status, bool oscore)
{
	static struct http_head head;
	struct http_text text = {(const char *)w->start, writer_length(w)}, line;
	size_t lines = 0;

	CHECK(heads_response(&head, text) && head.status == status && status >= 200);
	while (heads_line(&text, &line)) {
		CHECK(line.len > 0 && line.at[line.len] == '\r');
		CHECK(memchr(line.at, '\r', line.len) == NULL && memchr(line.at, '\0', line.len) == NULL);
		lines++;
	}
	CHECK(lines == head.field_count + 1);
	CHECK(http_field_count(&head, "Cache-Control") == 1 && http_field_count(&head, "Content-Type") <= 1);
	CHECK(http_field_count(&head, "OSCORE") == oscore);
	CHECK(!(status == 204 || status == 304) || http_field_count(&head, "Content-Type") == 0);
	CHECK(status != 304 || http_field_count(&head, "ETag") == 1);
}

static unsigned tell_http(const struct msg_view *m, bool oscore, bool slow)
{
	static uint8_t bytes[BYTES];
	struct uri uri;
	struct response_question q = {
		.about = {.conditional = true, .slow_sender = slow, .behind_parent = true}, .oscore = oscore, .age = 7, .allow = "GET",
		.date = "Sun, 06 Nov 1994 08:49:37 GMT", .target = &uri, .locate = locate,
	};
	struct writer w;
	unsigned status;

	CHECK(uri_parse(&uri, target, sizeof target - 1) == URI_OK);
	writer_init(&w, bytes, sizeof bytes);
	status = map_response_write_http(&w, m, &q);
	if (status != 0) {
		CHECK(!w.failed);
		head_is_sound(&w, status, msg_option(m, OPT_OSCORE) != NULL);
	}
	return status;
}

/* ---- HTTP to CoAP ---- */

static void options_are_sound(const struct msg_view *v, bool oscore_request)
{
	bool oscore = msg_option(v, OPT_OSCORE) != NULL;
	unsigned earlier = 0;

	CHECK(msg_code_is_response(v->code) && v->payload == NULL && (oscore_request || !oscore));
	for (unsigned i = 0; i < v->option_count; i++) {
		const struct msg_option *o = &v->options[i];
		uint32_t value;

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		CHECK(opt_is_recognised(o, v->code, earlier));
		if (oscore)
			CHECK(o->number == OPT_OSCORE || (o->number == OPT_MAX_AGE && o->len == 0));
		if (o->number == OPT_CONTENT_FORMAT)
			CHECK(msg_uint(o, &value) == 0 && value != 10001);
		if (o->number == OPT_ETAG)
			CHECK(MSG_CLASS(v->code) == 2);
		if (o->number == OPT_MAX_AGE && oscore_request && v->code != CODE_UNAVAILABLE && v->code != CODE_TOO_MANY)
			CHECK(o->len == 0);
	}
	CHECK(v->code != CODE_VALID || msg_option_count(v, OPT_ETAG) == 1);
}

static void take_head(const struct http_head *head, unsigned choice, bool loose)
{
	static uint8_t request_bytes[256], bytes[BYTES];
	static struct msg_view request, v;
	struct uri uri;
	struct origin_question q = {
		.request = &request, .media = {.loose = loose, .coap_payload = loose}, .legacy_header = loose, .target = &uri, .resident = 3,
	};
	bool oscore_request = requests[choice].number == OPT_OSCORE;
	struct origin_answer a;
	struct http_text location;
	enum error e;

	CHECK(uri_parse(&uri, target, sizeof target - 1) == URI_OK);
	request_make(&request, request_bytes, sizeof request_bytes, choice);
	if (map_response_redirects(head, &request, &location))
		CHECK(oscore_request && location.len > 0);
	e = map_response_of_http(head, &q, bytes, sizeof bytes, &a);
	CHECK(e == ERR_NONE || e == ERR_BAD_RESPONSE || e == ERR_RESPONSE_FORMAT);
	if (e != ERR_NONE)
		return;
	CHECK(msg_parse_datagram(&v, bytes, a.len) == MSG_OK);
	options_are_sound(&v, oscore_request);
	if (!a.drop_body) {
		memcpy(bytes + a.len, "\xff" "body", 5);
		CHECK(msg_parse_datagram(&v, bytes, a.len + 5) == MSG_OK);
	}
	CHECK(tell_http(&v, oscore_request, true) != 0);
	CHECK(map_response_of_http(head, &q, bytes, a.len - 1, &a) == ERR_RESPONSE_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	static struct msg_view v;

	if (size == 0)
		return 0;
	if (heads_response(&head, (struct http_text){(const char *)data + 1, size - 1})) {
		take_head(&head, *data % (sizeof requests / sizeof requests[0]), false);
		take_head(&head, *data % (sizeof requests / sizeof requests[0]), true);
	}
	if (msg_parse_datagram(&v, data + 1, size - 1) == MSG_OK) {
		tell_http(&v, false, *data & 1);
		tell_http(&v, true, *data & 1);
	}
	return 0;
}

/* objects: translate/map_request.o translate/map_request_http.o translate/map_oscore.o translate/map_etag.o translate/map_freshness.o */
/* objects: translate/map_media.o translate/map_method.o translate/content_formats.o translate/http_message.o */
/* objects: coap/uri.o coap/option.o coap/message.o base/endpoint.o base/errors.o */
/* measures: translate/map_request.c translate/map_request_http.c translate/map_etag.c */
/*
 * Requests between HTTP and CoAP. A head that is not refused becomes a message that parses, with options that are recognised and
 * none that must not be there; sent on to HTTP and read again it is the same request. A datagram becomes a head whose every line is
 * one field, or is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "translate/map_request.h"

enum { BYTES = 16384 };

static const char target[] = "coap://[2001:db8::1]:61616/a//b%2F?x&y=%26";

static const struct request_policy policies[] = {
	{.hop_limit = 16},
	{.media = {.loose = true, .coap_payload = true}, .legacy_header = true, .query_is_fetch = true, .hop_limit = 1,
		.hop_limit_always = true, .pseudonym = "gw"},
};

static void options_are_sound(const struct request_mapping *m, const struct msg_view *v)
{
	unsigned earlier = 0;

	CHECK(v->code == m->code && v->payload == NULL && v->option_count <= REQUEST_OPTIONS_MAX);
	for (unsigned i = 0; i < v->option_count; i++) {
		const struct msg_option *o = &v->options[i];

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		CHECK(opt_is_recognised(o, v->code, earlier));
		if (m->oscore)
			CHECK(o->number == OPT_OSCORE || o->number == OPT_HOP_LIMIT || o->number == OPT_PROXY_SCHEME ||
				o->number == OPT_URI_HOST || o->number == OPT_URI_PORT || o->number == OPT_URI_PATH || o->number == OPT_URI_QUERY);
		else
			CHECK(o->number != OPT_OSCORE);
	}
	CHECK(m->content_format != OSCORE_FORMAT);
}

/* Reads what was written for HTTP: every line must be a field. */
static void head_is_sound(struct http_head *head, const struct writer *w)
{
	struct http_text text = {(const char *)w->start, writer_length(w)}, line;
	size_t lines = 0;

	CHECK(heads_request(head, text));
	while (heads_line(&text, &line)) {
		CHECK(line.len > 0 && line.at[line.len] == '\r');
		CHECK(memchr(line.at, '\r', line.len) == NULL && memchr(line.at, '\0', line.len) == NULL);
		lines++;
	}
	CHECK(lines == head->field_count + 1);
	CHECK(http_field_count(head, "Host") == 1 && http_field_count(head, "Content-Type") <= 1);
}

/* CoAP to HTTP. Returns false if it is refused. */
static bool send_on(const struct msg_view *v, bool has_body, struct http_head *head)
{
	static const char uri_text[] = "https://[2001:db8::2]:8443/a//b%2F?x&y=%26";
	static uint8_t bytes[BYTES];
	struct uri uri;
	struct http_target t = {.uri = &uri, .has_body = has_body, .query_is_fetch = true, .pseudonym = "other"};
	struct writer w;
	enum error e;

	CHECK(uri_parse(&uri, uri_text, sizeof uri_text - 1) == URI_OK);
	writer_init(&w, bytes, sizeof bytes);
	e = map_request_write_http(&w, v, &t);
	CHECK(e == ERR_NONE || e == ERR_BAD_OPTION || e == ERR_METHOD || e == ERR_BAD_REQUEST);
	if (e != ERR_NONE)
		return false;
	CHECK(!w.failed);
	head_is_sound(head, &w);
	return true;
}

/* What HTTP is told of it must be the same request. */
static void same_again(const struct request_mapping *m, const struct msg_view *v)
{
	static struct http_head head;
	bool has_body = m->has_body || m->content_format >= 0; /* FETCH has a type, though there may be nothing of it */
	struct request_mapping again;

	CHECK(send_on(v, has_body, &head));
	head.chunked = has_body;
	map_request_read(&head, &policies[1], &again);
	/* entity-tags of a device are not those of an HTTP server */
	if (m->if_match_count > 0)
		return;
	CHECK(again.refused == 0);
	CHECK(again.code == m->code || (m->code == CODE_IPATCH && again.code == CODE_PATCH));
	CHECK(again.oscore == m->oscore && again.option_len == m->option_len && memcmp(again.option, m->option, m->option_len) == 0);
	CHECK(again.if_match_any == m->if_match_any && again.if_none_match_any == m->if_none_match_any);
	if (has_body)
		CHECK(again.content_format == m->content_format);
	/* a type without parameters asks for those of its rows that have some as well, behind the one that has none (RFC 9110 12.5.1) */
	CHECK((again.accept_count > 0) == (m->accept_count > 0));
	if (m->accept_count > 0)
		CHECK(again.accepts[0] == m->accepts[0]);
}

static void take_head(struct http_text text, const struct request_policy *policy)
{
	static struct http_head head;
	static uint8_t bytes[BYTES];
	static struct msg_view v;
	struct request_mapping m;
	struct uri uri;
	enum error e;
	size_t len;

	if (!heads_request(&head, text))
		return;
	map_request_read(&head, policy, &m);
	CHECK((m.refused != 0) == (m.why != NULL));
	if (m.refused != 0) {
		CHECK(m.refused >= 400 && m.refused <= 599);
		return;
	}
	CHECK(m.accept_count <= MEDIA_ACCEPT_MAX && m.etag_count <= REQUEST_TAGS_MAX && m.if_match_count <= REQUEST_TAGS_MAX);
	CHECK(uri_parse(&uri, target, sizeof target - 1) == URI_OK);
	len = map_request_write(&m, &uri, 0, bytes, sizeof bytes, &e);
	CHECK(len > 0 && e == ERR_NONE);
	CHECK(msg_parse_datagram(&v, bytes, len) == MSG_OK);
	options_are_sound(&m, &v);
	CHECK(map_request_write(&m, &uri, 0, bytes, len - 1, &e) == 0 && e == ERR_TOO_LARGE);

	/* the head's own target, if it is a URI */
	len = 0;
	if (uri_parse(&uri, head.target.at, head.target.len) == URI_OK) {
		len = map_request_write(&m, &uri, m.accept_count, bytes, sizeof bytes, &e);
		CHECK(len > 0 || e == ERR_BAD_URI || e == ERR_TOO_LARGE);
	}
	if (len > 0) {
		CHECK(msg_parse_datagram(&v, bytes, len) == MSG_OK);
		options_are_sound(&m, &v);
	}
	len = map_request_write(&m, NULL, 0, bytes, sizeof bytes, &e);
	CHECK(len > 0 && msg_parse_datagram(&v, bytes, len) == MSG_OK);
	options_are_sound(&m, &v);
	same_again(&m, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	static struct msg_view v;
	struct http_text text = {(const char *)data, size};

	if (size > 0 && *data >= 0x40 && *data < 0x80 && msg_parse_datagram(&v, data, size) == MSG_OK) {
		send_on(&v, v.payload_len > 0, &head);
		send_on(&v, v.payload_len == 0, &head);
	}
	for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
		take_head(text, &policies[i]);
	return 0;
}

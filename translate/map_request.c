#include "translate/map_request.h"

#include <string.h>

#include "coap/option.h"
#include "translate/map_freshness.h"
#include "translate/map_method.h"

bool map_request_has_body(uint8_t code)
{
	return code == CODE_POST || code == CODE_PUT || code == CODE_FETCH || code == CODE_PATCH || code == CODE_IPATCH;
}

/* ---- reading a head of HTTP ---- */

static enum error error_of(unsigned status)
{
	switch (status) {
	case 406: case 415:
		return ERR_MEDIA_TYPE;
	case 412:
		return ERR_NONE;
	case 501:
		return ERR_HTTP_METHOD;
	case 508:
		return ERR_LOOP;
	default:
		return ERR_BAD_REQUEST;
	}
}

/* The first reason stays. */
static void refuse(struct request_mapping *m, unsigned status, const char *why)
{
	if (m->refused == 0) {
		m->refused = status;
		m->why = why;
		m->error = error_of(status);
	}
}

static void read_method(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m)
{
	int code = method_of_http(head->method);

	if (code == METHOD_QUERY && policy->query_is_fetch)
		code = CODE_FETCH;
	if (code < 0) {
		refuse(m, 501, "CoAP has no such method");
		return;
	}
	m->code = (uint8_t)code;
	m->head_only = http_text_equal(head->method, "HEAD");
	m->has_body = head->chunked || (head->has_length && head->length > 0);
	if (m->has_body && !map_request_has_body(m->code))
		refuse(m, 400, "CoAP gives no meaning to a body of this method");
}

/* Content-Type and Content-Encoding together name one Content-Format (RFC 8075 6.1). */
static void read_content_format(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m)
{
	const struct http_field *type = http_field_find(head, "Content-Type");
	const struct http_field *coding = http_field_find(head, "Content-Encoding");
	struct http_text none = {"", 0};
	int format;

	if (!m->has_body && m->code != CODE_FETCH)
		return;
	if (http_field_count(head, "Content-Type") > 1 || http_field_count(head, "Content-Encoding") > 1) {
		refuse(m, 415, "more than one Content-Type or Content-Encoding");
	} else if (type == NULL) {
		/* these methods are about the format of what they carry (RFC 8132 2.3.1, 3) */
		if (m->code == CODE_PATCH || m->code == CODE_IPATCH || m->code == CODE_FETCH || coding != NULL)
			refuse(m, 415, "the body needs a Content-Type");
	} else {
		format = media_to_format(type->value, coding != NULL ? coding->value : none, &policy->media);
		if (format == MEDIA_MALFORMED)
			refuse(m, 400, "application/coap-payload without a sound cf");
		else if (format < 0)
			refuse(m, 415, "no Content-Format stands for this Content-Type and Content-Encoding");
		else
			m->content_format = format;
	}
}

/* True if an element of Accept asks for a stream of events. */
static bool is_event_stream(struct http_text element)
{
	const char *semicolon = memchr(element.at, ';', element.len);
	struct http_text type = element, parameters = {"", 0};

	if (semicolon != NULL) {
		type.len = (size_t)(semicolon - element.at);
		parameters = (struct http_text){semicolon, element.len - type.len};
	}
	while (type.len > 0 && (type.at[type.len - 1] == ' ' || type.at[type.len - 1] == '\t'))
		type.len--;
	return http_text_is(type, "text/event-stream") && http_quality(parameters) > 0;
}

static void read_accept(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m)
{
	bool refused = false;

	m->accept_count = media_accept(head, &policy->media, m->accepts, &refused);
	if (refused)
		refuse(m, 406, "application/coap-payload is not passed through here");
}

static bool reads_only(uint8_t code)
{
	return code == CODE_GET || code == CODE_FETCH;
}

/* One line of If-Match, by the strong comparison (RFC 9110 13.1.1). */
static void read_if_match(struct http_text list, struct request_mapping *m)
{
	struct http_text element, opaque;
	bool weak;

	while (http_list_next(&list, &element)) {
		if (http_text_equal(element, "*"))
			m->if_match_any = true;
		else if (etag_parse(element, &weak, &opaque) < 0)
			refuse(m, 400, "If-Match holds something that is no entity-tag");
		else if (m->if_match_count == REQUEST_TAGS_MAX)
			refuse(m, 400, "too many entity-tags in If-Match");
		else if (!weak && etag_of_device_text(opaque, &m->if_match[m->if_match_count]) == 0)
			m->if_match_count++;
	}
}

/* One line of If-None-Match. A tag too many only costs a repeated answer. */
static void read_if_none_match(struct http_text list, struct request_mapping *m)
{
	struct http_text element, opaque;
	bool weak;

	while (http_list_next(&list, &element)) {
		if (http_text_equal(element, "*")) {
			m->if_none_match_any = !reads_only(m->code);
		} else if (!reads_only(m->code)) {
			refuse(m, 501, "CoAP cannot protect from overwriting by If-None-Match with entity-tags");
		} else if (m->etag_count < REQUEST_TAGS_MAX && etag_parse(element, &weak, &opaque) == 0 &&
			etag_of_device_text(opaque, &m->etags[m->etag_count]) == 0) {
			m->etag_count++;
		}
	}
}

/* Prefer: wait=SECONDS (RFC 7240 4.3); the first one counts. */
static void read_prefer(struct http_text list, struct request_mapping *m)
{
	struct http_text element, name, value;

	while (m->wait == 0 && http_list_next(&list, &element)) {
		const char *equals = memchr(element.at, '=', element.len);
		const char *semicolon = memchr(element.at, ';', element.len);

		if (semicolon != NULL)
			element.len = (size_t)(semicolon - element.at);
		if (equals == NULL || (semicolon != NULL && equals > semicolon))
			continue;
		name = (struct http_text){element.at, (size_t)(equals - element.at)};
		value = (struct http_text){equals + 1, element.len - name.len - 1};
		if (http_text_is(name, "wait") && !http_seconds_parse(value, &m->wait))
			m->wait = 0;
	}
}

/* Steps over one word and the blanks in front of it. */
static struct http_text word_next(struct http_text *text)
{
	struct http_text word;

	while (text->len > 0 && (*text->at == ' ' || *text->at == '\t')) {
		text->at++;
		text->len--;
	}
	word = (struct http_text){text->at, 0};
	while (word.len < text->len && word.at[word.len] != ' ' && word.at[word.len] != '\t')
		word.len++;
	text->at += word.len;
	text->len -= word.len;
	return word;
}

/* True if an element of Via ("1.1 name (comment)", RFC 9110 7.6.3) was written by `pseudonym`. */
static bool via_is(struct http_text element, const char *pseudonym)
{
	word_next(&element); /* the protocol */
	return http_text_is(word_next(&element), pseudonym);
}

static void read_via(struct http_text list, const struct request_policy *policy, struct request_mapping *m)
{
	struct http_text element;

	if (policy->pseudonym == NULL || policy->pseudonym[0] == '\0')
		return;
	while (http_list_next(&list, &element))
		if (via_is(element, policy->pseudonym))
			refuse(m, 508, "the request was here before");
}

/* Fields that count for every message. */
static void read_hops(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m)
{
	bool seen = policy->hop_limit_always;

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *f = &head->fields[i];

		if (http_text_is(f->name, "Via"))
			read_via(f->value, policy, m);
		else if (!http_text_is(f->name, "CDN-Loop"))
			continue;
		seen = true;
	}
	m->hop_limit = seen ? policy->hop_limit : 0;
}

/* Fields that count for what is not protected. */
static void read_fields(const struct http_head *head, struct request_mapping *m)
{
	bool if_match = false;

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *f = &head->fields[i];
		struct http_text list = f->value, element;

		if (http_text_is(f->name, "If-Match")) {
			if_match = true;
			read_if_match(f->value, m);
		} else if (http_text_is(f->name, "If-None-Match")) {
			read_if_none_match(f->value, m);
		} else if (http_text_is(f->name, "Prefer")) {
			read_prefer(f->value, m);
		} else if (http_text_is(f->name, "Accept")) {
			while (http_list_next(&list, &element))
				m->observe |= reads_only(m->code) && !m->head_only && is_event_stream(element);
		}
	}
	if (if_match && !m->if_match_any && m->if_match_count == 0)
		refuse(m, 412, "no resource here has such an entity-tag");
	m->conditional = m->etag_count > 0;
}

void map_request_read(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m)
{
	struct oscore_head o;

	memset(m, 0, offsetof(struct request_mapping, if_match));
	m->content_format = -1;
	oscore_read_request(head, policy->legacy_header, &o);
	m->legacy = o.legacy;
	if (o.kind == OSCORE_HALF) {
		refuse(m, o.status, o.why);
		m->error = ERR_HALF_OSCORE;
	}
	read_hops(head, policy, m);
	read_method(head, policy, m);
	if (m->refused != 0)
		return;
	if (o.kind == OSCORE_PROTECTED) {
		m->oscore = true;
		m->option_len = o.option_len;
		memcpy(m->option, o.option, o.option_len);
		return;
	}
	read_content_format(head, policy, m);
	read_accept(head, policy, m);
	read_fields(head, m);
}

/* ---- writing a request of CoAP ---- */

struct composer {
	struct msg_writer w;
	const struct request_mapping *m;
	unsigned options;
	bool content_format_done;
};

static void add(struct composer *c, uint16_t number, const void *value, size_t len)
{
	c->options++;
	msg_add_option(&c->w, number, value, len);
}

static void add_uint(struct composer *c, uint16_t number, uint32_t value)
{
	c->options++;
	msg_add_uint(&c->w, number, value);
}

static void add_tags(struct composer *c, uint16_t number, const struct etag *tags, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(c, number, tags[i].bytes, tags[i].len);
}

static void add_content_format(struct composer *c)
{
	if (!c->content_format_done && c->m->content_format >= 0)
		add_uint(c, OPT_CONTENT_FORMAT, (uint32_t)c->m->content_format);
	c->content_format_done = true;
}

/* Content-Format has its number between those of the path and of the query. */
static void add_uri_option(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct composer *c = arg;

	if (number > OPT_CONTENT_FORMAT)
		add_content_format(c);
	add(c, number, value, len);
}

/* Uri-Host as RFC 7252 6.4 wants it: an IPv6 literal keeps its brackets. */
static enum error add_host(struct composer *c, const struct uri *u)
{
	char host[URI_HOST_MAX + 3];
	int len = uri_host_decode(&u->host, host + 1);

	if (len < 0 || (u->host_is_ipv6 && len + 2 > URI_HOST_MAX))
		return ERR_BAD_URI;
	host[0] = '[';
	host[len + 1] = ']';
	if (u->host_is_ipv6)
		add(c, OPT_URI_HOST, host, (size_t)len + 2);
	else
		add(c, OPT_URI_HOST, host + 1, (size_t)len);
	return ERR_NONE;
}

static enum error add_options(struct composer *c, const struct uri *u, size_t accept_index)
{
	const struct request_mapping *m = c->m;

	add_tags(c, OPT_IF_MATCH, m->if_match, m->if_match_count);
	if (m->if_match_any && m->if_match_count == 0)
		add(c, OPT_IF_MATCH, NULL, 0);
	if (u != NULL && add_host(c, u) != ERR_NONE)
		return ERR_BAD_URI;
	add_tags(c, OPT_ETAG, m->etags, m->etag_count);
	if (m->if_none_match_any)
		add(c, OPT_IF_NONE_MATCH, NULL, 0);
	if (m->observe)
		add_uint(c, OPT_OBSERVE, 0);
	if (u != NULL && u->port != uri_schemes[u->scheme].default_port)
		add_uint(c, OPT_URI_PORT, u->port);
	if (m->oscore)
		add(c, OPT_OSCORE, m->option, m->option_len);
	if (u != NULL && uri_each_option(u, add_uri_option, c) != URI_OK)
		return ERR_BAD_URI;
	add_content_format(c);
	if (m->hop_limit > 0)
		add_uint(c, OPT_HOP_LIMIT, m->hop_limit);
	if (accept_index < m->accept_count)
		add_uint(c, OPT_ACCEPT, m->accepts[accept_index]);
	if (u != NULL)
		add(c, OPT_PROXY_SCHEME, uri_schemes[u->scheme].name, strlen(uri_schemes[u->scheme].name));
	return ERR_NONE;
}

static bool is_http(enum uri_scheme scheme)
{
	return scheme == URI_HTTP || scheme == URI_HTTPS;
}

size_t map_request_write(const struct request_mapping *m, const struct uri *target, size_t accept_index, uint8_t *bytes, size_t room,
	enum error *error)
{
	struct composer c = {.m = m};
	size_t len;

	*error = ERR_BAD_URI;
	if (target != NULL && is_http(target->scheme))
		return 0;
	msg_begin(&c.w, bytes, room, MSG_CON, m->code, 0, NULL, 0);
	*error = add_options(&c, target, accept_index);
	if (*error != ERR_NONE)
		return 0;
	len = msg_end(&c.w);
	if (len == 0 || c.options > REQUEST_OPTIONS_MAX) {
		*error = ERR_TOO_LARGE;
		return 0;
	}
	return len;
}

/* The direction of map_response from HTTP to CoAP. */
#include <string.h>

#include "coap/option.h"
#include "translate/map_etag.h"
#include "translate/map_freshness.h"
#include "translate/map_oscore.h"
#include "translate/map_response.h"

enum { LOCATION_OPTIONS_MAX = 64 };

/* The response as it will be. */
struct draft {
	uint8_t code;
	bool has_body, has_etag, has_max_age;
	int content_format; /* -1: none */
	uint32_t max_age;
	struct etag etag;
	const uint8_t *oscore;
	size_t oscore_len;
	char location[LOCATION_MAX];
	struct uri location_uri;
	bool has_location;
};

/* ---- where it was created ---- */

/* "scheme://host:port" of the target. */
static void write_origin(struct writer *w, const struct uri *u)
{
	writer_text(w, uri_schemes[u->scheme].name);
	writer_text(w, u->host_is_ipv6 ? "://[" : "://");
	writer_bytes(w, u->host.at, u->host.len);
	writer_text(w, u->host_is_ipv6 ? "]:" : ":");
	writer_decimal(w, u->port);
}

/* A relative reference against the target; dot segments are removed by whoever splits it (RFC 3986 5.2.2, 5.2.3). */
static void write_reference(struct writer *w, struct http_text reference, const struct uri *target)
{
	char first = reference.len > 0 ? reference.at[0] : '\0';
	size_t kept = target->path.len;

	if (first == '/' && reference.len > 1 && reference.at[1] == '/') {
		writer_text(w, uri_schemes[target->scheme].name);
		writer_u8(w, ':');
	} else {
		write_origin(w, target);
	}
	if (first != '/' && first != '?' && first != '\0')
		while (kept > 0 && target->path.at[kept - 1] != '/')
			kept--;
	if (first != '/') {
		writer_bytes(w, target->path.at, kept);
		if (kept == 0)
			writer_u8(w, '/');
	}
	if (first == '\0' && target->has_query) {
		writer_u8(w, '?');
		writer_bytes(w, target->query.at, target->query.len);
	}
	writer_bytes(w, reference.at, reference.len);
}

static bool same_origin(const struct uri *a, const struct uri *b)
{
	char first[URI_HOST_MAX + 1], second[URI_HOST_MAX + 1];

	return a->scheme == b->scheme && a->port == b->port && uri_host_decode(&a->host, first) > 0 &&
		uri_host_decode(&b->host, second) > 0 && strcmp(first, second) == 0;
}

static void count_option(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	unsigned *count = arg;

	(void)number;
	(void)value;
	(void)len;
	(*count)++;
}

static void read_location(const struct http_head *head, const struct origin_question *q, struct draft *d)
{
	const struct http_field *f = http_field_find(head, "Location");
	struct writer w;
	struct http_text text;
	const char *fragment;
	enum uri_result result;
	unsigned options = 0;

	if (d->code != CODE_CREATED || q->target == NULL || http_field_count(head, "Location") != 1)
		return;
	text = f->value;
	fragment = memchr(text.at, '#', text.len);
	if (fragment != NULL)
		text.len = (size_t)(fragment - text.at);
	writer_init(&w, (uint8_t *)d->location, sizeof d->location);
	result = uri_parse(&d->location_uri, text.at, text.len);
	if (result == URI_RELATIVE)
		write_reference(&w, text, q->target);
	else if (result == URI_OK)
		writer_bytes(&w, text.at, text.len);
	if (w.failed || uri_parse(&d->location_uri, d->location, writer_length(&w)) != URI_OK ||
		!same_origin(&d->location_uri, q->target))
		return;
	d->has_location = uri_each_option(&d->location_uri, count_option, &options) == URI_OK && options <= LOCATION_OPTIONS_MAX;
}

/* ---- what it says ---- */

/* The entity-tag, weak or not; false if there is none of use. */
static bool read_tag(const struct http_head *head, bool *weak, struct etag *tag)
{
	const struct http_field *f = http_field_find(head, "ETag");
	struct http_text opaque;

	return f != NULL && http_field_count(head, "ETag") == 1 && etag_parse(f->value, weak, &opaque) == 0 &&
		etag_of_origin_text(opaque, tag) == 0;
}

static bool request_has_tag(const struct msg_view *request, const struct etag *tag)
{
	for (unsigned i = 0; i < request->option_count; i++) {
		const struct msg_option *o = &request->options[i];

		if (o->number == OPT_ETAG && o->len == tag->len && memcmp(o->value, tag->bytes, tag->len) == 0)
			return true;
	}
	return false;
}

/* 304 answers one of the tags that were asked about: the one it names, be it made weak on the way, or the only one (RFC 7252 10.1.1). */
static enum error read_validation(const struct http_head *head, const struct origin_question *q, struct draft *d)
{
	const struct msg_option *asked = msg_option(q->request, OPT_ETAG);
	bool weak;

	if (asked == NULL || (q->request->code != CODE_GET && q->request->code != CODE_FETCH))
		return ERR_BAD_RESPONSE;
	d->has_etag = true;
	if (http_field_find(head, "ETag") != NULL)
		return read_tag(head, &weak, &d->etag) && request_has_tag(q->request, &d->etag) ? ERR_NONE : ERR_BAD_RESPONSE;
	if (msg_option_count(q->request, OPT_ETAG) > 1 || asked->len == 0 || asked->len > ETAG_MAX)
		return ERR_BAD_RESPONSE;
	d->etag.len = (uint8_t)asked->len;
	memcpy(d->etag.bytes, asked->value, asked->len);
	return ERR_NONE;
}

static bool is_plain_text(struct http_text type)
{
	const char *semicolon = memchr(type.at, ';', type.len);

	if (semicolon != NULL)
		type.len = (size_t)(semicolon - type.at);
	while (type.len > 0 && (type.at[type.len - 1] == ' ' || type.at[type.len - 1] == '\t'))
		type.len--;
	return http_text_is(type, "text/plain");
}

/* An error's text is a diagnostic message, anything else keeps its format or goes. */
static void read_error_body(const struct http_field *type, struct http_text coding, const struct origin_question *q, struct draft *d)
{
	int format;

	d->has_body = type != NULL;
	if (type == NULL || (coding.len == 0 && is_plain_text(type->value)))
		return;
	format = media_to_format(type->value, coding, &(struct media_policy){.loose = false, .coap_payload = q->media.coap_payload});
	d->has_body = format >= 0;
	d->content_format = format >= 0 ? format : -1;
}

static enum error read_body(const struct http_head *head, const struct origin_question *q, struct draft *d)
{
	const struct http_field *type = http_field_find(head, "Content-Type");
	const struct http_field *coding = http_field_find(head, "Content-Encoding");
	struct http_text none = {"", 0}, coded = coding != NULL ? coding->value : none;
	int format;

	if (http_field_count(head, "Content-Type") > 1 || http_field_count(head, "Content-Encoding") > 1)
		return ERR_BAD_RESPONSE;
	if (!d->has_body)
		return ERR_NONE;
	if (MSG_CLASS(d->code) != 2) {
		read_error_body(type, coded, q, d);
		return ERR_NONE;
	}
	if (type == NULL)
		return coding == NULL ? ERR_NONE : ERR_BAD_RESPONSE;
	format = media_to_format(type->value, coded, &q->media);
	if (format < 0)
		return ERR_RESPONSE_FORMAT;
	d->content_format = format;
	return ERR_NONE;
}

/* What was demanded is not what came (RFC 7252 5.10.4). */
static void check_accept(const struct origin_question *q, struct draft *d)
{
	const struct msg_option *accept = msg_option(q->request, OPT_ACCEPT);
	uint32_t wanted;

	if (accept == NULL || d->code != CODE_CONTENT || d->content_format < 0)
		return;
	if (msg_uint(accept, &wanted) == 0 && wanted == (uint32_t)d->content_format)
		return;
	d->code = CODE_NOT_ACCEPTABLE;
	d->has_body = d->has_etag = false;
	d->content_format = -1;
}

static void read_max_age(const struct http_head *head, const struct origin_question *q, bool protected_request, struct draft *d)
{
	if (head->status == 425) {
		d->has_max_age = true; /* what came too early may come again at once */
	} else if (d->code == CODE_UNAVAILABLE || d->code == CODE_TOO_MANY) {
		d->has_max_age = freshness_retry_after(head, &d->max_age);
	} else if (d->code == CODE_CONTENT || d->code == CODE_VALID || MSG_CLASS(d->code) >= 4) {
		d->has_max_age = true;
		d->max_age = protected_request ? 0 : freshness_left(head, q->resident);
	}
}

static bool is_observing(const struct msg_view *request)
{
	const struct msg_option *o = msg_option(request, OPT_OBSERVE);
	uint32_t value;

	return o != NULL && msg_uint(o, &value) == 0 && value == 0;
}

static enum error read_plain(const struct http_head *head, const struct origin_question *q, struct draft *d)
{
	bool protected_request = msg_option(q->request, OPT_OSCORE) != NULL, weak;
	struct code_question about = {
		.method = q->request->code, .validated = head->status == 304,
	};
	enum error e;

	if (head->status < 200 || head->status == 206 || (protected_request && head->status > 200 && head->status < 300))
		return ERR_BAD_RESPONSE;
	if (head->status == 304) {
		e = read_validation(head, q, d);
		if (e != ERR_NONE)
			return e;
	}
	d->code = code_of_status(head->status, &about);
	if (d->code == 0)
		return ERR_BAD_RESPONSE;
	/* a missing resource is as good as a deleted one: its error text is no answer then (RFC 7252 10.1.3) */
	d->has_body = head->status != 204 && head->status != 304 && !(head->has_length && head->length == 0 && !head->chunked) &&
		!(MSG_CLASS(d->code) == 2 && head->status >= 300);
	e = read_body(head, q, d);
	if (e != ERR_NONE)
		return e;
	if (head->status < 300 && !protected_request)
		d->has_etag = read_tag(head, &weak, &d->etag) && !weak;
	check_accept(q, d);
	read_max_age(head, q, protected_request, d);
	read_location(head, q, d);
	return ERR_NONE;
}

/* ---- writing it ---- */

struct composer {
	struct msg_writer w;
	const struct draft *d;
	bool middle_done;
};

/* The options whose numbers lie between Location-Path and Location-Query. */
static void add_middle(struct composer *c)
{
	const struct draft *d = c->d;

	if (c->middle_done)
		return;
	c->middle_done = true;
	if (d->oscore != NULL)
		msg_add_option(&c->w, OPT_OSCORE, d->oscore, d->oscore_len);
	if (d->content_format >= 0)
		msg_add_uint(&c->w, OPT_CONTENT_FORMAT, (uint32_t)d->content_format);
	if (d->has_max_age)
		msg_add_uint(&c->w, OPT_MAX_AGE, d->max_age);
}

static void add_location(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct composer *c = arg;

	if (number == OPT_URI_QUERY)
		add_middle(c);
	msg_add_option(&c->w, number == OPT_URI_PATH ? OPT_LOCATION_PATH : OPT_LOCATION_QUERY, value, len);
}

static size_t write_draft(const struct draft *d, uint8_t *bytes, size_t room)
{
	struct composer c = {.d = d};

	msg_begin(&c.w, bytes, room, MSG_ACK, d->code, 0, NULL, 0);
	if (d->has_etag)
		msg_add_option(&c.w, OPT_ETAG, d->etag.bytes, d->etag.len);
	if (d->has_location && uri_each_option(&d->location_uri, add_location, &c) != URI_OK)
		return 0;
	add_middle(&c);
	return msg_end(&c.w);
}

enum error map_response_of_http(const struct http_head *head, const struct origin_question *q, uint8_t *bytes, size_t room,
	struct origin_answer *answer)
{
	struct draft d = {.content_format = -1};
	struct code_question about = {
		.method = q->request->code, .oscore = true,
		.observing = q->request->code == CODE_FETCH && is_observing(q->request),
	};
	struct oscore_head o;
	enum error e = ERR_NONE;

	oscore_read_response(head, q->legacy_header, &o);
	if (o.kind == OSCORE_HALF || (o.kind == OSCORE_PROTECTED && msg_option(q->request, OPT_OSCORE) == NULL))
		return ERR_BAD_RESPONSE;
	if (o.kind == OSCORE_PROTECTED) {
		/* kept from caches that do not know OSCORE, where the code would let them (RFC 8613 4.1.3.1) */
		d.code = code_of_status(head->status, &about);
		d.has_max_age = d.code == CODE_CONTENT;
		d.has_body = true;
		d.oscore = o.option;
		d.oscore_len = o.option_len;
	} else {
		e = read_plain(head, q, &d);
	}
	if (e != ERR_NONE)
		return e;
	answer->drop_body = !d.has_body;
	answer->len = write_draft(&d, bytes, room);
	return answer->len > 0 ? ERR_NONE : ERR_RESPONSE_SIZE;
}

bool map_response_redirects(const struct http_head *head, const struct msg_view *request, struct http_text *location)
{
	const struct http_field *f = http_field_find(head, "Location");

	if (!status_may_be_followed(head->status) || msg_option(request, OPT_OSCORE) == NULL)
		return false;
	if (http_field_count(head, "Location") != 1 || f->value.len == 0)
		return false;
	*location = f->value;
	return true;
}

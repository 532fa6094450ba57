/* The direction of map_response from CoAP to HTTP. */
#include "translate/map_response.h"

#include <string.h>

#include "coap/option.h"
#include "translate/map_etag.h"
#include "translate/map_oscore.h"

enum {
	MAX_AGE_DEFAULT = 60, /* RFC 7252 5.10.5 */
	RESERVED_LOCATION_FIRST = 128, RESERVED_LOCATION_LAST = 140, RESERVED_LOCATION_STEP = 4, /* RFC 7252 5.10.7 */
	CODE_PRECONDITION_FAILED = MSG_CODE(4, 12),
	STATUS_NO_CONTENT = 204, STATUS_NOT_MODIFIED = 304,
};

static const char text_type[] = "text/plain;charset=utf-8";

/* The options of a response that count in HTTP. */
struct options {
	const struct msg_option *oscore, *etag;
	int content_format;  /* -1: none */
	bool has_max_age, echo, location, strange_location;
	uint32_t max_age;
};

static bool is_reserved_location(uint16_t number)
{
	return number >= RESERVED_LOCATION_FIRST && number <= RESERVED_LOCATION_LAST && number % RESERVED_LOCATION_STEP == 0;
}

/* Returns false if the response cannot be understood: nothing of it is relayed, so every critical option must be (RFC 7252 5.4.1). */
static bool read_options(const struct msg_view *m, struct options *r)
{
	unsigned earlier = 0;
	uint32_t value;

	*r = (struct options){.content_format = -1, .max_age = MAX_AGE_DEFAULT};
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		r->strange_location |= is_reserved_location(o->number);
		if (!opt_is_recognised(o, m->code, earlier)) {
			if (opt_is_critical(o->number))
				return false;
			continue;
		}
		if (o->number == OPT_OSCORE)
			r->oscore = o;
		else if (o->number == OPT_ETAG)
			r->etag = o;
		else if (o->number == OPT_ECHO)
			r->echo = true;
		else if (o->number == OPT_LOCATION_PATH || o->number == OPT_LOCATION_QUERY)
			r->location = true;
		else if (o->number == OPT_MAX_AGE)
			r->has_max_age = msg_uint(o, &r->max_age) == 0;
		else if (o->number == OPT_CONTENT_FORMAT && msg_uint(o, &value) == 0)
			r->content_format = value <= UINT16_MAX ? (int)value : -1;
	}
	return true;
}

/* What RFC 7252 5.6 lets be kept: content, its validation, and errors. Not those that are about one request or one client: CoAP keeps them
 * apart by options that HTTP's caches do not look at, and 429 they must not store (RFC 6585 4). */
static bool is_cacheable(uint8_t code, bool challenged)
{
	switch (code) {
	case CODE_CONTENT: case CODE_VALID:
		return true;
	case CODE_BAD_OPTION: case CODE_REQUEST_INCOMPLETE: case CODE_PRECONDITION_FAILED: case CODE_TOO_MANY: case CODE_HOP_LIMIT:
		return false;
	default:
		return MSG_CLASS(code) >= 4 && !challenged;
	}
}

/* CoAP's default is made explicit, for HTTP would guess (RFC 7252 10.2.2). The choice among formats depends on what was accepted. */
static void write_freshness(struct writer *w, const struct msg_view *m, const struct options *r, const struct response_question *q)
{
	uint32_t left = r->max_age > q->age ? r->max_age - q->age : 0;

	if (q->oscore || !is_cacheable(m->code, r->echo)) {
		http_write_field_text(w, "Cache-Control", "no-store");
		return;
	}
	writer_text(w, q->identified ? "Cache-Control: private, max-age=" : "Cache-Control: max-age=");
	writer_decimal(w, left);
	writer_text(w, "\r\n");
	http_write_field_text(w, "Vary", "Accept, Accept-Encoding");
}

/* When to come again: a challenge that nobody answered at once, the others as they say (RFC 8075 7 n8, RFC 8516). */
static void write_retry_after(struct writer *w, const struct msg_view *m, const struct options *r, uint32_t age)
{
	uint32_t left = r->max_age > age ? r->max_age - age : 0;

	if (m->code == CODE_UNAUTHORIZED && r->echo)
		http_write_field_uint(w, "Retry-After", 0);
	else if ((m->code == CODE_UNAVAILABLE && r->has_max_age) || m->code == CODE_TOO_MANY)
		http_write_field_uint(w, "Retry-After", left);
}

static void write_type(struct writer *w, const struct msg_view *m, const struct options *r)
{
	char type[MEDIA_TEXT_MAX];
	const char *coding;

	if (r->content_format >= 0) {
		media_of_format((uint32_t)r->content_format, type, &coding);
		http_write_field_text(w, "Content-Type", type);
		if (coding != NULL)
			http_write_field_text(w, "Content-Encoding", coding);
	} else if (m->payload_len > 0 && MSG_CLASS(m->code) >= 4) {
		http_write_field_text(w, "Content-Type", text_type);
	}
}

/* The URI of what was made: that of the target with the path and the query of the response. Returns its length, or -1. */
static int compose_location(const struct msg_view *m, const struct uri *target, char *out, size_t room)
{
	struct msg_view made;
	char host[URI_HOST_MAX + 1];

	if (uri_host_decode(&target->host, host) < 0)
		return -1;
	made.option_count = 0;
	for (unsigned i = 0; i < m->option_count; i++) {
		struct msg_option o = m->options[i];

		if (o.number != OPT_LOCATION_PATH && o.number != OPT_LOCATION_QUERY)
			continue;
		o.number = o.number == OPT_LOCATION_PATH ? OPT_URI_PATH : OPT_URI_QUERY;
		made.options[made.option_count++] = o;
	}
	return uri_compose(&made, target->scheme, host, target->port, out, room);
}

static void write_location(struct writer *w, const struct msg_view *m, const struct options *r, const struct response_question *q)
{
	char made[LOCATION_MAX], hosted[LOCATION_MAX];
	int len;

	/* a part of it that is not understood makes it another place */
	if (m->code != CODE_CREATED || !r->location || r->strange_location || q->target == NULL || q->locate == NULL)
		return;
	len = compose_location(m, q->target, made, sizeof made);
	if (len < 0)
		return;
	len = q->locate(q->locate_arg, made, (size_t)len, hosted, sizeof hosted);
	if (len > 0)
		http_write_field(w, "Location", (struct http_text){hosted, (size_t)len});
}

static void write_status_and_date(struct writer *w, unsigned status, const char *reason, const struct response_question *q)
{
	http_write_status_line(w, status, reason);
	if (q->date != NULL)
		http_write_field_text(w, "Date", q->date);
}

/* An OSCORE message: always 200, whatever its Outer Code (RFC 8613 11.3). */
static unsigned write_protected(struct writer *w, const struct msg_view *m, const struct msg_option *o, const struct response_question *q)
{
	char text[OSCORE_HEADER_MAX];

	if (!q->oscore || m->payload_len == 0 || (m->code != CODE_CHANGED && m->code != CODE_CONTENT))
		return 0;
	if (oscore_header_encode(o->value, o->len, text, sizeof text) < 0)
		return 0;
	write_status_and_date(w, 200, NULL, q);
	oscore_header_write(w, o->value, o->len, q->legacy);
	http_write_field_text(w, "Content-Type", OSCORE_MEDIA_TYPE);
	http_write_field_text(w, "Cache-Control", "no-store");
	return 200;
}

/* The status of what is not protected; 0: there is none. */
static struct status_of_code status_of(const struct msg_view *m, const struct options *r, const struct response_question *q)
{
	struct status_question about = q->about;
	struct status_of_code none = {0, NULL}, busy = {503, NULL}, no_method = {405, NULL};

	about.has_payload = m->payload_len > 0;
	if (r->content_format == OSCORE_FORMAT || (m->code == CODE_VALID && (r->etag == NULL || !about.conditional)))
		return none;
	if (m->code == CODE_UNAUTHORIZED && r->echo)
		return busy;
	if (m->code == CODE_METHOD_NOT_ALLOWED && q->allow != NULL)
		return no_method;
	return status_of_code(m->code, &about);
}

unsigned map_response_write_http(struct writer *w, const struct msg_view *m, const struct response_question *q)
{
	struct options r;
	struct status_of_code s;
	char tag[ETAG_TEXT_MAX];

	if (!read_options(m, &r))
		return 0;
	if (r.oscore != NULL)
		return write_protected(w, m, r.oscore, q);
	s = status_of(m, &r, q);
	if (s.status == 0)
		return 0;
	write_status_and_date(w, s.status, s.reason, q);
	if (s.status != STATUS_NO_CONTENT && s.status != STATUS_NOT_MODIFIED)
		write_type(w, m, &r);
	if (r.etag != NULL && MSG_CLASS(m->code) == 2)
		http_write_field(w, "ETag", (struct http_text){tag, etag_device_text(r.etag->value, r.etag->len, tag)});
	write_freshness(w, m, &r, q);
	write_retry_after(w, m, &r, q->age);
	write_location(w, m, &r, q);
	if (s.status == 405)
		http_write_field_text(w, "Allow", q->allow);
	return s.status;
}

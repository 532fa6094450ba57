#include <stdio.h>
#include <string.h>

#include "proxy/exchange/requester.h"
#include "proxy/http/request.h"
#include "translate/map_response.h"
#include "translate/map_template.h"

enum { ANSWER_HEAD_MAX = 8192, TEXT_MAX = 256 };

/* Seconds of a Max-Age option, or -1. */
static int64_t max_age_of(const struct msg_view *m)
{
	const struct msg_option *o = msg_option(m, OPT_MAX_AGE);
	uint32_t value;

	return o != NULL && msg_uint(o, &value) == 0 ? (int64_t)value : -1;
}

static void write_methods(struct writer *w, const struct route *route)
{
	char list[TEXT_MAX] = "";
	size_t len = 0;

	for (uint8_t code = CODE_GET; code <= CODE_IPATCH; code++) {
		char text[MSG_CODE_TEXT_MAX];

		if (route->methods != 0 && !(route->methods >> code & 1))
			continue;
		len += (size_t)snprintf(list + len, sizeof list - len, "%s%s%s", len > 0 ? ", " : "", msg_code_text(code, text),
			code == CODE_GET ? ", HEAD" : "");
	}
	http_write_field_text(w, "Allow", list);
}

/* What every answer has: who may read it, and what else is wanted. A cache is told that this depends on who asks, be it nobody's page. */
static void write_common(const struct http_request *r, struct writer *w, const char *extra)
{
	if (r->cors[0] != '\0') {
		http_write_field_text(w, "Access-Control-Allow-Origin", r->cors);
		if (strcmp(r->cors, "*") != 0)
			http_write_field_text(w, "Access-Control-Allow-Credentials", "true");
		http_write_field_text(w, "Access-Control-Expose-Headers", "ETag, Location, OSCORE, Preference-Applied, Retry-After");
	}
	if (r->route != NULL && r->route->cors_count > 0)
		http_write_field_text(w, "Vary", "Origin");
	if (extra != NULL)
		writer_bytes(w, extra, strlen(extra));
}

static void send_head(struct http_request *r, struct writer *w, unsigned status, uint64_t size)
{
	r->status = status;
	http_connection_answer(r->connection, status, w->start, writer_length(w), size);
}

/* ---- answers of the gateway's own ---- */

static void write_error_fields(const struct http_request *r, struct writer *w, enum error e, int64_t max_age)
{
	unsigned status = error_row(e)->http_status;

	http_write_field_text(w, "Cache-Control", "no-store");
	if (status == 401) {
		http_write_field_text(w, "WWW-Authenticate", "Bearer realm=\"oscore-proxy\"");
		http_write_field_text(w, "WWW-Authenticate", "Basic realm=\"oscore-proxy\", charset=\"UTF-8\"");
	}
	if (status == 405 && r->route != NULL)
		write_methods(w, r->route);
	if (max_age >= 0 && (status == 503 || status == 429))
		http_write_field_uint(w, "Retry-After", (uint64_t)max_age);
}

static void reply_refusal(struct http_request *r, enum error e, const char *text, size_t len, int64_t max_age)
{
	const struct error_row *row = error_row(e);
	uint8_t bytes[ANSWER_HEAD_MAX];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	http_write_status_line(&w, row->http_status, NULL);
	write_error_fields(r, &w, e, max_age);
	if (len > 0)
		http_write_field_text(&w, "Content-Type", "text/plain;charset=utf-8");
	write_common(r, &w, NULL);
	send_head(r, &w, row->http_status, len);
	if (len > 0)
		http_connection_answer_data(r->connection, (const uint8_t *)text, len);
}

static void note_refusal(const struct http_request *r, enum error e)
{
	const struct request_origin from = {
		.listener = http_connection_slot(r->connection), .peer = r->client, .local = *http_connection_local(r->connection),
		.conf = r->conf, .route = r->route,
	};

	requester_note_refusal(r->proxy, &from, r->mapping.code, r->mapping.oscore, e);
}

void reply_error(struct http_request *r, enum error e)
{
	const char *text = error_row(e)->text;

	note_refusal(r, e);
	reply_refusal(r, e, text, strlen(text), (int64_t)(r->conf->settings.overload_retry / CLOCK_SECOND));
}

void reply_status(struct http_request *r, unsigned status, const char *text, const char *extra)
{
	text = text != NULL ? text : http_reason(status);
	reply_content(r, status, "text/plain;charset=utf-8", text, strlen(text), extra);
}

void reply_refused(struct http_request *r, unsigned status, const char *text, const char *extra, enum error e)
{
	note_refusal(r, e);
	reply_status(r, status, text, extra);
}

void reply_content(struct http_request *r, unsigned status, const char *type, const void *body, size_t len, const char *extra)
{
	uint8_t bytes[ANSWER_HEAD_MAX];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	http_write_status_line(&w, status, NULL);
	http_write_field_text(&w, "Cache-Control", "no-store");
	if (len > 0)
		http_write_field_text(&w, "Content-Type", type);
	write_common(r, &w, extra);
	send_head(r, &w, status, len);
	if (len > 0)
		http_connection_answer_data(r->connection, body, len);
}

void reply_stream(struct http_request *r, const char *type, const char *extra)
{
	uint8_t bytes[ANSWER_HEAD_MAX];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	http_write_status_line(&w, 200, NULL);
	http_write_field_text(&w, "Cache-Control", "no-store");
	http_write_field_text(&w, "Content-Type", type);
	write_common(r, &w, extra);
	send_head(r, &w, 200, HTTP_LENGTH_UNKNOWN);
}

/* ---- answers of devices ---- */

/* Where a resource of a device stands in the space of this route's http-path. */
static int locate(void *arg, const char *uri, size_t len, char *out, size_t room)
{
	const struct http_request *r = arg;

	if (r->route->http_template == NULL) {
		if (len >= room)
			return -1;
		memcpy(out, uri, len);
		return (int)len;
	}
	return template_expand(r->route->http_template, uri, len, r->route->default_scheme, out, room);
}

/* Options of ours that a device may reject because a field of the client became one. */
static bool may_blame_request(const struct http_request *r)
{
	return r->mapping.oscore || r->mapping.if_match_any || r->mapping.if_none_match_any || r->mapping.if_match_count > 0 || r->mapping.accept_count > 0;
}

static unsigned write_device_answer(struct http_request *r, const struct msg_view *m, struct writer *w)
{
	char text[URI_MAX + 1];
	struct uri target;
	/* What a member of a group made is its own, and where that is cannot be told (RFC 7252 8.2). */
	bool located = m->code == CODE_CREATED && !r->transfer.requester.from_group && request_target(r, text, &target);
	const struct response_question q = {
		.about = {
			.conditional = r->mapping.conditional, .blame_request = may_blame_request(r),
			.behind_parent = r->route->via != NULL,
		},
		.oscore = r->mapping.oscore, .legacy = r->mapping.legacy, .identified = r->name[0] != '\0',
		.target = located ? &target : NULL, .locate = locate, .locate_arg = r,
	};

	return map_response_write_http(w, m, &q);
}

/* A browser takes content for what it says that it is, and where one is shown it the content is nobody's page: what a device makes must not
 * run with the rights of the gateway's name. */
static void write_confinement(struct writer *w)
{
	static const char fields[] = "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n";

	writer_bytes(w, fields, sizeof fields - 1);
}

void reply_head(struct http_request *r, const struct msg_view *m, enum error e, uint64_t size, const char *extra)
{
	uint8_t bytes[ANSWER_HEAD_MAX];
	struct writer w;
	bool has_content;
	unsigned status;

	r->code = m->code;
	if (e != ERR_NONE) {
		reply_refusal(r, e, (const char *)m->payload, m->payload_len, max_age_of(m));
		r->mute = true; /* the text has left with it */
		return;
	}
	writer_init(&w, bytes, sizeof bytes);
	status = write_device_answer(r, m, &w);
	if (status == 0 || w.failed) {
		reply_error(r, ERR_BAD_RESPONSE);
		r->mute = true;
		return;
	}
	has_content = status != 204 && status != 304;
	if (has_content && !r->mapping.oscore)
		write_confinement(&w);
	write_common(r, &w, extra);
	send_head(r, &w, status, has_content ? size : 0);
}

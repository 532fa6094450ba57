/* The direction of map_request from CoAP to HTTP. */
#include <string.h>

#include "coap/option.h"
#include "translate/map_method.h"
#include "translate/map_request.h"

/* The options of a request that count in HTTP. */
struct options {
	const struct msg_option *oscore;
	int content_format, accept; /* -1: none */
	bool hop_limit;
};

static enum error read_format(const struct msg_option *o, int *format)
{
	uint32_t value;

	if (msg_uint(o, &value) < 0 || value > UINT16_MAX || value == OSCORE_FORMAT)
		return ERR_BAD_OPTION;
	*format = (int)value;
	return ERR_NONE;
}

/* A segment that leads up and out, past the path of a route, at a server that takes an escaped "/", or "\\", for an end of a segment, or what
 * is behind ";" for none of it. In CoAP it is one segment as good as any. */
static bool climbs(const struct msg_option *o)
{
	const char *at = (const char *)o->value, *end = at + o->len;

	for (const char *name = at, *name_end = NULL;; at++) {
		bool is_over = at == end || *at == '/' || *at == '\\';

		if (name_end == NULL && (is_over || *at == ';'))
			name_end = at;
		if (!is_over)
			continue;
		if (name_end - name == 2 && memcmp(name, "..", 2) == 0)
			return true;
		if (at == end)
			return false;
		name = at + 1;
		name_end = NULL;
	}
}

/* Nothing can be relayed, so every critical option must be one that is understood (RFC 7252 5.4.1). */
static enum error read_options(const struct msg_view *m, struct options *r)
{
	unsigned earlier = 0;

	*r = (struct options){.content_format = -1, .accept = -1};
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		enum error e = ERR_NONE;

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		if (!opt_is_recognised(o, m->code, earlier)) {
			if (opt_is_critical(o->number))
				return ERR_BAD_OPTION;
			continue;
		}
		switch (o->number) {
		case OPT_URI_PATH:
			if (climbs(o))
				return ERR_BAD_OPTION;
			break;
		case OPT_OSCORE:
			r->oscore = o;
			break;
		case OPT_HOP_LIMIT:
			r->hop_limit = true;
			break;
		case OPT_CONTENT_FORMAT:
			e = read_format(o, &r->content_format);
			break;
		case OPT_ACCEPT:
			e = read_format(o, &r->accept);
			break;
		case OPT_IF_NONE_MATCH:
			/* it asks whether there is nothing yet; in HTTP, whether there is something new */
			e = m->code == CODE_GET || m->code == CODE_FETCH ? ERR_BAD_OPTION : ERR_NONE;
			break;
		default:
			break;
		}
		/* what is not for the gateway is not looked at: in an OSCORE message it means nothing (RFC 8613 8.2) */
		if (e != ERR_NONE && msg_option(m, OPT_OSCORE) == NULL)
			return e;
	}
	return ERR_NONE;
}

static void write_part(struct writer *w, struct uri_part part)
{
	writer_bytes(w, part.at, part.len);
}

static void write_request_line(struct writer *w, const char *method, const struct uri *u)
{
	char target[URI_MAX + 2];
	struct writer text;

	writer_init(&text, (uint8_t *)target, sizeof target);
	if (u->path.len == 0)
		writer_u8(&text, '/');
	write_part(&text, u->path);
	if (u->has_query) {
		writer_u8(&text, '?');
		write_part(&text, u->query);
	}
	w->failed |= text.failed;
	http_write_request_line(w, method, (struct http_text){target, writer_length(&text)});
}

static void write_host(struct writer *w, const struct uri *u)
{
	writer_text(w, u->host_is_ipv6 ? "Host: [" : "Host: ");
	write_part(w, u->host);
	if (u->host_is_ipv6)
		writer_u8(w, ']');
	if (u->port != uri_schemes[u->scheme].default_port) {
		writer_u8(w, ':');
		writer_decimal(w, u->port);
	}
	writer_text(w, "\r\n");
}

/* One line with all entity-tags of the options of a number; an empty one is "*". */
static void write_tags(struct writer *w, const char *name, const struct msg_view *m, uint16_t number)
{
	const struct msg_option *o = msg_option(m, number), *end = m->options + m->option_count;
	char tag[ETAG_TEXT_MAX];

	if (o == NULL)
		return;
	writer_text(w, name);
	writer_text(w, ": ");
	for (const struct msg_option *all = o; all < end && all->number == number; all++)
		if (all->len == 0) {
			writer_text(w, "*\r\n");
			return;
		}
	for (const char *comma = ""; o < end && o->number == number; o++, comma = ", ") {
		writer_text(w, comma);
		writer_bytes(w, tag, etag_origin_text(o->value, o->len, tag));
	}
	writer_text(w, "\r\n");
}

static void write_fields(struct writer *w, const struct msg_view *m, const struct options *r, bool has_body)
{
	char type[MEDIA_TEXT_MAX];
	const char *coding = NULL;

	if (has_body && r->content_format >= 0) {
		media_of_format((uint32_t)r->content_format, type, &coding);
		http_write_field_text(w, "Content-Type", type);
		if (coding != NULL)
			http_write_field_text(w, "Content-Encoding", coding);
	}
	coding = NULL;
	if (r->accept >= 0) {
		media_of_format((uint32_t)r->accept, type, &coding);
		http_write_field_text(w, "Accept", type);
	}
	/* a coding that nobody asked for has no Content-Format */
	http_write_field_text(w, "Accept-Encoding", coding != NULL ? coding : "identity");
	write_tags(w, "If-Match", m, OPT_IF_MATCH);
	if (m->code == CODE_GET || m->code == CODE_FETCH)
		write_tags(w, "If-None-Match", m, OPT_ETAG);
	else if (msg_option(m, OPT_IF_NONE_MATCH) != NULL)
		http_write_field_text(w, "If-None-Match", "*");
}

/* Empty or none: what an OSCORE message is refused for (RFC 8613 11.2, 4.2). */
static enum error check_oscore(const struct msg_view *m, const struct msg_option *o, bool has_body)
{
	char text[OSCORE_HEADER_MAX];

	if ((m->code != CODE_POST && m->code != CODE_FETCH) || !has_body)
		return ERR_BAD_REQUEST;
	return oscore_header_encode(o->value, o->len, text, sizeof text) < 0 ? ERR_BAD_OPTION : ERR_NONE;
}

static void write_via(struct writer *w, const char *pseudonym)
{
	writer_text(w, "Via: CoAP/1 ");
	writer_text(w, pseudonym);
	writer_text(w, "\r\n");
}

enum error map_request_write_http(struct writer *w, const struct msg_view *m, const struct http_target *t)
{
	const char *method = method_of_code(m->code);
	struct options r;
	enum error e = read_options(m, &r);

	if (e == ERR_NONE && r.oscore != NULL)
		e = check_oscore(m, r.oscore, t->has_body);
	if (e != ERR_NONE)
		return e;
	if (r.oscore != NULL)
		method = "POST";
	else if (m->code == CODE_FETCH)
		method = t->query_is_fetch ? "QUERY" : NULL;
	if (method == NULL)
		return ERR_METHOD;

	write_request_line(w, method, t->uri);
	write_host(w, t->uri);
	if (r.oscore != NULL) {
		oscore_header_write(w, r.oscore->value, r.oscore->len, t->legacy_header);
		http_write_field_text(w, "Content-Type", OSCORE_MEDIA_TYPE);
		http_write_field_text(w, "Cache-Control", "no-store");
		http_write_field_text(w, "Accept-Encoding", "identity");
	} else {
		write_fields(w, m, &r, t->has_body && map_request_has_body(m->code));
	}
	if (r.hop_limit && t->pseudonym != NULL && t->pseudonym[0] != '\0')
		write_via(w, t->pseudonym);
	return ERR_NONE;
}

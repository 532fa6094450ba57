#include "proxy/exchange/access_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "oscore/option.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reading.h"

enum { LINE_BYTES = 1536, INNER_BYTES = 2560 /* of what was read */, NUMBER_MAX = 32 };

/* Everything that is put in is short; what would not fit is left away, never the newline. */
struct line {
	size_t len, room;
	bool json;
	char text[LINE_BYTES + INNER_BYTES];
};

/* ---- writing ---- */

static void put(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if (n > l->room - 1 - l->len)
		return;
	memcpy(l->text + l->len, text, n);
	l->len += n;
}

/* Of our own names only those of interfaces can hold anything unusual: no space, but quotes and worse. */
static void put_escaped(struct line *l, const char *text)
{
	for (; *text != '\0'; text++) {
		char one[JSON_ESCAPED + 1] = { *text };
		uint8_t c = (uint8_t)*text;
		bool plain = json_is_plain(c) && c != ' ';

		if (!plain && l->json)
			json_escape(one, c);
		else if (!plain)
			snprintf(one, sizeof one, "\\x%02x", c);
		put(l, one);
	}
}

static void put_key(struct line *l, const char *key)
{
	const char *before = l->json ? (l->len == 0 ? "{\"" : ",\"") : l->len == 0 ? "" : " ";

	put(l, before);
	put(l, key);
	put(l, l->json ? "\":" : "=");
}

static void put_string(struct line *l, const char *key, const char *value)
{
	put_key(l, key);
	put(l, l->json ? "\"" : "");
	put_escaped(l, value);
	put(l, l->json ? "\"" : "");
}

/* A number, true or false. */
static void put_bare(struct line *l, const char *key, const char *value)
{
	put_key(l, key);
	put(l, value);
}

static void put_number(struct line *l, const char *key, uint64_t value)
{
	char text[NUMBER_MAX];

	snprintf(text, sizeof text, "%" PRIu64, value);
	put_bare(l, key, text);
}

static void put_milliseconds(struct line *l, const char *key, uint64_t us)
{
	char text[NUMBER_MAX];

	snprintf(text, sizeof text, "%" PRIu64 ".%03u", (uint64_t)(us / CLOCK_MS), (unsigned)(us % CLOCK_MS));
	put_bare(l, key, text);
}

static void put_endpoint(struct line *l, const char *key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	put_string(l, key, endpoint_format(e, text));
}

static void put_kid(struct line *l, const struct exchange *x)
{
	char text[2 * sizeof x->kid + 1] = "";

	for (unsigned i = 0; i + 1 < x->kid_len; i++)
		snprintf(text + 2 * i, 3, "%02x", x->kid[i]);
	put_string(l, "kid", text);
}

static void finish(struct proxy *p, struct line *l)
{
	put(l, l->json ? "}" : "");
	l->text[l->len++] = '\n';
	if (log_access(l->text, l->len) < 0)
		proxy_count(p, COUNT_ACCESS_LOST);
}

/* ---- what is told ---- */

void access_log_note(struct exchange *x, const struct msg_view *m)
{
	const struct msg_option *option = x->oscore ? msg_option(m, OPT_OSCORE) : NULL;
	struct oscore_option o;
	int len;

	x->accounted = false;
	x->kid_len = 0;
	if (x->crossing != NULL) {
		/* of the request before this one */
		x->crossing->sent_at = 0;
		x->crossing->retransmissions = 0;
	}
	if (option == NULL || oscore_option_parse(&o, option->value, option->len, OSCORE_FLAG_GROUP) < 0)
		return;
	len = kid_tell(&o, x->conf->settings.log_kid, &x->proxy->hash_key, x->kid);
	x->kid_len = (uint8_t)(len + 1);
}

static void put_times(struct line *l, const struct exchange *x)
{
	uint64_t now = clock_now(), sent = exchange_sent_at(x);

	put_milliseconds(l, "ms", now - x->arrived_at);
	if (sent != 0) /* another worker's clock may be a turn ahead */
		put_milliseconds(l, "origin_ms", now > sent ? now - sent : 0);
	put_number(l, "retransmissions", sent != 0 ? exchange_retransmissions(x) : 0);
}

void access_log_write(struct exchange *x, uint8_t code, size_t len)
{
	const struct listener *listener;
	const struct endpoint *origin = exchange_origin_peer(x);
	char text[MSG_CODE_TEXT_MAX], time[LOG_TIME_MAX];
	const char *name;
	struct line l;

	if (x->client == NULL)
		return;
	x->accounted = true;
	l.json = x->route->access_log == ACCESS_JSON;
	l.room = LINE_BYTES;
	l.len = 0;
	listener = snapshot_listener(x->conf, x->client->listener);
	log_time(time, 3);
	put_string(&l, "time", time);
	put_string(&l, "route", x->route->name);
	if (listener != NULL)
		put_string(&l, "listener", listener->name);
	put_endpoint(&l, "client", &x->client->peer);
	name = edge_client_name(&x->client->peer);
	if (name != NULL)
		put_string(&l, "name", name);
	if (origin != NULL)
		put_endpoint(&l, "origin", origin);
	put_string(&l, "method", msg_code_text(x->code, text));
	put_string(&l, "code", code == CODE_EMPTY ? "none" : msg_code_text(code, text));
	put_bare(&l, "oscore", x->oscore ? "true" : "false");
	if (x->kid_len > 0)
		put_kid(&l, x);
	put_number(&l, "request_bytes", x->request_len);
	put_number(&l, "response_bytes", len);
	put_times(&l, x);
	if (x->reading == NULL || !reading_keep_line(x, l.text, l.len))
		finish(x->proxy, &l);
}

void access_log_write_inner(struct proxy *p, const char *text, size_t len, const struct access_inner *inner)
{
	struct line l = { .json = text[0] == '{', .room = sizeof l.text, .len = len };

	if (len >= LINE_BYTES)
		log_fatal("access log: a line that waited has grown");
	memcpy(l.text, text, len);
	if (inner->method != NULL)
		put_string(&l, "inner_method", inner->method);
	if (inner->path != NULL)
		put_string(&l, "inner_path", inner->path);
	if (inner->code != NULL)
		put_string(&l, "inner_code", inner->code);
	put_string(&l, "reading", inner->request);
	if (inner->answer != NULL)
		put_string(&l, "reading_answer", inner->answer);
	if (inner->seen)
		put_bare(&l, "seen", "true");
	finish(p, &l);
}

void access_log_write_http(struct proxy *p, const struct access_http *a)
{
	char text[MSG_CODE_TEXT_MAX], time[LOG_TIME_MAX];
	struct line l = { .json = a->route->access_log == ACCESS_JSON, .room = LINE_BYTES };

	log_time(time, 3);
	put_string(&l, "time", time);
	put_string(&l, "route", a->route->name);
	if (a->listener != NULL)
		put_string(&l, "listener", a->listener);
	put_endpoint(&l, "client", a->client);
	if (a->name != NULL)
		put_string(&l, "name", a->name);
	put_string(&l, "method", a->method);
	if (a->target != NULL)
		put_string(&l, "target", a->target);
	put_number(&l, "status", a->status);
	put_string(&l, "code", a->code == CODE_EMPTY ? "none" : msg_code_text(a->code, text));
	put_bare(&l, "oscore", a->oscore ? "true" : "false");
	put_number(&l, "request_bytes", a->request_bytes);
	put_number(&l, "response_bytes", a->response_bytes);
	put_bare(&l, "truncated", a->truncated ? "true" : "false");
	put_milliseconds(&l, "ms", clock_now() - a->arrived_at);
	if (a->reading == 0 || !reading_keep_requesters_line(p, a->reading, l.text, l.len))
		finish(p, &l);
}

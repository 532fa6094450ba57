/* What was read of messages, told: counters, alarms, feeds, the access log (reading.h). */
#include <stdio.h>
#include <string.h>

#include "proxy/decide/inner.h"
#include "proxy/exchange/access_log.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reading_state.h"
#include "proxy/exchange/refusal_log.h"

/* ---- counters ---- */

static struct read_metrics *metrics_of(const struct reading *d)
{
	return read_metrics_of(d->proxy->cell->reads, d->route->read);
}

_Static_assert((int)READ_COUNT_FAILED - (int)READ_COUNT_OPENED == (int)OPENING_FAILED && (int)READ_COUNT_MISSED == (int)OPENING_VERDICTS,
	"counters of verdicts stand in the order of verdicts");

static void count_result(struct reading *d, const struct opening_answer *a, enum reading_result result, enum error refused)
{
	struct read_metrics *m = metrics_of(d);

	m->count[result == READING_MISSED ? READ_COUNT_MISSED : result == READING_PARTIAL ? READ_COUNT_PARTIAL : (enum read_count)result]++;
	m->count[READ_COUNT_SEEN] += a != NULL && a->seen;
	m->count[READ_COUNT_UNVERIFIED] += a != NULL && a->unverified;
	m->count[READ_COUNT_REFUSED] += refused != ERR_NONE;
	switch ((int)result) {
	case OPENING_OPENED:
	case OPENING_VERIFIED:
		proxy_count(d->proxy, COUNT_READ_OPENED);
		break;
	case OPENING_UNKNOWN:
	case OPENING_NO_KEY:
		proxy_count(d->proxy, COUNT_READ_UNKNOWN);
		break;
	case READING_MISSED:
	case OPENING_FAILED:
		proxy_count(d->proxy, COUNT_READ_MISSED);
		break;
	case READING_PARTIAL:
		proxy_count(d->proxy, COUNT_READ_PARTIAL);
		break;
	default:
		proxy_count(d->proxy, COUNT_READ_BAD);
	}
	if (a != NULL && a->seen)
		proxy_count(d->proxy, COUNT_READ_SEEN);
	if (a != NULL && a->unverified)
		proxy_count(d->proxy, COUNT_READ_UNVERIFIED);
}

static bool may_tell(const struct read_conf *r, enum opening_field f)
{
	return r->fields & FIELD_BIT(f);
}

static uint8_t told_code(const struct read_conf *r, const struct opening_inner *in)
{
	return may_tell(r, FIELD_CODE) && in->fields & FIELD_BIT(FIELD_CODE) ? in->code : (uint8_t)CODE_EMPTY;
}

static uint16_t told_path(const struct read_conf *r, const struct opening_inner *in)
{
	return may_tell(r, FIELD_URI_PATH) ? (uint16_t)inner_counted_path(r, in) : (uint16_t)READ_PATH_NONE;
}

/* ---- the path, as a log tells it ---- */

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != 0 && strchr("-._~!$&'()*+,;=:@", c) != NULL);
}

/* Returns its length; what does not fit ends in "...". */
static size_t write_path(const struct opening_inner *in, char text[READING_PATH_MAX + 1])
{
	enum { CUT = 3, LONGEST = 3 };
	size_t at = 0;

	if (in->path_count == 0)
		text[at++] = '/';
	for (size_t i = 0; i < in->path_count; i++) {
		const struct opening_text *t = &in->path[i];

		for (size_t k = 0; k < t->len + 1u; k++) {
			uint8_t c = k > 0 ? t->at[k - 1] : '/';

			if (at + LONGEST + CUT > READING_PATH_MAX)
				return at + (size_t)snprintf(text + at, CUT + 1, "...");
			at += (size_t)snprintf(text + at, LONGEST + 1, k == 0 || is_plain(c) ? "%c" : "%%%02X", c);
		}
	}
	return at;
}

static void keep_path(struct reading *d, const struct opening_inner *in)
{
	char text[READING_PATH_MAX + 1];
	size_t len;

	if (d->route->access_log == ACCESS_NONE || !may_tell(d->route->read, FIELD_URI_PATH) || in->path_abbreviated || d->path.bytes != NULL)
		return;
	len = write_path(in, text);
	text[len] = '\0';
	if (buffers_keep(d->proxy->buffers, &d->path, (const uint8_t *)text, len + 1) < 0)
		return; /* a line without it is better than none */
}

/* ---- what the next messages and the line need ---- */

static void note_request(struct reading *d, bool current, const struct opening_answer *a, enum reading_result result)
{
	const struct read_conf *r = d->route->read;
	uint8_t method = a != NULL ? told_code(r, &a->inner) : CODE_EMPTY;
	uint16_t path = READ_PATH_NONE;

	if (result == (enum reading_result)OPENING_OPENED) {
		path = told_path(r, &a->inner);
		if (method != CODE_EMPTY || path != READ_PATH_NONE)
			read_metrics_label(metrics_of(d), method, path, CODE_EMPTY, 1);
	}
	if (!current)
		return;
	d->request = (uint8_t)result;
	d->seen = a != NULL && a->seen;
	d->method = method;
	d->counted_path = path;
	reading_tell_rest(d);
	if (result == (enum reading_result)OPENING_OPENED)
		keep_path(d, &a->inner);
}

static void note_answer(struct reading *d, enum reading_kind kind, bool current, const struct opening_answer *a,
	enum reading_result result)
{
	uint8_t code = a != NULL ? told_code(d->route->read, &a->inner) : CODE_EMPTY;
	bool known = current && (d->request == (uint8_t)OPENING_OPENED || d->request == (uint8_t)READING_UNASKED);

	if (code != CODE_EMPTY)
		read_metrics_label(metrics_of(d), known ? d->method : CODE_EMPTY, known ? d->counted_path : READ_PATH_NONE, code, 1);
	if (kind != READING_RESPONSE || !current)
		return;
	d->response = (uint8_t)result;
	d->code = code;
}

/* ---- alarms and feeds ---- */

/* A gate's refusal has a line of its own. */
static void alarm_of(const struct reading *d, enum reading_kind kind, const struct opening_answer *a, enum error refused)
{
	enum alarm alarm;

	if (a == NULL || refused != ERR_NONE)
		return;
	if (a->verdict == OPENING_BAD || a->verdict == OPENING_CLOSED)
		alarm = ALARM_BAD;
	else if (a->verdict == OPENING_UNKNOWN)
		alarm = ALARM_UNKNOWN;
	else if (a->seen)
		alarm = ALARM_SEEN;
	else
		return;
	refusal_log_alarm(d->proxy, &(struct alarm_of){ .alarm = alarm, .route = d->route, .client = &d->client,
		.answer = kind != READING_REQUEST });
}

static const struct endpoint *origin_of(const struct reading *d)
{
	if (d->has_origin)
		return &d->origin;
	return d->exchange != NULL ? exchange_origin_peer(d->exchange) : NULL;
}

static void tell_feed(struct reading *d, enum reading_kind kind, bool current, const struct reader_ticket *t, const struct opening_answer *a,
	enum reading_result result, enum error refused)
{
	const uint8_t verdict = result == READING_PARTIAL ? FEED_PARTIAL : FEED_MISSED;
	static const enum feed_message messages[] = { FEED_REQUEST, FEED_RESPONSE, FEED_NOTIFICATION };
	const struct read_conf *r = d->route->read;
	struct feed_record record = { .message = messages[kind], .exchange = d->number, .route = d->route, .read = r, .client = &d->client,
		.origin = origin_of(d), .verdict = a != NULL ? a->verdict : verdict, .seen = a != NULL && a->seen,
		.unverified = a != NULL && a->unverified, .refused = refused,
		.inner = a != NULL && a->verdict == OPENING_OPENED ? &a->inner : NULL };
	const uint8_t *request = current ? reading_option(d) : NULL;

	if (r->feed == NULL)
		return;
	record.name = edge_client_name(&d->client);
	if (kind == READING_REQUEST) {
		record.option = request;
		record.option_len = request != NULL ? d->option_len : 0;
	} else {
		record.option = t != NULL ? t->note : NULL;
		record.option_len = t != NULL ? t->note_len : 0;
		record.request_option = request;
		record.request_option_len = request != NULL ? d->option_len : 0;
	}
	feed_tell(d->proxy, r->feed, &record);
}

void reading_tell(struct reading *d, enum reading_kind kind, bool current, const struct reader_ticket *t, const struct opening_answer *a,
	enum reading_result result, enum error refused)
{
	count_result(d, a, result, refused);
	if (kind == READING_REQUEST)
		note_request(d, current, a, result);
	else
		note_answer(d, kind, current, a, result);
	alarm_of(d, kind, a, refused);
	tell_feed(d, kind, current, t, a, result, refused);
}

/* ---- the access log ---- */

static const char *result_text(unsigned result)
{
	static const char *const texts[] = {
		[OPENING_OPENED] = "opened", [OPENING_VERIFIED] = "verified", [OPENING_UNKNOWN] = "unknown", [OPENING_NO_KEY] = "no_key",
		[OPENING_MALFORMED] = "malformed", [OPENING_BAD] = "bad", [OPENING_INNER] = "bad_inside", [OPENING_CLOSED] = "closed",
		[OPENING_FAILED] = "failed", [READING_UNASKED] = "none", [READING_MISSED] = "missed", [READING_PARTIAL] = "partial",
	};

	return texts[result];
}

void reading_write_line(struct reading *d)
{
	char method[MSG_CODE_TEXT_MAX], code[MSG_CODE_TEXT_MAX];
	const struct access_inner inner = {
		.method = d->method != CODE_EMPTY ? msg_code_text(d->method, method) : NULL,
		.path = (const char *)d->path.bytes,
		.code = d->code != CODE_EMPTY ? msg_code_text(d->code, code) : NULL,
		.request = result_text(d->request == READING_UNASKED && d->request_asked ? READING_MISSED : d->request),
		.answer = d->response != READING_UNASKED ? result_text(d->response) : NULL,
		.seen = d->seen,
	};

	access_log_write_inner(d->proxy, (const char *)d->line.bytes, d->line.len, &inner);
	buffers_drop(d->proxy->buffers, &d->line);
}

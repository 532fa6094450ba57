#include "proxy/exchange/respond.h"

#include <string.h>

#include "proxy/exchange/access_log.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/delivery.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/held.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/refusal_log.h"
#include "proxy/exchange/requester.h"
#include "translate/outer.h"

enum { ANSWER_ROOM = 256, CONTENT_FORMAT_PROBLEM = 257, BLOCK_LARGEST = 1024 };

struct answer {
	struct msg_writer w;
	enum msg_type type;
	enum error error;   /* why the gateway made it, or ERR_NONE */
	uint8_t bytes[MSG_MAX + ANSWER_ROOM];
};

void respond_empty(unsigned listener, const struct endpoint *peer, const struct local_address *local, enum msg_type type,
	uint16_t mid)
{
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, type, mid);
	client_send(listener, peer, local, bytes, sizeof bytes);
}

void respond_acknowledge(struct proxy *p, struct exchange *x)
{
	x->acknowledge_at = 0;
	if (x->client_type != MSG_CON || x->client_acknowledged || x->client == NULL)
		return;
	x->client_acknowledged = true;
	proxy_count(p, COUNT_EMPTY_ACKS);
	duplicates_acknowledged(p->duplicates, x->record, x->record_hash);
	respond_empty(x->client->listener, &x->client->peer, &x->local, MSG_ACK, x->client_mid);
}

/* The type follows from how the request came and what was already said. Returns -1 if no Message ID is to be had. */
static int begin_as(struct proxy *p, struct exchange *x, struct answer *a, uint8_t code, bool may_be_separate)
{
	int32_t mid = 0;

	a->error = ERR_NONE;
	if (requester_is_gone(x) || (x->client->gone && !x->inner))
		return -1;
	if (x->inner || client_is_reliable(x->client)) {
		a->type = MSG_NON;
	} else if (x->client_type == MSG_CON && !x->client_acknowledged) {
		a->type = MSG_ACK;
		mid = x->client_mid;
	} else if (x->client_type == MSG_CON && may_be_separate) {
		a->type = MSG_CON; /* its Message ID is chosen when it is sent */
	} else {
		a->type = MSG_NON;
		mid = client_take_mid(p, x->client);
		if (mid < 0) {
			proxy_count(p, COUNT_ABANDONED);
			return -1;
		}
	}
	msg_begin(&a->w, a->bytes, sizeof a->bytes, a->type, code, (uint16_t)mid, exchange_token(x), x->token_len);
	return 0;
}

static int begin(struct proxy *p, struct exchange *x, struct answer *a, uint8_t code)
{
	return begin_as(p, x, a, code, true);
}

static size_t unverified_limit(const struct exchange *x)
{
	size_t limit = (size_t)UNVERIFIED_FACTOR * x->request_len;

	return limit > UNVERIFIED_BYTES ? limit : UNVERIFIED_BYTES;
}

/* What the client takes in one message. */
static size_t message_limit(const struct exchange *x)
{
	return x->inner ? MSG_DATAGRAM_MAX : edge_message_limit(client_is_at_slot(x->client) ? client_slot(x->client) : 0, &x->client->peer);
}

size_t respond_size_limit(const struct exchange *x)
{
	bool anything = x->inner || reachability_is_verified(x->client) || (x->route != NULL && !x->route->echo);

	return anything ? message_limit(x) : unverified_limit(x);
}

/* What may be sent to a client who was never seen in answer to x, the Empty ACK taken off; never less than the message once. */
static size_t allowance_of(const struct exchange *x, size_t len)
{
	size_t limit = unverified_limit(x) - MSG_HEADER;

	if (x->route != NULL && !x->route->echo)
		return SIZE_MAX;
	return limit > len ? limit : len;
}

/* Without memory to keep it for its repeats a message goes once: better than one that never comes. Returns its Message ID, or -1 if there is
 * none. */
static int32_t make_non(struct proxy *p, struct client *c, uint8_t *bytes)
{
	int32_t mid = client_take_mid(p, c);

	if (mid < 0)
		return -1;
	msg_set_type(bytes, MSG_NON);
	msg_set_mid(bytes, (uint16_t)mid);
	return mid;
}

static bool send_separately(struct proxy *p, struct exchange *x, struct answer *a, size_t len)
{
	if (delivery_send(p, x->client, &x->local, NULL, a->bytes, len, allowance_of(x, len)) != NULL)
		return true;
	a->type = MSG_NON;
	return make_non(p, x->client, a->bytes) >= 0;
}

static void count_response(struct proxy *p, const struct exchange *x)
{
	proxy_count(p, COUNT_RESPONSES);
	if (x->route != NULL)
		p->cell->routes[x->route->metrics_slot].responses++;
}

/* Sends it. Returns false if it is too long, or there is no Message ID for it. */
static bool end(struct proxy *p, struct exchange *x, struct answer *a)
{
	size_t len = msg_end(&a->w);

	x->acknowledge_at = 0;
	if (x->inner && len > 0) {
		count_response(p, x);
		requester_tell(x, a->bytes, len, a->error, 0);
		return true;
	}
	if (len == 0 || len > message_limit(x) || (a->type == MSG_CON && !send_separately(p, x, a, len))) {
		proxy_count(p, COUNT_ABANDONED);
		return false;
	}
	count_response(p, x);
	access_log_answer(x, a->bytes[1], len);
	if (a->type != MSG_CON) {
		client_send(x->client->listener, &x->client->peer, &x->local, a->bytes, len);
		if (x->record != DUPLICATES_NONE)
			duplicates_answered(p->duplicates, x->record, x->record_hash, clock_now(), a->bytes,
				a->type == MSG_ACK ? len : 0);
	}
	/* The request is done with: what an observation has to say from now on is a message of its own. */
	x->client_acknowledged = true;
	return true;
}

/* Sends an answer of the origin, or an error instead of what grew too long on its way (a longer token, more options). */
static bool end_relayed(struct proxy *p, struct exchange *x, struct answer *a)
{
	if (end(p, x, a))
		return true;
	respond_error(p, x, ERR_RESPONSE_SIZE, 0);
	return false;
}

/* RFC 7967: bit n-1 silences class n. The request itself is acknowledged all the same. */
static bool is_silenced(struct proxy *p, struct exchange *x, uint8_t code)
{
	if (!(x->no_response >> (MSG_CLASS(code) - 1) & 1))
		return false;
	proxy_count(p, COUNT_SILENCED);
	respond_acknowledge(p, x);
	return true;
}

/* ---- errors of ours ---- */

static size_t problem_details(uint8_t *out, const char *text, uint16_t offender)
{
	struct writer w;
	size_t len = strlen(text);

	/* { -1 (title): text, -8 (unprocessed CoAP option): number }, RFC 9290 2.1, 3.1.2 */
	writer_init(&w, out, 96);
	writer_u8(&w, offender != 0 ? 0xa2 : 0xa1);
	writer_u8(&w, 0x20);
	writer_u8(&w, 0x78);
	writer_u8(&w, (unsigned)len);
	writer_bytes(&w, text, len);
	if (offender != 0) {
		writer_u8(&w, 0x27);
		writer_u8(&w, 0x19);
		writer_u16(&w, offender);
	}
	return writer_length(&w);
}

static uint8_t error_code(const struct exchange *x, enum error e)
{
	const struct error_row *row = error_row(e);
	uint8_t code = x->oscore ? row->oscore_code : row->coap_code;

	if (x->oscore && x->route != NULL && !x->forward && x->route->strict_oscore_errors &&
		(code == CODE_NOT_FOUND || code == CODE_BAD_GATEWAY || code == CODE_GATEWAY_TIMEOUT || code == CODE_NO_PROXY))
		code = CODE_UNAVAILABLE;
	return code;
}

static void count_error(struct proxy *p, const struct exchange *x, enum error e)
{
	p->metrics->errors[e]++;
	if (x->route != NULL)
		p->cell->routes[x->route->metrics_slot].errors[e]++;
}

void respond_error(struct proxy *p, struct exchange *x, enum error e, uint16_t offender)
{
	const struct error_row *row = error_row(e);
	const struct settings *s = &x->conf->settings;
	uint8_t code = error_code(x, e), echo[ECHO_LENGTH], details[96];
	const char *text = e == ERR_HOP_LIMIT || e == ERR_LOOP ? s->identity : row->text;
	bool as_details = x->wants_problem_details && s->problem_details && e != ERR_HOP_LIMIT && e != ERR_LOOP && *text != '\0';
	struct answer a;

	if (x->stand_in) {
		crossing_tell_error(p, x, e, offender);
		return;
	}
	count_error(p, x, e);
	if (x->client != NULL)
		refusal_log(p, x, e, offender);
	if (x->client == NULL || is_silenced(p, x, code) ||
		/* A challenge must not be repeated towards somebody who may not be there (RFC 9175 2.4). */
		begin_as(p, x, &a, code, e != ERR_CHALLENGE) < 0)
		return;
	a.error = e;
	if (as_details)
		msg_add_uint(&a.w, OPT_CONTENT_FORMAT, CONTENT_FORMAT_PROBLEM);
	if (code == CODE_UNAVAILABLE || code == CODE_TOO_MANY)
		msg_add_uint(&a.w, OPT_MAX_AGE, x->retry_after != 0 ? x->retry_after : (uint32_t)(s->overload_retry / CLOCK_SECOND));
	else if (e == ERR_CHALLENGE)
		msg_add_uint(&a.w, OPT_MAX_AGE, 0);
	if (code == CODE_TOO_LARGE)
		msg_add_uint(&a.w, OPT_SIZE1, x->size_limit == 0 || x->size_limit > UINT32_MAX ? BLOCK_LARGEST : (uint32_t)x->size_limit);
	if (e == ERR_CHALLENGE) {
		reachability_make_echo(p, &x->client->peer, echo);
		msg_add_option(&a.w, OPT_ECHO, echo, sizeof echo);
	}
	if (as_details)
		msg_add_payload(&a.w, details, problem_details(details, text, offender));
	else
		msg_add_payload(&a.w, text, strlen(text));
	end(p, x, &a);
}

void respond_content(struct proxy *p, struct exchange *x, uint8_t code, int content_format, const void *payload, size_t len)
{
	struct answer a;

	if (is_silenced(p, x, code) || begin(p, x, &a, code) < 0)
		return;
	if (content_format >= 0)
		msg_add_uint(&a.w, OPT_CONTENT_FORMAT, (uint32_t)content_format);
	msg_add_payload(&a.w, payload, len);
	end(p, x, &a);
}

/* ---- the origin's answers ---- */

/* Own Observe value (RFC 7641 5: nothing is copied), own Max-Age where the message waited here, no request-only option. */
static void plan_response(struct outer_plan *plan, struct exchange *x, const struct msg_view *m, uint64_t age)
{
	const struct msg_option *max_age = msg_option(m, OPT_MAX_AGE);
	uint32_t value = 60, seconds = (uint32_t)(age / CLOCK_SECOND);

	outer_plan_init(plan);
	plan->drop_second_etag = true;
	outer_drop(plan, OPT_REQUEST_TAG);
	outer_drop(plan, OPT_OBSERVE);
	if (x->observation != NULL && x->observation->established && MSG_CLASS(m->code) == 2 && msg_option(m, OPT_OBSERVE) != NULL)
		outer_add_uint(plan, OPT_OBSERVE, observe_next_sequence(x->observation));
	if (seconds == 0 || (max_age != NULL && msg_uint(max_age, &value) < 0))
		return;
	outer_drop(plan, OPT_MAX_AGE);
	outer_add_uint(plan, OPT_MAX_AGE, value > seconds ? value - seconds : 0);
}

static bool has_identity(const struct msg_view *m, const char *identity)
{
	size_t len = strlen(identity);
	const uint8_t *at = m->payload, *end_of = at != NULL ? at + m->payload_len : NULL;

	while (at != NULL && (size_t)(end_of - at) >= len) {
		const uint8_t *space = memchr(at, ' ', (size_t)(end_of - at));
		size_t word = space != NULL ? (size_t)(space - at) : (size_t)(end_of - at);

		if (word == len && memcmp(at, identity, len) == 0)
			return true;
		at = space != NULL ? space + 1 : NULL;
	}
	return false;
}

/* A 5.08 names the proxies it passed (RFC 8768 4). */
static void relay_hop_limit_reached(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	const char *identity = x->conf->settings.identity;
	struct outer_plan plan;
	struct answer a;

	if (has_identity(m, identity)) {
		proxy_count(p, COUNT_LOOPS);
		log_info("a 5.08 came back that names this gateway: requests run in a loop");
		respond_error(p, x, ERR_LOOP, 0);
		return;
	}
	if (begin(p, x, &a, m->code) < 0)
		return;
	plan_response(&plan, x, m, 0);
	outer_write_options(&a.w, m, &plan);
	writer_u8(&a.w.w, 0xff);
	writer_bytes(&a.w.w, identity, strlen(identity));
	if (m->payload_len > 0) {
		writer_u8(&a.w.w, ' ');
		writer_bytes(&a.w.w, m->payload, m->payload_len);
	}
	end_relayed(p, x, &a);
}

/* The answer to a plain GET or FETCH is cut to one block that fits; which one the client asked for by Block2, as a server
 * that keeps no state would (RFC 7959 2.4). */
static void relay_cut(struct proxy *p, struct exchange *x, const struct msg_view *m, size_t limit)
{
	size_t overhead = m->len - m->payload_len + x->token_len + 8;
	struct opt_block b = { .szx = x->has_block2 && x->block2.szx < OPT_SZX_BERT ? x->block2.szx : OPT_SZX_LARGEST };
	size_t from = x->has_block2 ? (size_t)opt_block_offset(&x->block2) : 0, size;
	struct outer_plan plan;
	struct answer a;

	while (b.szx > 0 && overhead + opt_block_unit(b.szx) > limit)
		b.szx--;
	b.num = (uint32_t)(from / opt_block_unit(b.szx));
	size = opt_block_unit(b.szx);
	if (from >= m->payload_len) {
		respond_error(p, x, ERR_BLOCK_SIZE, 0);
		return;
	}
	b.more = m->payload_len - from > size;
	if (!b.more)
		size = m->payload_len - from;
	if (begin(p, x, &a, m->code) < 0)
		return;
	plan_response(&plan, x, m, 0);
	outer_add_uint(&plan, OPT_BLOCK2, opt_block_value(&b));
	outer_write_options(&a.w, m, &plan);
	msg_add_payload(&a.w, m->payload + from, size);
	end_relayed(p, x, &a);
}

void respond_document(struct proxy *p, struct exchange *x, unsigned content_format, const void *bytes, size_t len)
{
	size_t limit = reachability_is_verified(x->client) ? message_limit(x) : unverified_limit(x);
	uint8_t head[32];
	struct msg_writer w;
	struct msg_view m;

	msg_begin(&w, head, sizeof head, MSG_NON, CODE_CONTENT, 0, NULL, 0);
	msg_add_uint(&w, OPT_CONTENT_FORMAT, content_format);
	if (msg_parse_datagram(&m, head, msg_end(&w)) != MSG_OK)
		log_fatal("respond: a head of our own cannot be read");
	if (!x->has_block2 && len <= BLOCK_LARGEST && m.len + x->token_len + len <= limit) {
		respond_content(p, x, CODE_CONTENT, (int)content_format, bytes, len);
		return;
	}
	m.payload = bytes;
	m.payload_len = len;
	m.len += len;
	if (!is_silenced(p, x, m.code))
		relay_cut(p, x, &m, limit);
}

static bool was_challenged(const struct exchange *x)
{
	return x->client->challenged_at != 0 && clock_now() - x->client->challenged_at <= x->conf->settings.verified_for;
}

static bool relay_to_unverified(struct proxy *p, struct exchange *x, const struct msg_view *m, size_t limit)
{
	bool plain_read = !x->oscore && (x->code == CODE_GET || x->code == CODE_FETCH) && m->code == CODE_CONTENT;

	if (plain_read && msg_option(m, OPT_BLOCK2) == NULL && m->payload_len > 16) {
		proxy_count(p, COUNT_CUT);
		relay_cut(p, x, m, limit);
		return true;
	}
	if (!was_challenged(x)) {
		x->client->challenged_at = clock_now();
		respond_error(p, x, ERR_CHALLENGE, 0);
		return false;
	}
	if (reachability_take_rate(p, &x->client->peer, m->len)) {
		struct outer_plan plan;
		struct answer a;

		if (begin(p, x, &a, m->code) < 0)
			return false;
		plan_response(&plan, x, m, 0);
		outer_write(&a.w, m, &plan);
		return end_relayed(p, x, &a);
	}
	proxy_count(p, COUNT_UNVERIFIED_DROPPED);
	respond_acknowledge(p, x);
	return false;
}

static bool relay(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct outer_plan plan;
	struct answer a;
	size_t limit = unverified_limit(x);

	if (m->code == CODE_HOP_LIMIT) {
		relay_hop_limit_reached(p, x, m);
		return true;
	}
	if (!x->inner && x->route->echo && !reachability_is_verified(x->client) && m->len > limit)
		return relay_to_unverified(p, x, m, limit);
	if (begin(p, x, &a, m->code) < 0)
		return false;
	plan_response(&plan, x, m, 0);
	outer_write(&a.w, m, &plan);
	return end_relayed(p, x, &a);
}

static bool relay_held(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct held_cut cut;
	enum error e = held_cut(p, x, m, false, &cut);

	if (e == ERR_NONE)
		return relay(p, x, &cut.m);
	respond_error(p, x, e, 0);
	return false;
}

bool respond_relay(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	if (is_silenced(p, x, m->code))
		return true;
	return held_is_needed(x, m) ? relay_held(p, x, m) : relay(p, x, m);
}

/* What of a notification fits its client's hop; NULL: it cannot be told. */
static const struct msg_view *fit(struct proxy *p, struct exchange *x, const struct msg_view *m, struct held_cut *cut)
{
	if (!held_is_needed(x, m))
		return m;
	if (held_cut(p, x, m, true, cut) == ERR_NONE)
		return &cut->m;
	proxy_count(p, COUNT_NOTIFICATIONS_SKIPPED);
	return NULL;
}

static void supersede(struct proxy *p, struct exchange *x, const struct msg_view *m, uint64_t age)
{
	struct outer_plan plan;
	struct answer a;
	size_t len;

	msg_begin(&a.w, a.bytes, sizeof a.bytes, MSG_CON, m->code, 0, exchange_token(x), x->token_len);
	plan_response(&plan, x, m, age);
	outer_write(&a.w, m, &plan);
	len = msg_end(&a.w);
	if (len > 0)
		delivery_replace(p, x->observation->delivery, a.bytes, len);
}

void respond_supersede(struct proxy *p, struct exchange *x, const struct msg_view *m, uint64_t age)
{
	struct held_cut cut;

	m = fit(p, x, m, &cut);
	if (m != NULL)
		supersede(p, x, m, age);
}

/* The last notification outlives the observation. */
static struct delivery *notify_confirmable(struct proxy *p, struct exchange *x, uint8_t *bytes, size_t len)
{
	struct observation *o = x->observation->established ? x->observation : NULL;
	struct delivery *d = delivery_send(p, x->client, &x->local, o, bytes, len, allowance_of(x, len));
	int32_t mid;

	if (d != NULL || !reachability_is_verified(x->client))
		return d;
	mid = make_non(p, x->client, bytes);
	if (mid < 0)
		return NULL;
	observe_remember_mid(x->observation, (uint16_t)mid);
	client_send(x->client->listener, &x->client->peer, &x->local, bytes, len);
	return NULL;
}

static struct delivery *notify(struct proxy *p, struct exchange *x, const struct msg_view *m, bool confirmable, uint64_t age)
{
	struct outer_plan plan;
	struct answer a;
	struct client *c = x->client;
	bool numbered = !x->inner && !client_is_reliable(c);
	int32_t mid = confirmable || !numbered ? 0 : client_take_mid(p, c);
	size_t len;

	if (mid < 0 || (c->gone && !x->inner))
		return NULL;
	msg_begin(&a.w, a.bytes, sizeof a.bytes, confirmable ? MSG_CON : MSG_NON, m->code, (uint16_t)mid, exchange_token(x),
		x->token_len);
	plan_response(&plan, x, m, age);
	outer_write(&a.w, m, &plan);
	len = msg_end(&a.w);
	if (len == 0 || (!x->inner && len > message_limit(x)))
		return NULL;
	proxy_count(p, COUNT_NOTIFICATIONS);
	p->cell->routes[x->route->metrics_slot].notifications++;
	if (x->inner) {
		requester_tell(x, a.bytes, len, ERR_NONE, age);
		return NULL;
	}
	if (confirmable && numbered)
		return notify_confirmable(p, x, a.bytes, len);
	if (numbered)
		observe_remember_mid(x->observation, (uint16_t)mid);
	client_send(c->listener, &c->peer, &x->local, a.bytes, len);
	return NULL;
}

struct delivery *respond_notify(struct proxy *p, struct exchange *x, const struct msg_view *m, bool confirmable, uint64_t age)
{
	struct held_cut cut;

	m = fit(p, x, m, &cut);
	return m != NULL ? notify(p, x, m, confirmable, age) : NULL;
}

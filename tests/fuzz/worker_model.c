#include "tests/fuzz/worker_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "translate/outer.h"

enum { ANSWER_KEPT = 93, WAITERS_MAX = 64 };

/* A request that the worker took as a new one. */
struct request {
	struct request *next;
	unsigned client;
	uint64_t token, content;     /* hashes: of the token; of what must not be done twice, 0: may be */
	uint64_t at;
	uint16_t mid;
	uint8_t type, no_response;
	bool registers, observed;    /* asked to observe; was told that it does */
	bool acknowledged, answered; /* by an Empty ACK; by an answer */
	bool forwarded;
	struct model_message *piggybacked;
};

struct model model;

static struct {
	uint64_t now;
	struct request *requests;    /* the newest first */
	struct resolve_waiter *waiters[WAITERS_MAX];
	uint64_t waits_until[WAITERS_MAX];
	unsigned waiting;
	bool slot_open[ORIGIN_SLOTS_MAX], worn;
	/* the datagram that is being delivered */
	const struct msg_view *from_client, *from_origin;
	unsigned from;
	bool asked[MODEL_CLIENTS], spoke[MODEL_ORIGINS];
	uint16_t origin_mids[MODEL_ORIGINS][MODEL_LOG];
	unsigned origin_mid_count[MODEL_ORIGINS];
} world;

/* ---- the clock ---- */

void clock_update(void)
{
}

uint64_t clock_now(void)
{
	return world.now;
}

bool clock_is_steered(void)
{
	return true;
}

void clock_steer(uint64_t at)
{
	(void)at;
}

int64_t clock_wall(uint32_t *microseconds)
{
	*microseconds = 0;
	return 0;
}

/* ---- names: the first letter says what becomes of it ---- */

static struct endpoint address_of(unsigned i)
{
	struct endpoint e = model.origins[i % MODEL_ORIGINS];

	e.port = 0;
	return e;
}

enum resolve_result resolve_name(struct resolver *r, const char *name, size_t len, struct endpoint addresses[RESOLVE_ADDRESSES_MAX],
	size_t *count, struct resolve_waiter *w)
{
	(void)r;
	*count = 0;
	if (len > 0 && name[0] == 'q') {
		addresses[0] = address_of(0);
		addresses[1] = address_of(1);
		*count = 2;
		return RESOLVE_OK;
	}
	if (len > 0 && name[0] == 's') {
		if (world.waiting == WAITERS_MAX)
			return RESOLVE_FULL;
		CHECK(w->link == NULL);
		w->link = &world.waiters[world.waiting];
		world.waits_until[world.waiting] = world.now + 10 * CLOCK_SECOND;
		world.waiters[world.waiting++] = w;
		return RESOLVE_PENDING;
	}
	return len > 0 && name[0] == 'u' ? RESOLVE_FULL : len > 0 && name[0] == 't' ? RESOLVE_TIMEOUT : RESOLVE_FAILED;
}

void resolve_cancel(struct resolve_waiter *w)
{
	unsigned at;

	if (w->link == NULL)
		return;
	at = (unsigned)(w->link - world.waiters);
	CHECK(at < world.waiting && world.waiters[at] == w);
	w->link = NULL;
	for (world.waiting--; at < world.waiting; at++) {
		world.waiters[at] = world.waiters[at + 1];
		world.waiters[at]->link = &world.waiters[at];
		world.waits_until[at] = world.waits_until[at + 1];
	}
}

void model_resolved(unsigned which, enum resolve_result result, unsigned addresses)
{
	struct endpoint found[2] = { address_of(which), address_of(which + 1) };
	struct resolve_waiter *w;

	if (world.waiting == 0)
		return;
	w = world.waiters[which % world.waiting];
	resolve_cancel(w);
	w->done(w, result, found, result == RESOLVE_OK ? 1 + addresses % 2 : 0);
}

/* ---- what was sent ---- */

/* With WORKER_TRACE in the environment a script is told as it runs. */
static void tell(const char *what, unsigned who, unsigned slot, const uint8_t *bytes, size_t len)
{
	static int wanted = -1;
	struct msg_view m;

	if (wanted < 0)
		wanted = getenv("WORKER_TRACE") != NULL;
	if (!wanted)
		return;
	fprintf(stderr, "%10.3f %s %u slot %u:", (double)world.now / 1e6, what, who, slot);
	if (msg_parse_datagram(&m, bytes, len) != MSG_OK) {
		fprintf(stderr, " %zu bytes, malformed\n", len);
		return;
	}
	fprintf(stderr, " type %u code %u.%02u mid %u token %u:%02x, options", m.type, m.code >> 5, m.code & 31, m.mid, m.token_len,
		m.token_len > 0 ? m.token[m.token_len - 1] : 0);
	for (unsigned i = 0; i < m.option_count; i++)
		fprintf(stderr, " %u(%u)", m.options[i].number, m.options[i].len);
	fprintf(stderr, ", %zu of payload\n", m.payload_len);
}

static struct model_message *message_new(unsigned who, unsigned slot, const uint8_t *bytes, size_t len)
{
	struct model_message *m = malloc(sizeof *m);
	uint8_t *copy = malloc(len);

	CHECK(m != NULL && copy != NULL && len <= MODEL_MESSAGE);
	memcpy(copy, bytes, len);
	m->who = who;
	m->slot = slot;
	m->at = world.now;
	CHECK(msg_parse_datagram(&m->view, copy, len) == MSG_OK);
	return m;
}

static void log_add(struct model_log *log, struct model_message *m)
{
	CHECK(log->count < MODEL_LOG);
	log->all[log->count++] = m;
}

static void log_free(struct model_log *log)
{
	while (log->count > 0) {
		struct model_message *m = log->all[--log->count];

		free((void *)(uintptr_t)m->view.bytes);
		free(m);
	}
}

const struct model_message *model_last(const struct model_log *log, unsigned back)
{
	return log->count == 0 ? NULL : log->all[log->count - 1 - back % log->count];
}

bool model_has_room(void)
{
	return model.to_client.count < MODEL_LOG / 2 && model.to_origin.count < MODEL_LOG / 2 &&
		world.origin_mid_count[0] + world.origin_mid_count[1] + world.origin_mid_count[2] < MODEL_LOG;
}

static bool same_bytes(const struct msg_view *a, const struct msg_view *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Message IDs of CON and NON share a space in which none is used again for 247 s, but for a repeat (RFC 7252 4.2, 4.4).
 * Returns true if m is a repeat. */
static bool is_repeat(const struct model_log *log, const struct model_message *m)
{
	for (unsigned i = log->count; i-- > 0;) {
		const struct model_message *before = log->all[i];

		if (before->who != m->who || before->slot != m->slot || before->view.mid != m->view.mid || before->view.type > MSG_NON)
			continue;
		if (world.now - before->at >= EXCHANGE_LIFETIME)
			return false;
		CHECK(m->view.type == MSG_CON && same_bytes(&before->view, &m->view));
		return true;
	}
	return false;
}

static uint64_t mix(uint64_t h, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3u;
	return (h ^ len) * 0x100000001b3u;
}

static uint64_t token_of(const struct msg_view *m)
{
	return mix(0xcbf29ce484222325u, m->token, m->token_len);
}

/* What must not be done twice: an OSCORE message, an unsafe method. Names neither the token nor what a hop changes. */
static uint64_t content_of(const struct msg_view *m)
{
	const struct msg_option *oscore = msg_option(m, OPT_OSCORE);
	uint64_t h = 0xcbf29ce484222325u;

	if (oscore == NULL && (m->code == CODE_GET || m->code == CODE_FETCH || m->code == CODE_DELETE))
		return 0;
	if (oscore != NULL)
		h = mix(h, oscore->value, oscore->len);
	return mix(mix(h, &m->code, 1), m->payload, m->payload_len) | 1;
}

/* ---- judging what clients get ---- */

/* Whether the client sent a request with this Message ID. */
static struct request *request_by_mid(unsigned client, uint16_t mid)
{
	struct request *r = world.requests;

	while (r != NULL && (r->client != client || r->mid != mid))
		r = r->next;
	return r;
}

static bool is_observed(unsigned client, uint64_t token)
{
	for (const struct request *r = world.requests; r != NULL; r = r->next)
		if (r->client == client && r->token == token && r->observed)
			return true;
	return false;
}

/* The oldest that waits for an answer in a message of its own; one that may go without (RFC 7967) only where no other does. */
static struct request *request_waiting(unsigned client, uint64_t token)
{
	struct request *found = NULL;

	for (struct request *r = world.requests; r != NULL; r = r->next) {
		if (r->client != client || r->token != token || r->answered || (r->type == MSG_CON && !r->acknowledged))
			continue;
		if (found == NULL || found->no_response != 0 || r->no_response == 0)
			found = r;
	}
	return found;
}

static void note_answer(struct request *r, const struct msg_view *m)
{
	const struct msg_option *echo = msg_option(m, OPT_ECHO);

	r->answered = true;
	if (r->registers && MSG_CLASS(m->code) == 2 && msg_option(m, OPT_OBSERVE) != NULL)
		r->observed = true;
	if (echo != NULL) {
		memcpy(model.echo[r->client], echo->value, echo->len);
		model.echo_len[r->client] = echo->len;
	}
}

static void judge_empty(const struct model_message *s)
{
	struct request *r;

	CHECK(s->view.type == MSG_ACK || s->view.type == MSG_RST);
	if (s->view.type == MSG_RST) {
		/* only at once, and never over an ACK or RST */
		CHECK(world.from_client != NULL && world.from == s->who && world.from_client->mid == s->view.mid);
		CHECK(world.from_client->type == MSG_CON);
		return;
	}
	r = request_by_mid(s->who, s->view.mid);
	CHECK(r != NULL);
	/* not instead of an answer that is still known */
	CHECK(r->piggybacked == NULL || model.tight || world.now - r->at >= ANSWER_KEPT * CLOCK_SECOND);
	r->acknowledged = true;
}

static void judge_piggybacked(struct model_message *s)
{
	struct request *first = NULL;
	bool repeats = false;

	for (struct request *r = world.requests; r != NULL; r = r->next) {
		if (r->client != s->who || r->mid != s->view.mid || r->type != MSG_CON)
			continue;
		repeats = repeats || (r->piggybacked != NULL && same_bytes(&r->piggybacked->view, &s->view));
		if (first == NULL && r->piggybacked == NULL && !r->acknowledged && r->token == token_of(&s->view))
			first = r;
	}
	CHECK(first != NULL || repeats);
	if (first == NULL)
		return;
	CHECK(!first->answered);
	first->piggybacked = s;
	note_answer(first, &s->view);
}

static void judge_own_message(const struct model_message *s)
{
	uint64_t token = token_of(&s->view);
	struct request *r = request_waiting(s->who, token);

	if (r != NULL)
		note_answer(r, &s->view);
	else
		CHECK(is_observed(s->who, token));
}

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	struct model_message *s;
	unsigned who = 0;

	CHECK(listener == 0 && from->addr[15] == 9);
	while (who < MODEL_CLIENTS && !endpoint_equal(&model.clients[who], peer))
		who++;
	CHECK(who < MODEL_CLIENTS && world.asked[who]);
	tell("to client", who, 0, bytes, len);
	s = message_new(who, 0, bytes, len);
	CHECK(world.from_client == NULL || world.from_client->type <= MSG_NON || s->view.type <= MSG_NON);
	CHECK(s->view.code == CODE_EMPTY || msg_code_is_response(s->view.code));
	if (s->view.code == CODE_EMPTY)
		judge_empty(s);
	else if (s->view.type == MSG_ACK)
		judge_piggybacked(s);
	else if (!is_repeat(&model.to_client, s))
		judge_own_message(s);
	log_add(&model.to_client, s);
}

/* ---- judging what origins get ---- */

static bool origin_used(unsigned who, uint16_t mid)
{
	for (unsigned i = 0; i < world.origin_mid_count[who]; i++)
		if (world.origin_mids[who][i] == mid)
			return true;
	return false;
}

/* Each request taken goes out under one Message ID at most. */
static void judge_forwarded(const struct msg_view *m)
{
	uint64_t content = content_of(m);
	bool known = false;

	for (struct request *r = world.requests; r != NULL; r = r->next) {
		if (content != 0 && r->content == content && !r->forwarded) {
			r->forwarded = true;
			return;
		}
		known = known || r->content == content;
	}
	CHECK(content == 0 && known);
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct model_message *s;
	unsigned who = 0;

	while (who < MODEL_ORIGINS && !endpoint_equal(&model.origins[who], peer))
		who++;
	CHECK(who < MODEL_ORIGINS && slot < ORIGIN_SLOTS_MAX && world.slot_open[slot]);
	tell("to origin", who, slot, bytes, len);
	s = message_new(who, slot, bytes, len);
	if (s->view.code == CODE_EMPTY) {
		CHECK(s->view.type == MSG_ACK || s->view.type == MSG_RST);
		CHECK(world.spoke[who] && origin_used(who, s->view.mid));
		CHECK(s->view.type == MSG_ACK || world.from_origin != NULL);
		CHECK(world.from_origin == NULL || world.from_origin->type <= MSG_NON);
	} else {
		CHECK(msg_code_is_request(s->view.code) && s->view.type <= MSG_NON && s->view.token_len == UPSTREAM_TOKEN);
		if (!is_repeat(&model.to_origin, s))
			judge_forwarded(&s->view);
	}
	log_add(&model.to_origin, s);
}

int edge_open_slot(unsigned slot, bool ipv4)
{
	CHECK(slot < ORIGIN_SLOTS_MAX && ipv4);
	if (world.worn && slot > 2)
		return -1;
	world.slot_open[slot] = true;
	return 0;
}

bool edge_has_route(const struct endpoint *peer)
{
	return endpoint_equal(peer, &model.origins[0]) || peer->addr[15] == 2;
}

/* ---- delivering ---- */

static unsigned requests_like(const struct request *like)
{
	unsigned count = 0;

	for (const struct request *r = world.requests; r != NULL; r = r->next)
		count += r->content == like->content;
	return count;
}

/* A request that the worker has no record of is a new one; then no copy of it may have gone upstream inside its lifetime. */
static void note_request(unsigned who, const struct msg_view *m, bool has_record)
{
	uint64_t lifetime = m->type == MSG_CON ? EXCHANGE_LIFETIME : NON_LIFETIME;
	struct outer_request wishes = { 0 };
	uint16_t offender;
	struct request *r;

	if (has_record)
		return;
	for (r = world.requests; r != NULL; r = r->next)
		if (r->client == who && r->mid == m->mid && r->type == m->type && world.now - r->at < lifetime)
			CHECK(!r->forwarded || requests_like(r) > 1);
	r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	(void)outer_read_request(m, &wishes, &offender);
	*r = (struct request){ .next = world.requests, .client = who, .token = token_of(m), .content = content_of(m),
		.at = world.now, .mid = m->mid, .type = m->type, .no_response = wishes.no_response,
		.registers = wishes.observe == OBSERVE_REGISTER };
	world.requests = r;
}

void model_from_client(unsigned who, const uint8_t *bytes, size_t len, bool truncated, bool multicast)
{
	struct local_address to = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };
	struct duplicates *d = model.proxy->duplicates;
	enum msg_result result;
	struct duplicate known;
	struct msg_view m;
	uint64_t hash;

	tell("from client", who, 0, bytes, len);
	result = msg_parse_datagram(&m, bytes, len);
	world.from_client = &m;
	world.from = who;
	world.asked[who] = true;
	if (!multicast && (result == MSG_OK || result == MSG_TOO_MANY_OPTIONS) && msg_code_is_request(m.code) && m.type <= MSG_NON) {
		hash = duplicates_hash(d, &model.clients[who], 0, m.mid);
		note_request(who, &m, result == MSG_OK && duplicates_find(d, hash, world.now, &known) != DUPLICATES_NONE);
	}
	receive_soon(model.proxy, 0, &model.clients[who], bytes, len);
	receive_datagram(model.proxy, 0, &model.clients[who], &to, bytes, len, truncated, multicast);
	world.from_client = NULL;
}

void model_from_origin(unsigned who, unsigned slot, const uint8_t *bytes, size_t len, bool truncated)
{
	struct msg_view m = { .type = MSG_CON };

	if (slot >= ORIGIN_SLOTS_MAX || !world.slot_open[slot])
		return;
	tell("from origin", who, slot, bytes, len);
	if (msg_parse_datagram(&m, bytes, len) != MSG_IGNORE && m.type <= MSG_NON)
		world.origin_mids[who][world.origin_mid_count[who]++] = m.mid;
	world.from_origin = &m;
	world.spoke[who] = true;
	upstream_datagram(model.proxy, slot, &model.origins[who], bytes, len, truncated);
	world.from_origin = NULL;
}

void model_unreachable(unsigned who, unsigned slot, const uint8_t *quoted, size_t len)
{
	upstream_unreachable(model.proxy, slot, &model.origins[who], quoted, len);
}

void model_step(uint64_t microseconds)
{
	world.now += microseconds;
	while (world.waiting > 0 && world.waits_until[0] <= world.now)
		model_resolved(0, RESOLVE_TIMEOUT, 0);
	proxy_turn(model.proxy);
}

/* ---- beginning and end ---- */

static struct endpoint endpoint_at(uint8_t first, uint8_t last, uint16_t port)
{
	return (struct endpoint){ .addr = { [10] = 0xff, [11] = 0xff, [12] = first, [15] = last }, .port = port };
}

void model_begin(struct snapshot *conf, bool tight)
{
	static struct resolver *const some_resolver = (struct resolver *)&world;

	memset(&world, 0, sizeof world);
	memset(&model, 0, sizeof model);
	world.now = 1000 * CLOCK_SECOND;
	model.tight = tight;
	model.clients[0] = endpoint_at(10, 1, 40001);  /* of a trusted network */
	model.clients[1] = endpoint_at(203, 2, 40002); /* of none */
	model.origins[0] = endpoint_at(10, 1, 5683);
	model.origins[1] = endpoint_at(10, 2, 5683);
	model.origins[2] = endpoint_at(10, 3, 5683);
	for (unsigned i = 0; i < MODEL_ORIGINS; i++)
		model.origins[i].addr[13] = 9;
	log_open(STDERR_FILENO, LOG_LEVEL_ERROR);
	random_seed_for_test(1);
	model.proxy = proxy_create(conf, some_resolver);
	CHECK(model.proxy != NULL);
}

static struct message_ids worn_ids(unsigned i)
{
	struct message_ids ids = { .entered_at = (uint32_t)(world.now / (CLOCK_SECOND / 10)), .next = MESSAGE_ID_CHUNK - 4,
		.started = true };

	if (i % 2 != 0)
		ids.used_at[1] = ids.entered_at;
	return ids;
}

void model_wear(void)
{
	world.worn = true;
	for (unsigned i = 0; i < PORT_SPACES; i++)
		model.proxy->ports[i].ids = worn_ids(i);
	for (unsigned i = 0; i < DOWN_ID_SPACES; i++)
		model.proxy->down_ids[i] = worn_ids(i);
}

struct remains {
	uint32_t observing;
	size_t bytes;
};

static size_t buffer_size(const struct buffer *b)
{
	return b->bytes == NULL ? 0 : (size_t)BUFFER_SMALLEST << b->class;
}

static void judge_remaining(void *object, uint32_t index, void *arg)
{
	struct exchange *x = object;
	struct remains *r = arg;

	(void)index;
	CHECK(x->state == EXCHANGE_OBSERVING && x->observation != NULL && x->observation->established);
	CHECK(x->observation->delivery == NULL && x->observation->pending.bytes == NULL && x->lookup == NULL && !x->in_window);
	CHECK(x->client != NULL && x->client->observation_count > 0);
	r->observing++;
	r->bytes += buffer_size(&x->request);
}

static void judge_client(void *object, uint32_t index, void *arg)
{
	const struct client *c = object;

	(void)index, (void)arg;
	CHECK(c->first == NULL && c->last == NULL && c->exchanges == c->observation_count);
}

static void judge_origin(void *object, uint32_t index, void *arg)
{
	const struct origin *o = object;
	uint32_t *exchanges = arg;

	(void)index;
	CHECK(o->in_flight == NULL && o->in_flight_count == 0 && o->waiting == 0 && o->flow_first == NULL && o->flow_last == NULL);
	*exchanges += o->exchanges;
}

static void judge_end(void)
{
	struct proxy *p = model.proxy;
	struct remains r = { 0, 0 };
	uint32_t exchanges = 0;
	uint64_t missing = 0;

	slab_each(p->exchanges, judge_remaining, &r);
	slab_each(p->clients, judge_client, NULL);
	slab_each(p->origins, judge_origin, &exchanges);
	CHECK(exchanges == r.observing);
	CHECK(slab_count(p->flows) == 0 && slab_count(p->lookups) == 0 && slab_count(p->deliveries) == 0);
	CHECK(slab_count(p->observations) == r.observing && buffers_in_use(p->buffers) == r.bytes);
	for (size_t i = 0; i < p->conf->route_count; i++)
		exchanges -= p->route_exchanges[i];
	CHECK(exchanges == 0);
	for (const struct request *q = world.requests; q != NULL; q = q->next) {
		CHECK(q->type == MSG_NON || q->acknowledged || q->piggybacked != NULL);
		missing += !q->answered && q->no_response == 0;
	}
	/* given up: no room, the rate of an unverified network, behind a message the client never acknowledged */
	CHECK(missing <= p->metrics.count[COUNT_ABANDONED] + p->metrics.count[COUNT_UNVERIFIED_DROPPED] +
		p->metrics.count[COUNT_DELIVERIES_FAILED]);
}

void model_end(void)
{
	uint64_t until = world.now + 3000 * CLOCK_SECOND, next;
	const struct snapshot *conf;

	while (world.waiting > 0 || (next = wheel_next(model.proxy->wheel)) < until) {
		if (world.waiting > 0)
			next = world.waits_until[0];
		model_step(next > world.now ? next - world.now : 0);
	}
	judge_end();
	conf = model.proxy->conf;
	proxy_destroy(model.proxy);
	CHECK(conf->references == 1);
	log_free(&model.to_client);
	log_free(&model.to_origin);
	while (world.requests != NULL) {
		struct request *r = world.requests;

		world.requests = r->next;
		free(r);
	}
}

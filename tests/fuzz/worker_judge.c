#include "tests/fuzz/worker_judge.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "translate/outer.h"

enum { ANSWER_KEPT = 93 };

/* A request that the worker took as a new one. */
struct request {
	struct request *next;
	unsigned client;
	uint64_t token, content;     /* hashes: of the token; of what must not be done twice, 0: may be */
	uint64_t kind;               /* of method and OSCORE option alone */
	uint64_t at;
	uint16_t mid;
	uint8_t type, no_response;
	bool registers, observed;    /* asked to observe; was told that it does */
	bool acknowledged, answered; /* by an Empty ACK; by an answer */
	bool forwarded;
	bool in_parts;               /* its body comes in blocks, or may have to go in blocks */
	struct model_message *piggybacked;
};

static struct request *requests; /* the newest first */

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
		if (clock_now() - before->at >= EXCHANGE_LIFETIME)
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

static uint64_t kind_of(const struct msg_view *m)
{
	const struct msg_option *oscore = msg_option(m, OPT_OSCORE);

	return mix(oscore != NULL ? mix(1, oscore->value, oscore->len) : 0, &m->code, 1);
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

/* ---- what clients get ---- */

static bool is_observed(unsigned client, uint64_t token)
{
	for (const struct request *r = requests; r != NULL; r = r->next)
		if (r->client == client && r->token == token && r->observed)
			return true;
	return false;
}

/* The oldest that waits for an answer in a message of its own; one that may go without (RFC 7967) only where no other does. */
static struct request *request_waiting(unsigned client, uint64_t token)
{
	struct request *found = NULL;

	for (struct request *r = requests; r != NULL; r = r->next) {
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
	bool allowed = false;

	CHECK(s->view.type == MSG_ACK || s->view.type == MSG_RST);
	if (s->view.type == MSG_RST) {
		/* only at once, and never over an ACK or RST */
		CHECK(model.from_client != NULL && model.from == s->who && model.from_client->mid == s->view.mid);
		CHECK(model.from_client->type == MSG_CON);
		return;
	}
	for (r = requests; r != NULL; r = r->next) {
		if (r->client != s->who || r->mid != s->view.mid)
			continue;
		/* not instead of an answer that is still known */
		allowed = allowed || r->piggybacked == NULL || model.tight || clock_now() - r->at >= ANSWER_KEPT * CLOCK_SECOND;
		r->acknowledged = r->acknowledged || r->piggybacked == NULL;
	}
	CHECK(allowed);
}

/* Where there is no memory for a record, copies of a safe request are taken as requests each: they share what is said. */
static bool has_copies(const struct request *like)
{
	unsigned count = 0;

	for (const struct request *r = requests; r != NULL; r = r->next)
		count += r->client == like->client && r->mid == like->mid;
	return model.tight && count > 1;
}

static void judge_piggybacked(struct model_message *s)
{
	struct request *first = NULL;
	bool repeats = false;

	for (struct request *r = requests; r != NULL; r = r->next) {
		if (r->client != s->who || r->mid != s->view.mid || r->type != MSG_CON)
			continue;
		repeats = repeats || (r->piggybacked != NULL && same_bytes(&r->piggybacked->view, &s->view));
		if (first == NULL && r->piggybacked == NULL && (!r->acknowledged || has_copies(r)) && r->token == token_of(&s->view))
			first = r;
	}
	CHECK(first != NULL || repeats);
	if (first == NULL)
		return;
	CHECK(!first->answered || has_copies(first));
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

void judge_client_message(struct model_message *s)
{
	CHECK(model.from_client == NULL || model.from_client->type <= MSG_NON || s->view.type <= MSG_NON);
	CHECK(s->view.code == CODE_EMPTY || msg_code_is_response(s->view.code));
	if (s->who == OVER_CONNECTION) {
		/* one thing after the other, each once */
		CHECK(s->view.code != CODE_EMPTY && s->view.mid == 0); /* its type is nobody's business */
		judge_own_message(s);
		return;
	}
	if (s->view.code == CODE_EMPTY)
		judge_empty(s);
	else if (s->view.type == MSG_ACK)
		judge_piggybacked(s);
	else if (!is_repeat(&model.to_client, s))
		judge_own_message(s);
}

/* ---- what origins get ---- */

static bool origin_used(unsigned who, uint16_t mid)
{
	for (unsigned i = 0; i < model.origin_mid_count[who]; i++)
		if (model.origin_mids[who][i] == mid)
			return true;
	return false;
}

/* A block of a body that is sent on in other blocks than it came in: by a Request-Tag of the worker's. */
static bool is_part(const struct msg_view *m)
{
	const struct msg_option *tag = msg_option(m, OPT_REQUEST_TAG);

	return msg_option(m, OPT_BLOCK1) != NULL && tag != NULL && tag->len == 8;
}

static bool is_same_option(const struct msg_view *a, const struct msg_view *b, uint16_t number)
{
	const struct msg_option *one = msg_option(a, number), *other = msg_option(b, number);

	return one != NULL && other != NULL && one->len == other->len && memcmp(one->value, other->value, one->len) == 0;
}

/* Each goes out once, unless it may be done twice; and somebody has sent what it is of. */
static void judge_part(const struct msg_view *m)
{
	bool known = false;

	for (unsigned i = 0; i < model.to_origin.count && content_of(m) != 0; i++) {
		const struct msg_view *before = &model.to_origin.all[i]->view;

		CHECK(before == m || !is_part(before) || !is_same_option(before, m, OPT_REQUEST_TAG) || !is_same_option(before, m, OPT_BLOCK1));
	}
	for (const struct request *r = requests; r != NULL; r = r->next)
		known = known || (r->in_parts && r->kind == kind_of(m));
	CHECK(known);
}

/* A body that came in blocks went in one message. */
static bool takes_gathered(const struct msg_view *m)
{
	for (struct request *r = requests; r != NULL; r = r->next)
		if (r->in_parts && r->kind == kind_of(m) && !r->forwarded) {
			r->forwarded = true;
			return true;
		}
	return false;
}

/* Each request taken goes out under one Message ID at most. */
static void judge_forwarded(const struct msg_view *m)
{
	uint64_t content = content_of(m);
	bool known = false;

	if (is_part(m)) {
		judge_part(m);
		return;
	}
	for (struct request *r = requests; r != NULL; r = r->next) {
		if (content != 0 && r->content == content && !r->forwarded) {
			r->forwarded = true;
			return;
		}
		known = known || r->content == content;
	}
	CHECK((content == 0 && known) || takes_gathered(m));
}

/* It got a request of its own answered, or one of a client's. */
static void judge_at_connection(const struct model_message *s)
{
	CHECK(s->view.code != CODE_EMPTY);
	if (msg_code_is_request(s->view.code))
		judge_forwarded(&s->view);
	else
		CHECK(s->view.code == CODE_NOT_IMPLEMENTED && model.from_origin != NULL && msg_code_is_request(model.from_origin->code));
}

void judge_origin_message(const struct model_message *s)
{
	if (s->who == AT_CONNECTION) {
		judge_at_connection(s);
		return;
	}
	if (s->view.code != CODE_EMPTY) {
		CHECK(msg_code_is_request(s->view.code) && s->view.type <= MSG_NON && s->view.token_len == UPSTREAM_TOKEN);
		if (!is_repeat(&model.to_origin, s))
			judge_forwarded(&s->view);
		return;
	}
	CHECK(s->view.type == MSG_ACK || s->view.type == MSG_RST);
	CHECK(origin_used(s->who, s->view.mid));
	CHECK(s->view.type == MSG_ACK || model.from_origin != NULL);
	CHECK(model.from_origin == NULL || model.from_origin->type <= MSG_NON);
}

/* ---- what clients ask ---- */

static unsigned requests_like(const struct request *like)
{
	unsigned count = 0;

	for (const struct request *r = requests; r != NULL; r = r->next)
		count += r->content == like->content;
	return count;
}

/* A request that the worker has no record of is a new one; then no copy of it may have gone upstream inside its lifetime. */
void judge_request(unsigned who, const struct msg_view *m, bool has_record)
{
	uint64_t lifetime = m->type == MSG_CON ? EXCHANGE_LIFETIME : NON_LIFETIME;
	struct outer_request wishes = { 0 };
	uint16_t offender;
	struct request *r;

	if (has_record)
		return;
	for (r = requests; r != NULL; r = r->next)
		if (r->client == who && who != OVER_CONNECTION && r->mid == m->mid && r->type == m->type && clock_now() - r->at < lifetime)
			CHECK(!r->forwarded || requests_like(r) > 1);
	r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	(void)(who == OVER_CONNECTION ? outer_read_reliable_request : outer_read_request)(m, &wishes, &offender);
	*r = (struct request){ .next = requests, .client = who, .token = token_of(m), .content = content_of(m),
		.kind = kind_of(m), .in_parts = wishes.has_block1 || m->payload_len > OPT_BLOCK_LARGEST,
		.at = clock_now(), .mid = m->mid, .type = m->type, .no_response = wishes.no_response,
		.registers = wishes.observe == OBSERVE_REGISTER };
	requests = r;
}

void judge_gone(unsigned who)
{
	for (struct request *r = requests; r != NULL; r = r->next)
		if (r->client == who) {
			r->answered = true;
			r->observed = false;
		}
}

/* ---- what remains ---- */

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
	r->bytes += buffer_size(&x->request) + buffer_size(&x->observation->message);
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

void judge_end(void)
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
		exchanges -= house_route_exchanges(&p->house, p->conf->routes[i].metrics_slot);
	CHECK(exchanges == 0);
	for (const struct request *q = requests; q != NULL; q = q->next) {
		CHECK(q->type == MSG_NON || q->acknowledged || q->piggybacked != NULL);
		missing += !q->answered && q->no_response == 0;
	}
	/* given up: no room, the rate of an unverified network, behind a message the client never acknowledged */
	CHECK(missing <= p->metrics->count[COUNT_ABANDONED] + p->metrics->count[COUNT_UNVERIFIED_DROPPED] +
		p->metrics->count[COUNT_DELIVERIES_FAILED]);
}

void judge_forget(void)
{
	while (requests != NULL) {
		struct request *r = requests;

		requests = r->next;
		free(r);
	}
}

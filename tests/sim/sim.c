#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "tests/unit/plain_edge.h"

enum { DATAGRAM = 512, EVENTS_MAX = 1 << 20, CONF_MAX = 4096 };

enum event_kind { CLIENT_BEGINS, AT_GATEWAY_FROM_CLIENT, AT_GATEWAY_FROM_ORIGIN, AT_CLIENT, AT_ORIGIN };

struct event {
	uint64_t at, order;
	enum event_kind kind;
	unsigned who, slot;
	size_t len;
	uint8_t *bytes; /* owned */
};

static struct sim *sim;
static struct {
	struct event *heap;
	size_t count;
	uint64_t order;
} queue;

/* ---- events ---- */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
	struct event e = queue.heap[a];

	queue.heap[a] = queue.heap[b];
	queue.heap[b] = e;
}

static void rise(size_t at)
{
	while (at > 0 && is_before(&queue.heap[at], &queue.heap[(at - 1) / 2])) {
		swap(at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void push(struct event e, const uint8_t *bytes)
{
	size_t at = queue.count++;

	if (queue.count > EVENTS_MAX || e.len > DATAGRAM)
		abort();
	if (bytes != NULL) {
		e.bytes = malloc(e.len);
		if (e.bytes == NULL)
			abort();
		memcpy(e.bytes, bytes, e.len);
	}
	e.order = queue.order++;
	queue.heap[at] = e;
	rise(at);
}

static struct event pop(void)
{
	struct event first = queue.heap[0];
	size_t at = 0;

	queue.heap[0] = queue.heap[--queue.count];
	for (;;) {
		size_t least = at, left = 2 * at + 1;

		for (size_t i = left; i < left + 2 && i < queue.count; i++)
			if (is_before(&queue.heap[i], &queue.heap[least]))
				least = i;
		if (least == at)
			return first;
		swap(at, least);
		at = least;
	}
}

/* Puts a datagram on a link; nothing arrives if the buffer is full or the message is lost. */
static void put_on(struct sim_link *l, struct event e, const uint8_t *bytes)
{
	uint64_t now = clock_now(), leaves = now;

	if (l->service > 0) {
		uint64_t backlog = l->free_at > now ? (l->free_at - now + l->service - 1) / l->service : 0;

		/* one of the backlog is being sent, the others lie in the buffer */
		if (backlog > l->buffer) {
			l->dropped++;
			return;
		}
		leaves = (backlog > 0 ? l->free_at : now) + l->service;
		l->free_at = leaves;
	}
	if (random_below(1000) < l->loss) {
		l->lost++;
		return;
	}
	l->passed++;
	e.at = leaves + l->delay;
	push(e, bytes);
}

/* ---- the edge ---- */

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	struct event e = { .at = clock_now(), .kind = AT_CLIENT, .who = peer->port, .len = len };

	(void)listener, (void)from;
	if (e.who >= sim->client_count)
		abort();
	e.at += sim->clients[e.who].delay;
	push(e, bytes);
}

int edge_open_slot(unsigned slot, bool ipv4)
{
	(void)slot, (void)ipv4;
	return 0;
}

bool edge_has_route(const struct endpoint *peer)
{
	(void)peer;
	return true;
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct event e = { .kind = AT_ORIGIN, .slot = slot, .len = len };

	while (e.who < SIM_ORIGINS && !endpoint_equal(&sim->origins[e.who].peer, peer))
		e.who++;
	if (e.who == SIM_ORIGINS)
		abort();
	put_on(&sim->origins[e.who].there, e, bytes);
}

/* ---- clients ---- */

static void ask(struct sim_client *c)
{
	uint8_t bytes[DATAGRAM], token[4], padding[255];
	struct event e = { .at = clock_now() + c->delay, .kind = AT_GATEWAY_FROM_CLIENT, .who = (unsigned)(c - sim->clients) };
	struct msg_writer w;
	uint32_t serial = c->next_token++;

	if (c->waiting_count == SIM_OUTSTANDING)
		abort();
	c->waiting[c->waiting_count++] = serial;
	memcpy(token, &serial, sizeof token);
	memset(padding, 'p', sizeof padding);
	msg_begin(&w, bytes, sizeof bytes, c->type, c->code, c->next_mid++, token, sizeof token);
	msg_add_option(&w, OPT_URI_PATH, "t", 1);
	if (c->padding > 0)
		msg_add_option(&w, OPT_URI_PATH, padding, c->padding);
	e.len = msg_end(&w);
	c->sent++;
	push(e, bytes);
}

static void begin(unsigned who)
{
	struct sim_client *c = &sim->clients[who];
	uint64_t starts_at = sim->started_at + c->starts_at;

	if (clock_now() < starts_at) {
		push((struct event){ .at = starts_at, .kind = CLIENT_BEGINS, .who = who }, NULL);
		return;
	}
	if (c->interval > 0) {
		if (c->waiting_count < SIM_OUTSTANDING)
			ask(c);
		push((struct event){ .at = clock_now() + c->interval, .kind = CLIENT_BEGINS, .who = who }, NULL);
		return;
	}
	while (c->waiting_count < c->outstanding)
		ask(c);
}

static bool take_waiting(struct sim_client *c, const struct msg_view *m)
{
	uint32_t serial;

	if (m->token_len != sizeof serial)
		return false;
	memcpy(&serial, m->token, sizeof serial);
	for (unsigned i = 0; i < c->waiting_count; i++) {
		if (c->waiting[i] != serial)
			continue;
		c->waiting[i] = c->waiting[--c->waiting_count];
		return true;
	}
	return false;
}

static void at_client(const struct event *e)
{
	struct sim_client *c = &sim->clients[e->who];
	struct msg_view m;
	uint8_t ack[MSG_HEADER];

	if (msg_parse_datagram(&m, e->bytes, e->len) != MSG_OK)
		abort();
	if (m.type == MSG_CON) {
		struct event back = { .at = clock_now() + c->delay, .kind = AT_GATEWAY_FROM_CLIENT, .who = e->who, .len = sizeof ack };

		msg_write_empty(ack, MSG_ACK, m.mid);
		push(back, ack);
	}
	if (m.code == CODE_EMPTY)
		return;
	if (!take_waiting(c, &m)) {
		c->strays++;
		return;
	}
	c->codes[m.code]++;
	if (MSG_CLASS(m.code) == 2) {
		c->answered++;
		c->last_answer_at = clock_now() - sim->started_at;
	} else {
		c->refused++;
	}
	while (c->interval == 0 && c->waiting_count < c->outstanding)
		ask(c);
}

/* ---- origins ---- */

static void answer(const struct event *e, struct sim_origin *o, const struct msg_view *m)
{
	struct event back = { .kind = AT_GATEWAY_FROM_ORIGIN, .who = e->who, .slot = e->slot };
	uint8_t bytes[DATAGRAM];
	struct msg_writer w;
	enum msg_type type = m->type == MSG_NON ? MSG_NON : o->separate_after > 0 ? MSG_CON : MSG_ACK;

	if (type == MSG_CON) {
		msg_write_empty(bytes, MSG_ACK, m->mid);
		back.len = MSG_HEADER;
		put_on(&o->back, back, bytes);
	}
	/* The Message ID of an answer of its own: as good as any, the paths back are never that long. */
	msg_begin(&w, bytes, sizeof bytes, type, CODE_CONTENT, m->mid, m->token, m->token_len);
	msg_add_payload(&w, "1", 1);
	back.len = msg_end(&w);
	if (type == MSG_CON) {
		back.at = clock_now() + o->separate_after + o->back.delay;
		push(back, bytes);
	} else {
		put_on(&o->back, back, bytes);
	}
}

static void at_origin(const struct event *e)
{
	struct sim_origin *o = &sim->origins[e->who];
	const struct origin *seen = origin_find(sim->proxy, &o->peer);
	struct msg_view m;

	if (msg_parse_datagram(&m, e->bytes, e->len) != MSG_OK)
		abort();
	if (o->received < SIM_TRACE) {
		o->trace[o->received].at = clock_now() - sim->started_at;
		o->trace[o->received].mid = m.mid;
		o->trace[o->received].len = (uint16_t)e->len;
		o->trace[o->received].in_window = seen != NULL ? (uint16_t)seen->in_flight_count : 0;
	}
	o->received++;
	if (!o->silent && msg_code_is_request(m.code))
		answer(e, o, &m);
}

/* ---- running ---- */

static void happen(const struct event *e)
{
	struct endpoint peer = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 }, .port = (uint16_t)e->who };
	struct local_address local = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };

	switch (e->kind) {
	case CLIENT_BEGINS:
		begin(e->who);
		break;
	case AT_GATEWAY_FROM_CLIENT:
		receive_datagram(sim->proxy, sim->clients[e->who].origin, &peer, &local, e->bytes, e->len, false, false, 0);
		break;
	case AT_GATEWAY_FROM_ORIGIN:
		upstream_datagram(sim->proxy, e->slot, &sim->origins[e->who].peer, e->bytes, e->len, false);
		break;
	case AT_CLIENT:
		at_client(e);
		break;
	case AT_ORIGIN:
		at_origin(e);
		break;
	}
}

void sim_run(struct sim *s, uint64_t until)
{
	until += s->started_at;
	for (;;) {
		uint64_t next = wheel_next(s->proxy->wheel);

		if (queue.count > 0 && queue.heap[0].at < next)
			next = queue.heap[0].at;
		if (next > until)
			break;
		clock_steer(next);
		while (queue.count > 0 && queue.heap[0].at <= clock_now()) {
			struct event e = pop();

			happen(&e);
			free(e.bytes);
		}
		proxy_turn(s->proxy);
	}
	clock_steer(until);
	proxy_turn(s->proxy);
}

void sim_stop_clients(struct sim *s)
{
	size_t kept = 0;

	for (unsigned i = 0; i < s->client_count; i++) {
		s->clients[i].outstanding = 0;
		s->clients[i].interval = 0;
	}
	for (size_t i = 0; i < queue.count; i++)
		if (queue.heap[i].kind != CLIENT_BEGINS)
			queue.heap[kept++] = queue.heap[i];
	queue.count = 0;
	/* what stays is in no heap order any more: it goes in again from the front, behind which the heap grows */
	while (queue.count < kept)
		rise(queue.count++);
}

static void set_link(struct sim_link *l, uint64_t delay)
{
	*l = (struct sim_link){ .delay = delay };
}

struct sim *sim_new(uint64_t seed, const char *settings)
{
	char text[CONF_MAX];

	snprintf(text, sizeof text,
		"listeners: { l0: { url = \"coap://127.0.0.1:5683\"; }; l1: { url = \"coap://127.0.0.1:5684\"; }; };\n"
		"routes: { r0: { from = [\"l0\"]; to = [\"coap://10.1.0.1:5683\"]; };"
		" r1: { from = [\"l1\"]; to = [\"coap://10.1.0.2:5683\"]; }; };\n"
		"%s", settings);
	log_open(STDERR_FILENO, LOG_LEVEL_ERROR);
	random_seed_for_test(seed);
	sim = calloc(1, sizeof *sim);
	queue.heap = malloc(EVENTS_MAX * sizeof *queue.heap);
	queue.count = 0;
	if (sim == NULL || queue.heap == NULL)
		abort();
	sim->conf = conf_load_text(text, "sim", stderr);
	if (sim->conf == NULL || sim->conf->listener_count != SIM_ORIGINS)
		abort();
	sim->proxy = proxy_create(sim->conf, NULL, NULL);
	if (sim->proxy == NULL)
		abort();
	for (unsigned i = 0; i < SIM_ORIGINS; i++) {
		sim->origins[i].peer = sim->conf->routes[i].to[0].address;
		set_link(&sim->origins[i].there, 100);
		set_link(&sim->origins[i].back, 100);
	}
	sim->started_at = clock_now();
	return sim;
}

void sim_free(struct sim *s)
{
	while (queue.count > 0) {
		struct event e = pop();

		free(e.bytes);
	}
	free(queue.heap);
	queue.heap = NULL;
	proxy_destroy(s->proxy);
	snapshot_release(s->conf);
	free(s);
	sim = NULL;
}

struct sim_client *sim_add_client(struct sim *s, unsigned origin, unsigned outstanding)
{
	unsigned who = s->client_count++;
	struct sim_client *c = &s->clients[who];

	if (s->client_count > SIM_CLIENTS)
		abort();
	*c = (struct sim_client){ .origin = origin, .outstanding = outstanding, .type = MSG_CON, .code = CODE_GET, .delay = 50,
		.next_mid = (uint16_t)random_u32() };
	push((struct event){ .at = clock_now(), .kind = CLIENT_BEGINS, .who = who }, NULL);
	return c;
}

uint64_t sim_answered(const struct sim *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->client_count; i++)
		sum += s->clients[i].answered;
	return sum;
}

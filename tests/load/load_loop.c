/* The closed loop: an answer makes room for the next request of the same client. */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, MIDS = 65535, SLOT_BITS = 12, SEQUENCE_BITS = 4 };

struct slot {
	uint64_t sent_at;
	const struct load_request *request;
	uint16_t mid;
	uint8_t tries;
	bool acknowledged; /* by an Empty ACK: the answer comes separately */
	bool idle;
	bool waits;        /* for its turn, where the load is paced */
};

struct client {
	struct load_link *link;
	uint16_t mid;
	uint32_t mids_used; /* requests so far */
	struct slot *slots;
};

static const struct load_options *options;
static struct load_request *requests; /* for each device, or of each client */
static size_t requests_each;          /* sealed ones of a client; 0: they are not */
static struct client *clients;
static uint64_t sent, answered, refused, wrong, lost, resent, repeated, open_now;
static uint32_t *latency_us;
static size_t latency_room;
static bool stopping, mids_used_up;
static uint64_t turn_due, turn_every; /* of the next request of a paced load; 0: not paced */
static struct turn { uint16_t client, slot; } *turns; /* a ring of those who wait, in order; one more than all slots */
static size_t turns_room, turns_first, turns_end;

/* Client, slot and the low bits of the Message ID: an answer that comes twice is not taken for the slot's next one. */
static uint32_t token_make(unsigned client, unsigned slot, uint16_t mid)
{
	return (uint32_t)client << (SLOT_BITS + SEQUENCE_BITS) | (uint32_t)slot << SEQUENCE_BITS |
		(mid & ((1u << SEQUENCE_BITS) - 1));
}

static void slot_transmit(unsigned client, unsigned slot)
{
	const struct slot *s = &clients[client].slots[slot];
	uint8_t m[LOAD_DATAGRAM_MAX];
	size_t len = load_request_write(m, options, s->request, s->mid, token_make(client, slot, s->mid));

	if (!load_link_send(clients[client].link, m, len))
		wrong++;
}

static void slot_begin(unsigned client, unsigned slot)
{
	struct client *c = &clients[client];

	c->slots[slot] = (struct slot){ .sent_at = load_now(), .mid = ++c->mid,
		.request = requests + (requests_each > 0 ? client * requests_each + c->mids_used : sent % options->devices) };
	sent++;
	slot_transmit(client, slot);
	c->mids_used++;
	if (c->mids_used == MIDS || c->mids_used == requests_each)
		mids_used_up = true;
}

static void slot_start(unsigned client, unsigned slot)
{
	if (turn_every == 0) {
		slot_begin(client, slot);
		return;
	}
	clients[client].slots[slot].waits = true;
	turns[turns_end] = (struct turn){ (uint16_t)client, (uint16_t)slot };
	turns_end = (turns_end + 1) % turns_room;
}

/* Starts those whose turn has come. */
static void turns_take(uint64_t now)
{
	while (turns_first != turns_end && turn_due <= now && !stopping) {
		struct turn t = turns[turns_first];

		turns_first = (turns_first + 1) % turns_room;
		slot_begin(t.client, t.slot);
		(void)load_link_flush(clients[t.client].link);
		turn_due += turn_every;
	}
}

/* Those who wait stop. */
static void turns_end_all(void)
{
	for (; turns_first != turns_end; turns_first = (turns_first + 1) % turns_room) {
		clients[turns[turns_first].client].slots[turns[turns_first].slot].idle = true;
		open_now--;
	}
}

static void slot_finish(unsigned client, unsigned slot)
{
	if (!stopping && !mids_used_up) {
		slot_start(client, slot);
		return;
	}
	clients[client].slots[slot].idle = true;
	open_now--;
}

static void slot_check_overdue(unsigned client, unsigned slot, uint64_t now)
{
	struct slot *s = &clients[client].slots[slot];

	if (s->idle || s->waits || s->acknowledged || now - s->sent_at < LOAD_ACK_TIMEOUT * ((2ull << s->tries) - 1))
		return;
	if (options->confirmable && options->carrier != LOAD_TCP && s->tries < LOAD_MAX_RETRANSMIT) {
		s->tries++;
		resent++;
		slot_transmit(client, slot);
		return;
	}
	lost++;
	slot_finish(client, slot);
}

static void latency_note(uint64_t ns)
{
	if (answered == latency_room) {
		latency_room = latency_room ? latency_room * 2 : 1 << 20;
		latency_us = realloc(latency_us, latency_room * sizeof *latency_us);
		if (latency_us == NULL) {
			fputs("load: no memory\n", stderr);
			exit(1);
		}
	}
	latency_us[answered++] = (uint32_t)(ns / 1000);
}

static void empty_take(unsigned client, unsigned type, uint16_t mid)
{
	struct client *c = &clients[client];

	if (type == LOAD_RST)
		wrong++;
	for (unsigned i = 0; i < options->window; i++)
		if (c->slots[i].mid == mid && type == LOAD_ACK)
			c->slots[i].acknowledged = true;
}

static void acknowledge(unsigned client, const uint8_t *datagram)
{
	uint8_t ack[4] = { 0x40 | LOAD_ACK << 4, 0, datagram[2], datagram[3] };

	(void)load_link_send(clients[client].link, ack, sizeof ack);
}

static void datagram_take(unsigned client, const uint8_t *b, size_t len)
{
	unsigned type = (b[0] >> 4) & 3u, slot;
	uint16_t mid = (uint16_t)(b[2] << 8 | b[3]);
	struct slot *s;
	uint32_t token;

	if (type == LOAD_CON)
		acknowledge(client, b);
	if (b[1] == 0) {
		empty_take(client, type, mid);
		return;
	}
	token = (b[0] & 15) == LOAD_TOKEN && len > LOAD_HEAD + 1 ? load_token_read(b) : ~0u;
	slot = token >> SEQUENCE_BITS & ((1u << SLOT_BITS) - 1);
	if (token >> (SLOT_BITS + SEQUENCE_BITS) != client || slot >= options->window || (b[1] >> 5 != 2 && !(options->sealed && b[1] >> 5 == 5)) ||
	    (!options->sealed && b[len - 1] != 'x')) {
		wrong++;
		return;
	}
	s = &clients[client].slots[slot];
	if (s->idle || s->waits || token != token_make(client, slot, s->mid)) {
		repeated++;
		return;
	}
	if (type == LOAD_ACK && mid != s->mid) {
		wrong++;
		return;
	}
	if (b[1] >> 5 == 5)
		refused++;
	else
		latency_note(load_now() - s->sent_at);
	slot_finish(client, slot);
}

static void client_read(unsigned client)
{
	if (load_link_read(clients[client].link, datagram_take) && load_link_flush(clients[client].link))
		return;
	fprintf(stderr, "load: the connection of client %u ended\n", client);
	exit(1);
}

static void clients_sweep(uint64_t now)
{
	for (unsigned i = 0; i < options->clients; i++)
		for (unsigned s = 0; s < options->window; s++)
			slot_check_overdue(i, s, now);
}

/* How long to wait for what comes: until the next turn, 50 ms at most. */
static struct timespec patience_now(void)
{
	uint64_t now = load_now(), wait = LOAD_SECOND / 20;

	if (turns_first != turns_end && !stopping)
		wait = turn_due <= now ? 0 : turn_due - now < wait ? turn_due - now : wait;
	return (struct timespec){ .tv_nsec = (long)wait };
}

/* Until `end`; when stopping, at most until nothing is under way. */
static void loop_until(int ep, uint64_t end)
{
	uint64_t swept = load_now();

	while (load_now() < end && (stopping ? open_now > 0 : !mids_used_up)) {
		struct epoll_event ready[EVENTS];
		struct timespec patience = patience_now();
		int n = epoll_pwait2(ep, ready, EVENTS, &patience, NULL);

		turns_take(load_now());
		for (int i = 0; i < n; i++)
			client_read(ready[i].data.u32);
		if (load_now() - swept > LOAD_ACK_TIMEOUT / 8) {
			swept = load_now();
			clients_sweep(swept);
		}
	}
}

static int clients_open(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	size_t all = (size_t)options->clients * options->window;
	struct slot *slots = calloc(all, sizeof *slots);

	clients = calloc(options->clients, sizeof *clients);
	turns_room = all + 1;
	turns = calloc(turns_room, sizeof *turns);
	if (clients == NULL || slots == NULL || turns == NULL) {
		fputs("load: no memory\n", stderr);
		exit(1);
	}
	for (unsigned i = 0; i < options->clients; i++) {
		struct epoll_event want = { .events = EPOLLIN, .data.u32 = i };

		clients[i].link = load_link_open(options, i);
		clients[i].mid = (uint16_t)load_random();
		clients[i].slots = slots + (size_t)i * options->window;
		epoll_ctl(ep, EPOLL_CTL_ADD, load_link_fd(clients[i].link), &want);
	}
	return ep;
}

static int latency_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static unsigned latency_at(double part)
{
	return answered ? latency_us[(size_t)((double)(answered - 1) * part)] : 0;
}

int load_loop_run(const struct load_options *o)
{
	uint64_t start, end, counted;
	double seconds, cpu;
	int ep;

	options = o;
	requests_each = o->sealed ? load_sealed_each(o) : 0;
	requests = o->sealed ? load_sealed_new(o, requests_each) : load_requests_new(o);
	ep = clients_open();
	cpu = load_cpu_us(o);
	start = turn_due = load_now();
	turn_every = o->rate > 0 ? (uint64_t)(1e9 / o->rate) : 0;
	end = start + (uint64_t)(o->seconds * 1e9);
	open_now = (uint64_t)o->clients * o->window;
	for (unsigned s = 0; s < o->window; s++)
		for (unsigned i = 0; i < o->clients; i++)
			slot_start(i, s);
	for (unsigned i = 0; i < o->clients; i++)
		(void)load_link_flush(clients[i].link);
	loop_until(ep, end);
	seconds = (double)(load_now() - start) / 1e9;
	cpu = load_cpu_us(o) - cpu;
	counted = answered;
	stopping = true;
	turns_end_all();
	loop_until(ep, load_now() + (uint64_t)(o->drain * 1e9));
	if (answered > 0)
		qsort(latency_us, answered, sizeof *latency_us, latency_compare);
	printf("rps=%.0f answered=%" PRIu64 " wrong=%" PRIu64 " lost=%" PRIu64 " resent=%" PRIu64, (double)counted / seconds,
		counted, wrong, lost, resent);
	printf(" p50_us=%u p99_us=%u p999_us=%u max_us=%u", latency_at(.5), latency_at(.99), latency_at(.999), latency_at(1));
	printf(" repeated=%" PRIu64 " open=%" PRIu64, repeated, open_now);
	if (o->pid_count > 0)
		printf(" cpu_us_per_request=%.3f", counted ? cpu / (double)counted : 0);
	if (o->sealed)
		printf(" sealed=%zu refused=%" PRIu64, requests_each, refused);
	printf("%s\n", mids_used_up ? " stopped=message-ids-used-up" : "");
	return wrong > 0 || lost > 0;
}

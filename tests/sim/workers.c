#include "tests/sim/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/reader_link.h"
#include "tests/unit/made.h"
#include "tests/unit/plain_edge.h"

enum { CONF_ROOM = 16384, TURNS_MAX = 1000, CROSSING_MEMORY = 72000 };

struct workers the;

/* ---- the edge ---- */

static void note(struct sent_log *log, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct sent *s = &log->all[log->count++];
	uint8_t *copy = malloc(len);

	if (log->count > SENT_MAX || copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	*s = (struct sent){ .worker = the.current, .slot = slot, .peer = *peer, .at = clock_now() };
	if (msg_parse_datagram(&s->m, copy, len) != MSG_OK)
		abort();
}

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	assert_int_equal(from->addr[15], 9);
	note(&the.to_client, listener, peer, bytes, len);
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	note(&the.to_origin, slot, peer, bytes, len);
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

/* ---- workers ---- */

struct snapshot *workers_conf(unsigned first, const char *routes, const char *settings)
{
	char text[CONF_ROOM];
	size_t at = (size_t)snprintf(text, sizeof text,
		"listeners: { l: { url = \"coap://10.0.0.9:5683\"; }; m: { url = \"coap://10.0.0.9:5684\"; }; };\n"
		"routes: { %s", routes != NULL ? routes : "");
	struct snapshot *conf;

	for (unsigned n = first; n < ORIGINS; n++)
		at += (size_t)snprintf(text + at, sizeof text - at, "o%u: { hosts = [\"o%u\"]; to = [\"coap://10.9.0.%u\"]; };\n", n, n, n);
	at += (size_t)snprintf(text + at, sizeof text - at, "};\n%s", settings);
	if (at >= sizeof text)
		abort();
	conf = conf_load_text(text, "workers", stderr);
	assert_non_null(conf);
	return conf;
}

void raise_worker(unsigned worker)
{
	struct house h = the.house;

	h.self = worker;
	h.duplicates_fd = the.duplicates[worker];
	the.proxy[worker] = proxy_create(the.conf, NULL, &h);
	assert_non_null(the.proxy[worker]);
}

void workers_begin(unsigned count, const char *routes, const char *settings)
{
	memset(&the, 0, sizeof the);
	edge_says = (struct edge_says){ 0 };
	the.count = count;
	log_open(STDERR_FILENO, LOG_LEVEL_ERROR);
	random_seed_for_test(count);
	the.conf = workers_conf(1, routes, settings);
	assert_int_equal(house_map(&the.house, -1, count, CROSSING_MEMORY, 0), 0);
	house_begin(&the.house);
	for (unsigned w = 0; w < count; w++) {
		the.duplicates[w] = -1;
		house_next_incarnation(&the.house, w);
	}
	for (unsigned w = 0; w < count; w++)
		raise_worker(w);
}

void die(unsigned worker)
{
	the.current = worker;
	proxy_destroy(the.proxy[worker]);
	the.proxy[worker] = NULL;
}

void bury(unsigned worker)
{
	house_next_incarnation(&the.house, worker);
}

static void forget(struct sent_log *log)
{
	while (log->count > 0)
		free((void *)(uintptr_t)log->all[--log->count].m.bytes);
}

void workers_end(void)
{
	for (unsigned w = 0; w < the.count; w++) {
		die(w);
		if (the.duplicates[w] >= 0)
			close(the.duplicates[w]);
	}
	assert_int_equal(the.conf->references, 1);
	snapshot_release(the.conf);
	house_unmap(&the.house);
	forget(&the.to_client);
	forget(&the.to_origin);
}

int workers_tear_down(void **state)
{
	(void)state;
	workers_end();
	return 0;
}

void turn(unsigned worker)
{
	struct proxy *p = the.proxy[worker];

	if (p == NULL)
		return;
	the.current = worker;
	crossing_receive(p);
	proxy_turn(p);
	reader_link_flush(p);
	crossing_publish(p);
}

static bool somebody_has_something(void)
{
	for (unsigned w = 0; w < the.count; w++)
		if (the.proxy[w] != NULL && (crossing_is_readable(the.proxy[w]) || wheel_next(the.proxy[w]->wheel) <= clock_now()))
			return true;
	return false;
}

void settle(void)
{
	unsigned turns = 0;

	do {
		for (unsigned w = 0; w < the.count; w++)
			turn(w);
		assert_true(turns++ < TURNS_MAX);
	} while (somebody_has_something());
}

void pass_time(uint64_t microseconds)
{
	uint64_t until = clock_now() + microseconds;

	settle();
	while (clock_now() < until) {
		uint64_t next = until;

		for (unsigned w = 0; w < the.count; w++)
			if (the.proxy[w] != NULL && wheel_next(the.proxy[w]->wheel) < next)
				next = wheel_next(the.proxy[w]->wheel);
		clock_steer(next > clock_now() ? next : clock_now() + 1);
		settle();
	}
}

/* ---- who is who ---- */

static struct endpoint endpoint_of(unsigned a, unsigned b, unsigned c, unsigned d, uint16_t port)
{
	return (struct endpoint){ .addr = { [10] = 0xff, [11] = 0xff, [12] = (uint8_t)a, [13] = (uint8_t)b, [14] = (uint8_t)c,
		[15] = (uint8_t)d }, .port = port };
}

struct endpoint origin_endpoint(unsigned n)
{
	return endpoint_of(10, 9, 0, n, 5683);
}

struct endpoint client_endpoint(unsigned n)
{
	struct endpoint peer = endpoint_of(203, 0, 113, n, 40000);

	if (n >= RELIABLE_CLIENTS) {
		peer.transport = n >= SECURED_CLIENTS ? URI_COAPS : URI_COAP_TCP;
		peer.session = (uint64_t)the.worker_of[n] << 56 | EDGE_SESSION_OF_CLIENT | n;
		return peer;
	}
	return n >= UNKNOWN_CLIENTS ? endpoint_of(203, 0, 113, n, 40000) : endpoint_of(10, 0, 0, n, (uint16_t)(40000 + n));
}

unsigned origin_at(unsigned home, unsigned from)
{
	for (unsigned n = from; n < ORIGINS; n++) {
		struct endpoint peer = origin_endpoint(n);

		if (origin_home(the.proxy[the.proxy[0] == NULL], &peer) == home)
			return n;
	}
	fail_msg("no origin has the home %u", home);
	return 0;
}

/* ---- what clients and origins send ---- */

static size_t write_bytes(uint8_t *bytes, size_t room, const struct msg_view *head, unsigned origin, const char *options,
	const uint8_t *payload, size_t len)
{
	struct made made;
	struct msg_writer w;
	char host[8];

	made_message(&made, CODE_GET, options, NULL);
	snprintf(host, sizeof host, "o%u", origin);
	msg_begin(&w, bytes, room, head->type, head->code, head->mid, head->token, head->token_len);
	for (unsigned i = 0; i <= made.m.option_count; i++) {
		bool last = i == made.m.option_count;
		uint16_t before = i > 0 ? made.m.options[i - 1].number : 0;

		if (origin != 0 && before < OPT_URI_HOST && (last || made.m.options[i].number >= OPT_URI_HOST))
			msg_add_option(&w, OPT_URI_HOST, host, strlen(host));
		if (!last)
			msg_add_option(&w, made.m.options[i].number, made.m.options[i].value, made.m.options[i].len);
	}
	msg_add_payload(&w, payload, len);
	return msg_end(&w);
}

static const struct local_address our_address = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };

static void from_peer(unsigned worker, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	the.current = worker;
	if (edge_of(peer)->reliable)
		assert_true(receive_message(the.proxy[worker], 0, peer, &our_address, bytes, len));
	else
		receive_datagram(the.proxy[worker], 0, peer, &our_address, bytes, len, false, false, 0);
}

static size_t write_message(uint8_t *bytes, size_t room, const struct msg_view *head, unsigned origin, const char *options,
	const char *payload)
{
	return write_bytes(bytes, room, head, origin, options, (const uint8_t *)payload, payload != NULL ? strlen(payload) : 0);
}

static void from_client(unsigned worker, unsigned client, const uint8_t *bytes, size_t len)
{
	struct endpoint peer = client_endpoint(client);

	from_peer(worker, &peer, bytes, len);
}

void session_begins(unsigned worker, unsigned client, const char *name)
{
	struct endpoint peer;

	the.worker_of[client] = worker;
	the.current = worker;
	peer = client_endpoint(client);
	for (unsigned i = 0; i < edge_says.gone_count; i++)
		if (endpoint_equal(&edge_says.gone[i], &peer))
			edge_says.gone[i].session = 0;
	edge_says.client_name = name;
	receive_session(the.proxy[worker], 0, &peer, &our_address);
	edge_says.client_name = NULL;
}

void client_gone(unsigned worker, unsigned client)
{
	struct endpoint peer = client_endpoint(client);

	the.current = worker;
	edge_says.gone[edge_says.gone_count++ % 64] = peer;
	receive_gone(the.proxy[worker], 0, &peer);
}

void client_writable(unsigned worker, unsigned client)
{
	struct endpoint peer = client_endpoint(client);

	the.current = worker;
	receive_writable(the.proxy[worker], 0, &peer);
}

void origin_lost(const struct sent *request, enum error e, bool sent)
{
	the.current = request->worker;
	upstream_lost(the.proxy[request->worker], request->slot, &request->peer, e, sent);
}

void ask_as(uint16_t token, unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, unsigned origin,
	const char *options, const char *payload)
{
	uint8_t bytes[MADE_BYTES], name[2] = { (uint8_t)(token >> 8), (uint8_t)token };
	struct msg_view head = { .type = (uint8_t)type, .code = code, .mid = mid, .token = name, .token_len = sizeof name };

	from_client(worker, client, bytes, write_message(bytes, sizeof bytes, &head, origin, options, payload));
}

void ask(unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, unsigned origin, const char *options,
	const char *payload)
{
	ask_as(mid, worker, client, type, code, mid, origin, options, payload);
}

void ask_bytes(unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, const char *options, const uint8_t *payload,
	size_t len)
{
	uint8_t bytes[MSG_MAX], name[2] = { (uint8_t)(mid >> 8), (uint8_t)mid };
	struct msg_view head = { .type = (uint8_t)type, .code = code, .mid = mid, .token = name, .token_len = sizeof name };

	from_client(worker, client, bytes, write_bytes(bytes, sizeof bytes, &head, 0, options, payload, len));
}

void client_empty(unsigned worker, unsigned client, enum msg_type type, uint16_t mid)
{
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, type, mid);
	from_client(worker, client, bytes, sizeof bytes);
}

static void from_origin(const struct sent *request, const uint8_t *bytes, size_t len)
{
	the.current = request->worker;
	upstream_datagram(the.proxy[request->worker], request->slot, &request->peer, bytes, len, false);
}

void answer(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const char *payload)
{
	uint8_t bytes[MADE_BYTES];
	struct msg_view head = { .type = (uint8_t)type, .code = code, .mid = type == MSG_ACK ? request->m.mid : mid, .token = request->m.token,
		.token_len = request->m.token_len };

	from_origin(request, bytes, write_message(bytes, sizeof bytes, &head, 0, options, payload));
}

void client_answers(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const char *payload)
{
	uint8_t bytes[MADE_BYTES];
	struct msg_view head = { .type = (uint8_t)type, .code = code, .mid = type == MSG_ACK ? request->m.mid : mid, .token = request->m.token,
		.token_len = request->m.token_len };

	from_peer(request->worker, &request->peer, bytes, write_message(bytes, sizeof bytes, &head, 0, options, payload));
}

void answer_bytes(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const uint8_t *payload,
	size_t len)
{
	uint8_t bytes[MSG_MAX];
	struct msg_view head = { .type = (uint8_t)type, .code = code, .mid = type == MSG_ACK ? request->m.mid : mid, .token = request->m.token,
		.token_len = request->m.token_len };

	from_origin(request, bytes, write_bytes(bytes, sizeof bytes, &head, 0, options, payload, len));
}

void origin_asks(const struct sent *request, uint8_t code, uint16_t token, const char *options)
{
	uint8_t bytes[MADE_BYTES], name[2] = { (uint8_t)(token >> 8), (uint8_t)token };
	struct msg_view head = { .type = MSG_NON, .code = code, .token = name, .token_len = sizeof name };

	from_origin(request, bytes, write_message(bytes, sizeof bytes, &head, 0, options, NULL));
}

void origin_empty(const struct sent *request, enum msg_type type, uint16_t mid)
{
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, type, mid);
	from_origin(request, bytes, sizeof bytes);
}

/* ---- what they were sent ---- */

static const struct sent *next_of(struct sent_log *log, const char *whom)
{
	if (log->seen == log->count)
		fail_msg("nothing more was sent to %s", whom);
	return &log->all[log->seen++];
}

const struct sent *next_to_client(void)
{
	return next_of(&the.to_client, "clients");
}

const struct sent *next_to_origin(void)
{
	return next_of(&the.to_origin, "origins");
}

void nothing_more(void)
{
	assert_int_equal(the.to_client.count, the.to_client.seen);
	assert_int_equal(the.to_origin.count, the.to_origin.seen);
}

void is_message(const struct sent *s, enum msg_type type, uint8_t code, const char *options, const char *payload)
{
	char text[MADE_TEXT];

	assert_int_equal(s->m.type, type);
	assert_int_equal(s->m.code >> 5 << 8 | (s->m.code & 31), code >> 5 << 8 | (code & 31));
	if (options != NULL)
		assert_string_equal(made_text(&s->m, text), options);
	if (payload == NULL)
		return;
	assert_int_equal(s->m.payload_len, strlen(payload));
	assert_true(s->m.payload_len == 0 || memcmp(s->m.payload, payload, s->m.payload_len) == 0);
}

void is_for(const struct sent *s, unsigned worker, unsigned client, uint16_t token)
{
	struct endpoint peer = client_endpoint(client);

	assert_int_equal(s->worker, worker);
	assert_true(endpoint_equal(&s->peer, &peer));
	assert_int_equal(s->m.token_len, 2);
	assert_int_equal(s->m.token[0] << 8 | s->m.token[1], token);
}

bool has_option(const struct sent *s, uint16_t number)
{
	return msg_option(&s->m, number) != NULL;
}

uint32_t option_value(const struct sent *s, uint16_t number)
{
	uint32_t value = 0;

	assert_true(has_option(s, number) && msg_uint(msg_option(&s->m, number), &value) == 0);
	return value;
}

uint64_t counted(enum metric m)
{
	struct metrics sum;

	house_metrics(&the.house, &sum);
	return sum.count[m];
}

uint64_t errors_of(enum error e)
{
	struct metrics sum;

	house_metrics(&the.house, &sum);
	return sum.errors[e];
}

void nothing_remains(void)
{
	for (unsigned w = 0; w < the.count; w++) {
		const struct proxy *p = the.proxy[w];

		assert_int_equal(slab_count(p->exchanges), 0);
		assert_int_equal(slab_count(p->observations), 0);
		assert_int_equal(slab_count(p->flows), 0);
		assert_int_equal(slab_count(p->deliveries), 0);
		assert_int_equal(buffers_in_use(p->buffers), 0);
	}
	assert_int_equal(house_exchanges(&the.house), 0);
	assert_int_equal(house_observations(&the.house), 0);
	for (unsigned i = 0; i < the.conf->route_count; i++)
		assert_int_equal(house_route_exchanges(&the.house, the.conf->routes[i].metrics_slot), 0);
}

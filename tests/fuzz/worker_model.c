#include "tests/fuzz/worker_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/fuzz/worker_judge.h"
#include "tests/unit/plain_edge.h"

enum { WAITERS_MAX = 64 };

struct model model;

static struct {
	uint64_t now;
	struct resolve_waiter *waiters[WAITERS_MAX];
	uint64_t waits_until[WAITERS_MAX];
	unsigned waiting;
	bool slot_open[ORIGIN_SLOTS_MAX], worn;
	bool asked[MODEL_CLIENTS];
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
	struct endpoint e = model.origins[i % AT_CONNECTION];

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
		model.origin_mid_count[0] + model.origin_mid_count[1] + model.origin_mid_count[2] + model.origin_mid_count[3] < MODEL_LOG;
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
	judge_client_message(s);
	log_add(&model.to_client, s);
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct model_message *s;
	unsigned who = 0;

	while (who < MODEL_ORIGINS && !endpoint_equal(&model.origins[who], peer))
		who++;
	CHECK(who < MODEL_ORIGINS && slot < ORIGIN_SLOTS_MAX && (who == AT_CONNECTION || world.slot_open[slot]));
	tell("to origin", who, slot, bytes, len);
	s = message_new(who, slot, bytes, len);
	judge_origin_message(s);
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

/* A record of a safe request that was given up, without an answer to repeat: the next is taken as the first. */
static bool is_as_good_as_new(const struct duplicate *d)
{
	return d->exchange == DUPLICATES_NONE && (d->state == DUPLICATE_PENDING || d->state == DUPLICATE_ACKNOWLEDGED) && !d->unsafe;
}

void model_gone(void)
{
	struct endpoint was = model.clients[OVER_CONNECTION];

	judge_gone(OVER_CONNECTION);
	model.clients[OVER_CONNECTION].session++;
	world.asked[OVER_CONNECTION] = false;
	receive_gone(model.proxy, 0, &was);
}

void model_slow(bool slow)
{
	edge_says.slow = slow;
	if (!slow)
		receive_writable(model.proxy, 0, &model.clients[OVER_CONNECTION]);
}

void model_lost(unsigned slot, bool sent)
{
	upstream_lost(model.proxy, slot, &model.origins[AT_CONNECTION], ERR_UNREACHABLE, sent);
}

/* As its edge would hand it over: without type and Message ID, and the connection ended where it cannot be read. */
static void from_connection(const uint8_t *bytes, size_t len)
{
	struct local_address to = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };
	uint8_t message[MODEL_MESSAGE];
	enum msg_result result;
	struct msg_view m;

	if (len < MSG_HEADER)
		return;
	memcpy(message, bytes, len);
	msg_set_type(message, MSG_NON);
	msg_set_mid(message, 0);
	tell("from client", OVER_CONNECTION, 0, message, len);
	result = msg_parse_datagram(&m, message, len);
	if (result == MSG_IGNORE || m.code == CODE_EMPTY)
		return;
	world.asked[OVER_CONNECTION] = true;
	if ((result == MSG_OK || result == MSG_TOO_MANY_OPTIONS) && msg_code_is_request(m.code))
		judge_request(OVER_CONNECTION, &m, false);
	if (!receive_message(model.proxy, 0, &model.clients[OVER_CONNECTION], &to, message, len))
		model_gone();
}

void model_from_client(unsigned who, const uint8_t *bytes, size_t len, bool truncated, bool multicast)
{
	struct local_address to = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };
	struct duplicates *d = model.proxy->duplicates;
	enum msg_result result;
	struct duplicate known;
	struct msg_view m;
	uint64_t hash;

	if (who == OVER_CONNECTION) {
		from_connection(bytes, len);
		return;
	}
	tell("from client", who, 0, bytes, len);
	result = msg_parse_datagram(&m, bytes, len);
	model.from_client = &m;
	model.from = who;
	world.asked[who] = true;
	if (!multicast && (result == MSG_OK || result == MSG_TOO_MANY_OPTIONS) && msg_code_is_request(m.code) && m.type <= MSG_NON) {
		hash = duplicates_hash(d, &model.clients[who], 0, m.mid);
		judge_request(who, &m, result == MSG_OK && duplicates_find(d, hash, world.now, &known) != DUPLICATES_NONE && !is_as_good_as_new(&known));
	}
	hash = receive_soon(model.proxy, 0, &model.clients[who], bytes, len);
	receive_datagram(model.proxy, 0, &model.clients[who], &to, bytes, len, truncated, multicast, hash);
	model.from_client = NULL;
}

void model_from_origin(unsigned who, unsigned slot, const uint8_t *bytes, size_t len, bool truncated)
{
	struct msg_view m = { .type = MSG_CON };

	if (slot >= ORIGIN_SLOTS_MAX || (who != AT_CONNECTION && !world.slot_open[slot]))
		return;
	tell("from origin", who, slot, bytes, len);
	if (msg_parse_datagram(&m, bytes, len) != MSG_IGNORE && m.type <= MSG_NON && who != AT_CONNECTION)
		model.origin_mids[who][model.origin_mid_count[who]++] = m.mid;
	model.from_origin = &m;
	upstream_datagram(model.proxy, slot, &model.origins[who], bytes, len, truncated);
	model.from_origin = NULL;
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
	model.clients[OVER_CONNECTION] = endpoint_at(203, 4, 40004);
	model.clients[OVER_CONNECTION].transport = URI_COAP_TCP;
	model.clients[OVER_CONNECTION].session = EDGE_SESSION_OF_CLIENT | 1;
	model.origins[AT_CONNECTION] = endpoint_at(10, 4, 5683);
	model.origins[AT_CONNECTION].transport = URI_COAP_TCP;
	edge_says = (struct edge_says){ 0 };
	for (unsigned i = 0; i < MODEL_ORIGINS; i++)
		model.origins[i].addr[13] = 9;
	log_open(STDERR_FILENO, LOG_LEVEL_ERROR);
	random_seed_for_test(1);
	model.proxy = proxy_create(conf, some_resolver, NULL);
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
		model.proxy->cell->ports[i].ids = worn_ids(i);
	for (unsigned i = 0; i < DOWN_ID_SPACES; i++)
		model.proxy->cell->down_ids[i] = worn_ids(i);
}

void model_end(void)
{
	uint64_t until = world.now + 3000 * CLOCK_SECOND, next;
	const struct snapshot *conf;

	model_slow(false);
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
	judge_forget();
}

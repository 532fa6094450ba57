/* objects: BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/* measures: proxy/exchange/crossing.c proxy/exchange/crossing_rings.c base/ring.c */
/*
 * A worker whose sibling is hostile: the script is what stands in the rings and cells that they share. Beside that an honest client and an
 * origin, and time.
 *
 * Whatever the sibling does: the worker lives, no client is answered twice, each confirmable request is acknowledged, and every exchange
 * of its own clients ends. Each step is one byte of what happens and the bytes it asks for; a script that ends goes on in zeros.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/crossing_wire.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "tests/unit/plain_edge.h"

enum { SELF, SIBLING, WORKERS, REQUESTS_MAX = 200, STEPS_MAX = 200, MEMORY = 16384, HEARD = 16 };

#define CONF \
	"listeners: { l: { url = \"coap://10.0.0.9:5683\"; }; };\n" \
	"routes: { any: { forward-to = [\"coap://10.9.0.0/16\"]; timeout = \"20s\"; timeout-acknowledged = \"40s\"; }; };\n" \
	"limits: { exchanges = 60; clients = 10; origins = 10; observations = 4; dedup-memory = \"1MB\"; queue-memory = \"1MB\"; };"

/* A request of the client; its token is its Message ID. */
struct asked {
	bool acknowledged, observes;
	unsigned answers;
};

static struct {
	struct house house;
	struct proxy *proxy;
	struct ring in, out;          /* the sibling's ends */
	struct endpoint client, near, far;
	struct asked asked[REQUESTS_MAX];
	unsigned asked_count;
	uint16_t last_mid, last_told; /* the last CON or NON to the client */
	struct crossing_request heard[HEARD]; /* what the sibling was asked, the last ones */
	unsigned heard_count;
	uint8_t to_origin[MSG_DATAGRAM_MAX]; /* the last one */
	size_t to_origin_len;
	unsigned slot;
	struct endpoint to;
	bool over;                    /* the worker is to end as it stands */
} world;

/* ---- the edge ---- */

static struct asked *asked_by(const struct msg_view *m)
{
	unsigned number;

	CHECK(m->token_len == 2);
	number = (unsigned)m->token[0] << 8 | m->token[1];
	CHECK(number < world.asked_count);
	return &world.asked[number];
}

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	struct msg_view m;

	CHECK(listener == 0 && endpoint_equal(peer, &world.client) && from->addr[15] == 9);
	CHECK(msg_parse_datagram(&m, bytes, len) == MSG_OK);
	if (m.type == MSG_ACK || m.type == MSG_RST) {
		CHECK(m.type == MSG_ACK && m.mid < world.asked_count && !world.asked[m.mid].acknowledged);
		world.asked[m.mid].acknowledged = true;
	}
	if (m.code == CODE_EMPTY)
		return;
	CHECK(msg_code_is_response(m.code));
	if (m.type == MSG_CON && m.mid == world.last_told)
		return; /* sent again */
	if (m.type != MSG_ACK)
		world.last_mid = m.mid;
	if (m.type == MSG_CON)
		world.last_told = m.mid;
	asked_by(&m)->answers++;
	CHECK(asked_by(&m)->observes || asked_by(&m)->answers == 1);
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	CHECK(len <= sizeof world.to_origin);
	if (len <= MSG_HEADER)
		return;
	memcpy(world.to_origin, bytes, len);
	world.to_origin_len = len;
	world.slot = slot;
	world.to = *peer;
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

/* ---- turns ---- */

static void turn(void)
{
	(void)crossing_is_readable(world.proxy);
	crossing_receive(world.proxy);
	proxy_turn(world.proxy);
	crossing_publish(world.proxy);
	(void)crossing_may_sleep(world.proxy);
	crossing_awake(world.proxy);
}

static void pass_time(uint64_t by)
{
	uint64_t until = clock_now() + by, next;

	while ((next = wheel_next(world.proxy->wheel)) < until) {
		clock_steer(next);
		turn();
	}
	clock_steer(until);
	turn();
}

/* ---- honest ones ---- */

static void from_client(const uint8_t *bytes, size_t len)
{
	struct local_address to = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };

	receive_datagram(world.proxy, 0, &world.client, &to, bytes, len, false, false, 0);
}

static void client_asks(void)
{
	unsigned what = take(), name = world.asked_count;
	uint8_t bytes[256], token[2];
	struct msg_writer w;
	char uri[64];
	bool con = !(what & 1), register_it = what & 2;

	if (name == REQUESTS_MAX)
		return;
	if ((what & 32) && name > 0 && world.asked[name - 1].observes)
		name--; /* under the token of the last one */
	world.asked[world.asked_count] = (struct asked){ .acknowledged = !con, .observes = register_it || name != world.asked_count };
	token[0] = (uint8_t)(name >> 8);
	token[1] = (uint8_t)name;
	snprintf(uri, sizeof uri, "coap://10.9.0.%u/a", what & 4 ? world.near.addr[15] : world.far.addr[15]);
	msg_begin(&w, bytes, sizeof bytes, con ? MSG_CON : MSG_NON, what & 16 ? CODE_PUT : CODE_GET, (uint16_t)world.asked_count, token, 2);
	world.asked_count++;
	if (register_it)
		msg_add_uint(&w, OPT_OBSERVE, what >> 6 & 1);
	if (what & 8)
		msg_add_option(&w, OPT_OSCORE, "\1", 1);
	msg_add_option(&w, OPT_PROXY_URI, uri, strlen(uri));
	if (what & 128)
		msg_add_uint(&w, OPT_NO_RESPONSE, 26);
	from_client(bytes, msg_end(&w));
}

static void client_reacts(void)
{
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, take() & 1 ? MSG_RST : MSG_ACK, world.last_mid);
	from_client(bytes, sizeof bytes);
}

/* A response to the message `request`, of the origin or as a sibling would hand it on. */
static size_t write_response(uint8_t bytes[MSG_DATAGRAM_MAX], const uint8_t *request, size_t request_len)
{
	static const uint8_t codes[] = { CODE_CONTENT, CODE_NOT_FOUND, CODE_CHANGED, CODE_TOO_MANY };
	unsigned what = take(), type = what & 3;
	static uint16_t mid = 1;
	struct msg_writer w;
	struct msg_view m;
	uint8_t payload[1200];

	if (msg_parse_datagram(&m, request, request_len) != MSG_OK)
		return 0;
	msg_begin(&w, bytes, MSG_DATAGRAM_MAX, type == 0 || type == 3 ? MSG_ACK : type == 1 ? MSG_CON : MSG_NON, codes[what >> 2 & 3],
		type == 0 || type == 3 ? m.mid : mid++, m.token, m.token_len);
	if (what & 16)
		msg_add_uint(&w, OPT_OBSERVE, take());
	memset(payload, 'p', sizeof payload);
	msg_add_payload(&w, payload, what & 32 ? sizeof payload : 3);
	return msg_end(&w);
}

static void origin_answers(void)
{
	uint8_t bytes[MSG_DATAGRAM_MAX];
	size_t len = write_response(bytes, world.to_origin, world.to_origin_len);

	if (len > 0)
		upstream_datagram(world.proxy, world.slot, &world.to, bytes, len, false);
}

/* ---- the sibling ---- */

static void sibling_listens(void)
{
	static uint8_t record[CROSSING_RECORD_MAX];
	int32_t len;

	while ((len = ring_take(&world.in, record, sizeof record)) > 0)
		if ((size_t)len >= sizeof(struct crossing_request))
			memcpy(&world.heard[world.heard_count++ % HEARD], record, sizeof(struct crossing_request));
	ring_release(&world.in);
}

static void tell(const void *head, size_t head_len, const uint8_t *bytes, size_t len)
{
	uint8_t *at = ring_reserve(&world.out, head_len + len);

	if (at == NULL)
		return;
	memcpy(at, head, head_len);
	if (len > 0)
		memcpy(at + head_len, bytes, len);
	for (unsigned i = take() & 3; i > 0; i--) { /* some of it is otherwise */
		unsigned where = take() << 8 | take();

		at[where % (head_len + len)] ^= (uint8_t)take();
	}
	ring_put(&world.out, head_len + len);
	ring_publish(&world.out);
}

/* It answers, or what it calls so. */
static void sibling_answers(void)
{
	static const uint8_t get[] = { 0x40, 1, 0, 1 };
	uint8_t bytes[MSG_DATAGRAM_MAX];
	unsigned what = take();
	struct crossing_record r = world.heard[(world.heard_count - 1 - (what >> 4 & 7)) % HEARD].record;
	size_t len = 0;

	r.to = house_incarnation(&world.house, SELF);
	r.from = house_incarnation(&world.house, SIBLING);
	r.kind = (uint8_t)(CROSSING_ANSWER + (what & 3));
	r.last = what >> 2 & 1;
	r.error = (uint16_t)take();
	if (r.kind <= CROSSING_NOTIFICATION)
		len = what & 8 ? take_bytes(bytes, 40) : write_response(bytes, get, sizeof get);
	tell(&r, sizeof r, bytes, len);
}

/* It asks for a client of its own. */
static void sibling_asks(void)
{
	static const uint8_t get[] = { 0x48, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb1, 'a' }, observe[] = { 0x48, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x51, 'a' };
	unsigned what = take(), index = take();
	bool register_it = what & 4;
	struct crossing_request q = { .record = { .kind = (uint8_t)(CROSSING_REQUEST + (what & 3)), .from = house_incarnation(&world.house, SIBLING),
		.to = house_incarnation(&world.house, SELF), .index = index, .mid = world.to_origin_len > 3 ? world.to_origin[3] : 0 },
		.client = world.client, .origin = world.near, .code = CODE_GET, .oscore = what >> 3 & 1, .confirmable = what >> 4 & 1,
		.observe = register_it ? OBSERVE_REGISTER : OBSERVE_NONE, .patience = 20000, .patience_acknowledged = 40000,
		.arrived_at = clock_now(), .deadline = clock_now() + 20 * CLOCK_SECOND };

	if ((what & 3) > 1)
		tell(&q.record, sizeof q.record, NULL, 0);
	else
		tell(&q, sizeof q, register_it ? observe : get, register_it ? sizeof observe : sizeof get);
}

static void sibling_says_anything(void)
{
	uint8_t bytes[300];
	size_t len = take_bytes(bytes, take());

	if (len > 0)
		tell(bytes, len, NULL, 0);
}

/* It writes where it likes: into both rings, into their positions. */
static void sibling_scribbles(void)
{
	unsigned what = take();
	uint8_t *memory = house_ring(&world.house, what & 1 ? SELF : SIBLING, what & 1 ? SIBLING : SELF);
	size_t bytes = ring_memory_bytes(world.house.ring_capacity), at = what & 2 ? 128 + (take() << 8 | take()) % (bytes - 128) : (what & 4 ? 64 : 0);

	if (what & 8) { /* from now on it knows no more than is written there */
		ring_attach_consumer(&world.in, house_ring(&world.house, SELF, SIBLING), world.house.ring_capacity);
		ring_attach_producer(&world.out, house_ring(&world.house, SIBLING, SELF), world.house.ring_capacity);
		return;
	}
	take_bytes(memory + at, bytes - at < 8 ? bytes - at : 8);
}

static void sibling_dies(void)
{
	house_next_incarnation(&world.house, SIBLING);
	ring_attach_consumer(&world.in, house_ring(&world.house, SELF, SIBLING), world.house.ring_capacity);
	ring_attach_producer(&world.out, house_ring(&world.house, SIBLING, SELF), world.house.ring_capacity);
}

/* ---- running ---- */

static void step(unsigned what)
{
	static const uint64_t times[] = { 5 * CLOCK_MS, 300 * CLOCK_MS, 1100 * CLOCK_MS, 5 * CLOCK_SECOND, 25 * CLOCK_SECOND, 100 * CLOCK_SECOND };

	switch (what % 16) {
	case 0: case 1: client_asks(); break;
	case 2: client_reacts(); break;
	case 3: case 4: case 5: sibling_listens(); sibling_answers(); break;
	case 6: case 7: sibling_asks(); break;
	case 8: sibling_says_anything(); break;
	case 9: sibling_scribbles(); break;
	case 10: sibling_dies(); break;
	case 11: case 12: origin_answers(); break;
	case 13: pass_time(times[take() % 6]); return;
	case 14: world.over = true; return;
	default: break;
	}
	if (what < 128)
		turn();
}

static void begin(struct snapshot *conf)
{
	memset(&world, 0, sizeof world);
	world.client = (struct endpoint){ .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 }, .port = 40000 };
	random_seed_for_test(1);
	CHECK(house_map(&world.house, -1, WORKERS, MEMORY, SELF) == 0);
	house_begin(&world.house);
	house_next_incarnation(&world.house, SELF);
	world.proxy = proxy_create(conf, NULL, &world.house);
	CHECK(world.proxy != NULL);
	sibling_dies();
	world.near = world.far = (struct endpoint){ .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 9, [15] = 1 }, .port = 5683 };
	while (origin_home(world.proxy, &world.near) != SELF)
		world.near.addr[15]++;
	while (origin_home(world.proxy, &world.far) != SIBLING)
		world.far.addr[15]++;
}

static void judge_one(void *object, uint32_t index, void *arg)
{
	const struct exchange *x = object;

	(void)index, (void)arg;
	CHECK(x->stand_in || x->state == EXCHANGE_OBSERVING);
}

static void judge(void)
{
	pass_time(100 * CLOCK_SECOND);
	sibling_listens(); /* what waits for room is looked at in every tick */
	pass_time(1000 * CLOCK_SECOND);
	slab_each(world.proxy->exchanges, judge_one, NULL);
	CHECK(slab_count(world.proxy->deliveries) == 0);
	for (unsigned i = 0; i < world.asked_count; i++)
		CHECK(world.asked[i].acknowledged);
	/* with its sibling gone nothing remains of what was for it */
	sibling_dies();
	turn();
	for (unsigned i = 0; i < 3; i++)
		pass_time(1000 * CLOCK_SECOND);
	CHECK(slab_count(world.proxy->flows) == 0 && slab_count(world.proxy->deliveries) == 0);
}

static void end(const struct snapshot *conf)
{
	if (!world.over)
		judge();
	(void)proxy_is_drained(world.proxy);
	proxy_destroy(world.proxy);
	house_unmap(&world.house);
	CHECK(conf->references == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct snapshot *conf;

	if (conf == NULL) {
		log_open(STDERR_FILENO, LOG_LEVEL_ERROR);
		conf = conf_load_text(CONF, "crossing", stderr);
		CHECK(conf != NULL);
	}
	script.at = data;
	script.left = size;
	begin(conf);
	for (unsigned steps = 0; script.left > 0 && steps < STEPS_MAX && !world.over; steps++)
		step(take());
	end(conf);
	return 0;
}

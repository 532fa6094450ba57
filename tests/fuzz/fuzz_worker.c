/* objects: tests/fuzz/worker_model.o tests/fuzz/worker_judge.o base/buffers.o base/bytes.o base/endpoint.o base/errors.o base/hash.o base/log.o base/ring.o base/slab.o base/wheel.o base/random_seeded.o COAP_OBJS coap/option.o coap/uri.o CONF_OBJS TRANSLATE_OBJS proxy/decide/route.o proxy/decide/links.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/outgoing.o proxy/exchange/message_ids.o proxy/exchange/congestion.o proxy/exchange/duplicates.o proxy/exchange/duplicates_map.o proxy/exchange/metrics.o proxy/exchange/house.o proxy/exchange/house_sessions.o proxy/exchange/client.o proxy/exchange/origin.o proxy/exchange/ports.o proxy/exchange/delivery.o proxy/exchange/reachability.o proxy/exchange/exchange.o proxy/exchange/receive.o proxy/exchange/requester.o proxy/edge/traits.o proxy/exchange/forward.o proxy/exchange/forward_find.o proxy/exchange/sessions.o proxy/exchange/return_path.o proxy/exchange/forward_decide.o proxy/exchange/transmit.o proxy/exchange/respond.o proxy/exchange/upstream.o proxy/exchange/observe.o proxy/exchange/local.o proxy/exchange/proxy.o proxy/exchange/group.o proxy/exchange/hop.o proxy/exchange/reblock.o proxy/exchange/held.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o proxy/exchange/errand.o proxy/exchange/errand_table.o proxy/exchange/errand_upload.o proxy/exchange/errand_answer.o proxy/exchange/hold_back.o proxy/exchange/crossing.o proxy/exchange/crossing_rings.o proxy/exchange/renew.o proxy/exchange/refusal_log.o proxy/exchange/access_log.o READING_OBJS proxy/exchange/feed.o proxy/exchange/feed_line.o proxy/exchange/feed_lines.o oscore/option.o translate/map_template.o */
/* measures: proxy/exchange/receive.c proxy/exchange/forward.c proxy/exchange/transmit.c proxy/exchange/respond.c proxy/exchange/upstream.c proxy/exchange/observe.c proxy/exchange/delivery.c proxy/exchange/exchange.c proxy/exchange/origin.c proxy/exchange/ports.c proxy/exchange/client.c proxy/exchange/reachability.c */
/*
 * A script of what clients and origins send to one worker, over datagrams and connections, and of the time that passes. worker_judge.c judges what
 * the worker sends; here bytes are made into messages that go deep: mostly sound ones, that name each other's tokens and
 * Message IDs, some of them damaged.
 *
 * The first byte chooses the configuration; then each step is one byte of what happens and the bytes it asks for. A script
 * that ends in the middle of a step goes on in zeros, and every choice is sound at zero.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "proxy/exchange/exchange.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "tests/fuzz/worker_model.h"
#include "tests/unit/edge_says.h"

enum { STEPS_MAX = 96, SENT_MAX = 96, DATAGRAM_MAX = MSG_DATAGRAM_MAX };

#define ROUTES \
	"listeners: { l: { url = \"coap://10.0.0.9:5683\"; }; };\n" \
	"routes: {" \
	" pair: { hosts = [\"pair\"]; to = [\"coap://10.9.0.1\", \"coap://10.9.0.2\"]; rest = \"60s\"; };" \
	" hash: { hosts = [\"hash\"]; to = [\"coap://slow.example\", \"coap://10.9.0.2\", \"coap://quick\"]; choice = \"hash\"; };" \
	" slow: { hosts = [\"slow\"]; to = [\"coap://slow.example/base\", \"coap://u\"]; strip-path = 1; confirmable = true; };" \
	" deny: { hosts = [\"deny\"]; deny = true; };" \
	" few: { hosts = [\"few\"]; to = [\"coap://10.9.0.1\"]; exchanges = 2; client-exchanges = 1; methods = [\"GET\"]; };" \
	" path: { hosts = [\"10.0.0.9\"]; paths = [\"/p/**\"]; to = [\"coap://10.9.0.1\"]; echo = false; };" \
	" dev: { hosts = [\"10.0.0.9\"]; paths = [\"/t/**\"]; to = [\"coap://10.9.0.1\"]; };" \
	" osc: { hosts = [\"10.0.0.9\"]; to = [\"coap://10.9.0.1\"]; require = [\"oscore\"]; oscore-errors = \"strict\"; };" \
	" con: { hosts = [\"con\"]; to = [\"coap+tcp://10.9.0.4\"]; };" \
	" mix: { hosts = [\"mix\"]; to = [\"coap+tcp://10.9.0.4\", \"coap://10.9.0.1\"]; rest = \"60s\"; };" \
	" via: { forward-to = [\"coap://via.example:*\"]; via = \"coap://10.9.0.2\"; };" \
	" any: { forward-to = [\"coap://*\"]; timeout = \"20s\"; timeout-acknowledged = \"40s\"; };" \
	"};\n"

static const char *const conf_texts[] = {
	ROUTES "limits: { exchanges = 4000; clients = 100; origins = 10; observations = 100; dedup-memory = \"1MB\";"
	" queue-memory = \"1MB\"; };",
	ROUTES "limits: { exchanges = 6; client-exchanges = 4; origin-exchanges = 3; clients = 1; origins = 1; observations = 2;"
	" client-observations = 1; dedup-memory = \"1MB\"; token-length = 8; };"
	"upstream: { origin-window = 2; origin-ports = 1; max-retransmit = 2; };"
	"downstream: { unverified-rate = \"1kB\"; problem-details = false; };",
};

/* Everything a client or origin has sent, to be sent again. */
struct sent {
	unsigned who, slot;
	size_t len;
	uint8_t bytes[DATAGRAM_MAX];
};

static struct {
	struct sent client[SENT_MAX], origin[SENT_MAX];
	unsigned client_count, origin_count;
	uint16_t client_mid[MODEL_CLIENTS], origin_mid[MODEL_ORIGINS];
	uint32_t serial;
} past;

/* Lengths: mostly small, some at the limits of blocks, buffers and datagrams. */
static size_t take_length(void)
{
	static const size_t large[] = { 64, 256, 512, 1024, 1152, 1280, 1500, 1900 };
	unsigned b = take();

	return b < 0xe0 ? b % 96 : large[b % 8];
}

/* ---- damage ---- */

/* One byte of how, others of where: most messages stay whole. */
static size_t damage(uint8_t *bytes, size_t len)
{
	unsigned how = take();

	switch (how) {
	case 1:
		return len * take() / 256;
	case 2:
	case 3:
		for (unsigned n = 1 + take() % 3; n > 0 && len > 0; n--) {
			size_t where = take();

			bytes[where % len] = (uint8_t)take();
		}
		return len;
	case 4:
		return len + take_bytes(bytes + len, DATAGRAM_MAX - len < 8 ? DATAGRAM_MAX - len : 8);
	default:
		return len;
	}
}

static void client_sends(unsigned who, const uint8_t *bytes, size_t len, unsigned flags)
{
	if (past.client_count < SENT_MAX) {
		struct sent *s = &past.client[past.client_count++];

		s->who = who;
		s->len = len;
		memcpy(s->bytes, bytes, len);
	}
	model_from_client(who, bytes, len, flags == 1, flags == 2);
}

static void origin_sends(unsigned who, unsigned slot, const uint8_t *bytes, size_t len, bool truncated)
{
	if (past.origin_count < SENT_MAX) {
		struct sent *s = &past.origin[past.origin_count++];

		s->who = who;
		s->slot = slot;
		s->len = len;
		memcpy(s->bytes, bytes, len);
	}
	model_from_origin(who, slot, bytes, len, truncated);
}

/* ---- requests ---- */

static void add_text(struct msg_writer *w, uint16_t number, const char *text)
{
	msg_add_option(w, number, text, strlen(text));
}

static const char *const hosts[] = { "pair", "hash", "slow", "deny", "few", "nowhere", "10.0.0.9", "[fd00::1]" };
static const char *const targets[] = { "10.9.0.1", "10.9.0.2", "slow.example", "quick.example", "x.example", "u.example",
	"via.example", "t.example", "127.0.0.1", "10.0.0.9", "[ff02::1]", "0.0.0.0", "q q", "10.9.0.3", "slow", "via.example" };
static const char *const uris[] = { "coap://10.9.0.1/t?q", "coap://slow.example/a/b", "coap://quick.example:5683", "coap://x/",
	"coap://via.example/p", "coaps://10.9.0.1/", "http://a/", "coap://10.9.0.1:70000/", "//", "coap://10.0.0.9/" };
static const char *const paths[] = { "t", "p", ".well-known", "core", "..", "" };

#define ONE_OF(list, b) ((list)[(b) % (sizeof(list) / sizeof((list)[0]))])

/* What a request asks for, bit by bit. */
enum {
	W_OBSERVE = 1, W_OBSERVE_OTHER = 2, W_OSCORE = 4, W_BLOCK1 = 8, W_BLOCK2 = 16, W_NO_RESPONSE = 32, W_ECHO = 64, W_HOP_LIMIT = 128,
	W_ACCEPT = 256, W_ODD = 512, W_HOST = 1024, W_PROXY_URI = 2048, W_PROXY_SCHEME = 4096, W_PORT = 8192, W_TWO_SEGMENTS = 16384,
	W_TAG = 32768,
};

static void add_low_options(struct msg_writer *w, unsigned wishes, unsigned detail)
{
	static const char oscore_value[] = "\x09\x01\x02\x03\x04";

	if (wishes & W_ODD && detail % 4 == 1)
		msg_add_option(w, 1, "e", 1);
	if (wishes & W_PROXY_SCHEME)
		add_text(w, OPT_URI_HOST, ONE_OF(targets, detail));
	else if (wishes & W_HOST)
		add_text(w, OPT_URI_HOST, detail >= 0xe0 ? (detail & 1 ? "con" : "mix") : ONE_OF(hosts, detail));
	if (wishes & (W_OBSERVE | W_OBSERVE_OTHER))
		msg_add_uint(w, OPT_OBSERVE, wishes & W_OBSERVE ? (wishes & W_OBSERVE_OTHER ? 7 : 0) : 1);
	if (wishes & W_PORT)
		msg_add_uint(w, OPT_URI_PORT, detail % 2 ? 5683 : 5684);
	if (wishes & W_OSCORE)
		msg_add_option(w, OPT_OSCORE, oscore_value, detail % 6);
	if (!(wishes & (W_OSCORE | W_PROXY_URI))) {
		add_text(w, OPT_URI_PATH, ONE_OF(paths, detail >> 4));
		if (wishes & W_TWO_SEGMENTS)
			add_text(w, OPT_URI_PATH, ONE_OF(paths, (detail >> 4) + 1));
	}
	if (wishes & W_ODD && detail % 4 == 0)
		msg_add_uint(w, OPT_URI_PATH_ABBREV, detail);
}

/* Returns how long the payload must be, or SIZE_MAX where it is free. */
static size_t add_high_options(struct msg_writer *w, unsigned who, unsigned wishes, unsigned detail)
{
	size_t payload = SIZE_MAX;

	if (wishes & W_HOP_LIMIT)
		msg_add_uint(w, OPT_HOP_LIMIT, detail % 5);
	if (wishes & W_ACCEPT)
		msg_add_uint(w, OPT_ACCEPT, detail % 3 ? 257 : 40);
	if (wishes & W_BLOCK2)
		msg_add_uint(w, OPT_BLOCK2, (detail & 0x33) | (detail % 16 == 7 ? 7 : 0));
	if (wishes & W_BLOCK1) {
		msg_add_uint(w, OPT_BLOCK1, (detail & 0xf0) | (detail & 1 ? 8 : 0) | (detail % 16 == 15 ? 7 : 0));
		payload = detail & 1 ? 16 : SIZE_MAX;
	}
	if (wishes & W_PROXY_URI)
		add_text(w, OPT_PROXY_URI, ONE_OF(uris, detail));
	if (wishes & W_PROXY_SCHEME)
		add_text(w, OPT_PROXY_SCHEME, detail % 16 == 15 ? "coap+x" : "coap");
	if (wishes & W_ECHO)
		msg_add_option(w, OPT_ECHO, detail % 4 == 3 ? (const uint8_t *)"no" : model.echo[who],
			detail % 4 == 3 ? 2 : model.echo_len[who]);
	if (wishes & W_NO_RESPONSE)
		msg_add_uint(w, OPT_NO_RESPONSE, detail % 2 ? 26 : detail);
	if (wishes & W_TAG)
		msg_add_option(w, OPT_REQUEST_TAG, "rt", 2);
	if (wishes & W_ODD && detail % 4 >= 2)
		msg_add_option(w, detail % 4 == 2 ? 65003 : 65000, "odd", 3);
	return payload;
}

static size_t token_length(unsigned b)
{
	static const size_t lengths[] = { 4, 8, 0, 1, 12, 64, 80, 300 };

	return lengths[b % 8];
}

/* Each request has a payload of its own, so that the model can tell it again. */
static void client_asks(void)
{
	static const uint8_t codes[] = { CODE_GET, CODE_POST, CODE_FETCH, CODE_PUT, CODE_DELETE, CODE_IPATCH, 31, CODE_GET };
	uint8_t bytes[DATAGRAM_MAX], token[300], payload[DATAGRAM_MAX];
	unsigned head = take(), names = take(), wishes = take(), detail, who = head >> 5 == 3 ? OVER_CONNECTION : head & 1;
	uint16_t mid = past.client_mid[who];
	struct msg_writer w;
	size_t wanted, len;

	wishes |= take() << 8;
	detail = take();
	if (names >> 6 != 3)
		past.client_mid[who] = ++mid;
	memset(token, (int)(names & 7), sizeof token);
	memset(payload, '.', sizeof payload);
	msg_begin(&w, bytes, sizeof bytes, head & 2 ? MSG_NON : MSG_CON, ONE_OF(codes, head >> 2 & 7), mid, token,
		token_length(names >> 3));
	add_low_options(&w, wishes, detail);
	wanted = add_high_options(&w, who, wishes, detail);
	len = take_length();
	if (wanted != SIZE_MAX)
		len = wanted;
	past.serial++;
	memcpy(payload, &past.serial, sizeof past.serial);
	if (len > 0)
		len = len < sizeof past.serial ? sizeof past.serial : len;
	if (len > sizeof bytes - writer_length(&w.w) - 1)
		len = sizeof bytes - writer_length(&w.w) - 1;
	msg_add_payload(&w, payload, len);
	len = msg_end(&w);
	if (len > 0)
		client_sends(who, bytes, damage(bytes, len), head >> 5 == 1 ? 1 : head >> 5 == 2 ? 2 : 0);
}

/* An ACK or RST for something it was sent, mostly of the worker's own Message IDs. */
static void client_reacts(bool reset)
{
	const struct model_message *m = model_last(&model.to_client, take());
	uint8_t bytes[DATAGRAM_MAX];
	size_t len = MSG_HEADER;

	if (m == NULL)
		return;
	msg_write_empty(bytes, reset ? MSG_RST : MSG_ACK, m->view.mid);
	client_sends(m->who, bytes, damage(bytes, len), 0);
}

static void client_repeats(void)
{
	unsigned back = take();
	struct sent s;

	if (past.client_count == 0)
		return;
	s = past.client[past.client_count - 1 - back % past.client_count];
	client_sends(s.who, s.bytes, damage(s.bytes, s.len), 0);
}

static void client_sends_bytes(void)
{
	uint8_t bytes[DATAGRAM_MAX];
	unsigned head = take();
	size_t len = take_bytes(bytes, head >> 1);

	client_sends(head & 1, bytes, len, 0);
}

/* ---- answers ---- */

enum {
	A_OBSERVE = 1, A_OSCORE = 2, A_BLOCK2 = 4, A_MAX_AGE = 8, A_ETAG = 16, A_ECHO = 32, A_ODD = 64, A_BLOCK1 = 128,
};

static size_t add_answer_options(struct msg_writer *w, unsigned wishes, unsigned detail)
{
	if (wishes & A_ETAG) {
		msg_add_option(w, OPT_ETAG, "a", 1);
		msg_add_option(w, OPT_ETAG, "b", 1);
	}
	if (wishes & A_OBSERVE)
		msg_add_uint(w, OPT_OBSERVE, detail);
	if (wishes & A_OSCORE)
		msg_add_option(w, OPT_OSCORE, "", 0);
	if (wishes & A_MAX_AGE)
		msg_add_uint(w, OPT_MAX_AGE, detail);
	if (wishes & A_BLOCK2)
		msg_add_uint(w, OPT_BLOCK2, detail & 0xf8);
	if (wishes & A_BLOCK1)
		msg_add_uint(w, OPT_BLOCK1, detail & 0xf8);
	if (wishes & A_ECHO)
		msg_add_option(w, OPT_ECHO, "echo", 4);
	if (wishes & A_ODD)
		msg_add_option(w, detail & 1 ? 65003 : 65000, "odd", 3);
	return wishes & A_BLOCK2 && detail & 8 ? 16 : SIZE_MAX;
}

/* The newest request that went to an origin, or the one so far back. */
static const struct model_message *request_at_origin(unsigned back)
{
	for (unsigned i = 0; i < model.to_origin.count; i++) {
		const struct model_message *m = model_last(&model.to_origin, i);

		if (msg_code_is_request(m->view.code) && back-- == 0)
			return m;
	}
	return NULL;
}

static void origin_answers(void)
{
	static const uint8_t codes[] = { CODE_CONTENT, CODE_CHANGED, CODE_NOT_FOUND, CODE_HOP_LIMIT, CODE_TOO_MANY, CODE_UNAVAILABLE,
		CODE_CONTINUE, CODE_VALID };
	unsigned head = take(), wishes = take(), detail = take(), twist;
	const struct model_message *m = request_at_origin(head >> 5);
	enum msg_type type = head & 3;
	uint8_t bytes[DATAGRAM_MAX], payload[DATAGRAM_MAX], token[UPSTREAM_TOKEN];
	struct msg_writer w;
	size_t wanted, len;

	if (m == NULL)
		return;
	/* at zero it is the piggybacked answer */
	type = type == 0 ? MSG_ACK : type == 2 ? MSG_CON : type;
	if (type == MSG_RST)
		type = MSG_NON;
	twist = take();
	memcpy(token, m->view.token, sizeof token);
	if (twist == 1)
		token[take() % sizeof token] ^= 1;
	memset(payload, 'o', sizeof payload);
	if (twist == 2)
		memcpy(payload, "a oscore-proxy ", 15);
	msg_begin(&w, bytes, sizeof bytes, type, ONE_OF(codes, head >> 2 & 7),
		type == MSG_ACK ? m->view.mid : ++past.origin_mid[m->who], token, sizeof token);
	if (twist == 3)
		msg_set_mid(bytes, (uint16_t)(m->view.mid + 1));
	wanted = add_answer_options(&w, wishes, detail);
	len = take_length();
	if (wanted != SIZE_MAX)
		len = wanted;
	if (len > sizeof bytes - writer_length(&w.w) - 1)
		len = sizeof bytes - writer_length(&w.w) - 1;
	msg_add_payload(&w, payload, len);
	len = msg_end(&w);
	if (len > 0)
		origin_sends((m->who + (twist == 4)) % MODEL_ORIGINS, m->slot + (twist == 5), bytes, damage(bytes, len), twist == 6);
}

static void origin_reacts(bool reset)
{
	const struct model_message *m = request_at_origin(take());
	uint8_t bytes[DATAGRAM_MAX];

	if (m == NULL)
		return;
	msg_write_empty(bytes, reset ? MSG_RST : MSG_ACK, m->view.mid);
	origin_sends(m->who, m->slot, bytes, damage(bytes, MSG_HEADER), false);
}

static void origin_repeats(void)
{
	unsigned back = take();
	struct sent s;

	if (past.origin_count == 0)
		return;
	s = past.origin[past.origin_count - 1 - back % past.origin_count];
	origin_sends(s.who, s.slot, s.bytes, damage(s.bytes, s.len), false);
}

static void origin_sends_bytes(void)
{
	uint8_t bytes[DATAGRAM_MAX];
	unsigned head = take();
	size_t len = take_bytes(bytes, head >> 1);

	origin_sends(head & 1, 0, bytes, len, false);
}

static void network_refuses(void)
{
	const struct model_message *m = request_at_origin(take());
	unsigned cut = take();
	uint8_t quoted[DATAGRAM_MAX];
	size_t len;

	if (m == NULL)
		return;
	len = m->view.len > 64 ? 64 : m->view.len;
	memcpy(quoted, m->view.bytes, len);
	model_unreachable(m->who, m->slot, quoted, cut == 1 ? 8 : damage(quoted, len));
}

/* A request of its own, by the way of its answers. */
static void origin_asks(unsigned slot)
{
	uint8_t bytes[64];
	struct msg_writer w;

	msg_begin(&w, bytes, sizeof bytes, MSG_NON, CODE_GET, 0, (const uint8_t *)"asks", 4);
	add_text(&w, OPT_URI_PATH, "x");
	origin_sends(AT_CONNECTION, slot, bytes, damage(bytes, msg_end(&w)), false);
}

/* What happens to connections. */
static void connections_change(void)
{
	unsigned how = take();
	const struct model_message *m = request_at_origin(how >> 5);

	switch (how % 8) {
	case 0: case 1:
		if (m != NULL)
			model_lost(m->slot, how & 1);
		break;
	case 2: model_gone(); break;
	case 3: model_slow(true); break;
	case 4: model_slow(false); break;
	case 5: edge_says.connects_fail = !edge_says.connects_fail; break;
	case 6: edge_says.message_limit = how & 16 ? 100 : 0; break;
	default:
		if (m != NULL && m->who == AT_CONNECTION)
			origin_asks(m->slot);
	}
}

/* ---- time ---- */

static void time_passes(void)
{
	static const uint64_t steps[] = { 5 * CLOCK_MS, 300 * CLOCK_MS, 1100 * CLOCK_MS, 2 * CLOCK_SECOND, 5 * CLOCK_SECOND,
		40 * CLOCK_SECOND, 94 * CLOCK_SECOND, 146 * CLOCK_SECOND, 248 * CLOCK_SECOND, 601 * CLOCK_SECOND, 90000 * CLOCK_SECOND };

	model_step(ONE_OF(steps, take()));
}

static void name_resolves(void)
{
	static const enum resolve_result results[] = { RESOLVE_OK, RESOLVE_FAILED, RESOLVE_TIMEOUT };
	unsigned b = take();

	model_resolved(b & 3, ONE_OF(results, b >> 2), b >> 4);
}

static void step(unsigned what)
{
	switch (what % 16) {
	case 0: case 1: case 2: client_asks(); break;
	case 3: case 4: case 5: origin_answers(); break;
	case 6: case 7: time_passes(); break;
	case 8: client_reacts(false); break;
	case 9: client_reacts(true); break;
	case 10: client_repeats(); break;
	case 11: origin_reacts(what & 16); break;
	case 12: origin_repeats(); break;
	case 13: name_resolves(); break;
	case 14: what & 32 ? connections_change() : network_refuses(); break;
	default: what & 16 ? client_sends_bytes() : origin_sends_bytes(); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct snapshot *confs[2];
	unsigned head;

	for (unsigned i = 0; i < 2 && confs[i] == NULL; i++) {
		confs[i] = conf_load_text(conf_texts[i], "worker", stderr);
		CHECK(confs[i] != NULL);
	}
	/* below what a configuration may say */
	confs[1]->settings.queue_memory = 2048;
	confs[1]->settings.dedup_memory = 200000;
	script.at = data;
	script.left = size;
	past.client_count = past.origin_count = 0;
	past.serial = 0;
	memset(past.client_mid, 0, sizeof past.client_mid);
	memset(past.origin_mid, 0, sizeof past.origin_mid);
	head = take();
	model_begin(confs[head & 1], head & 1);
	if ((head & 14) == 2)
		model_wear();
	for (unsigned steps = 0; script.left > 0 && steps < STEPS_MAX && model_has_room(); steps++)
		step(take());
	model_end();
	return 0;
}

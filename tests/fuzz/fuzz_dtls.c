/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o */
/* measures: proxy/edge/dtls_server.c proxy/edge/dtls_record.c proxy/edge/dtls_step.c proxy/edge/dtls_sessions.c */
/*
 * The first byte says how many datagrams of a client's handshake arrive as they should; the rest is a script of what else does: each step is a
 * byte for what, one for how long, and bytes. Whatever comes, who has a session keeps it, what is read is what he has written, and others get
 * no room that has no end.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proxy/edge/dtls.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plain_edge.h"

enum { DATAGRAMS = 64, DATAGRAM = 2048, SLOT = 1, WHOLE = 16, STEPS = 64 };

static struct world {
	struct proxy proxy;
	struct metrics metrics;
	struct snapshot conf;
	struct listener listener;
	struct material material;
	struct conf_file file;
} world;

static struct datagram {
	size_t len;
	uint8_t bytes[DATAGRAM];
} to_client[DATAGRAMS], to_gateway[DATAGRAMS];
static unsigned to_client_count, to_gateway_count;

static struct endpoint client_at, stranger_at, session;
static struct local_address local = { .addr = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
static const uint8_t *in_hand;
static size_t in_hand_len;
static unsigned read_count;
static bool known;

/* ---- the gateway ---- */

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	(void)s;
	return slot == SLOT ? &world.listener : NULL;
}

static void keep(struct datagram *all, unsigned *count, const void *bytes, size_t len)
{
	CHECK(len <= DATAGRAM);
	if (*count == DATAGRAMS)
		return;
	memcpy(all[*count].bytes, bytes, len);
	all[(*count)++].len = len;
}

void udp_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes, size_t len)
{
	(void)from;
	CHECK(listener == SLOT);
	if (peer->port == client_at.port)
		keep(to_client, &to_client_count, bytes, len);
}

void udp_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	(void)slot, (void)peer, (void)bytes, (void)len;
	abort();
}

int udp_open_slot(unsigned slot, bool ipv4)
{
	(void)slot, (void)ipv4;
	return -1;
}

void receive_session(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to)
{
	(void)p, (void)listener, (void)to;
	CHECK(peer->port == client_at.port && strcmp(dtls_client_name(peer), "meter") == 0);
	session = *peer;
	known = true;
}

void receive_gone(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	(void)p, (void)listener;
	known = known && !endpoint_equal(peer, &session);
}

void receive_datagram(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len, bool truncated, bool multicast, uint64_t soon)
{
	(void)p, (void)listener, (void)to, (void)soon;
	CHECK(known && endpoint_equal(peer, &session) && len == 7 && memcmp(bytes, "request", 7) == 0 && !truncated && !multicast);
	read_count++;
}

void upstream_datagram(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool truncated)
{
	(void)p, (void)slot, (void)peer, (void)bytes, (void)len, (void)truncated;
	abort();
}

void upstream_lost(struct proxy *p, unsigned slot, const struct endpoint *peer, enum error e, bool sent)
{
	(void)p, (void)slot, (void)peer, (void)e, (void)sent;
	abort();
}

/* ---- the client ---- */

static int on_read(BIO *b, char *out, int room)
{
	BIO_clear_retry_flags(b);
	if (in_hand == NULL) {
		BIO_set_retry_read(b);
		return -1;
	}
	CHECK(in_hand_len <= (size_t)room);
	memcpy(out, in_hand, in_hand_len);
	in_hand = NULL;
	return (int)in_hand_len;
}

static int on_write(BIO *b, const char *bytes, int len)
{
	BIO_clear_retry_flags(b);
	keep(to_gateway, &to_gateway_count, bytes, (size_t)len);
	return len;
}

static long on_control(BIO *b, int what, long number, void *arg)
{
	(void)b, (void)number, (void)arg;
	return what == BIO_CTRL_FLUSH;
}

static unsigned on_key(SSL *ssl, const char *hint, char *identity, unsigned identity_room, unsigned char *key, unsigned room)
{
	(void)ssl, (void)hint, (void)identity_room, (void)room;
	memcpy(identity, "meter", 6);
	for (unsigned char i = 0; i < 16; i++)
		key[i] = i;
	return 16;
}

static SSL *client_new(void)
{
	static SSL_CTX *context;
	static BIO_METHOD *method;
	SSL *ssl;
	BIO *b;

	if (context == NULL) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a client's");
		BIO_meth_set_read(method, on_read);
		BIO_meth_set_write(method, on_write);
		BIO_meth_set_ctrl(method, on_control);
		context = SSL_CTX_new(DTLS_client_method());
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
		SSL_CTX_set_psk_client_callback(context, on_key);
		CHECK(SSL_CTX_set_cipher_list(context, "PSK-AES128-GCM-SHA256") == 1);
	}
	ssl = SSL_new(context);
	b = BIO_new(method);
	CHECK(ssl != NULL && b != NULL);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b);
	SSL_set_mtu(ssl, 1200);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* What the gateway has sent arrives. */
static void client_reads(SSL *ssl)
{
	static struct datagram all[DATAGRAMS];
	unsigned count = to_client_count;
	char message[DATAGRAM];

	memcpy(all, to_client, count * sizeof all[0]);
	to_client_count = 0;
	for (unsigned i = 0; i < count; i++) {
		in_hand = all[i].bytes;
		in_hand_len = all[i].len;
		if (SSL_is_init_finished(ssl))
			SSL_read(ssl, message, sizeof message);
		else
			SSL_do_handshake(ssl);
		in_hand = NULL;
	}
	ERR_clear_error();
}

/* ---- what arrives ---- */

/* In memory of its own size. */
static void arrive(const struct endpoint *from, const uint8_t *bytes, size_t len)
{
	uint8_t *own = malloc(len + (len == 0));

	CHECK(own != NULL);
	if (len > 0)
		memcpy(own, bytes, len);
	dtls_datagram(SLOT, from, &local, own, len, true);
	free(own);
	CHECK(dtls_session_count() <= 1 && dtls_handshake_count() <= WHOLE);
}

/* The newest of the client's own datagrams with some bytes changed: pairs of place and value. */
static void arrive_changed(const struct endpoint *from, const uint8_t *edits, size_t len)
{
	struct datagram d;

	if (to_gateway_count == 0)
		return;
	d = to_gateway[to_gateway_count - 1];
	for (size_t i = 0; i + 1 < len; i += 2)
		if (d.len > 0)
			d.bytes[edits[i] % d.len] ^= edits[i + 1];
	if (len % 2 == 1)
		d.len = edits[len - 1] % (d.len + 1);
	arrive(from, d.bytes, d.len);
}

static void play(const uint8_t *at, const uint8_t *end)
{
	for (unsigned steps = 0; steps < STEPS && end - at >= 2; steps++) {
		unsigned what = at[0] % 5;
		size_t len = at[1];

		at += 2;
		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		if (what == 0)
			arrive(&client_at, at, len);
		else if (what == 1)
			arrive(&stranger_at, at, len);
		else if (what == 2)
			arrive_changed(&client_at, at, len);
		else if (what == 3)
			arrive_changed(&stranger_at, at, len);
		else
			clock_steer(clock_now() + len * CLOCK_SECOND / 16);
		wheel_run(world.proxy.wheel, clock_now());
		at += len;
	}
}

/* ---- one input ---- */

static void begin(void)
{
	static char name[] = "devices", path[] = "psk", none[] = "", ciphers[] = "PSK-AES128-GCM-SHA256:PSK-AES128-CCM8";
	static const char keys[] = "meter:000102030405060708090a0b0c0d0e0f\n";
	struct settings *s = &world.conf.settings;

	log_open(-1, LOG_LEVEL_ERROR);
	random_seed_for_test(1);
	CHECK(house_map(&world.proxy.house, -1, 1, 65536, 0) == 0);
	house_begin(&world.proxy.house);
	world.proxy.hash_key = world.proxy.house.state->hash_key;
	world.proxy.metrics = &world.metrics;
	world.proxy.wheel = wheel_create(clock_now());
	world.proxy.conf = &world.conf;
	*s = (struct settings){ .transports_sessions = 64, .transports_handshake_timeout = 30 * CLOCK_SECOND, .transports_client_connections = 100,
		.transports_session_lifetime = 365ull * 24 * 3600 * CLOCK_SECOND, .transports_mtu = 1280, .transports_ciphers = ciphers,
		.upstream_psk_file = none, .upstream_certificate = none, .upstream_key = none, .upstream_ca = none, .http_ca = none };
	world.listener = (struct listener){ .name = name, .scheme = URI_COAPS, .slot = SLOT, .psk_file = path, .certificate = none, .key = none,
		.client_ca = none };
	world.file = (struct conf_file){ .kind = CONF_FILE_PSK, .path = path, .listener = &world.listener };
	world.conf.files = &world.file;
	world.conf.file_count = 1;
	CHECK(material_add(&world.material, path, (const uint8_t *)keys, sizeof keys - 1) == 0);
	CHECK(dtls_open(&world.proxy) == 0 && dtls_renew(&world.conf, &world.material) == 0);
	client_at = (struct endpoint){ .addr = { [10] = 0xff, 0xff, 198, 51, 100, 7 }, .port = 1000 };
	stranger_at = (struct endpoint){ .addr = { [10] = 0xff, 0xff, 198, 51, 100, 8 }, .port = 2000 };
}

/* As it would go without anybody else. Returns whether the session is open on both sides. */
static bool shake(SSL *ssl, unsigned datagrams)
{
	unsigned given = 0;

	SSL_do_handshake(ssl);
	while (given < to_gateway_count && given < datagrams) {
		arrive(&client_at, to_gateway[given].bytes, to_gateway[given].len);
		given++;
		client_reads(ssl);
	}
	ERR_clear_error();
	return SSL_is_init_finished(ssl) && known;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	SSL *client;
	bool open;

	if (size < 1)
		return 0;
	if (!begun)
		begin();
	begun = true;
	to_client_count = to_gateway_count = read_count = 0;
	known = false;
	client = client_new();
	open = shake(client, data[0] % 8);
	if (open)
		CHECK(SSL_write(client, "request", 7) == 7); /* may arrive, as it is or changed, now and again */
	play(data + 1, data + size);
	CHECK(read_count <= 1);
	if (open) {
		CHECK(known && SSL_write(client, "request", 7) == 7);
		read_count = 0;
		arrive(&client_at, to_gateway[to_gateway_count - 1].bytes, to_gateway[to_gateway_count - 1].len);
		CHECK(read_count == 1);
		dtls_end_client(&session);
	}
	clock_steer(clock_now() + 40 * CLOCK_SECOND);
	wheel_run(world.proxy.wheel, clock_now());
	CHECK(dtls_handshake_count() == 0 && dtls_session_count() == (known ? 1 : 0));
	if (known) {
		dtls_end_client(&session);
		wheel_run(world.proxy.wheel, clock_now());
	}
	SSL_free(client);
	return 0;
}

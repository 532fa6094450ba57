#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/dtls_world.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proxy/edge/udp.h"
#include "tests/unit/plain_edge.h"

static char listener_name[] = "devices", none[] = "", psk_path[] = "psk", certificate_path[] = "gw.pem", key_path[] = "gw.key",
	ca_path[] = "clients.pem", up_psk_path[] = "ours", up_certificate_path[] = "our.pem", up_key_path[] = "our.key", up_ca_path[] = "origins.pem",
	ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:PSK-AES128-CCM8:PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8";

struct world world;
struct world_datagram world_queue[WORLD_DATAGRAMS];
size_t world_queued;
unsigned world_sent;
struct world_note world_notes[WORLD_NOTES];
size_t world_told;
unsigned (*world_fate)(const struct world_datagram *d);
void (*world_on_note)(const struct world_note *n);

static struct bare *bares[16];
static size_t bare_count;

/* ---- the gateway ---- */

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return s->listener_count > 0 && slot == s->listeners[0].slot ? &s->listeners[0] : NULL;
}

void world_begin(void)
{
	struct settings *s = &world.conf.settings;

	memset(&world, 0, sizeof world);
	random_seed_for_test(7);
	assert_int_equal(house_map(&world.proxy.house, -1, 1, 65536, 0), 0);
	house_begin(&world.proxy.house);
	world.proxy.hash_key = world.proxy.house.state->hash_key;
	world.proxy.metrics = &world.metrics;
	world.proxy.wheel = wheel_create(clock_now());
	world.proxy.conf = &world.conf;
	world.conf.asks_secured = true;
	s->transports_sessions = 1000;
	s->transports_handshake_timeout = 30 * CLOCK_SECOND;
	s->transports_session_lifetime = 24 * 3600 * CLOCK_SECOND;
	s->transports_connect_timeout = 5 * CLOCK_SECOND;
	s->transports_origin_idle = 300 * CLOCK_SECOND;
	s->transports_client_connections = 1000;
	s->transports_mtu = 1280;
	s->transports_ciphers = ciphers;
	assert_int_equal(dtls_open(&world.proxy), 0);
	world_queued = world_told = world_sent = 0;
	world_on_note = NULL;
	world_fate = NULL;
}

void world_end(void)
{
	dtls_close();
	wheel_destroy(world.proxy.wheel);
	house_unmap(&world.proxy.house);
	world_queued = 0;
}

static char *put(const char *text, char *path, enum conf_file_kind kind, const struct listener *l)
{
	if (text == NULL)
		return none;
	assert_int_equal(material_add(&world.material, path, (const uint8_t *)text, strlen(text)), 0);
	world.files[world.conf.file_count++] = (struct conf_file){ .kind = kind, .path = path, .listener = l };
	return path;
}

int world_use(const struct world_files *f)
{
	struct settings *s = &world.conf.settings;
	struct listener *l = &world.listener;

	world.material.count = 0;
	world.conf.file_count = 0;
	world.conf.files = world.files;
	*l = (struct listener){ .name = listener_name, .scheme = URI_COAPS, .slot = WORLD_SLOT, .client_certificate = f->client_certificate,
		.address = world_peer("192.0.2.1", WORLD_PORT) };
	l->psk_file = put(f->psk, psk_path, CONF_FILE_PSK, l);
	l->certificate = put(f->certificate, certificate_path, CONF_FILE_CERTIFICATE, l);
	l->key = put(f->key, key_path, CONF_FILE_KEY, l);
	l->client_ca = put(f->client_ca, ca_path, CONF_FILE_CLIENT_CA, l);
	s->upstream_psk_file = put(f->up_psk, up_psk_path, CONF_FILE_PSK, NULL);
	s->upstream_certificate = put(f->up_certificate, up_certificate_path, CONF_FILE_CERTIFICATE, NULL);
	s->upstream_key = put(f->up_key, up_key_path, CONF_FILE_KEY, NULL);
	s->upstream_ca = put(f->up_ca, up_ca_path, CONF_FILE_AUTHORITIES, NULL);
	s->http_ca = none;
	world.conf.listeners = l;
	world.conf.listener_count = f->psk != NULL || f->certificate != NULL;
	return dtls_renew(&world.conf, &world.material);
}

void world_wait(uint64_t microseconds)
{
	uint64_t end = clock_now() + microseconds;

	while (clock_now() < end) {
		uint64_t next = wheel_next(world.proxy.wheel);

		clock_steer(next > end ? end : next > clock_now() ? next : clock_now() + 1);
		wheel_run(world.proxy.wheel, clock_now());
	}
}

/* ---- what the gateway sends ---- */

static struct world_datagram *queue(const uint8_t *bytes, size_t len)
{
	struct world_datagram *d = &world_queue[world_queued];

	assert_true(world_queued < WORLD_DATAGRAMS && len <= WORLD_DATAGRAM);
	world_queued++;
	memset(d, 0, offsetof(struct world_datagram, bytes));
	memcpy(d->bytes, bytes, len);
	d->len = len;
	return d;
}

struct endpoint world_peer(const char *address, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, address, strlen(address), false), 0);
	e.port = port;
	return e;
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a->addr, b->addr, sizeof a->addr) == 0 && a->port == b->port;
}

void udp_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes, size_t len)
{
	struct world_datagram *d = queue(bytes, len);

	assert_int_equal(listener, WORLD_SLOT);
	world_sent++;
	d->to = *peer;
	d->local = *from;
	memcpy(d->from.addr, from->addr, sizeof from->addr);
	d->from.port = WORLD_PORT;
	/* one of the gateway's own source ports? */
	if (peer->port >= WORLD_SOURCE && peer->port < WORLD_SOURCE + ORIGIN_SLOTS_MAX) {
		d->at_gateway = d->upstream = true;
		d->slot = peer->port - WORLD_SOURCE;
	}
}

void udp_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct world_datagram *d = queue(bytes, len);

	world_sent++;
	d->to = *peer;
	d->from = world_peer("192.0.2.2", (uint16_t)(WORLD_SOURCE + slot));
	d->slot = slot;
	d->upstream = true;
	if (is_same(peer, &world.listener.address)) {
		d->at_gateway = true;
		d->upstream = false;
		memcpy(d->local.addr, peer->addr, sizeof d->local.addr);
	}
}

int udp_open_slot(unsigned slot, bool ipv4)
{
	(void)slot, (void)ipv4;
	return 0;
}

/* ---- the network ---- */

const struct world_datagram *world_take(size_t at)
{
	static struct world_datagram taken;

	assert_true(at < world_queued);
	taken = world_queue[at];
	world_queued--;
	memmove(&world_queue[at], &world_queue[at + 1], (world_queued - at) * sizeof world_queue[0]);
	return &taken;
}

void world_forget_datagrams(void)
{
	world_queued = 0;
}

static void at_bare(struct bare *b, const struct world_datagram *d)
{
	b->in_hand = d;
	b->peer = d->from;
	bare_step(b);
	b->in_hand = NULL;
}

/* In memory of its own size, so that reading over its end shows. */
static void at_gateway(const struct world_datagram *d)
{
	uint8_t *bytes = malloc(d->len + (d->len == 0));
	struct endpoint from = d->from;

	assert_non_null(bytes);
	memcpy(bytes, d->bytes, d->len);
	if (!d->upstream)
		dtls_datagram(WORLD_SLOT, &from, &d->local, bytes, d->len, true);
	else if (dtls_is_datagram(bytes, d->len))
		dtls_origin_datagram(d->slot, &from, bytes, d->len, true);
	free(bytes);
}

void world_arrive(const struct world_datagram *d)
{
	struct world_datagram own = *d;

	if (own.at_gateway) {
		at_gateway(&own);
		return;
	}
	for (size_t i = 0; i < bare_count; i++)
		if (is_same(&bares[i]->at, &own.to))
			at_bare(bares[i], &own);
}

void world_run(void)
{
	while (world_queued > 0) {
		const struct world_datagram d = *world_take(0);

		for (unsigned times = world_fate != NULL ? world_fate(&d) : 1; times > 0; times--)
			world_arrive(&d);
	}
}

void world_inject(const struct endpoint *from, const void *bytes, size_t len)
{
	struct world_datagram *d = queue(bytes, len);

	d->at_gateway = true;
	d->from = *from;
	d->to = world.listener.address;
	memcpy(d->local.addr, d->to.addr, sizeof d->local.addr);
}

/* ---- bare ends ---- */

static int on_read(BIO *b, char *out, int room)
{
	struct bare *end = BIO_get_data(b);
	int len;

	BIO_clear_retry_flags(b);
	if (end->in_hand == NULL) {
		BIO_set_retry_read(b);
		return -1;
	}
	len = (int)end->in_hand->len < room ? (int)end->in_hand->len : room;
	memcpy(out, end->in_hand->bytes, (size_t)len);
	end->in_hand = NULL;
	return len;
}

static int on_write(BIO *b, const char *bytes, int len)
{
	struct bare *end = BIO_get_data(b);
	struct world_datagram *d = queue((const uint8_t *)bytes, (size_t)len);

	BIO_clear_retry_flags(b);
	d->at_gateway = true;
	d->from = end->at;
	d->to = end->peer;
	if (end->server) {
		d->upstream = true;
		d->slot = end->peer.port - WORLD_SOURCE;
	} else {
		memcpy(d->local.addr, end->peer.addr, sizeof d->local.addr);
	}
	return len;
}

static long on_control(BIO *b, int what, long number, void *arg)
{
	(void)b, (void)number, (void)arg;
	return what == BIO_CTRL_FLUSH ? 1 : what == BIO_CTRL_DGRAM_GET_MTU_OVERHEAD ? 28 : 0;
}

static BIO *bare_bio(struct bare *end)
{
	static BIO_METHOD *m;
	BIO *b;

	if (m == NULL) {
		m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a test's");
		BIO_meth_set_read(m, on_read);
		BIO_meth_set_write(m, on_write);
		BIO_meth_set_ctrl(m, on_control);
	}
	b = BIO_new(m);
	assert_non_null(b);
	BIO_set_init(b, 1);
	BIO_set_data(b, end);
	return b;
}

static void bare_new(struct bare *b, const SSL_METHOD *method, const char *address, uint16_t port, const char *cipher_list)
{
	*b = (struct bare){ .at = world_peer(address, port) };
	b->context = SSL_CTX_new(method);
	assert_non_null(b->context);
	SSL_CTX_set_security_level(b->context, 0);
	SSL_CTX_set_options(b->context, SSL_OP_NO_QUERY_MTU);
	assert_int_equal(SSL_CTX_set_cipher_list(b->context, cipher_list), 1);
	assert_true(bare_count < sizeof bares / sizeof bares[0]);
	bares[bare_count++] = b;
}

void bare_client(struct bare *b, const char *address, uint16_t port, const char *cipher_list)
{
	bare_new(b, DTLS_client_method(), address, port, cipher_list);
	b->peer = world_peer("192.0.2.1", WORLD_PORT);
}

void bare_server(struct bare *b, const char *address, uint16_t port, const char *cipher_list)
{
	bare_new(b, DTLS_server_method(), address, port, cipher_list);
	b->server = true;
	SSL_CTX_set_session_cache_mode(b->context, SSL_SESS_CACHE_OFF);
}

/* The key that hangs on a context, with its identity. */
struct bare_key {
	char identity[64];
	unsigned char key[64];
	long len;
};

static unsigned on_client_key(SSL *ssl, const char *hint, char *identity, unsigned identity_room, unsigned char *key, unsigned room)
{
	const struct bare_key *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	(void)hint;
	assert_true(strlen(k->identity) < identity_room && (size_t)k->len <= room);
	memcpy(identity, k->identity, strlen(k->identity) + 1);
	memcpy(key, k->key, (size_t)k->len);
	return (unsigned)k->len;
}

static unsigned on_server_key(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
	const struct bare_key *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	(void)room;
	if (strcmp(identity, k->identity) != 0)
		return 0;
	memcpy(key, k->key, (size_t)k->len);
	return (unsigned)k->len;
}

void bare_key(struct bare *b, const char *identity, const char *hex)
{
	struct bare_key *k = SSL_CTX_get_app_data(b->context);
	unsigned char *bytes;

	if (k == NULL)
		k = calloc(1, sizeof *k);
	assert_non_null(k);
	bytes = OPENSSL_hexstr2buf(hex, &k->len);
	assert_true(bytes != NULL && (size_t)k->len <= sizeof k->key && strlen(identity) < sizeof k->identity);
	memcpy(k->key, bytes, (size_t)k->len);
	memcpy(k->identity, identity, strlen(identity) + 1);
	OPENSSL_free(bytes);
	SSL_CTX_set_app_data(b->context, k);
	if (b->server)
		SSL_CTX_set_psk_server_callback(b->context, on_server_key);
	else
		SSL_CTX_set_psk_client_callback(b->context, on_client_key);
}

void bare_named(struct bare *b, const char *name)
{
	snprintf(b->host, sizeof b->host, "%s", name);
}

void bare_resume(struct bare *b, SSL_SESSION *session)
{
	b->resumed = session;
	bare_start(b);
	b->resumed = NULL;
}

void bare_start(struct bare *b)
{
	BIO *bio = bare_bio(b);

	if (b->ssl != NULL)
		SSL_set_shutdown(b->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else its ticket is thrown away */
	SSL_free(b->ssl);
	b->ssl = SSL_new(b->context);
	assert_non_null(b->ssl);
	SSL_set_bio(b->ssl, bio, bio);
	DTLS_set_link_mtu(b->ssl, b->mtu > 0 ? b->mtu : 1280);
	b->failed = false;
	if (!b->server && b->host[0] != '\0')
		SSL_set_tlsext_host_name(b->ssl, b->host);
	if (b->resumed != NULL)
		assert_int_equal(SSL_set_session(b->ssl, b->resumed), 1);
	if (b->server) {
		SSL_set_accept_state(b->ssl);
	} else {
		SSL_set_connect_state(b->ssl);
		bare_step(b);
	}
}

void bare_free(struct bare *b)
{
	for (size_t i = 0; i < bare_count; i++)
		if (bares[i] == b)
			bares[i] = bares[--bare_count];
	SSL_free(b->ssl);
	free(SSL_CTX_get_app_data(b->context));
	SSL_CTX_free(b->context);
}

void bare_step(struct bare *b)
{
	int got = 1;

	if (b->ssl == NULL)
		return;
	if (!SSL_is_init_finished(b->ssl)) {
		got = SSL_do_handshake(b->ssl);
		if (got == 1 && b->server && SSL_get_servername(b->ssl, TLSEXT_NAMETYPE_host_name) != NULL)
			snprintf(b->host, sizeof b->host, "%s", SSL_get_servername(b->ssl, TLSEXT_NAMETYPE_host_name));
	}
	while (got > 0) {
		got = SSL_read(b->ssl, b->message, sizeof b->message);
		if (got > 0) {
			b->message_len = got;
			b->messages++;
		}
	}
	if (SSL_get_error(b->ssl, got) != SSL_ERROR_WANT_READ)
		b->failed = true;
}

void bare_send(struct bare *b, const void *bytes, size_t len)
{
	assert_int_equal(SSL_write(b->ssl, bytes, (int)len), (int)len);
}

void bare_wait(struct bare *b, uint64_t microseconds)
{
	uint64_t step = CLOCK_SECOND / 10;

	world_run();
	for (uint64_t waited = 0; waited < microseconds; waited += step) {
		world_wait(step);
		if (b->ssl != NULL && !SSL_is_init_finished(b->ssl))
			DTLSv1_handle_timeout(b->ssl);
		world_run();
	}
}

bool bare_is_open(const struct bare *b)
{
	return b->ssl != NULL && SSL_is_init_finished(b->ssl) && !b->failed;
}

/* ---- what is told ---- */

static void note(enum world_kind kind, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, struct world_note more)
{
	struct world_note *n = &world_notes[world_told];

	assert_true(world_told < WORLD_NOTES && len <= sizeof n->bytes);
	*n = more;
	n->kind = kind;
	n->slot = slot;
	n->peer = *peer;
	n->len = len;
	if (len > 0)
		memcpy(n->bytes, bytes, len);
	world_told++;
	if (world_on_note != NULL)
		world_on_note(n);
}

void receive_session(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to)
{
	struct world_note more = { .len = 0 };
	const char *name = dtls_client_name(peer);

	(void)p, (void)to;
	if (name != NULL)
		snprintf(more.name, sizeof more.name, "%s", name);
	note(TOLD_SESSION, listener, peer, NULL, 0, more);
}

void receive_gone(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	(void)p;
	note(TOLD_GONE, listener, peer, NULL, 0, (struct world_note){ .len = 0 });
}

void receive_datagram(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len, bool truncated, bool multicast, uint64_t soon)
{
	(void)p, (void)to, (void)soon;
	assert_false(multicast);
	note(TOLD_MESSAGE, listener, peer, bytes, len, (struct world_note){ .truncated = truncated });
}

void upstream_datagram(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool truncated)
{
	(void)p;
	note(TOLD_ANSWER, slot, peer, bytes, len, (struct world_note){ .truncated = truncated });
}

void upstream_lost(struct proxy *p, unsigned slot, const struct endpoint *peer, enum error e, bool sent)
{
	(void)p;
	note(TOLD_LOST, slot, peer, NULL, 0, (struct world_note){ .error = e, .sent = sent });
}

unsigned world_count(enum world_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < world_told; i++)
		count += world_notes[i].kind == kind;
	return count;
}

const struct world_note *world_last(enum world_kind kind)
{
	for (size_t i = world_told; i > 0; i--)
		if (world_notes[i - 1].kind == kind)
			return &world_notes[i - 1];
	return NULL;
}

/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* Sessions of clients: an engine with a listener, and clients that are OpenSSL alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/edge/tls.h"
#include "tests/unit/certificates.h"
#include "tests/unit/covers.h"
#include "tests/unit/dtls_meters.h"

static struct made_certificate authority, foreign, gateway, other, device, expired, stranger;

static const struct world_files by_keys = { .psk = METER_KEYS };

static int begin_all(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&foreign, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&other, "other.example", "DNS:other.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device, "ignored", "URI:urn:dev:mac:1", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&expired, "ignored", "URI:urn:dev:mac:1", false, &authority, CERTIFICATE_EXPIRED);
	certificate_make(&stranger, "ignored", "URI:urn:dev:mac:1", false, &foreign, CERTIFICATE_GOOD_DAYS);
	return 0;
}

static int end_all(void **state)
{
	struct made_certificate *all[] = { &authority, &foreign, &gateway, &other, &device, &expired, &stranger };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		certificate_free(all[i]);
	tls_close();
	return 0;
}

/* A client with a key, its handshake done. */
static void connect_as(struct bare *b, uint16_t port, const char *identity, const char *key)
{
	bare_client(b, "198.51.100.7", port, "PSK-AES128-CCM8");
	bare_key(b, identity, key);
	bare_start(b);
	world_run();
}

/* One that may show a certificate, its handshake done. */
static void connect_by(struct bare *b, uint16_t port, const struct made_certificate *own)
{
	bare_client(b, "198.51.100.7", port, "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256");
	X509_STORE_add_cert(SSL_CTX_get_cert_store(b->context), authority.certificate);
	SSL_CTX_set_verify(b->context, SSL_VERIFY_PEER, NULL);
	if (own != NULL) {
		SSL_CTX_use_certificate(b->context, own->certificate);
		SSL_CTX_use_PrivateKey(b->context, own->key);
	}
	bare_start(b);
	world_run();
}

static void use_certificates(bool required)
{
	struct world_files f = { .certificate = gateway.certificate_pem, .key = gateway.key_pem, .client_ca = authority.certificate_pem,
		.client_certificate = required };

	assert_int_equal(world_use(&f), 0);
}

/* ---- keys ---- */

static void test_a_client_with_a_key_has_a_session_and_its_name(void **state)
{
	const struct world_note *n;
	struct local_address local;
	unsigned listener;
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	assert_true(bare_is_open(&b));
	assert_int_equal(world_count(TOLD_SESSION), 1);
	n = world_last(TOLD_SESSION);
	assert_string_equal(n->name, "meter-1");
	assert_int_equal(n->peer.transport, URI_COAPS);
	assert_true(edge_is_clients_session(&n->peer));
	assert_int_equal(n->slot, WORLD_SLOT);
	assert_true(dtls_client_session(&n->peer, &listener, &local));
	assert_int_equal(listener, WORLD_SLOT);
	assert_memory_equal(local.addr, world.listener.address.addr, sizeof local.addr);
	assert_null(dtls_client_host(&n->peer));
	assert_talks(&b);
	assert_true(endpoint_equal(&world_last(TOLD_MESSAGE)->peer, &world_last(TOLD_SESSION)->peer));
	bare_free(&b);
}

static void test_a_wrong_key_or_identity_lets_nobody_in(void **state)
{
	static const struct {
		const char *identity, *key;
	} cases[] = { { "meter-1", OTHER_METER_KEY }, { "meter-9", METER_KEY }, { "", METER_KEY }, { "meter-1 ", METER_KEY } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bare b;

		connect_as(&b, (uint16_t)(1000 + i), cases[i].identity, cases[i].key);
		world_wait(40 * CLOCK_SECOND);
		world_run();
		assert_false(bare_is_open(&b));
		assert_int_equal(world_count(TOLD_SESSION), 0);
		assert_int_equal(dtls_session_count() + dtls_handshake_count(), 0);
		bare_free(&b);
	}
}

static void test_messages_of_every_length_pass(void **state)
{
	static char big[MSG_DATAGRAM_MAX + 64];
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	memset(big, 'x', sizeof big);
	for (size_t len = 1; len <= MSG_DATAGRAM_MAX; len = len < 32 ? len + 1 : len < 1024 ? len + 255 : len + 512) {
		bare_send(&b, big, len);
		world_run();
		assert_int_equal(world_last(TOLD_MESSAGE)->len, len);
		assert_false(world_last(TOLD_MESSAGE)->truncated);
		dtls_send_client(&world_last(TOLD_MESSAGE)->peer, (const uint8_t *)big, len);
		world_run();
		assert_int_equal(b.message_len, len);
	}
	bare_send(&b, big, MSG_DATAGRAM_MAX + 1);
	world_run();
	assert_true(world_last(TOLD_MESSAGE)->truncated);
	assert_int_equal(world_last(TOLD_MESSAGE)->len, MSG_DATAGRAM_MAX);
	assert_talks(&b);
	bare_free(&b);
}

static int on_offer(SSL *ssl, unsigned type, const unsigned char **out, size_t *len, int *alert, void *arg)
{
	static const unsigned char id[] = { 3, 'a', 'b', 'c' };

	(void)ssl, (void)type, (void)alert, (void)arg;
	*out = id;
	*len = sizeof id;
	return 1;
}

static int on_answer(SSL *ssl, unsigned type, const unsigned char *in, size_t len, int *alert, void *arg)
{
	(void)ssl, (void)type, (void)in, (void)len, (void)alert;
	*(bool *)arg = true;
	return 1;
}

static void test_an_offered_connection_id_is_left_unanswered(void **state)
{
	bool answered = false;
	struct bare b;

	(void)state;
	bare_client(&b, "198.51.100.7", 1000, "PSK-AES128-CCM8");
	bare_key(&b, "meter-1", METER_KEY);
	assert_int_equal(SSL_CTX_add_client_custom_ext(b.context, 54, on_offer, NULL, NULL, on_answer, &answered), 1);
	bare_start(&b);
	world_run();
	assert_false(answered);
	assert_true(bare_is_open(&b));
	assert_talks(&b);
	bare_free(&b);
}

/* ---- certificates and names ---- */

static void test_a_certificate_names_its_client(void **state)
{
	struct bare b;

	(void)state;
	use_certificates(true);
	connect_by(&b, 1000, &device);
	assert_true(bare_is_open(&b));
	assert_string_equal(world_last(TOLD_SESSION)->name, "urn:dev:mac:1");
	assert_talks(&b);
	bare_free(&b);
}

static void test_expired_foreign_and_missing_certificates_are_refused(void **state)
{
	const struct made_certificate *cases[] = { &expired, &stranger, NULL };

	(void)state;
	use_certificates(true);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bare b;

		connect_by(&b, (uint16_t)(1000 + i), cases[i]);
		assert_false(bare_is_open(&b));
		assert_int_equal(world_count(TOLD_SESSION), 0);
		assert_int_equal(dtls_session_count() + dtls_handshake_count(), 0);
		bare_free(&b);
	}
}

static void test_without_a_certificate_a_client_is_nobody(void **state)
{
	struct bare b;

	(void)state;
	use_certificates(false);
	connect_by(&b, 1000, NULL);
	assert_true(bare_is_open(&b));
	assert_string_equal(world_last(TOLD_SESSION)->name, "");
	assert_talks(&b);
	bare_free(&b);
}

/* Two names at one address: the client says which he means (RFC 7252 9.1.3). */
static void test_the_certificate_is_chosen_by_the_name_asked_for(void **state)
{
	static char more[] = "other.pem other.key";
	static char *certificates[] = { more };
	struct world_files f = { .certificate = gateway.certificate_pem, .key = gateway.key_pem };
	const char *names[] = { "other.example", "gw.example" };

	(void)state;
	covers("C7252-9.1-2");
	assert_int_equal(world_use(&f), 0);
	world.listener.certificates = certificates;
	world.listener.certificate_count = 1;
	material_add(&world.material, "other.pem", (const uint8_t *)other.certificate_pem, strlen(other.certificate_pem));
	material_add(&world.material, "other.key", (const uint8_t *)other.key_pem, strlen(other.key_pem));
	assert_int_equal(dtls_renew(&world.conf, &world.material), 0);
	for (size_t i = 0; i < 2; i++) {
		struct bare b;

		bare_client(&b, "198.51.100.7", (uint16_t)(1000 + i), "ECDHE-ECDSA-AES128-GCM-SHA256");
		X509_STORE_add_cert(SSL_CTX_get_cert_store(b.context), authority.certificate);
		SSL_CTX_set_verify(b.context, SSL_VERIFY_PEER, NULL);
		b.ssl = NULL;
		bare_named(&b, names[i]);
		bare_start(&b);
		world_run();
		assert_true(bare_is_open(&b));
		assert_string_equal(dtls_client_host(&world_last(TOLD_SESSION)->peer), names[i]);
		bare_free(&b);
	}
}

/* ---- the end ---- */

static void test_a_client_says_goodbye(void **state)
{
	struct endpoint peer;
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	peer = world_last(TOLD_SESSION)->peer;
	SSL_shutdown(b.ssl);
	world_run();
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(endpoint_equal(&world_last(TOLD_GONE)->peer, &peer));
	assert_int_equal(dtls_session_count(), 0);
	assert_int_equal(SSL_get_shutdown(b.ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	assert_null(dtls_client_name(&peer));
	dtls_send_client(&peer, (const uint8_t *)"late", 4);
	assert_int_equal(world_queued, 0);
	bare_free(&b);
}

static void test_the_gateway_says_goodbye(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	dtls_end_client(&world_last(TOLD_SESSION)->peer);
	assert_int_equal(world_count(TOLD_GONE), 0); /* later */
	world_wait(CLOCK_SECOND);
	world_run();
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(SSL_get_shutdown(b.ssl) & SSL_RECEIVED_SHUTDOWN);
	bare_free(&b);
}

static void test_a_session_ends_that_nobody_uses(void **state)
{
	struct bare b;

	(void)state;
	world.conf.settings.transports_session_lifetime = 100 * CLOCK_SECOND;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	for (int i = 0; i < 5; i++) {
		world_wait(60 * CLOCK_SECOND);
		assert_talks(&b);
	}
	world_wait(98 * CLOCK_SECOND);
	assert_int_equal(world_count(TOLD_GONE), 0);
	world_wait(3 * CLOCK_SECOND);
	world_run();
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(SSL_get_shutdown(b.ssl) & SSL_RECEIVED_SHUTDOWN);
	bare_free(&b);
}

static void test_a_removed_listener_ends_its_sessions(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	/* out of the configuration: who is there stays, nobody new comes */
	world_use(&(struct world_files){ .psk = NULL });
	assert_true(dtls_has_listener(WORLD_SLOT));
	assert_talks(&b);
	dtls_remove_listener(WORLD_SLOT);
	world_run();
	assert_false(dtls_has_listener(WORLD_SLOT));
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(SSL_get_shutdown(b.ssl) & SSL_RECEIVED_SHUTDOWN);
	bare_free(&b);
}

/* ---- a new configuration ---- */

static void test_a_key_that_was_withdrawn_or_changed_counts_no_longer(void **state)
{
	static const char fewer[] = "meter-1:ff0102030405060708090a0b0c0d0e0f\nmeter-3:101112131415161718191a1b1c1d1e1f\n"
		"meter-4:000102030405060708090a0b0c0d0e0f\n";
	struct bare one, two, three;

	(void)state;
	connect_as(&one, 1000, "meter-1", METER_KEY);
	connect_as(&two, 1001, "meter-2", OTHER_METER_KEY);
	assert_int_equal(dtls_session_count(), 2);
	assert_int_equal(world_use(&by_keys), 0); /* the same again */
	world_wait(CLOCK_SECOND);
	world_run();
	assert_talks(&one);
	assert_talks(&two);
	assert_int_equal(world_use(&(struct world_files){ .psk = fewer }), 0);
	world_wait(CLOCK_SECOND);
	world_run();
	assert_int_equal(dtls_session_count(), 0);
	assert_int_equal(world_count(TOLD_GONE), 2);
	bare_free(&two);
	connect_as(&three, 1002, "meter-3", OTHER_METER_KEY);
	assert_true(bare_is_open(&three));
	bare_free(&one);
	bare_free(&three);
}

static void test_a_withdrawn_authority_ends_sessions(void **state)
{
	struct world_files f = { .certificate = gateway.certificate_pem, .key = gateway.key_pem, .client_ca = foreign.certificate_pem };
	struct bare b;

	(void)state;
	use_certificates(true);
	connect_by(&b, 1000, &device);
	assert_int_equal(dtls_session_count(), 1);
	assert_int_equal(world_use(&f), 0);
	world_wait(CLOCK_SECOND);
	world_run();
	assert_int_equal(dtls_session_count(), 0);
	bare_free(&b);
}

/* What is wrong leaves what was in force. */
static void test_files_that_are_no_good_change_nothing(void **state)
{
	struct bare b;

	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	assert_int_equal(world_use(&(struct world_files){ .psk = "meter-1:zz" }), -1);
	connect_as(&b, 1000, "meter-1", METER_KEY);
	assert_true(bare_is_open(&b));
	bare_free(&b);
}

/* ---- taken up again ---- */

/* Comes back by the ticket it has; returns whether that was taken. */
static bool comes_back(struct bare *b)
{
	SSL_SESSION *ticket = SSL_get1_session(b->ssl);
	bool reused;

	assert_non_null(ticket);
	assert_true(SSL_SESSION_has_ticket(ticket));
	bare_resume(b, ticket);
	world_run();
	assert_true(bare_is_open(b));
	reused = SSL_session_reused(b->ssl) == 1;
	SSL_SESSION_free(ticket);
	return reused;
}

static void test_a_ticket_saves_the_handshake_and_keeps_the_name(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	assert_true(comes_back(&b));
	assert_int_equal(world_count(TOLD_SESSION), 2);
	assert_string_equal(world_last(TOLD_SESSION)->name, "meter-1");
	assert_talks(&b);
	assert_int_equal(dtls_session_count(), 1);
	/* by the same files, made anew: another worker would have the same keys */
	assert_int_equal(world_use(&by_keys), 0);
	assert_true(comes_back(&b));
	assert_string_equal(world_last(TOLD_SESSION)->name, "meter-1");
	bare_free(&b);
	use_certificates(true);
	connect_by(&b, 1001, &device);
	assert_true(comes_back(&b));
	assert_string_equal(world_last(TOLD_SESSION)->name, "urn:dev:mac:1");
	bare_free(&b);
}

static void test_a_ticket_does_not_outlive_its_time_or_its_key(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	world_wait(25 * 3600 * CLOCK_SECOND);
	world_run();
	assert_false(comes_back(&b));
	assert_true(comes_back(&b));
	assert_int_equal(world_use(&(struct world_files){ .psk = "meter-1:000102030405060708090a0b0c0d0e0f\n" }), 0);
	assert_false(comes_back(&b));
	bare_free(&b);
}

/* It would let him in without a look at his certificate. */
static void test_a_ticket_does_not_outlive_the_certificate(void **state)
{
	struct made_certificate brief;
	SSL_SESSION *ticket;
	struct bare b;

	(void)state;
	certificate_make(&brief, "ignored", "URI:urn:dev:mac:1", false, &authority, CERTIFICATE_GOOD_DAYS);
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(brief.certificate), 2));
	assert_true(X509_sign(brief.certificate, authority.key, EVP_sha256()) > 0);
	use_certificates(true);
	connect_by(&b, 1000, &brief);
	ticket = SSL_get1_session(b.ssl);
	assert_true(SSL_SESSION_has_ticket(ticket));
	while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate)) > 0)
		usleep(50000);
	bare_resume(&b, ticket);
	world_run();
	assert_false(bare_is_open(&b));
	assert_int_equal(world_count(TOLD_SESSION), 1);
	SSL_SESSION_free(ticket);
	bare_free(&b);
	certificate_free(&brief);
}

static void test_nothing_is_agreed_upon_anew_within_a_session(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", METER_KEY);
	assert_int_equal(SSL_renegotiate(b.ssl), 1);
	SSL_do_handshake(b.ssl);
	assert_int_equal(world_queued, 1);
	world_arrive(world_take(0));
	world_forget_datagrams();
	world_wait(CLOCK_SECOND);
	assert_int_equal(world_count(TOLD_SESSION), 1);
	assert_int_equal(world_count(TOLD_GONE), 0);
	assert_int_equal(dtls_handshake_count(), 0);
	dtls_send_client(&world_last(TOLD_SESSION)->peer, (const uint8_t *)"still here", 10);
	assert_int_equal(world_queued, 1);
	world_forget_datagrams();
	bare_free(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_meters, end_with_meters)
	const struct CMUnitTest tests[] = {
		TEST(test_a_client_with_a_key_has_a_session_and_its_name),
		TEST(test_a_wrong_key_or_identity_lets_nobody_in),
		TEST(test_messages_of_every_length_pass),
		TEST(test_an_offered_connection_id_is_left_unanswered),
		TEST(test_a_certificate_names_its_client),
		TEST(test_expired_foreign_and_missing_certificates_are_refused),
		TEST(test_without_a_certificate_a_client_is_nobody),
		TEST(test_the_certificate_is_chosen_by_the_name_asked_for),
		TEST(test_a_client_says_goodbye),
		TEST(test_the_gateway_says_goodbye),
		TEST(test_a_session_ends_that_nobody_uses),
		TEST(test_a_removed_listener_ends_its_sessions),
		TEST(test_a_key_that_was_withdrawn_or_changed_counts_no_longer),
		TEST(test_a_withdrawn_authority_ends_sessions),
		TEST(test_files_that_are_no_good_change_nothing),
		TEST(test_a_ticket_saves_the_handshake_and_keeps_the_name),
		TEST(test_a_ticket_does_not_outlive_its_time_or_its_key),
		TEST(test_a_ticket_does_not_outlive_the_certificate),
		TEST(test_nothing_is_agreed_upon_anew_within_a_session),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}

/*
 * tls_ends - two ends of a TLS connection in memory, and their handshake. To be included behind cmocka.h.
 */
#ifndef TESTS_UNIT_TLS_ENDS_H
#define TESTS_UNIT_TLS_ENDS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

#include "proxy/edge/tls.h"

struct ends {
	SSL *server, *client;
	unsigned long server_error, client_error;
};

static inline SSL_CTX *client_context(int version)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	assert_non_null(c);
	SSL_CTX_set_min_proto_version(c, version);
	SSL_CTX_set_max_proto_version(c, version);
	SSL_CTX_set_security_level(c, 1);
	return c;
}

static inline void plug(struct ends *e, SSL *server, SSL *client)
{
	BIO *one, *two;

	assert_true(server != NULL && client != NULL);
	*e = (struct ends){ server, client, 0, 0 };
	assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, two, two);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
}

/* Returns whether an end is finished, or has failed: what for is kept. */
static inline bool step(SSL *ssl, unsigned long *error)
{
	int n;

	if (*error != 0)
		return true;
	ERR_clear_error();
	n = SSL_do_handshake(ssl);
	if (n == 1)
		return true;
	if (SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ || SSL_get_error(ssl, n) == SSL_ERROR_WANT_WRITE)
		return false;
	*error = ERR_peek_last_error();
	assert_int_not_equal(*error, 0);
	return true;
}

/* True if both ends are content with it, and a byte goes through each way. */
static inline bool shake(struct ends *e)
{
	char byte = 'x';

	for (int i = 0; i < 20; i++) {
		bool client = step(e->client, &e->client_error), server = step(e->server, &e->server_error);

		if (client && server)
			break;
	}
	ERR_clear_error();
	if (e->server_error != 0 || e->client_error != 0 || !SSL_is_init_finished(e->server) || !SSL_is_init_finished(e->client))
		return false;
	return SSL_write(e->client, &byte, 1) == 1 && SSL_read(e->server, &byte, 1) == 1 && SSL_write(e->server, &byte, 1) == 1 &&
		SSL_read(e->client, &byte, 1) == 1;
}

static inline void unplug(struct ends *e)
{
	SSL_free(e->server);
	SSL_free(e->client);
}

static inline bool reason_is(unsigned long code, const char *part)
{
	char text[TLS_REASON_MAX];

	return strstr(tls_describe(code, text), part) != NULL;
}

static inline void assert_peer(const SSL *ssl, enum tls_identity kind, const char *expected)
{
	char text[TLS_NAME_MAX];

	assert_int_equal(tls_peer_name(ssl, text, sizeof text), kind);
	assert_string_equal(text, expected);
}

#endif

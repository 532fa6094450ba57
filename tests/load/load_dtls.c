#include "load_dtls.h"

#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static unsigned key_give(SSL *session, const char *hint, char *identity, unsigned identity_room, unsigned char *key, unsigned key_room)
{
	unsigned index = (unsigned)(uintptr_t)SSL_get_app_data(session);

	(void)hint;
	if (key_room < sizeof LOAD_DTLS_KEY - 1)
		return 0;
	snprintf(identity, identity_room, "bench-%u", index);
	memcpy(key, LOAD_DTLS_KEY, sizeof LOAD_DTLS_KEY - 1);
	return sizeof LOAD_DTLS_KEY - 1;
}

static void need(int condition)
{
	if (condition)
		return;
	ERR_print_errors_fp(stderr);
	fputs("load: no memory for DTLS\n", stderr);
	exit(1);
}

SSL_CTX *load_dtls_context(void)
{
	SSL_CTX *context = SSL_CTX_new(DTLS_client_method());

	need(context != NULL);
	need(SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(context, LOAD_DTLS_CIPHERS) == 1);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_psk_client_callback(context, key_give);
	return context;
}

SSL *load_dtls_new(SSL_CTX *context, int fd, unsigned index)
{
	SSL *session = SSL_new(context);
	BIO *datagrams = BIO_new_dgram(fd, BIO_NOCLOSE);
	BIO_ADDR *peer = BIO_ADDR_new();

	need(session != NULL && datagrams != NULL && peer != NULL);
	/* The socket is connected: with any address here the BIO sends without naming one. */
	(void)BIO_ctrl_set_connected(datagrams, peer);
	BIO_ADDR_free(peer);
	SSL_set_bio(session, datagrams, datagrams);
	SSL_set_app_data(session, (void *)(uintptr_t)index);
	SSL_set_connect_state(session);
	return session;
}

int load_dtls_step(SSL *session)
{
	int done;

	if (DTLSv1_handle_timeout(session) < 0)
		return -1;
	ERR_clear_error();
	done = SSL_do_handshake(session);
	if (done == 1)
		return 1;
	switch (SSL_get_error(session, done)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return 0;
	default: return -1;
	}
}

int load_dtls_patience(SSL *session)
{
	struct timeval left;

	if (DTLSv1_get_timeout(session, &left) != 1)
		return -1;
	return (int)(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
}

/* How contexts are made: what is spoken inside, from which bytes. */
#include "proxy/edge/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "proxy/edge/tls_parts.h"
#include "proxy/edge/tls_psk.h"

/* ---- what is spoken inside ---- */

/* As ALPN writes it (RFC 7301): a length, and the name. */
static const unsigned char http_name[] = "\x08http/1.1", coap_name[] = "\x04" "coap";
enum { HTTP_NAME_LEN = sizeof http_name - 1, COAP_NAME_LEN = sizeof coap_name - 1 };

/* Who names protocols must name ours (RFC 7301 3.2). */
static int choose(const unsigned char *ours, unsigned ours_len, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
	unsigned len)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, ours, ours_len, in, len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int len, void *arg)
{
	(void)ssl, (void)arg;
	return choose(http_name, HTTP_NAME_LEN, out, out_len, in, len);
}

static int on_coap_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int len, void *arg)
{
	(void)ssl, (void)arg;
	return choose(coap_name, COAP_NAME_LEN, out, out_len, in, len);
}

/* The other one is not asked where the client names none. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *bytes;
	size_t len;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

/* Who names none at a listener of https is a client of HTTP/1.1 anyway; that of coaps+tcp may leave it out at the port of the scheme, and
 * nowhere else (RFC 8323 8.2). */
static void take_protocol(SSL_CTX *c, const struct listener *l)
{
	if (l->scheme != URI_COAPS_TCP) {
		SSL_CTX_set_alpn_select_cb(c, on_protocols, NULL);
		return;
	}
	SSL_CTX_set_alpn_select_cb(c, on_coap_protocols, NULL);
	if (l->address.port != uri_schemes[URI_COAPS_TCP].default_port)
		SSL_CTX_set_client_hello_cb(c, on_hello, NULL);
}

bool tls_speaks_coap(const SSL *ssl, uint16_t port)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &name, &len);
	if (len == 0)
		return port == uri_schemes[URI_COAPS_TCP].default_port;
	return len == COAP_NAME_LEN - 1 && memcmp(name, coap_name + 1, len) == 0;
}

/* ---- contexts ---- */

/* NULL without memory. */
static SSL_CTX *context_new(const SSL_METHOD *method)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (c == NULL)
		return NULL;
	tls_common_use(c);
	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_num_tickets(c, 0) == 1 && tls_web_use(c) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *tls_server_new(const struct settings *s, const struct listener *l, const struct material *m, char *error, size_t room)
{
	const struct tls_source from = { m, error, room };
	SSL_CTX *c = context_new(TLS_server_method());

	snprintf(error, room, "not enough memory");
	if (c == NULL)
		return NULL;
	take_protocol(c, l);
	if (((l->scheme != URI_COAPS && l->scheme != URI_COAPS_TCP) || tls_coap_use(c, s, &from) == 0) && tls_listener_use(c, l, &from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *tls_client_new(const char *authorities, const struct material *m, char *error, size_t room)
{
	const struct tls_source from = { m, error, room };
	SSL_CTX *c = context_new(TLS_client_method());

	snprintf(error, room, "not enough memory");
	if (c == NULL)
		return NULL;
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	/* The call for protocols returns 0 if it is content. */
	if (SSL_CTX_set_alpn_protos(c, http_name, HTTP_NAME_LEN) == 0 && tls_authorities_use(c, authorities, false, &from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *tls_coap_client_new(const struct settings *s, const struct material *m, char *error, size_t room)
{
	const struct tls_source from = { m, error, room };
	SSL_CTX *c = context_new(TLS_client_method());

	snprintf(error, room, "not enough memory");
	if (c == NULL)
		return NULL;
	if (SSL_CTX_set_alpn_protos(c, coap_name, COAP_NAME_LEN) == 0 && tls_coap_use(c, s, &from) == 0 && tls_upstream_use(c, s, &from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

bool tls_has_identity(const SSL_CTX *coap_client, const char *identity)
{
	return tls_psks_have(coap_client, identity);
}

int tls_speak_http(SSL *ssl)
{
	return SSL_set_alpn_protos(ssl, http_name, HTTP_NAME_LEN) == 0 ? 0 : -1;
}

#include "proxy/edge/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/edge/tls_clients.h"
#include "proxy/edge/tls_parts.h"
#include "proxy/edge/tls_psk.h"

enum { ERROR_MAX = 512 };

/* In force; NULL: none. */
static SSL_CTX *servers[CONF_SLOTS_MAX], *client, *coap_client;

/* ---- contexts in force ---- */

static void replace(SSL_CTX **in_force, SSL_CTX *next)
{
	SSL_CTX_free(*in_force);
	*in_force = next;
}

static int renew_server(const struct settings *s, const struct listener *l, const struct material *m)
{
	char error[ERROR_MAX];
	SSL_CTX *next = tls_server_new(s, l, m, error, sizeof error);

	if (next == NULL) {
		log_error("listener %s: %s", l->name, error);
		return -1;
	}
	replace(&servers[l->slot], next);
	return 0;
}

/* The parent gives the authorities only where an origin is asked by https. */
static int renew_client(const char *authorities, const struct material *m)
{
	char error[ERROR_MAX];
	SSL_CTX *next;

	if (authorities == NULL || material_find(m, authorities) == NULL) {
		replace(&client, NULL);
		return 0;
	}
	next = tls_client_new(authorities, m, error, sizeof error);
	if (next == NULL) {
		log_error("%s", error);
		return -1;
	}
	replace(&client, next);
	return 0;
}

static int renew_coap_client(const struct snapshot *conf, const struct material *m)
{
	char error[ERROR_MAX];
	SSL_CTX *next = conf->asks_secured ? tls_coap_client_new(&conf->settings, m, error, sizeof error) : NULL;

	if (conf->asks_secured && next == NULL) {
		log_error("upstream: %s", error);
		return -1;
	}
	replace(&coap_client, next);
	return 0;
}

static bool is_wanted(const struct listener *l)
{
	return l != NULL && (l->scheme == URI_HTTPS || l->scheme == URI_COAPS_TCP);
}

int tls_renew(const struct snapshot *conf, const struct material *m)
{
	int status = renew_client(conf->settings.http_ca, m);

	/* Even where nothing is wanted yet: a worker that is confined cannot open the library's own files any more. */
	if (OPENSSL_init_ssl(0, NULL) != 1)
		status = -1;
	if (renew_coap_client(conf, m) < 0)
		status = -1;
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		const struct listener *l = snapshot_listener(conf, i);

		if (!is_wanted(l))
			replace(&servers[i], NULL);
		else if (renew_server(&conf->settings, l, m) < 0)
			status = -1;
	}
	return status;
}

void tls_close(void)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		replace(&servers[i], NULL);
	replace(&client, NULL);
	replace(&coap_client, NULL);
}

/* ---- connections ---- */

SSL *tls_accept(unsigned slot)
{
	return slot < CONF_SLOTS_MAX && servers[slot] != NULL ? SSL_new(servers[slot]) : NULL;
}

bool tls_still_lets_in(const SSL *ssl, unsigned slot)
{
	return slot >= CONF_SLOTS_MAX || servers[slot] == NULL || tls_clients_still_let_in(ssl, servers[slot]);
}

/* Frees it where something about it has failed. */
static SSL *unless(bool failed, SSL *ssl)
{
	if (!failed)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

SSL *tls_connect(const char *host)
{
	SSL *ssl = client != NULL ? SSL_new(client) : NULL;

	return ssl != NULL ? unless(tls_origin_expect(ssl, host, "") < 0, ssl) : NULL;
}

SSL *tls_connect_coap(const char *host, const char *identity, bool websocket)
{
	SSL *ssl = coap_client != NULL ? SSL_new(coap_client) : NULL;

	return ssl != NULL ? unless(tls_origin_expect(ssl, host, identity) < 0 || (websocket && tls_speak_http(ssl) < 0), ssl) : NULL;
}

/* ---- who is there ---- */

/* Copies a text of a certificate if it can stand for somebody: not empty, printable ASCII, and short enough. */
static bool take_name(const ASN1_STRING *s, char *out, size_t room)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s);

	if (len <= 0 || (size_t)len >= room)
		return false;
	for (int i = 0; i < len; i++)
		if (bytes[i] < ' ' || bytes[i] > '~')
			return false;
	memcpy(out, bytes, (size_t)len);
	out[len] = '\0';
	return true;
}

static bool alternative_name(const GENERAL_NAMES *names, int type, char *out, size_t room)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == type && take_name(type == GEN_URI ? n->d.uniformResourceIdentifier : n->d.dNSName, out, room))
			return true;
	}
	return false;
}

static bool certificate_name(const X509 *x, char *out, size_t room)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(x);
	bool found = alternative_name(names, GEN_URI, out, room) || alternative_name(names, GEN_DNS, out, room);
	int at = found ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at >= 0)
		found = take_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out, room);
	GENERAL_NAMES_free(names);
	return found;
}

enum tls_identity tls_peer_name(const SSL *ssl, char *out, size_t room)
{
	const char *psk = tls_psk_identity(ssl);
	const X509 *x = psk == NULL && SSL_is_init_finished(ssl) ? SSL_get0_peer_certificate(ssl) : NULL;

	if (psk != NULL && snprintf(out, room, "%s", psk) < (int)room)
		return TLS_BY_PSK;
	if (x != NULL && SSL_get_verify_result(ssl) == X509_V_OK && certificate_name(x, out, room))
		return TLS_BY_CERTIFICATE;
	out[0] = '\0';
	return TLS_ANONYMOUS;
}

const char *tls_asked_host(const SSL *ssl)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	return name != NULL && uri_host_is_valid((const uint8_t *)name, strlen(name)) ? name : NULL;
}

bool tls_is_closed(const SSL *ssl)
{
	return (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

/* ---- errors ---- */

bool tls_is_cut(unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

const char *tls_describe(unsigned long code, char out[TLS_REASON_MAX])
{
	const char *reason = ERR_reason_error_string(code);

	if (code == 0)
		out[0] = '\0';
	else if (reason != NULL)
		snprintf(out, TLS_REASON_MAX, "%s", reason);
	else
		snprintf(out, TLS_REASON_MAX, "error %lx", code);
	return out;
}

const char *tls_take_error(char out[TLS_REASON_MAX])
{
	unsigned long code = ERR_peek_last_error();

	ERR_clear_error();
	return tls_describe(code, out);
}

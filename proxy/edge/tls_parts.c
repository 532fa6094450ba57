#include "proxy/edge/tls_parts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/tls_clients.h"
#include "proxy/edge/tls_names.h"
#include "proxy/edge/tls_pem.h"
#include "proxy/edge/tls_psk.h"

enum {
	SUITES_MAX = 2048,       /* bytes of a list of them */
	CHAIN_DEPTH = 8,         /* certificates between a peer's and an authority's */
	CERTIFICATE_STRENGTH = 2, /* of peers, whatever the security level: 112 bits (SSL_CTX_set_security_level(3)) */
	WEB_LEVEL = 2,           /* of https: the same, RSA of 2048, no SHA-1 */
};

/* Suites of TLS 1.3 and curves, in the order that is preferred. RFC 9325 4.2: forward secrecy and AEAD. */
struct preference {
	const char *suites, *groups;
};
static const struct preference of_web = {
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256", "X25519:P-256:P-384",
};
/* Devices have CCM in hardware, and its state is 1 kB smaller for each idle connection; their curve is that of RFC 7925 4.4. */
static const struct preference of_devices = {
	"TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "P-256:X25519:P-384",
};

/* The same of TLS 1.2; pre-shared keys in front, since who offers them has one, and among them those without forward secrecy too, for small
 * clients (RFC 7925 4.2; the 8-byte tag of CCM_8 is not needed where a record may be long). Those of devices are a setting. */
static const char web_ciphers[] = "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-CCM:"
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM";
static const char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
	"RSA+SHA256:RSA+SHA384:RSA+SHA512";

static const unsigned char session_context[] = "gateway"; /* any will do */

static bool is_set(const char *path)
{
	return path != NULL && path[0] != '\0';
}

static int no_memory(const struct tls_source *from)
{
	snprintf(from->error, from->room, "not enough memory");
	return -1;
}

static void on_context_freed(void *parent, void *bytes, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	free(bytes);
}

int tls_hang(SSL_CTX *c, int *index, void *bytes)
{
	if (*index < 0)
		*index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
	if (*index >= 0 && SSL_CTX_set_ex_data(c, *index, bytes) == 1)
		return 0;
	free(bytes);
	return -1;
}

/* ---- what is offered ---- */

void tls_common_use(SSL_CTX *c)
{
	/* No earlier connection is taken up again, by ticket or by number: each worker would need the others' keys, and a client's certificate or
	 * pre-shared key that was withdrawn would go on counting. */
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(c, 0);
	SSL_CTX_set_verify_depth(c, CHAIN_DEPTH);
}

static bool prefer(SSL_CTX *c, const struct preference *p)
{
	return SSL_CTX_set_ciphersuites(c, p->suites) == 1 && SSL_CTX_set1_groups_list(c, p->groups) == 1;
}

int tls_web_use(SSL_CTX *c)
{
	SSL_CTX_set_security_level(c, WEB_LEVEL);
	return SSL_CTX_set_cipher_list(c, web_ciphers) == 1 && prefer(c, &of_web) ? 0 : -1;
}

int tls_coap_use(SSL_CTX *c, const struct settings *s, const struct tls_source *from)
{
	SSL_CTX_set_security_level(c, (int)s->transports_security_level);
	X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(c), CERTIFICATE_STRENGTH);
	ERR_clear_error();
	if (SSL_CTX_set_cipher_list(c, s->transports_ciphers) != 1)
		return tls_file_complain(from, "transports.ciphers", "has no suite that is known here and allowed by security-level");
	if (prefer(c, &of_devices) && SSL_CTX_set1_sigalgs_list(c, signatures) == 1)
		return 0;
	return no_memory(from);
}

/* ---- certificates ---- */

int tls_pair_use(SSL_CTX *c, const char *certificate, const char *key, const struct tls_source *from)
{
	struct tls_pair p;
	int status = -1;

	if (tls_pair_read(&p, certificate, key, from) < 0)
		return -1;
	ERR_clear_error();
	if (p.certificate == NULL)
		status = tls_raw_key_use(c, &p, certificate, from);
	else if (SSL_CTX_use_cert_and_key(c, p.certificate, p.key, p.chain, 1) == 1)
		status = 0;
	else
		tls_file_complain(from, certificate, "is not one to 17 certificates in PEM that can be used");
	tls_pair_free(&p);
	return status;
}

/* Names are told to clients. */
static int announce(SSL_CTX *c, const STACK_OF(X509) *authorities, const struct tls_source *from)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	bool good = names != NULL;

	for (int i = 0; good && i < sk_X509_num(authorities); i++) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(authorities, i)));

		good = name != NULL && sk_X509_NAME_push(names, name) > 0;
		if (!good)
			X509_NAME_free(name);
	}
	if (good) {
		SSL_CTX_set_client_CA_list(c, names);
		return 0;
	}
	sk_X509_NAME_pop_free(names, X509_NAME_free);
	return no_memory(from);
}

int tls_authorities_use(SSL_CTX *c, const char *path, bool announced, const struct tls_source *from)
{
	const struct material_file *f = tls_file_find(from, path);
	STACK_OF(X509) *all;
	int status = 0;

	if (f == NULL)
		return -1;
	all = tls_certificates_read(f, TLS_AUTHORITIES_MAX);
	for (int i = 0; i < sk_X509_num(all) && status == 0; i++)
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(c), sk_X509_value(all, i)) != 1)
			status = -1;
	if (all == NULL || status < 0)
		status = tls_file_complain(from, path, "is not one to 1024 certificates in PEM");
	else if (announced)
		status = announce(c, all, from);
	sk_X509_pop_free(all, X509_free);
	return status;
}

/* ---- listeners ---- */

static int clients_verify(SSL_CTX *c, const struct listener *l, const struct tls_source *from)
{
	const struct material_file *f = tls_file_find(from, l->client_ca);

	if (tls_authorities_use(c, l->client_ca, true, from) < 0)
		return -1;
	if (tls_clients_note_authorities(c, f->bytes, f->len) < 0)
		return no_memory(from);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | (l->client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	/* To OpenSSL a pre-shared key of TLS 1.3 is an earlier handshake, and where clients are verified it wants to know whose. */
	return SSL_CTX_set_session_id_context(c, session_context, sizeof session_context) == 1 ? 0 : no_memory(from);
}

/* The keys of a file, or NULL with the reason. */
static struct tls_psks *psks_read(const char *path, const struct tls_source *from)
{
	const struct material_file *f = tls_file_find(from, path);
	char why[TLS_REASON_MAX];
	struct tls_psks *psks;

	if (f == NULL)
		return NULL;
	psks = tls_psks_parse(f->bytes, f->len, why, sizeof why);
	if (psks == NULL)
		snprintf(from->error, from->room, "%s:%s", path, why);
	return psks;
}

static int psks_take(SSL_CTX *c, const char *path, const struct tls_source *from)
{
	struct tls_psks *psks = psks_read(path, from);

	if (psks == NULL)
		return -1;
	return tls_psks_use(c, psks) == 0 ? 0 : no_memory(from);
}

int tls_listener_use(SSL_CTX *c, const struct listener *l, const struct tls_source *from)
{
	if (!is_set(l->certificate) && !is_set(l->psk_file)) {
		snprintf(from->error, from->room, "there is neither a certificate nor a file of pre-shared keys");
		return -1;
	}
	if (is_set(l->certificate) && tls_pair_use(c, l->certificate, l->key, from) < 0)
		return -1;
	if (is_set(l->client_ca) && clients_verify(c, l, from) < 0)
		return -1;
	if (is_set(l->psk_file) && psks_take(c, l->psk_file, from) < 0)
		return -1;
	return tls_names_use(c, l, from);
}

/* ---- origins ---- */

const char *tls_upstream_authorities(const struct settings *s)
{
	return is_set(s->upstream_ca) ? s->upstream_ca : s->http_ca;
}

int tls_upstream_use(SSL_CTX *c, const struct settings *s, const struct tls_source *from)
{
	const char *authorities = tls_upstream_authorities(s);
	struct tls_psks *psks;

	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	if (material_find(from->material, authorities) != NULL && tls_authorities_use(c, authorities, false, from) < 0)
		return -1;
	if (is_set(s->upstream_certificate) && tls_is_raw_key(from, s->upstream_certificate)) {
		ERR_clear_error();
		return tls_file_complain(from, s->upstream_certificate, "holds a raw public key, which is for listeners alone");
	}
	if (is_set(s->upstream_certificate) && tls_pair_use(c, s->upstream_certificate, s->upstream_key, from) < 0)
		return -1;
	if (!is_set(s->upstream_psk_file))
		return 0;
	psks = psks_read(s->upstream_psk_file, from);
	if (psks == NULL)
		return -1;
	return tls_psks_keep(c, psks) == 0 ? 0 : no_memory(from);
}

/* Whom the certificate must be for. The subject's CN does not count (RFC 9525 2), nor does a literal go into SNI (RFC 6066 3). */
static int expect_host(SSL *ssl, const char *host)
{
	char name[TLS_NAME_MAX];
	uint8_t address[16];
	int len = snprintf(name, sizeof name, "%s", host);

	if (len <= 0 || len >= (int)sizeof name)
		return -1;
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -1;
	/* The root's dot is no part of a name here (RFC 6066 3). */
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -1;
}

/* Of the suites of TLS 1.2 and DTLS those of pre-shared keys alone: an origin that has a certificate too would choose by that, and not know
 * us. */
static int offer_keys_alone(SSL *ssl)
{
	const STACK_OF(SSL_CIPHER) *all = SSL_get_ciphers(ssl);
	char list[SUITES_MAX] = "";
	size_t used = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (SSL_CIPHER_get_auth_nid(c) != NID_auth_psk)
			continue;
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ":" : "", SSL_CIPHER_get_name(c));
		if (used >= sizeof list)
			return -1;
	}
	return used > 0 && SSL_set_cipher_list(ssl, list) == 1 ? 0 : -1;
}

int tls_origin_expect(SSL *ssl, const char *host, const char *identity)
{
	if (expect_host(ssl, host) < 0)
		return -1;
	if (identity[0] == '\0')
		return 0;
	return tls_psk_show(ssl, identity) < 0 || offer_keys_alone(ssl) < 0 ? -1 : 0;
}

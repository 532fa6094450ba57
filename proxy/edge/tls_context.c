/* How contexts are made: what is offered, from which bytes. */
#include "proxy/edge/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "proxy/edge/tls_psk.h"

enum {
	SECURITY_LEVEL = 2, /* 112 bits: RSA of 2048, no SHA-1 (SSL_CTX_set_security_level(3)) */
	CHAIN_DEPTH = 8,    /* certificates between a peer's and an authority's */
};

/* RFC 9325 4.2: forward secrecy and AEAD; pre-shared keys in front, since who offers them has one, and among them those without forward
 * secrecy too, for small clients (RFC 7925 4.2; the 8-byte tag of CCM_8 is not needed where a record may be long). */
static const char ciphers[] = "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-CCM:"
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM";
static const char ciphers_1_3[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256";
static const char groups[] = "X25519:P-256:P-384";

/* The one protocol that is spoken inside (RFC 7301): a length, and the name. */
static const unsigned char protocol[] = "\x08http/1.1";
enum { PROTOCOL_LEN = sizeof protocol - 1 };

static const unsigned char session_context[] = "gateway"; /* any will do */

/* ---- PEM ---- */

/* A key that is encrypted is refused: nobody is there who could be asked. */
static int on_pass_phrase(char *out, int room, int writing, void *arg)
{
	(void)out, (void)room, (void)writing, (void)arg;
	return -1;
}

static BIO *bio_of(const struct material_file *f)
{
	return BIO_new_mem_buf(f->bytes, (int)f->len);
}

/* Takes what OpenSSL has against a file. */
static void complain(char *error, size_t room, const char *path, const char *what)
{
	char reason[TLS_REASON_MAX];

	tls_take_error(reason);
	snprintf(error, room, "%s: %s%s%s%s", path, what, reason[0] != '\0' ? " (" : "", reason, reason[0] != '\0' ? ")" : "");
}

static const struct material_file *find(const struct material *m, const char *path, char *error, size_t room)
{
	const struct material_file *f = material_find(m, path);

	if (f == NULL)
		snprintf(error, room, "%s: was not read", path);
	return f;
}

/* The next certificate, with *ended set where there is none; NULL and not *ended: it cannot be read. */
static X509 *next_certificate(BIO *from, bool *ended)
{
	X509 *x = PEM_read_bio_X509(from, NULL, on_pass_phrase, NULL);
	unsigned long code = ERR_peek_last_error();

	*ended = x == NULL && ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
	if (*ended)
		ERR_clear_error();
	return x;
}

/* ---- a server's own certificate ---- */

/* The first certificate is the listener's own, the others lead to its authority. */
static int chain_use(SSL_CTX *c, const struct material_file *f)
{
	BIO *from = bio_of(f);
	bool ended = false;
	int count = 0;
	X509 *x;

	while (from != NULL && count <= TLS_CHAIN_MAX + 1 && (x = next_certificate(from, &ended)) != NULL) {
		bool good = (count == 0 ? SSL_CTX_use_certificate(c, x) : SSL_CTX_add1_chain_cert(c, x)) == 1;

		X509_free(x);
		if (!good)
			break;
		count++;
	}
	BIO_free(from);
	return ended && count > 0 && count <= TLS_CHAIN_MAX + 1 ? 0 : -1;
}

static int key_use(SSL_CTX *c, const struct material_file *f)
{
	BIO *from = bio_of(f);
	EVP_PKEY *key = from != NULL ? PEM_read_bio_PrivateKey(from, NULL, on_pass_phrase, NULL) : NULL;
	bool good = key != NULL && SSL_CTX_use_PrivateKey(c, key) == 1 && SSL_CTX_check_private_key(c) == 1;

	EVP_PKEY_free(key);
	BIO_free(from);
	return good ? 0 : -1;
}

static int pair_use(SSL_CTX *c, const struct listener *l, const struct material *m, char *error, size_t room)
{
	const struct material_file *certificate = find(m, l->certificate, error, room), *key = find(m, l->key, error, room);

	if (certificate == NULL || key == NULL)
		return -1;
	ERR_clear_error();
	if (chain_use(c, certificate) < 0)
		complain(error, room, l->certificate, "is not one to 17 certificates in PEM that can be used");
	else if (key_use(c, key) < 0)
		complain(error, room, l->key, "is not the certificate's private key, unencrypted in PEM");
	else
		return 0;
	return -1;
}

/* ---- authorities ---- */

/* names: they are told to clients, or NULL. */
static int authorities_use(SSL_CTX *c, const struct material_file *f, STACK_OF(X509_NAME) *names)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	BIO *from = bio_of(f);
	bool ended = false;
	int count = 0;
	X509 *x;

	while (from != NULL && count <= TLS_AUTHORITIES_MAX && (x = next_certificate(from, &ended)) != NULL) {
		X509_NAME *name = names != NULL ? X509_NAME_dup(X509_get_subject_name(x)) : NULL;
		bool good = X509_STORE_add_cert(store, x) == 1 && (names == NULL || (name != NULL && sk_X509_NAME_push(names, name) > 0));

		X509_free(x);
		if (!good) {
			X509_NAME_free(name);
			break;
		}
		count++;
	}
	BIO_free(from);
	return ended && count > 0 && count <= TLS_AUTHORITIES_MAX ? 0 : -1;
}

static int clients_verify(SSL_CTX *c, const struct listener *l, const struct material *m, char *error, size_t room)
{
	const struct material_file *f = find(m, l->client_ca, error, room);
	STACK_OF(X509_NAME) *names = f != NULL ? sk_X509_NAME_new_null() : NULL;

	if (f == NULL)
		return -1;
	ERR_clear_error();
	if (names == NULL || authorities_use(c, f, names) < 0) {
		complain(error, room, l->client_ca, "is not one to 1024 certificates in PEM");
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return -1;
	}
	SSL_CTX_set_client_CA_list(c, names);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | (l->client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	/* To OpenSSL a pre-shared key of TLS 1.3 is an earlier handshake, and where clients are verified it wants to know whose. */
	if (SSL_CTX_set_session_id_context(c, session_context, sizeof session_context) == 1)
		return 0;
	snprintf(error, room, "not enough memory");
	return -1;
}

/* ---- contexts ---- */

/* What both sides have in common. No earlier connection is taken up again, by ticket or by number: each worker would need the others' keys,
 * a client's certificate or pre-shared key that was withdrawn would go on counting, and HTTP keeps its connections alive anyway. */
static SSL_CTX *context_new(const SSL_METHOD *method)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (c == NULL)
		return NULL;
	SSL_CTX_set_security_level(c, SECURITY_LEVEL);
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(c, 0);
	SSL_CTX_set_verify_depth(c, CHAIN_DEPTH);
	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(c, ciphers) == 1 && SSL_CTX_set_ciphersuites(c, ciphers_1_3) == 1 &&
		SSL_CTX_set1_groups_list(c, groups) == 1 && SSL_CTX_set_num_tickets(c, 0) == 1)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

/* Who names protocols must name ours (RFC 7301 3.2); who names none is a client of HTTP/1.1 anyway. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int len, void *arg)
{
	unsigned char *chosen;

	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&chosen, out_len, protocol, PROTOCOL_LEN, in, len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int psks_use(SSL_CTX *c, const struct listener *l, const struct material *m, char *error, size_t room)
{
	const struct material_file *f = find(m, l->psk_file, error, room);
	char why[TLS_REASON_MAX];
	struct tls_psks *psks;

	if (f == NULL)
		return -1;
	psks = tls_psks_parse(f->bytes, f->len, why, sizeof why);
	if (psks == NULL) {
		snprintf(error, room, "%s:%s", l->psk_file, why);
		return -1;
	}
	if (tls_psks_use(c, psks) == 0)
		return 0;
	snprintf(error, room, "%s: not enough memory", l->psk_file);
	return -1;
}

static bool is_set(const char *path)
{
	return path != NULL && path[0] != '\0';
}

SSL_CTX *tls_server_new(const struct listener *l, const struct material *m, char *error, size_t room)
{
	SSL_CTX *c = context_new(TLS_server_method());

	snprintf(error, room, "not enough memory");
	if (c == NULL)
		return NULL;
	SSL_CTX_set_alpn_select_cb(c, on_protocols, NULL);
	if (!is_set(l->certificate) && !is_set(l->psk_file))
		snprintf(error, room, "there is neither a certificate nor a file of pre-shared keys");
	else if ((!is_set(l->certificate) || pair_use(c, l, m, error, room) == 0) &&
		(!is_set(l->client_ca) || clients_verify(c, l, m, error, room) == 0) &&
		(!is_set(l->psk_file) || psks_use(c, l, m, error, room) == 0))
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *tls_client_new(const char *authorities, const struct material *m, char *error, size_t room)
{
	const struct material_file *f = find(m, authorities, error, room);
	SSL_CTX *c = f != NULL ? context_new(TLS_client_method()) : NULL;

	if (f == NULL)
		return NULL;
	ERR_clear_error();
	/* The call for protocols returns 0 if it is content. */
	if (c == NULL || SSL_CTX_set_alpn_protos(c, protocol, PROTOCOL_LEN) != 0) {
		snprintf(error, room, "not enough memory");
	} else if (authorities_use(c, f, NULL) < 0) {
		complain(error, room, authorities, "is not one to 1024 certificates in PEM");
	} else {
		SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
		return c;
	}
	SSL_CTX_free(c);
	return NULL;
}

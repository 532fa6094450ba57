#include "proxy/edge/dtls_bio.h"

#include <openssl/bio.h>
#include <string.h>

#include "proxy/edge/shared_bio.h"
#include "proxy/edge/udp.h"

enum { OVERHEAD_IPV4 = 20 + 8, OVERHEAD_IPV6 = 40 + 8 }; /* of a datagram: headers of IP and UDP */

static struct {
	const struct dtls_path *path;
	const uint8_t *bytes;
	size_t len;
} turn;

/* A datagram is read once, and whole: what finds no room is cut, as a socket would. */
static int on_read(BIO *b, char *out, int room)
{
	int len = (int)turn.len;

	BIO_clear_retry_flags(b);
	if (turn.bytes == NULL || room <= 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	if (len > room)
		len = room;
	memcpy(out, turn.bytes, (size_t)len);
	turn.bytes = NULL;
	return len;
}

static int on_write(BIO *b, const char *bytes, int len)
{
	const struct dtls_path *p = turn.path;

	BIO_clear_retry_flags(b);
	if (p == NULL || len <= 0)
		return len;
	if (p->upstream)
		udp_send_origin(p->slot, &p->peer, (const uint8_t *)bytes, (size_t)len);
	else
		udp_send_client(p->slot, &p->peer, &p->local, (const uint8_t *)bytes, (size_t)len);
	return len;
}

static long on_control(BIO *b, int what, long number, void *arg)
{
	(void)b, (void)number, (void)arg;
	switch (what) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
		return turn.path != NULL && endpoint_is_ipv4(&turn.path->peer) ? OVERHEAD_IPV4 : OVERHEAD_IPV6;
	default:
		return 0;
	}
}

static struct shared_bio all = { .name = "datagrams in turn", .read = on_read, .write = on_write, .control = on_control };

/* While a handshake is under way OpenSSL has a BIO of its own in front of this one, one for each session; the way back from here to that
 * one, which all of them set, is used by nobody. */
int dtls_bio_use(SSL *ssl)
{
	return shared_bio_use(&all, ssl);
}

void dtls_bio_turn(const struct dtls_path *path, const uint8_t *bytes, size_t len)
{
	turn.path = path;
	turn.bytes = bytes;
	turn.len = len;
}

const struct dtls_path *dtls_bio_path(void)
{
	return turn.path;
}

bool dtls_bio_is_unread(void)
{
	return turn.bytes != NULL;
}

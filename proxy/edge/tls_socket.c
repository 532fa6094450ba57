#include "proxy/edge/tls_socket.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

static BIO *shared;

static struct {
	int fd;
	bool ended;
} turn = { -1, false };

/* Whether the call that has just failed may be made again. */
static bool may_be_repeated(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int on_read(BIO *b, char *bytes, int room)
{
	ssize_t got = recv(turn.fd, bytes, (size_t)room, MSG_DONTWAIT);

	BIO_clear_retry_flags(b);
	if (got < 0 && may_be_repeated())
		BIO_set_retry_read(b);
	turn.ended = got == 0;
	return (int)got;
}

static int on_write(BIO *b, const char *bytes, int len)
{
	ssize_t sent = send(turn.fd, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

	BIO_clear_retry_flags(b);
	if (sent < 0 && may_be_repeated())
		BIO_set_retry_write(b);
	return (int)sent;
}

static long on_control(BIO *b, int what, long number, void *arg)
{
	(void)b, (void)number, (void)arg;
	if (what == BIO_CTRL_EOF)
		return turn.ended;
	return what == BIO_CTRL_FLUSH;
}

static BIO *shared_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sockets in turn");
	BIO *b;

	if (m == NULL)
		return NULL;
	BIO_meth_set_read(m, on_read);
	BIO_meth_set_write(m, on_write);
	BIO_meth_set_ctrl(m, on_control);
	b = BIO_new(m);
	if (b == NULL)
		BIO_meth_free(m);
	else
		BIO_set_init(b, 1);
	return b;
}

int tls_socket_use(SSL *ssl)
{
	if (shared == NULL)
		shared = shared_new(); /* for as long as the process lives */
	if (shared == NULL || BIO_up_ref(shared) != 1)
		return -1;
	SSL_set_bio(ssl, shared, shared);
	return 0;
}

void tls_socket_turn(int fd)
{
	turn.fd = fd;
	turn.ended = false;
}

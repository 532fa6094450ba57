#include "proxy/edge/tls_socket.h"

#include <errno.h>
#include <openssl/bio.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "proxy/edge/shared_bio.h"

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

static struct shared_bio all = { .name = "sockets in turn", .read = on_read, .write = on_write, .control = on_control };

int tls_socket_use(SSL *ssl)
{
	return shared_bio_use(&all, ssl);
}

void tls_socket_turn(int fd)
{
	turn.fd = fd;
	turn.ended = false;
}

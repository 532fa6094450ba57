/* A worker's end of its pair with the reader: packets of questions leave, packets of answers come in (exchange/reader_link.h). */
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/process/worker.h"

enum { PACKETS_A_TURN = 2, LARGE = OPENING_PACKET_MAX / 4 /* behind such an answer there are others */ };

static void leave(struct worker *w)
{
	if (w->reader_in != NULL)
		event_free(w->reader_in);
	if (w->reader_out != NULL)
		event_free(w->reader_out);
	w->reader_in = w->reader_out = NULL;
	if (w->reader_fd >= 0)
		close(w->reader_fd);
	w->reader_fd = -1;
}

/* Nobody is there: the parent starts another, and sends its end. */
static void lose(struct worker *w, const char *why)
{
	log_warning("the reader is gone: %s", why);
	leave(w);
	(void)reader_link_attach(w->proxy, NULL);
}

/* ---- sending ---- */

static int send_packet(void *arg, const uint8_t *bytes, size_t len)
{
	struct worker *w = arg;
	ssize_t n = write(w->reader_fd, bytes, len);

	if (n >= 0)
		return 1;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
		event_add(w->reader_out, NULL);
		return 0;
	}
	log_warning("the reader is gone: %s", strerror(errno));
	leave(w);
	return -1;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	reader_link_writable(w->proxy); /* which sends at the end of this turn */
}

/* ---- receiving ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[OPENING_PACKET_MAX];
	struct worker *w = arg;

	(void)what;
	for (unsigned i = 0; i < PACKETS_A_TURN; i++) {
		ssize_t n = read(fd, bytes, sizeof bytes);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			lose(w, n < 0 ? strerror(errno) : "it has ended");
			return;
		}
		w->received++;
		w->reader_is_silent = false;
		reader_link_packet(w->proxy, bytes, (size_t)n);
		if (n < LARGE)
			return;
	}
}

void worker_take_reader(struct worker *w, int fd)
{
	const struct reader_port port = { send_packet, w };

	leave(w);
	w->reader_fd = fd;
	w->reader_is_silent = false;
	w->reader_in = event_new(w->base, fd, EV_READ | EV_PERSIST, on_readable, w);
	w->reader_out = event_new(w->base, fd, EV_WRITE, on_writable, w);
	if (w->reader_in == NULL || w->reader_out == NULL || event_add(w->reader_in, NULL) < 0 || reader_link_attach(w->proxy, &port) < 0)
		lose(w, "not enough memory to ask it");
	worker_turn(w, false); /* who had asked the one before is refused now */
}

void worker_leave_reader(struct worker *w)
{
	leave(w);
}

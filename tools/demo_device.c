#include "tools/demo_device.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "coap/message.h"
#include "coap/option.h"
#include "oscore/unseal.h"
#include "tools/demo_context.h"
#include "tools/demo_trace.h"
#include "tools/seal.h"

enum { ANSWERS = 64, ANSWER_MAX = 512 };

/* An answer already given, for the request's duplicates (RFC 7252 4.5): one repeated is not a replay. */
struct answer {
	struct endpoint peer;
	uint64_t at; /* microseconds; 0: unused */
	uint16_t mid;
	size_t len;
	uint8_t bytes[ANSWER_MAX];
};

struct device {
	int fd;
	bool trace;
	uint16_t mid;
	struct oscore_context context;
	struct oscore_unsealer *unsealer;
	struct demo_window window;
	unsigned next;
	struct answer answers[ANSWERS];
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- resources --------------------------------------------------------------------------------------------------- */

/* The path as text ("a/b"), cut to fit; the demo has no segment with a slash in it. */
static void path_text(const struct msg_view *m, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		if (o->number != OPT_URI_PATH || len + 1 >= size)
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%.*s", len > 0 ? "/" : "", (int)o->len, (const char *)o->value);
	}
}

/* The code to refuse a request with, or 0 if the device understands all of it (RFC 7252 5.4.1, 5.7.2). */
static uint8_t refusal(const struct msg_view *m)
{
	static const uint16_t known[] = { OPT_URI_HOST, OPT_URI_PORT, OPT_OSCORE, OPT_URI_PATH, OPT_URI_QUERY };

	if (msg_option(m, OPT_PROXY_URI) != NULL || msg_option(m, OPT_PROXY_SCHEME) != NULL)
		return CODE_NO_PROXY;
	for (unsigned i = 0; i < m->option_count; i++) {
		bool found = !opt_is_critical(m->options[i].number);

		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			found = found || m->options[i].number == known[k];
		if (!found)
			return CODE_BAD_OPTION;
	}
	return 0;
}

/* Writes the answer to a plain or an Inner request. Returns its length. */
static size_t resource_answer(const struct msg_view *m, uint8_t *bytes, enum msg_type type, uint16_t mid)
{
	static const char links[] = "</temperature>;rt=\"temperature\";if=\"sensor\";ct=0;osc";
	char path[64], text[64];
	const char *body = NULL;
	uint8_t code = refusal(m);
	unsigned format = 0; /* text/plain */
	struct msg_writer w;

	path_text(m, path, sizeof path);
	if (code == 0 && strcmp(path, "temperature") == 0) {
		snprintf(text, sizeof text, "%.1f C", 20.0 + (double)(clock_now() / CLOCK_SECOND % 50) / 10);
		body = text;
	} else if (code == 0 && strcmp(path, ".well-known/core") == 0) {
		format = 40; /* application/link-format */
		body = links;
	} else if (code == 0) {
		code = CODE_NOT_FOUND;
	}
	if (body != NULL)
		code = m->code == CODE_GET ? CODE_CONTENT : CODE_METHOD_NOT_ALLOWED;
	msg_begin(&w, bytes, ANSWER_MAX, type, code, mid, m->token, m->token_len);
	if (code == CODE_CONTENT) {
		msg_add_uint(&w, OPT_CONTENT_FORMAT, format);
		msg_add_payload(&w, body, strlen(body));
	}
	return msg_end(&w);
}

/* ---- OSCORE ------------------------------------------------------------------------------------------------------ */

/* An error in OSCORE itself is told unprotected, and nobody may keep it (RFC 8613 8.2). */
static size_t oscore_error(const struct msg_view *m, uint8_t *bytes, enum msg_type type, uint16_t mid, uint8_t code,
	const char *text)
{
	struct msg_writer w;

	msg_begin(&w, bytes, ANSWER_MAX, type, code, mid, m->token, m->token_len);
	msg_add_uint(&w, OPT_MAX_AGE, 0);
	msg_add_payload(&w, text, strlen(text));
	return msg_end(&w);
}

/* Protects an answer and writes the Outer message around it. */
static size_t oscore_protect(struct device *d, const struct msg_view *m, const struct oscore_request *request,
	const uint8_t *inner, size_t inner_len, uint8_t *bytes, enum msg_type type, uint16_t mid)
{
	struct msg_writer w;
	struct sealed s;

	/* The window lets a request in once, so its nonce is used once in each direction. */
	if (seal_response(&s, request, &d->context, NULL, inner, inner_len) < 0)
		return oscore_error(m, bytes, type, mid, CODE_INTERNAL, "Encryption failed");
	msg_begin(&w, bytes, ANSWER_MAX, type, CODE_CHANGED, mid, m->token, m->token_len);
	msg_add_option(&w, OPT_OSCORE, s.option, s.option_len);
	msg_add_payload(&w, s.payload, s.payload_len);
	return msg_end(&w);
}

static size_t oscore_answer(struct device *d, const struct msg_view *m, const struct msg_option *value, uint8_t *bytes,
	enum msg_type type, uint16_t mid)
{
	uint8_t plain[MSG_DATAGRAM_MAX + OSCORE_UNSEAL_EXTRA], answer[ANSWER_MAX];
	enum oscore_unseal_result result;
	struct oscore_option option;
	struct oscore_request request;
	struct msg_view inner;

	if (refusal(m) != 0)
		return oscore_error(m, bytes, type, mid, refusal(m), "Outer option not understood");
	if (m->payload == NULL || msg_option_count(m, OPT_OSCORE) > 1 ||
	    oscore_option_parse(&option, value->value, value->len, 0) < 0 || !oscore_option_fits_request(&option))
		return oscore_error(m, bytes, type, mid, CODE_BAD_OPTION, "Failed to decode COSE");
	if (!oscore_context_is_named(&d->context, &d->context.recipient, &option))
		return oscore_error(m, bytes, type, mid, CODE_UNAUTHORIZED, "Security context not found");
	if (!demo_window_accepts(&d->window, oscore_option_sequence(&option)))
		return oscore_error(m, bytes, type, mid, CODE_UNAUTHORIZED, "Replay detected");
	result = oscore_unseal_request(d->unsealer, &d->context, &d->context.recipient, &option, m->payload, m->payload_len,
		plain, sizeof plain, &inner, &request);
	if (result != OSCORE_UNSEAL_OK)
		return oscore_error(m, bytes, type, mid, CODE_BAD_REQUEST, "Decryption failed");
	demo_window_take(&d->window, oscore_option_sequence(&option));
	return oscore_protect(d, m, &request, answer, resource_answer(&inner, answer, MSG_NON, 0), bytes, type, mid);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void device_send(struct device *d, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(peer, endpoint_is_ipv4(peer) ? AF_INET : AF_INET6, &sa);

	if (sendto(d->fd, bytes, len, 0, (struct sockaddr *)&sa, sa_len) < 0)
		fprintf(stderr, "oscore-demo: cannot send: %s\n", strerror(errno));
	else if (d->trace)
		demo_trace(true, peer, bytes, len);
}

/* The answer given to this very message within EXCHANGE_LIFETIME (247 s), or NULL. */
static const struct answer *answer_find(const struct device *d, const struct endpoint *peer, uint16_t mid)
{
	for (unsigned i = 0; i < ANSWERS; i++) {
		const struct answer *a = &d->answers[i];

		if (a->at != 0 && a->mid == mid && endpoint_equal(&a->peer, peer) && clock_now() - a->at < 247 * CLOCK_SECOND)
			return a;
	}
	return NULL;
}

static void device_answer(struct device *d, const struct endpoint *peer, const struct msg_view *m)
{
	const struct answer *before = answer_find(d, peer, m->mid);
	const struct msg_option *oscore = msg_option(m, OPT_OSCORE);
	enum msg_type type = m->type == MSG_CON ? MSG_ACK : MSG_NON;
	struct answer *a = &d->answers[d->next];
	uint16_t mid = m->mid;

	if (before != NULL) {
		device_send(d, peer, before->bytes, before->len);
		return;
	}
	if (type == MSG_NON)
		mid = d->mid++;
	d->next = (d->next + 1) % ANSWERS;
	a->peer = *peer;
	a->mid = m->mid;
	a->at = clock_now();
	a->len = oscore != NULL ? oscore_answer(d, m, oscore, a->bytes, type, mid) : resource_answer(m, a->bytes, type, mid);
	device_send(d, peer, a->bytes, a->len);
}

static void device_receive(struct device *d)
{
	uint8_t bytes[MSG_DATAGRAM_MAX], empty[MSG_HEADER];
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof sa;
	ssize_t len = recvfrom(d->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_len);
	enum msg_result result;
	struct endpoint peer;
	struct msg_view m;

	if (len < 0)
		return;
	clock_update();
	endpoint_from_sockaddr(&peer, (struct sockaddr *)&sa);
	if (d->trace)
		demo_trace(false, &peer, bytes, (size_t)len);
	result = msg_parse_datagram(&m, bytes, (size_t)len);
	if (result == MSG_IGNORE || m.type == MSG_ACK || m.type == MSG_RESET)
		return;
	if (result == MSG_OK && msg_code_is_request(m.code)) {
		device_answer(d, &peer, &m);
	} else if (m.type == MSG_CON) {
		msg_write_empty(empty, MSG_RESET, m.mid); /* a ping, or something no device understands (RFC 7252 4.2) */
		device_send(d, &peer, empty, sizeof empty);
	}
}

static int device_bind(const struct endpoint *bind_to)
{
	int family = endpoint_is_ipv4(bind_to) ? AF_INET : AF_INET6;
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(bind_to, family, &sa);
	char text[ENDPOINT_TEXT_MAX];
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sa_len) < 0) {
		fprintf(stderr, "oscore-demo: cannot listen on %s: %s\n", endpoint_format(bind_to, text), strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int demo_device_run(const struct endpoint *bind_to, bool trace)
{
	static struct device d;
	const struct sigaction action = { .sa_handler = stop };
	char text[ENDPOINT_TEXT_MAX];
	sigset_t blocked, open;

	/* Signals come only while ppoll waits, so none is missed between a look at `stopped` and the wait. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &open);
	sigdelset(&open, SIGINT);
	sigdelset(&open, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	d.trace = trace;
	d.mid = (uint16_t)random_u32();
	demo_context_init(&d.context, true);
	demo_window_init(&d.window, demo_context_sequence());
	d.unsealer = oscore_unsealer_new(d.context.aead);
	d.fd = device_bind(bind_to);
	if (d.unsealer != NULL && d.fd >= 0) {
		printf("ready on %s\n", endpoint_format(bind_to, text));
		fflush(stdout);
	}
	while (d.unsealer != NULL && d.fd >= 0 && !stopped) {
		struct pollfd p = { .fd = d.fd, .events = POLLIN };

		if (ppoll(&p, 1, NULL, &open) > 0)
			device_receive(&d);
	}
	if (d.fd >= 0)
		close(d.fd);
	oscore_unsealer_free(d.unsealer);
	oscore_context_wipe(&d.context);
	return stopped ? 0 : 1;
}

#include "tools/demo_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "coap/message.h"
#include "coap/option.h"
#include "coap/uri.h"
#include "oscore/unseal.h"
#include "tools/demo_context.h"
#include "tools/demo_trace.h"
#include "tools/seal.h"

/* RFC 7252 4.8 */
#define ACK_TIMEOUT (2 * CLOCK_SECOND)
#define RESPONSE_WAIT (250 * CLOCK_SECOND) /* for a separate response */
enum { MAX_RETRANSMIT = 4, TOKEN = 4 };

struct client {
	const struct demo_request *request;
	struct uri uri;
	struct endpoint peer;
	int fd;
	uint16_t mid;
	uint8_t token[TOKEN];
	uint8_t bytes[MSG_DATAGRAM_MAX];
	size_t len;
	struct oscore_context context;
	struct oscore_request protected_request;
	struct oscore_unsealer *unsealer;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "oscore-demo: %s: %s\n", what, why);
	return -1;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static void add_option(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	msg_add_option(arg, number, value, len);
}

/* The authority of the URI as Proxy-Uri wants it for OSCORE: no path, no query (RFC 8613 4.1.3.3). */
static void add_authority(const struct client *c, struct msg_writer *w)
{
	const struct uri *u = &c->uri;
	char text[URI_MAX];
	int len = snprintf(text, sizeof text, u->host_is_ipv6 ? "%s://[%.*s]:%u" : "%s://%.*s:%u", uri_schemes[u->scheme].name,
		(int)u->host.len, u->host.at, u->port);

	msg_add_option(w, OPT_PROXY_URI, text, (size_t)len);
}

static void add_host_and_port(const struct client *c, struct msg_writer *w)
{
	const struct uri *u = &c->uri;
	char host[URI_HOST_MAX + 1], text[URI_HOST_MAX + 3];
	int len = uri_host_decode(&u->host, host);

	/* The option holds the host as a URI writes it, an IPv6 literal in brackets (RFC 7252 5.10.1, 6.4). */
	if (len < 0)
		return;
	len = snprintf(text, sizeof text, u->host_is_ipv6 ? "[%.*s]" : "%.*s", len, host);
	msg_add_option(w, OPT_URI_HOST, text, (size_t)len);
	if (u->port != uri_schemes[u->scheme].default_port)
		msg_add_uint(w, OPT_URI_PORT, u->port);
}

/* Seals the GET with path and query into *s. */
static int inner_seal(struct client *c, struct sealed *s)
{
	uint8_t bytes[MSG_DATAGRAM_MAX];
	struct msg_writer w;

	msg_begin(&w, bytes, sizeof bytes, MSG_NON, CODE_GET, 0, NULL, 0);
	if (uri_each_option(&c->uri, add_option, &w) != URI_OK || msg_end(&w) == 0)
		return complain(c->request->uri, "too long");
	if (seal_request(s, &c->protected_request, &c->context, demo_context_sequence(), bytes, msg_end(&w)) < 0)
		return complain(c->request->uri, "cannot be protected");
	return 0;
}

/* Writes the request to c->bytes: options in the order of their numbers. */
static int request_write(struct client *c)
{
	const struct demo_request *r = c->request;
	bool whole_uri = r->has_proxy && r->proxy_uri;
	struct msg_writer w;
	struct sealed s = { 0 };

	if (r->oscore && inner_seal(c, &s) < 0)
		return -1;
	msg_begin(&w, c->bytes, sizeof c->bytes, MSG_CON, r->oscore ? CODE_POST : CODE_GET, c->mid, c->token, sizeof c->token);
	if (r->has_proxy && !whole_uri)
		add_host_and_port(c, &w);
	if (r->oscore)
		msg_add_option(&w, OPT_OSCORE, s.option, s.option_len);
	else if (!whole_uri && uri_each_option(&c->uri, add_option, &w) != URI_OK)
		return complain(r->uri, "too long");
	if (whole_uri && r->oscore)
		add_authority(c, &w);
	else if (whole_uri)
		msg_add_option(&w, OPT_PROXY_URI, r->uri, strlen(r->uri));
	else if (r->has_proxy)
		msg_add_option(&w, OPT_PROXY_SCHEME, uri_schemes[c->uri.scheme].name, strlen(uri_schemes[c->uri.scheme].name));
	msg_add_payload(&w, s.payload, s.payload_len);
	c->len = msg_end(&w);
	return c->len > 0 ? 0 : complain(r->uri, "too long");
}

/* ---- the socket -------------------------------------------------------------------------------------------------- */

/* Finds the address to send to: the proxy's, or the one the URI names. */
static int peer_find(struct client *c)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	char host[URI_HOST_MAX + 1];
	struct addrinfo *found = NULL;
	int error;

	if (c->request->has_proxy) {
		c->peer = c->request->proxy;
		return 0;
	}
	if (c->uri.scheme != URI_COAP)
		return complain(c->request->uri, "without a proxy only coap:// can be asked");
	if (uri_host_decode(&c->uri.host, host) < 0)
		return complain(c->request->uri, "not a host");
	error = getaddrinfo(host, NULL, &hints, &found);
	if (error != 0)
		return complain(host, gai_strerror(error));
	endpoint_from_sockaddr(&c->peer, found->ai_addr);
	c->peer.port = c->uri.port;
	freeaddrinfo(found);
	return 0;
}

static int socket_open(struct client *c)
{
	int family = endpoint_is_ipv4(&c->peer) ? AF_INET : AF_INET6;
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(&c->peer, family, &sa);

	/* Connected: only the endpoint asked is heard (RFC 7252 5.3.2), and an ICMP error comes back as errno. */
	c->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sa_len) < 0)
		return complain("socket", strerror(errno));
	return 0;
}

/* Errors of an earlier datagram show here and in receiving; the one place that reports them is client_wait(). */
static void client_send(const struct client *c, const uint8_t *bytes, size_t len)
{
	if (c->request->trace)
		demo_trace(true, &c->peer, bytes, len);
	(void)!send(c->fd, bytes, len, 0);
}

static void send_empty(const struct client *c, enum msg_type type, uint16_t mid)
{
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, type, mid);
	client_send(c, bytes, sizeof bytes);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Prints code, how it was protected and the payload. Returns the exit status. */
static int answer_print(const struct msg_view *m, const char *protection, bool good)
{
	char code[MSG_CODE_TEXT_MAX];

	printf("%s %s", msg_code_text(m->code, code), protection);
	if (m->payload_len > 0)
		printf(": ");
	for (size_t i = 0; i < m->payload_len; i++)
		putchar(m->payload[i] >= 0x20 && m->payload[i] < 0x7f ? m->payload[i] : '.');
	putchar('\n');
	return good && MSG_CLASS(m->code) == 2 ? 0 : 1;
}

/* Judges a response to our request. Returns the exit status, or -1 to wait on: what does not verify is not an answer
 * (RFC 8613 8.4). */
static int answer_judge(struct client *c, const struct msg_view *m)
{
	uint8_t plain[MSG_DATAGRAM_MAX + OSCORE_UNSEAL_EXTRA];
	const struct msg_option *value = msg_option(m, OPT_OSCORE);
	struct oscore_option option;
	struct msg_view inner;

	if (!c->request->oscore)
		return answer_print(m, "plain", true);
	if (value == NULL)
		return answer_print(m, "NOT protected", false);
	if (oscore_option_parse(&option, value->value, value->len, 0) < 0 ||
	    oscore_unseal_response(c->unsealer, &c->context, &c->context.recipient, &c->protected_request, &option, m->payload,
		    m->payload_len, plain, sizeof plain, &inner) != OSCORE_UNSEAL_OK) {
		fprintf(stderr, "oscore-demo: dropped a response that does not verify\n");
		return -1;
	}
	return answer_print(&inner, "verified by OSCORE", true);
}

enum step { STEP_WAIT, STEP_ACKNOWLEDGED, STEP_DONE };

/* Takes one datagram. With STEP_DONE *status is the exit status. */
static enum step client_take(struct client *c, const uint8_t *bytes, size_t len, int *status)
{
	struct msg_view m;

	if (c->request->trace)
		demo_trace(false, &c->peer, bytes, len);
	if (msg_parse_datagram(&m, bytes, len) != MSG_OK)
		return STEP_WAIT;
	if ((m.type == MSG_ACK || m.type == MSG_RESET) && m.mid != c->mid)
		return STEP_WAIT;
	if (m.type == MSG_RESET) {
		*status = 1;
		complain(c->request->uri, "the message was rejected (Reset)");
		return STEP_DONE;
	}
	if (m.type == MSG_ACK && m.code == CODE_EMPTY)
		return STEP_ACKNOWLEDGED;
	if (!msg_code_is_response(m.code) || m.token_len != TOKEN || memcmp(m.token, c->token, TOKEN) != 0) {
		if (m.type == MSG_CON)
			send_empty(c, MSG_RESET, m.mid);
		return STEP_WAIT;
	}
	if (m.type == MSG_CON)
		send_empty(c, MSG_ACK, m.mid);
	*status = answer_judge(c, &m);
	return *status >= 0 ? STEP_DONE : STEP_ACKNOWLEDGED;
}

/* Waits until `deadline` for one datagram and takes it. Returns STEP_WAIT also when the time is over. */
static enum step client_wait(struct client *c, uint64_t deadline, int *status)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint8_t bytes[MSG_DATAGRAM_MAX];
	ssize_t len;

	if (poll(&p, 1, (int)((deadline - clock_now()) / CLOCK_MS) + 1) <= 0)
		return STEP_WAIT;
	len = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (len >= 0)
		return client_take(c, bytes, (size_t)len, status);
	if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH)
		return STEP_WAIT;
	complain(c->request->has_proxy ? "the proxy cannot be reached" : "the device cannot be reached", strerror(errno));
	*status = 1;
	return STEP_DONE;
}

static int client_exchange(struct client *c)
{
	uint64_t timeout = ACK_TIMEOUT + random_below((uint32_t)ACK_TIMEOUT / 2);
	uint64_t deadline = clock_now() + timeout;
	unsigned sent = 1;
	bool acknowledged = false;
	int status = 1;

	client_send(c, c->bytes, c->len);
	for (;;) {
		enum step step = client_wait(c, deadline, &status);

		clock_update();
		if (step == STEP_DONE)
			return status;
		if (step == STEP_ACKNOWLEDGED && !acknowledged) {
			acknowledged = true;
			deadline = clock_now() + RESPONSE_WAIT;
		}
		if (clock_now() < deadline)
			continue;
		if (acknowledged || sent > MAX_RETRANSMIT)
			break;
		timeout *= 2;
		deadline = clock_now() + timeout;
		sent++;
		client_send(c, c->bytes, c->len);
	}
	complain(c->request->uri, "no answer");
	return 1;
}

int demo_client_run(const struct demo_request *r)
{
	struct client c = { .request = r, .fd = -1 };
	enum uri_result result = uri_parse(&c.uri, r->uri, strlen(r->uri));
	int status = 2;

	if (result != URI_OK) {
		complain(r->uri, uri_result_text(result));
		return 2;
	}
	c.mid = (uint16_t)random_u32();
	random_bytes(c.token, sizeof c.token);
	demo_context_init(&c.context, false);
	c.unsealer = oscore_unsealer_new(c.context.aead);
	if (c.unsealer != NULL && peer_find(&c) == 0 && request_write(&c) == 0 && socket_open(&c) == 0)
		status = client_exchange(&c);
	if (c.fd >= 0)
		close(c.fd);
	oscore_unsealer_free(c.unsealer);
	oscore_context_wipe(&c.context);
	return status;
}

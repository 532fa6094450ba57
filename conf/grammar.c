/* grammar - the schema: see grammar.h. Every default, range and line of the manual stands here and nowhere else. */
#include "conf/grammar.h"

#include <stdio.h>
#include <string.h>

#include "conf/snapshot.h"
#include "translate/http_message.h"

const char conf_methods[] = "GET POST PUT DELETE FETCH PATCH iPATCH";

#define MEMBERS(t, array_of, count_of, most) .element = sizeof(struct t), .array = offsetof(struct snapshot, array_of), \
	.count_offset = offsetof(struct snapshot, count_of), .max = (most)

const struct conf_group_row conf_groups[GROUP_COUNT] = {
	[GROUP_LISTENERS] = {.name = "listeners",
		.doc = "Where requests are taken. Each member is a listener: a name of your choice and its settings.",
		.member = "listener", MEMBERS(listener, listeners, listener_count, CONF_LISTENERS_MAX)},
	[GROUP_LIMITS] = {.name = "limits", .doc = "What the gateway holds at once. At a limit it refuses; it never grows past it."},
	[GROUP_UPSTREAM] = {.name = "upstream", .doc = "The way to the origins."},
	[GROUP_DOWNSTREAM] = {.name = "downstream", .doc = "The way back to the clients."},
	[GROUP_HTTP] = {.name = "http", .doc = "HTTP, towards clients (listeners of http and https) and towards origins. Bounds hold for each message."},
	[GROUP_TRANSPORTS] = {.name = "transports",
		.doc = "CoAP over connections (TCP, TLS, WebSockets) and DTLS, towards clients and towards origins."},
	[GROUP_READER] = {.name = "reader",
		.doc = "The process that opens OSCORE messages on routes that read. It runs where there is such a route, and is the only one that has their keys."},
	[GROUP_LOG] = {.name = "log",
		.doc = "The service log, and the access log of the routes that ask for one. A file is opened for appending, and opened anew on "
		"SIGUSR1."},
	[GROUP_PROCESS] = {.name = "process", .doc = "The processes of the gateway: a parent that keeps the sockets, and its workers."},
	[GROUP_CONTEXTS] = {.name = "contexts",
		.doc = "OSCORE security contexts that the gateway may read with. Each member is a set of them: a name of your choice and its settings.",
		.member = "context", MEMBERS(context_set, contexts, context_count, CONF_CONTEXTS_MAX)},
	[GROUP_FEEDS] = {.name = "feeds",
		.doc = "Where what is read is told, a line of JSON for each message. Each member is a feed: a name of your choice and its settings.",
		.member = "feed", MEMBERS(feed, feeds, feed_count, CONF_FEEDS_MAX)},
	[GROUP_READS] = {.name = "reads",
		.doc = "How OSCORE messages are read on the routes that name this. Each member is a name of your choice and its settings. One with allow, deny, "
		"verify or rate is a gate: a request waits until it is read, and what cannot be opened is refused. Any other is a tap: the message leaves "
		"first and is read afterwards, if the reader keeps up. Answers are read in the manner of a tap in any case. Whatever is read, "
		"the message that leaves is the one that came, byte for byte.",
		.member = "read", MEMBERS(read_conf, reads, read_count, CONF_READS_MAX)},
	[GROUP_ROUTES] = {.name = "routes",
		.doc = "Which requests go where. Each member is a route: a name of your choice and its settings. The first route in the "
		"file whose conditions all hold takes the request; a request that no route takes is refused.",
		.member = "route", MEMBERS(route, routes, route_count, CONF_ROUTES_MAX)},
};

_Static_assert(offsetof(struct listener, name) == 0 && offsetof(struct context_set, name) == 0 && offsetof(struct feed, name) == 0 &&
	offsetof(struct read_conf, name) == 0 && offsetof(struct route, name) == 0, "the name of a member stands first");

static const char *check_power_of_two(const void *field)
{
	uint32_t v;

	memcpy(&v, field, sizeof(v));
	return v & (v - 1) ? "is no power of two" : NULL;
}

static const char *check_word(const void *field)
{
	const char *text = *(char *const *)field;

	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return "may hold no space, control or non-ASCII character";
	return NULL;
}

static const char *check_path(const void *field)
{
	const char *text = *(char *const *)field;

	return *text != '\0' && *text != '/' ? "is no absolute path" : NULL;
}

/* "/path/of/certificate /path/of/key": both absolute, with one space. */
static const char *check_pair(const void *field)
{
	const char *text = *(char *const *)field, *space = strchr(text, ' ');

	if (*text != '/' || !space || space[1] != '/' || strchr(space + 1, ' '))
		return "is not \"/path/of/certificate /path/of/key\"";
	return NULL;
}

/* The origin of a URL, as RFC 6454 6.2 writes it and browsers send it: it is compared byte for byte. */
static const char *check_web_origin(const void *field)
{
	enum { TEXT_MAX = URI_HOST_MAX + 32 };
	const char *text = *(char *const *)field;
	char written[TEXT_MAX], port[8] = "", *at;
	struct uri u;

	if (*text == '\0')
		return NULL;
	if (uri_parse(&u, text, strlen(text)) != URI_OK || (u.scheme != URI_HTTP && u.scheme != URI_HTTPS) || u.path.len > 0 || u.has_query)
		return "is no origin such as \"https://app.example\"";
	if (u.port != uri_schemes[u.scheme].default_port)
		snprintf(port, sizeof(port), ":%u", (unsigned)u.port);
	snprintf(written, sizeof(written), "%s://%s%.*s%s%s", uri_schemes[u.scheme].name, u.host_is_ipv6 ? "[" : "", (int)u.host.len, u.host.at,
		u.host_is_ipv6 ? "]" : "", port);
	for (at = written; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return strcmp(text, written) != 0 ? "is not as browsers write it: in lower case, without the default port" : NULL;
}

static const char *check_page_origin(const void *field)
{
	const char *text = *(char *const *)field;

	if (strcmp(text, "*") == 0)
		return NULL;
	return *text == '\0' ? "is no origin such as \"https://app.example\", and not \"*\"" : check_web_origin(field);
}

static const char *check_identity(const void *field)
{
	const char *text = *(char *const *)field, *star = strchr(text, '*');

	if (*text == '\0')
		return "is no name";
	return star && star[1] ? "has a \"*\" elsewhere than at its end" : NULL;
}

#define US 1ull
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KB 1000ull
#define MB (1000 * KB)
#define GB (1000 * MB)
#define MANY 16777215 /* what a table of 24-bit indices holds */
#define PATH_MAX_BYTES 4095
#define URL_MAX_BYTES 300
#define IDENTITY_BYTES 128 /* of a pre-shared key (RFC 4279 5.3) */

#define AT(type, member) .offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define LIST(type, member, count) AT(type, member), .count_offset = offsetof(struct type, count)
#define RANGE(lo, hi) .min = (lo), .max = (hi)

#define LIMIT(n, t, m, lo, hi, d, text) {GROUP_LIMITS, n, t, AT(settings, m), RANGE(lo, hi), .fallback = d, .doc = text}
#define UP(n, t, m, lo, hi, d, text) {GROUP_UPSTREAM, n, t, AT(settings, m), RANGE(lo, hi), .fallback = d, .doc = text}
#define DOWN(n, t, m, lo, hi, d, text) {GROUP_DOWNSTREAM, n, t, AT(settings, m), RANGE(lo, hi), .fallback = d, .doc = text}
#define HTTP(n, t, m, lo, hi, d, text) {GROUP_HTTP, n, t, AT(settings, http_##m), RANGE(lo, hi), .fallback = d, .doc = text}
#define HTTP_PATH(n, m, least, d, text) {GROUP_HTTP, n, TYPE_STRING, AT(settings, http_##m), RANGE(least, PATH_MAX_BYTES), \
	.fallback = d, .check = check_path, .doc = text}
#define TRANSPORTS(n, t, m, lo, hi, d, text) {GROUP_TRANSPORTS, n, t, AT(settings, transports_##m), RANGE(lo, hi), .fallback = d, \
	.doc = text}
#define UP_PATH(n, m, text) {GROUP_UPSTREAM, n, TYPE_STRING, AT(settings, upstream_##m), RANGE(0, PATH_MAX_BYTES), .fallback = "", \
	.check = check_path, .doc = text}
#define LISTENER_PATH(n, m, text) {GROUP_LISTENERS, n, TYPE_STRING, AT(listener, m), RANGE(0, PATH_MAX_BYTES), .fallback = "", \
	.check = check_path, .doc = text}
#define PROCESS(n, t, m, lo, hi, d, f, text) \
	{GROUP_PROCESS, n, t, AT(settings, m), RANGE(lo, hi), .fallback = d, .fixed = f, .doc = text}
#define ROUTE(n, t, m, d, text) {GROUP_ROUTES, n, t, AT(route, m), .fallback = d, .doc = text}
#define ROUTE_NUMBER(n, t, m, lo, hi, d, text) {GROUP_ROUTES, n, t, AT(route, m), RANGE(lo, hi), .fallback = d, .doc = text}
#define ROUTE_TEXTS(n, m, c, f, text) {GROUP_ROUTES, n, TYPE_TEXTS, LIST(route, m, c), .fallback = "", .check = f, .doc = text}
#define READ(n, t, m, d, text) {GROUP_READS, n, t, AT(read_conf, m), .fallback = d, .doc = text}
#define READ_NUMBER(n, t, m, lo, hi, d, text) {GROUP_READS, n, t, AT(read_conf, m), RANGE(lo, hi), .fallback = d, .doc = text}
#define READ_LIST(n, t, m, c, text) {GROUP_READS, n, t, LIST(read_conf, m, c), .fallback = "", .doc = text}
#define FEED_PATH(n, m, text) {GROUP_FEEDS, n, TYPE_STRING, AT(feed, m), RANGE(0, PATH_MAX_BYTES), .fallback = "", .check = check_path, \
	.doc = text}
#define ROUTE_LIST(n, t, m, c, text) {GROUP_ROUTES, n, t, LIST(route, m, c), .fallback = "", .doc = text}

const struct conf_row conf_rows[] = {
	{GROUP_LISTENERS, "url", TYPE_URL, .width = sizeof(struct listener),
		.doc = "Scheme, address and port, such as \"coap://[::]:5683\". The address is a literal; the unspecified address "
		"([::] or 0.0.0.0) takes what comes to any address of the host, a link-local address carries its zone "
		"(\"coap://[fe80::1%eth0]\"). The schemes are coap, coaps (DTLS), coap+tcp, coaps+tcp (TLS), http and https. coap+ws comes in by "
		"http and coaps+ws by https, see websocket."},
	LISTENER_PATH("certificate", certificate,
		"Of coaps, coaps+tcp and https: the file of the certificate and, behind it, of those that lead to the root, in PEM, an absolute path. "
		"It may hold a raw public key (RFC 7250) instead, where the library has them (OpenSSL 3.2)."),
	LISTENER_PATH("key", key, "Of coaps, coaps+tcp and https: the file of the certificate's private key, in PEM, an absolute path."),
	{GROUP_LISTENERS, "certificates", TYPE_TEXTS, LIST(listener, certificates, certificate_count), .fallback = "", .check = check_pair,
		.doc = "Of coaps, coaps+tcp and https: more certificates with their keys, each \"/path/of/certificate /path/of/key\": a client that asks for "
		"one of their names (SNI) gets that one, others get certificate."},
	LISTENER_PATH("client-ca", client_ca,
		"Of coaps, coaps+tcp and https: the file of the certificates that those of clients are verified by, in PEM, an absolute path. Without "
		"one no client is asked for a certificate. A client's identity is the first URI of the certificate's alternative names, else the first DNS name, "
		"else the CN of its subject."),
	{GROUP_LISTENERS, "client-certificate", TYPE_CHOICE, AT(listener, client_certificate), .fallback = "optional",
		.choices = "optional required",
		.doc = "Of coaps, coaps+tcp and https: required: the handshake with a client without a certificate fails."},
	LISTENER_PATH("psk-file", psk_file,
		"Of coaps, coaps+tcp and https: the file of keys shared with clients, an absolute path: lines of an identity, a colon and the key in "
		"hexadecimal. A client's identity is that of its key. It holds secrets and may be readable to its owner and group alone."),
	{GROUP_LISTENERS, "public-url", TYPE_STRING, AT(listener, public_url), RANGE(0, URL_MAX_BYTES), .fallback = "", .check = check_web_origin,
		.doc = "Of http and https: how clients name this listener, such as \"https://gw.example\", for links to it. Without it their "
		"own Host field counts, and clients of CoAP are told of no link to it."},
	{GROUP_LISTENERS, "proxy-protocol", TYPE_BOOL, AT(listener, proxy_protocol), .fallback = "false",
		.doc = "Of http and https: each connection of a trusted proxy begins with a header of PROXY protocol version 2, which names its client."},
	{GROUP_LISTENERS, "trusted-proxies", TYPE_NETWORKS, LIST(listener, trusted_proxies, trusted_proxy_count), .fallback = "",
		.doc = "Of http and https: networks of the balancers and proxies in front, whose Forwarded, X-Forwarded-For and PROXY header are "
		"believed. Nobody else's are."},
	{GROUP_LISTENERS, "websocket", TYPE_BOOL, AT(listener, websocket), .fallback = "true",
		.doc = "Of http and https: CoAP comes in over WebSockets too (coap+ws, coaps+ws), at /.well-known/coap. Who asks must have a name there as "
		"over HTTP, see authenticate."},
	{GROUP_LISTENERS, "websocket-origins", TYPE_TEXTS, LIST(listener, websocket_origins, websocket_origin_count), .fallback = "",
		.check = check_page_origin,
		.doc = "Of http and https: the origins of pages, such as \"https://app.example\", whose scripts may open a WebSocket here, or \"*\" for "
		"all. Pages of this listener itself always may; who is no browser says no origin, and needs none."},
	{GROUP_LISTENERS, "keepalive", TYPE_DURATION, AT(listener, keepalive), RANGE(0, DAY), .fallback = "0s",
		.doc = "A connection or session of CoAP on which nothing came for so long is asked whether it still lives, which also keeps the way through "
		"a NAT open; 0s: none is asked."},

	LIMIT("exchanges", TYPE_COUNT, exchanges, 1, MANY, "200000", "Requests under way at once, in all."),
	LIMIT("client-exchanges", TYPE_COUNT, client_exchanges, 1, MANY, "4096",
		"Requests under way at once for one client endpoint. More are refused with 4.29 (5.03 for OSCORE requests)."),
	LIMIT("origin-exchanges", TYPE_COUNT, origin_exchanges, 1, MANY, "8192",
		"Requests under way at once for one origin, the waiting ones included."),
	LIMIT("observations", TYPE_COUNT, observations, 0, MANY, "50000", "Observations at once, in all."),
	LIMIT("client-observations", TYPE_COUNT, client_observations, 0, MANY, "1000",
		"Observations at once for one client endpoint."),
	LIMIT("origins", TYPE_COUNT, origins, 1, MANY, "65536", "Origin endpoints known at once."),
	LIMIT("clients", TYPE_COUNT, clients, 1, MANY, "262144", "Client endpoints known at once."),
	LIMIT("token-length", TYPE_COUNT, token_length, 8, 1024, "64",
		"Longest token of a client that is accepted, in bytes (RFC 8974)."),
	{GROUP_LIMITS, "dedup-memory", TYPE_SIZE, AT(settings, dedup_memory), RANGE(MB, 64 * GB), .fallback = "128MB", .fixed = true,
		.doc = "Memory of the records that find repeated messages, answers included. A hard bound."},
	LIMIT("queue-memory", TYPE_SIZE, queue_memory, MB, 64 * GB, "256MB",
		"Memory of the copies of requests and answers under way."),

	UP("origin-window", TYPE_COUNT, origin_window, 1, 4096, "256",
		"Messages in flight to one origin at most. The window opens from one message and follows loss."),
	{GROUP_UPSTREAM, "origin-ports", TYPE_COUNT, AT(settings, origin_ports), RANGE(1, 1024), .fallback = "256",
		.check = check_power_of_two,
		.doc = "Source ports towards one origin at most, a power of two. Each port carries 265 confirmable messages a second, "
		"since no Message ID is used again within 247 seconds."},
	{GROUP_UPSTREAM, "ack-timeout", TYPE_DURATION, AT(settings, ack_timeout), RANGE(2 * SECOND, MINUTE), .fallback = "2s",
		.why = "RFC 7252 4.8.1",
		.doc = "First wait for an acknowledgement from an origin whose round-trip time is not known yet. A longer value "
		"lengthens the times that are derived from it, and these must be known to the origins as well (RFC 7252 4.8.1)."},
	{GROUP_UPSTREAM, "ack-random-factor", TYPE_FACTOR, AT(settings, ack_random_factor_percent), RANGE(100, 300),
		.fallback = "1.50", .why = "RFC 7252 4.8.1",
		.doc = "The first wait is drawn between the timeout and this many times the timeout."},
	UP("max-retransmit", TYPE_COUNT, max_retransmit, 0, 10, "4", "Repeats of a confirmable message to an origin."),
	UP("dns-timeout", TYPE_DURATION, dns_timeout, 100 * MS, 10 * SECOND, "10s", "How long the name of an origin may take."),
	UP("dns-cache", TYPE_COUNT, dns_cache, 1, 1048576, "1024", "Names remembered, each for its time to live."),
	UP("resolv-conf", TYPE_STRING, resolv_conf, 1, PATH_MAX_BYTES, "/etc/resolv.conf", "The file that names the name servers."),
	UP_PATH("psk-file", psk_file,
		"The file of the keys that we share with secured CoAP origins (coaps, coaps+tcp, coaps+ws), an absolute path: lines of an identity, a "
		"colon and the key in hexadecimal. A route names its identity by origin-identity. It holds secrets and may be readable to its owner and "
		"group alone."),
	UP_PATH("certificate", certificate,
		"The file of our certificate towards secured CoAP origins and, behind it, of those that lead to the root, in PEM, an absolute path."),
	UP_PATH("key", key, "The file of its private key, in PEM, an absolute path."),
	UP_PATH("ca", ca,
		"The file of the certificates that those of secured CoAP origins are verified by, in PEM, an absolute path; without one it is http.ca."),
	UP("return-ports", TYPE_COUNT, return_ports, 0, 65535, "10000",
		"Clients with a return path at once (return-path of a route), each of which has a port of his own. More are refused with 5.03."),
	UP("return-lifetime", TYPE_DURATION, return_lifetime, MINUTE, 30 * DAY, "24h", "How long a return path is kept without traffic."),

	DOWN("separate-after", TYPE_DURATION, separate_after, MS, 10 * SECOND, "1s",
		"A confirmable request without an answer by then is acknowledged, and its answer follows on its own."),
	{GROUP_DOWNSTREAM, "trusted", TYPE_NETWORKS, LIST(settings, trusted, trusted_count),
		.fallback = "127.0.0.0/8 ::1/128 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 169.254.0.0/16 fe80::/10",
		.doc = "Networks whose clients get large answers at once. Any other client must first show that it is reachable at "
		"its address (RFC 9175 2.4), so that a forged source cannot turn the gateway against others."},
	DOWN("verified-for", TYPE_DURATION, verified_for, SECOND, 24 * HOUR, "10min",
		"How long a client that has shown that it is reachable need not do so again."),
	DOWN("unverified-rate", TYPE_SIZE, unverified_rate, 0, GB, "10kB",
		"Bytes a second of answers to clients that have not, for each IPv4 /24 and IPv6 /48."),
	DOWN("overload-retry", TYPE_DURATION, overload_retry, SECOND, HOUR, "5s",
		"Max-Age of a 5.03 answer: when a refused client may try again."),
	DOWN("receive-buffer", TYPE_SIZE, receive_buffer, 64 * KB, GB, "4MB", "Receive buffer of each socket."),
	{GROUP_DOWNSTREAM, "identity", TYPE_STRING, AT(settings, identity), RANGE(1, 63), .fallback = "oscore-proxy",
		.check = check_word,
		.doc = "Our name in the diagnostics of a 5.08 answer (RFC 8768 4), by which a loop is found. No space."},
	DOWN("problem-details", TYPE_BOOL, problem_details, 0, 0, "true",
		"Refusals carry problem details (RFC 9290) where the client accepts them."),

	HTTP("request-line", TYPE_SIZE, line, 256, 64 * KB, "8kB", "Longest request line; a longer one is answered with 414."),
	HTTP("fields", TYPE_SIZE, fields, KB, 256 * KB, "16kB", "All header fields of a message, or its trailer; more are answered with 431."),
	HTTP("field-count", TYPE_COUNT, field_count, 8, HTTP_FIELDS_MAX, "100", "Header fields of a message; more are answered with 431."),
	HTTP("head-timeout", TYPE_DURATION, head_timeout, 100 * MS, HOUR, "10s",
		"How long a client may take for a request's line and fields, and for a TLS handshake."),
	HTTP("body-timeout", TYPE_DURATION, body_timeout, 100 * MS, HOUR, "30s", "How long a client may pause within a body, before it gets 408."),
	HTTP("idle-timeout", TYPE_DURATION, idle_timeout, 0, 24 * HOUR, "75s", "How long a client's connection may stay without a request."),
	HTTP("connections", TYPE_COUNT, connections, 1, MANY, "20000", "Connections of clients at once, in all. More are closed."),
	HTTP("client-connections", TYPE_COUNT, client_connections, 1, MANY, "1000",
		"Connections at once from one client address. More are closed."),
	HTTP("body-limit", TYPE_SIZE, body_limit, KB, 64 * GB, "16MB",
		"Longest body of a request or an answer, on routes that say nothing else; a longer request is answered with 413. Also of bodies that "
		"go on in other blocks from one hop of CoAP to another, with 4.13."),
	HTTP("stall", TYPE_DURATION, stall, SECOND, HOUR, "60s",
		"How long a reader of a body, client or origin, may take nothing, until the transfer is ended."),
	HTTP("block-threshold", TYPE_SIZE, block_threshold, 0, 1024, "1024B",
		"A request's body of more bytes goes to the device in blocks (RFC 8075 8.3)."),
	{GROUP_HTTP, "block-size", TYPE_SIZE, AT(settings, http_block_size), RANGE(16, 1024), .fallback = "1024B", .why = "RFC 7959 2.2",
		.check = check_power_of_two, .doc = "The largest block that is sent to a device or asked of it, a power of two."},
	HTTP("accepts", TYPE_COUNT, accepts, 1, 16, "3",
		"How many of the media types that a request accepts are tried one after another, while the device answers 4.06."),
	HTTP("event-interval", TYPE_DURATION, event_interval, SECOND, HOUR, "15s",
		"An event stream on which nothing happens gets a comment so often, which shows both ends that it lives."),
	HTTP("origin-connections", TYPE_COUNT, origin_connections, 1, 4096, "64",
		"Connections to one HTTP origin at once, of each worker. What finds none free waits."),
	HTTP("origin-idle", TYPE_DURATION, origin_idle, 0, HOUR, "30s", "How long a connection to an HTTP origin is kept without a request."),
	HTTP("connect-timeout", TYPE_DURATION, connect_timeout, 100 * MS, 5 * MINUTE, "5s",
		"How long a connection to an HTTP origin, and its TLS handshake, may take."),
	HTTP_PATH("credentials", credentials, 0, "",
		"The file of those who may ask over HTTP by a secret of theirs, an absolute path: lines \"bearer NAME HASH\" and \"basic NAME HASH\", "
		"HASH being the SHA-256 of the token or password in hexadecimal. Secrets must be random, of 128 bits at least."),
	HTTP_PATH("ca", ca, 1, "/etc/ssl/certs/ca-certificates.crt",
		"The file of the certificates that those of https origins are verified by, in PEM, an absolute path."),

	{GROUP_TRANSPORTS, "message-size", TYPE_SIZE, AT(settings, transports_message_size), RANGE(1152, 16384 + 1152), .fallback = "17536B",
		.fixed = true, .why = "RFC 8323 5.3.1",
		.doc = "The largest message that is taken over a connection, which its peer is told (Max-Message-Size); larger bodies come in blocks. Whoever "
		"sends a larger one is disconnected."},
	TRANSPORTS("connections", TYPE_COUNT, connections, 1, MANY, "20000", "Connections of CoAP clients at once, in all. More are closed."),
	TRANSPORTS("client-connections", TYPE_COUNT, client_connections, 1, MANY, "1000",
		"Connections of CoAP at once from one client address. More are closed."),
	TRANSPORTS("idle-timeout", TYPE_DURATION, idle_timeout, SECOND, 30 * DAY, "1h",
		"How long a client's connection may stay without a message of CoAP."),
	TRANSPORTS("csm-timeout", TYPE_DURATION, csm_timeout, 100 * MS, HOUR, "10s",
		"How long a connection may take for a TLS handshake and the first message of CoAP, which is about its capabilities."),
	TRANSPORTS("connect-timeout", TYPE_DURATION, connect_timeout, 100 * MS, 5 * MINUTE, "5s",
		"How long a connection to a CoAP origin may take, with all its handshakes."),
	TRANSPORTS("sessions", TYPE_COUNT, sessions, 1, MANY, "20000",
		"DTLS sessions of clients at once, in all. One costs about 40 kB; with all in use the one that was idle longest makes room."),
	TRANSPORTS("handshake-timeout", TYPE_DURATION, handshake_timeout, SECOND, 10 * MINUTE, "30s", "How long a DTLS handshake may take."),
	TRANSPORTS("session-lifetime", TYPE_DURATION, session_lifetime, SECOND, 30 * DAY, "24h",
		"How long a client's DTLS session is kept without a message."),
	{GROUP_TRANSPORTS, "mtu", TYPE_SIZE, AT(settings, transports_mtu), RANGE(256, 1500), .fallback = "1280B", .why = "RFC 6347 4.1.1",
		.doc = "The largest datagram of a DTLS handshake; what is longer goes in fragments."},
	TRANSPORTS("origin-idle", TYPE_DURATION, origin_idle, SECOND, DAY, "5min",
		"How long a connection or DTLS session to a CoAP origin is kept without a message."),
	{GROUP_TRANSPORTS, "ciphers", TYPE_STRING, AT(settings, transports_ciphers), RANGE(1, 1000), .check = check_word,
		.fallback = "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CCM8:"
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8",
		.doc = "The cipher suites of TLS 1.2 and DTLS 1.2 for CoAP, in OpenSSL's form, the preferred ones first. Those of keys stand in front, since "
		"who offers them has one. https has its own."},
	{GROUP_TRANSPORTS, "security-level", TYPE_COUNT, AT(settings, transports_security_level), RANGE(0, 5), .fallback = "0",
		.doc = "OpenSSL's security level for CoAP over TLS and DTLS. Above 0 OpenSSL refuses the suites of CCM_8, which are all that many devices have."},

	{GROUP_READER, "user", TYPE_STRING, AT(settings, reader_user), RANGE(0, 32), .fallback = "oscore-reader", .fixed = true,
		.check = check_word,
		.doc = "The user that the reader runs as, if the gateway is started with the right to change it: another than the workers', since who "
		"has taken over a worker must not reach its keys. \"\": the user who starts it."},
	{GROUP_READER, "queue", TYPE_COUNT, AT(settings, reader_queue), RANGE(1, 65536), .fallback = "1024",
		.doc = "Messages that wait for the reader at once, in each worker. Beyond it a gate refuses with 5.03, and a tap reads less, which is counted."},

	{GROUP_LOG, "level", TYPE_CHOICE, AT(settings, log_level), .fallback = "info", .choices = "error warning info debug",
		.doc = "The least important line that is written."},
	{GROUP_LOG, "file", TYPE_STRING, AT(settings, log_file), RANGE(0, PATH_MAX_BYTES), .fallback = "", .check = check_path,
		.doc = "The file of the service log, an absolute path; without one it goes to standard error."},
	{GROUP_LOG, "access-file", TYPE_STRING, AT(settings, access_file), RANGE(0, PATH_MAX_BYTES), .fallback = "", .check = check_path,
		.doc = "The file of the access log, an absolute path; without one it goes to standard output."},
	{GROUP_LOG, "kid", TYPE_CHOICE, AT(settings, log_kid), .fallback = "hashed", .choices = "hashed plain none",
		.doc = "How the access log names the kid of an OSCORE request, which tells an observer who speaks: by a hash that is the same "
		"until the gateway is restarted, in hexadecimal as it is, or not at all."},

	PROCESS("workers", TYPE_AUTO, workers, 1, 64, "auto", true,
		"Worker processes. auto: as many as there are processors that the gateway may use."),
	{GROUP_PROCESS, "user", TYPE_STRING, AT(settings, user), RANGE(0, 32), .fallback = "oscore-proxy", .fixed = true,
		.check = check_word,
		.doc = "The user that the workers run as, if the gateway is started with the right to change it. \"\": the user who starts it."},
	PROCESS("drain-timeout", TYPE_DURATION, drain_timeout, 0, HOUR, "10s", false,
		"How long requests under way may still be answered after SIGTERM."),
	PROCESS("watchdog", TYPE_DURATION, watchdog, SECOND, HOUR, "10s", false,
		"A worker whose loop does not turn for so long is killed and replaced."),
	PROCESS("crossing-memory", TYPE_SIZE, crossing_memory, 72 * KB, 64 * MB, "1MB", true,
		"Size of each of the rings by which requests cross from the worker that received them to that of their origin, one for each "
		"ordered pair of workers. A full ring is answered with 5.03."),

	{GROUP_CONTEXTS, "keys", TYPE_STRING, AT(context_set, keys), RANGE(1, PATH_MAX_BYTES), .check = check_path,
		.doc = "The provisioning file of the contexts, an absolute path: what oscore-keys(1) derives from Master Secrets on another machine. It holds "
		"secrets, and may be readable to its owner and group alone. The reader alone reads it, at start and on reload."},
	{GROUP_CONTEXTS, "max-failures", TYPE_COUNT, AT(context_set, max_failures), RANGE(0, MANY), .fallback = "64",
		.doc = "After so many messages with a wrong tag or signature nothing more is opened with a context until the next reload, since they may be "
		"attempts at its key; 0: no number is too many. Then whoever can send such messages cannot end the reading."},

	FEED_PATH("file", file, "The file that lines are appended to, an absolute path. It is opened anew on SIGUSR1. A feed has this or socket."),
	FEED_PATH("socket", socket,
		"The Unix stream socket, an absolute path, that a monitor or a billing system listens on. Each worker connects to it, and again when it was "
		"gone."),
	{GROUP_FEEDS, "memory", TYPE_SIZE, AT(feed, memory), RANGE(64 * KB, 64 * MB), .fallback = "256kB",
		.doc = "Lines that wait for who reads the feed, in each worker. Beyond it lines are lost, which is counted; the traffic never waits for a feed."},

	{GROUP_READS, "context", TYPE_MEMBER, AT(read_conf, contexts), .of = GROUP_CONTEXTS,
		.doc = "The contexts by which messages are opened."},
	READ("fields", TYPE_FIELDS, fields, "",
		"What may be read of a message: code, uri-path, uri-query, content-format, observe, etag, max-age, block (Block1 and Block2), size (Size1 and "
		"Size2), payload. Access log and feed tell these alone, and the payload is read only where it is named."),
	READ_LIST("allow", TYPE_RULES, allow, allow_count,
		"Makes a gate: a request passes only if one of these is true of it. A rule is methods and a path, such as \"GET,PUT /lights/*\" or "
		"\"* /public/**\", with paths as in routes: segments are compared decoded, each with its own."),
	READ_LIST("deny", TYPE_RULES, deny, deny_count,
		"Makes a gate: a request of which one of these is true is refused, also if it is allowed."),
	READ("verify", TYPE_BOOL, verify, "false",
		"Makes a gate: a request passes only if it is genuine. In the group mode of Group OSCORE this takes no key that decrypts."),
	READ_NUMBER("rate", TYPE_COUNT, rate, 0, 1000000, "0",
		"Makes a gate: so many requests a second of one sender (kid) pass; 0: any number."),
	READ_NUMBER("burst", TYPE_COUNT, burst, 1, 1000000, "10", "Requests of one sender that may come at once where there is a rate."),
	{GROUP_READS, "unknown-kid", TYPE_CHOICE, AT(read_conf, pass_unknown), .fallback = "refuse", .choices = "refuse pass",
		.doc = "What a gate does with requests of no context that is known here. pass: they go on unread, whatever is in them."},
	READ_NUMBER("deadline", TYPE_DURATION, deadline, MS, 10 * SECOND, "50ms", "How long a request waits at a gate before it is refused with 5.03."),
	READ_NUMBER("body-limit", TYPE_SIZE, body_limit, 0, 65536, "64kB",
		"Longest request in blocks outside of OSCORE, which a gate gathers before it is read. Longer ones are refused with 4.13."),
	{GROUP_READS, "feed", TYPE_MEMBER, AT(read_conf, feed), .of = GROUP_FEEDS, .fallback = "", .doc = "The feed that is told of each message."},
	READ_LIST("count-paths", TYPE_PATHS, count_paths, count_path_count,
		"Requests to each of these paths are counted by method and code. The first that fits counts."),

	/* conditions */
	ROUTE("from", TYPE_LISTENERS, listeners, "", "Condition: the request came to one of these listeners."),
	ROUTE_LIST("clients", TYPE_NETWORKS, clients, client_count, "Condition: the client is in one of these networks."),
	ROUTE_LIST("hosts", TYPE_HOSTS, hosts, host_count,
		"Condition of a reverse route: the host asked for (Uri-Host, or the address the request was sent to; over HTTP the Host field) is "
		"one of these: "
		"\"name\", \"*.below.this\", an address, a network, or \"*\"."),
	ROUTE("ports", TYPE_PORTS, ports_lo, "any",
		"Condition of a reverse route: the port asked for is this one, in this range (\"5683-5690\"), or \"any\"."),
	ROUTE_LIST("paths", TYPE_PATHS, paths, path_count,
		"Condition: the path of the request is one of these. \"*\" is one segment, \"**\" at the end the rest, which may be "
		"nothing. An OSCORE request hides its path, so a route with paths never takes one."),
	{GROUP_ROUTES, "http-path", TYPE_TEMPLATE, AT(route, http_path), .fallback = "",
		.doc = "Condition of requests over HTTP: path and query of the request are those of this template (RFC 8075 5.4), from which the "
		"target is taken: \"/hc/{+tu}\" or \"/hc?uri={+tu}\" with the whole target, \"/{+s}/{+hp}{+p}{+qq}\" with its parts. One without "
		"variables belongs to a route with to; before a route to sessions also one with them, whose host is that of hosts and of \"session:*\". A route without http-path takes requests over HTTP only if they name the target "
		"themselves, as to a forward proxy (\"GET coap://...\"); but one that denies is about its targets however they are named."},
	{GROUP_ROUTES, "default-scheme", TYPE_SCHEME, AT(route, default_scheme), .fallback = "",
		.doc = "The scheme of targets in an http-path that are written without one, one of CoAP (\"coap\"). Without it they are refused."},
	ROUTE_LIST("forward-to", TYPE_TARGETS, forward_to, forward_count,
		"Makes a forward route, for requests with Proxy-Uri or Proxy-Scheme: the targets that clients may name, such as "
		"\"coap://*.plant.example\", \"coap://10.0.0.0/8:*\", \"coap://[fd00::/8]\". Without a port only the default port of the "
		"scheme is meant, with \":*\" any. Each scheme is opened by itself: coap, coaps, coap+tcp, coaps+tcp, coap+ws, coaps+ws, http, https."),
	/* what it does */
	ROUTE_LIST("to", TYPE_ORIGINS, to, to_count,
		"Makes a reverse route, for requests without a proxy option: the origins, such as \"coap://[fd00::7]:5683/prefix\". A "
		"path is put before that of a plain request; an HTTP origin gets OSCORE messages there too. The schemes are coap, coaps, coap+tcp, "
		"coaps+tcp, coap+ws, coaps+ws, http and https. \"session:NAME\" is whoever is connected by that name, which his key, his certificate or his "
		"token gives him; of several connections of one name it is the newest. \"session:*\" is whoever is connected by the name that the Uri-Host of the request is, "
		"in lower case: one route for many devices. "
		"Several origins have to be copies of each other: an ETag passes as it is, so the same ETag must mean the same content at all of "
		"them (RFC 7252 5.7.3)."),
	ROUTE("via", TYPE_ORIGIN, via, "", "The parent proxy that a forward route hands its requests to."),
	ROUTE("deny", TYPE_BOOL, deny, "false",
		"What this route takes is refused with 4.03 (OSCORE: 4.01). Without forward-to it takes requests of both forms."),
	{GROUP_ROUTES, "authenticate", TYPE_CHOICE, AT(route, anonymous), .fallback = "required", .choices = "required none",
		.doc = "none: anybody may ask over HTTP, and by CoAP over WebSockets. Otherwise such a request without an identity is refused with 401, or "
		"4.01 (RFC 8075 10): one has it by a client certificate or key of TLS, or by a password or token of the credentials."},
	ROUTE_TEXTS("identities", identities, identity_count, check_identity,
		"Who may ask: names, where a \"*\" at the end stands for any rest. Over HTTP others are refused with 403; of the requests of CoAP the route "
		"takes theirs alone, whose session proves the name by a key, a certificate or a token. Empty: over HTTP whoever has a name, by CoAP anybody."),
	ROUTE_TEXTS("cors", cors, cors_count, check_page_origin,
		"The origins of pages, such as \"https://app.example\", whose scripts may ask here (CORS), or \"*\" for all, which then ask without "
		"credentials."),
	ROUTE("require", TYPE_REQUIRE, require_oscore, "", "[\"oscore\"]: requests without OSCORE are refused with 4.01."),
	ROUTE("methods", TYPE_METHODS, methods, conf_methods, "The methods of plain requests that are allowed."),
	{GROUP_ROUTES, "choice", TYPE_CHOICE, AT(route, choice), .fallback = "prefer", .choices = "prefer hash",
		.doc = "Which of several origins gets a request: the first that does not rest, or one by hash of the client."},
	ROUTE_NUMBER("strip-path", TYPE_COUNT, strip_path, 0, 64, "0", "Leading path segments taken off a plain request."),
	ROUTE("keep-host", TYPE_BOOL, keep_host, "false",
		"The Uri-Host of the request goes on to the origin instead of the origin's own name."),
	ROUTE_LIST("allow-networks", TYPE_NETWORKS, allow_networks, allow_count,
		"Target addresses that are otherwise refused: loopback, link-local, unspecified. A listener of the gateway itself is "
		"allowed only by its exact address; for groups see multicast."),
	/* how */
	ROUTE_NUMBER("timeout", TYPE_DURATION, timeout, 100 * MS, 24 * HOUR, "93s",
		"How long an origin may be silent before the client gets 5.04."),
	ROUTE_NUMBER("timeout-acknowledged", TYPE_DURATION, timeout_acknowledged, 100 * MS, 24 * HOUR, "247s",
		"The same once the origin has acknowledged the request, if it came over CoAP."),
	ROUTE_NUMBER("timeout-http", TYPE_DURATION, timeout_http, 100 * MS, 24 * HOUR, "452s",
		"How long a request over HTTP waits for an answer of its device in all (RFC 8075 8.5: the longest round trip, and the longest time that a "
		"device takes); one that does not even acknowledge is given up after timeout. Of a body in blocks each block has this time."),
	ROUTE("confirmable", TYPE_BOOL, confirmable, "false", "Non-confirmable requests leave as confirmable ones."),
	ROUTE_NUMBER("hop-limit", TYPE_COUNT, hop_limit, 0, 255, "16",
		"Hop-Limit put into requests that have none (RFC 8768); 0: none is put in."),
	ROUTE("echo", TYPE_BOOL, echo, "true", "Clients outside the trusted networks must show that they are reachable."),
	/* sessions */
	ROUTE_NUMBER("wait-for-session", TYPE_DURATION, wait_for_session, 0, HOUR, "0s",
		"How long a request for a session (to = [\"session:NAME\"]) waits while nobody of that name is connected, before it is refused with 5.03."),
	ROUTE("return-path", TYPE_BOOL, return_path, "false",
		"Each client has a port of his own towards the origins, and what an origin asks there is asked of him: for devices that register with a "
		"server which then asks them (LwM2M)."),
	{GROUP_ROUTES, "origin-identity", TYPE_STRING, AT(route, origin_identity), RANGE(0, IDENTITY_BYTES), .fallback = "",
		.doc = "Our identity towards secured CoAP origins: one of upstream.psk-file. Without it upstream.certificate is shown, if there is one."},
	ROUTE("coaps-from-http", TYPE_BOOL, coaps_from_http, "false",
		"Requests over HTTP may go to secured CoAP origins; otherwise that is refused (RFC 8075 10.3), since a client of HTTP cannot tell what "
		"protects the rest of the way."),
	{GROUP_ROUTES, "oscore-errors", TYPE_CHOICE, AT(route, strict_oscore_errors), .fallback = "plain",
		.choices = "plain strict",
		.doc = "strict: 4.04, 5.02, 5.04 and 5.05 become 5.03 for OSCORE requests, for clients that drop the others."},
	{GROUP_ROUTES, "access-log", TYPE_CHOICE, AT(route, access_log), .fallback = "none", .choices = "none text json",
		.doc = "One line of the access log for each request: pairs of key and value, or a JSON object."},
	ROUTE_NUMBER("client-exchanges", TYPE_COUNT, client_exchanges, 0, MANY, "0",
		"Requests under way at once for one client on this route; 0: the general limit alone."),
	ROUTE_NUMBER("exchanges", TYPE_COUNT, exchanges, 0, MANY, "0",
		"Requests under way at once on this route; 0: the general limit alone."),
	ROUTE_NUMBER("rest", TYPE_DURATION, rest, 0, HOUR, "10s",
		"How long an origin that failed is passed over while the route has others."),
	{GROUP_ROUTES, "read", TYPE_MEMBER, AT(route, read), .of = GROUP_READS, .fallback = "",
		.doc = "How OSCORE messages are read here: one of reads. Without it they pass unread."},
	/* with HTTP on either side */
	{GROUP_ROUTES, "media", TYPE_CHOICE, AT(route, loose_media), .fallback = "strict", .choices = "strict loose",
		.doc = "How media types become Content-Formats: by the registry alone, or also by a more general type (RFC 8075 6.3)."},
	ROUTE("coap-payload", TYPE_BOOL, coap_payload, "false",
		"Requests may name a Content-Format by its number: application/coap-payload;cf=N (RFC 8075 6.2). Answers may in any case."),
	ROUTE("legacy-header", TYPE_BOOL, legacy_header, "false",
		"The header field Object-Security, of drafts of RFC 8613, is taken for OSCORE and answered by itself."),
	ROUTE("query-is-fetch", TYPE_BOOL, query_is_fetch, "false", "The HTTP method QUERY is FETCH."),
	ROUTE("multicast", TYPE_BOOL, multicast, "false",
		"The target may be a group of devices, also one that a name stands for; otherwise that is refused with 4.03 (403 over HTTP, RFC 8075 8.4). "
		"The request leaves once, non-confirmable, at most one a second for each group, and the first answer is the client's. Never for OSCORE."),
	ROUTE_NUMBER("body-limit", TYPE_SIZE, body_limit, 0, 64 * GB, "0B",
		"Longest body of a request or an answer where HTTP is on a side; 0B: the general one of the group http."),
	ROUTE_NUMBER("wait-limit", TYPE_DURATION, wait_limit, 0, HOUR, "60s",
		"The longest that a long poll (Prefer: wait) waits for a change; 0s: it is answered at once."),
};
const size_t conf_row_count = sizeof(conf_rows) / sizeof(conf_rows[0]);

const struct conf_row *conf_row_find(enum conf_group group, const char *name)
{
	size_t i;

	for (i = 0; i < conf_row_count; i++)
		if (conf_rows[i].group == group && strcmp(conf_rows[i].name, name) == 0)
			return &conf_rows[i];
	return NULL;
}

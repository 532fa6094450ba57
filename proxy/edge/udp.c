#include "proxy/edge/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/edge/datagrams.h"
#include "proxy/edge/dtls.h"
#include "proxy/edge/sockets.h"
#include "proxy/exchange/proxy.h"

enum {
	BATCH = 64,
	BATCHES_A_TURN = 4,       /* of one socket, so that one flooded socket does not starve the others */
	SLOTS_MAX = EDGE_LISTENER_SLOT,
	POLLED_MAX = 4096,        /* sockets that udp_is_readable() looks at */
	SEND_SLOTS = 1024,        /* datagrams queued in a turn before they are sent early */
	RECEIVE_ROOM = DTLS_DATAGRAM_MAX + 1,
	SEND_ROOM = MSG_DATAGRAM_MAX + 1024,
	CONTROL_ROOM = 128,
};

/* A socket: a listener's, or one of a source-port slot. */
struct udp_socket {
	int fd;
	int family;
	bool upstream;
	unsigned number;           /* listener or slot */
	struct event *event;
	struct send_slot *first, *last;
	struct udp_socket *next_dirty;
	bool dirty;
	bool has_errors;           /* the error queue is to be read */
	uint32_t drops;            /* SO_RXQ_OVFL as last seen */
};

struct send_slot {
	struct send_slot *next;
	const struct udp_socket *refused_by; /* the kernel has no way for it; NULL: sent, lost, or not sent yet */
	struct sockaddr_storage to;
	socklen_t to_len;
	struct local_address from;
	size_t len;
	uint8_t bytes[SEND_ROOM];
};

static struct {
	struct proxy *proxy;
	struct event_base *base;
	uint32_t receive_buffer;
	struct udp_socket *listeners[CONF_SLOTS_MAX];
	uint64_t activity;
	struct udp_socket *slots[SLOTS_MAX][2]; /* [slot][is IPv4] */
	unsigned slots_end;            /* no slot so high has a socket */
	struct udp_socket *dirty;
	struct send_slot *free_slots;
	struct send_slot *refused; /* of origins: to be told to the exchange layer when nothing is being sent */
	unsigned slots_made;
	uint8_t in[BATCH][RECEIVE_ROOM];
	struct sockaddr_storage from[BATCH];
	struct endpoint peers[BATCH];
	uint64_t soon[BATCH];
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_ROOM];
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
} edge;

/* ---- sending ---- */

static void flush_all(void);

static struct send_slot *take_slot(void)
{
	struct send_slot *slot = edge.free_slots;

	if (slot != NULL) {
		edge.free_slots = slot->next;
		return slot;
	}
	slot = edge.slots_made < SEND_SLOTS ? malloc(sizeof *slot) : NULL;
	if (slot != NULL) {
		edge.slots_made++;
		return slot;
	}
	/* As many as there may be, or as there is memory for: what is queued goes now. */
	flush_all();
	slot = edge.free_slots;
	if (slot != NULL)
		edge.free_slots = slot->next;
	return slot;
}

static void queue(struct udp_socket *s, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	struct send_slot *slot = len <= SEND_ROOM ? take_slot() : NULL;

	if (slot == NULL) {
		proxy_count(edge.proxy, COUNT_SEND_FAILED);
		return;
	}
	slot->next = NULL;
	slot->refused_by = NULL;
	slot->to_len = endpoint_to_sockaddr(peer, s->family, &slot->to);
	slot->len = len;
	if (from != NULL)
		slot->from = *from;
	memcpy(slot->bytes, bytes, len);
	if (s->last != NULL)
		s->last->next = slot;
	else
		s->first = slot;
	s->last = slot;
	if (!s->dirty) {
		s->dirty = true;
		s->next_dirty = edge.dirty;
		edge.dirty = s;
	}
}

void udp_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	if (udp_has_listener(listener)) /* else its configuration is long gone */
		queue(edge.listeners[listener], peer, from, bytes, len);
}

void udp_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct udp_socket *s = edge.slots[slot][endpoint_is_ipv4(peer)];

	if (s != NULL) /* else a return path was closed meanwhile */
		queue(s, peer, NULL, bytes, len);
}

/* Names the source address of an answer: the one that was asked. */
static void set_source(struct msghdr *h, int family, const struct local_address *from, char *room)
{
	struct cmsghdr *c;

	memset(room, 0, CONTROL_ROOM);
	h->msg_control = room;
	h->msg_controllen = CONTROL_ROOM;
	c = CMSG_FIRSTHDR(h);
	if (family == AF_INET) {
		struct in_pktinfo info = { .ipi_ifindex = 0 };

		memcpy(&info.ipi_spec_dst, from->addr + 12, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		h->msg_controllen = CMSG_SPACE(sizeof info);
	} else {
		struct in6_pktinfo info = { .ipi6_ifindex = from->ifindex };

		memcpy(&info.ipi6_addr, from->addr, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		h->msg_controllen = CMSG_SPACE(sizeof info);
	}
}

static bool has_no_way(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EPERM || error == EINVAL ||
		error == EADDRNOTAVAIL;
}

/* Sends a batch; an error belongs to one datagram (or to an earlier one, by ICMP): it is stepped over, the rest goes on.
 * Nothing is told to the exchange layer here, which may be in the middle of sending. */
static void send_batch(struct udp_socket *s, struct send_slot **slots, struct mmsghdr *messages, unsigned count)
{
	unsigned done = 0;
	bool repeated = false, fragments = false;

	while (done < count) {
		int n = datagrams_send(s->fd, messages + done, count - done, s->upstream);

		if (n > 0) {
			done += (unsigned)n;
			repeated = false;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EMSGSIZE && !fragments) {
			fragments = true;
			socket_allow_fragments(s->fd, s->family == AF_INET, true);
			continue;
		}
		if (s->upstream && !repeated && errno != EAGAIN && errno != ENOBUFS) {
			/* Most likely the error of an earlier datagram that the kernel reports now: once more. */
			s->has_errors = repeated = true;
			continue;
		}
		proxy_count(edge.proxy, COUNT_SEND_FAILED);
		if (s->upstream && has_no_way(errno))
			slots[done]->refused_by = s;
		repeated = false;
		done++;
	}
	if (fragments)
		socket_allow_fragments(s->fd, s->family == AF_INET, false);
}

static void give_back(struct send_slot *slot)
{
	struct send_slot **list = slot->refused_by != NULL ? &edge.refused : &edge.free_slots;

	slot->next = *list;
	*list = slot;
}

static void flush_socket(struct udp_socket *s)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec vectors[BATCH];
	static _Alignas(struct cmsghdr) char control[BATCH][CONTROL_ROOM];

	while (s->first != NULL) {
		struct send_slot *slots[BATCH];
		unsigned count = 0;

		for (; s->first != NULL && count < BATCH; count++) {
			struct send_slot *slot = s->first;

			slots[count] = slot;
			s->first = slot->next;
			vectors[count] = (struct iovec){ slot->bytes, slot->len };
			messages[count].msg_hdr = (struct msghdr){ .msg_name = &slot->to, .msg_namelen = slot->to_len,
				.msg_iov = &vectors[count], .msg_iovlen = 1 };
			if (!s->upstream)
				set_source(&messages[count].msg_hdr, s->family, &slot->from, control[count]);
		}
		if (s->first == NULL)
			s->last = NULL;
		send_batch(s, slots, messages, count);
		while (count-- > 0)
			give_back(slots[count]);
	}
}

static void flush_all(void)
{
	while (edge.dirty != NULL) {
		struct udp_socket *s = edge.dirty;

		edge.dirty = s->next_dirty;
		s->dirty = false;
		flush_socket(s);
	}
}

static void tell_unreachable(const struct udp_socket *s, const struct endpoint *peer, const uint8_t *quoted, size_t len)
{
	if (dtls_is_datagram(quoted, len))
		dtls_origin_unreachable(s->number, peer);
	else
		upstream_unreachable(edge.proxy, s->number, peer, quoted, len);
}

static void report_refused(void)
{
	while (edge.refused != NULL) {
		struct send_slot *slot = edge.refused;
		const struct udp_socket *s = slot->refused_by;
		struct endpoint peer;

		edge.refused = slot->next;
		endpoint_from_sockaddr(&peer, (const struct sockaddr *)&slot->to);
		tell_unreachable(s, &peer, slot->bytes, slot->len);
		slot->refused_by = NULL;
		give_back(slot);
	}
}

/* What is told of a refused datagram may send others. */
void udp_flush(void)
{
	do {
		flush_all();
		report_refused();
	} while (edge.dirty != NULL);
}

/* ---- ICMP errors ---- */

static bool is_unreachable(const struct sock_extended_err *e)
{
	/* Time Exceeded, Source Quench and Packet Too Big say nothing final (RFC 7252 4.2). */
	return e->ee_errno == ECONNREFUSED || e->ee_errno == EHOSTUNREACH || e->ee_errno == ENETUNREACH ||
		e->ee_errno == EACCES || e->ee_errno == ENOPROTOOPT || e->ee_errno == EPROTO;
}

static bool is_final(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return e->ee_type == 3 && is_unreachable(e);
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6)
		return e->ee_type == 1 && is_unreachable(e);
	return e->ee_origin == SO_EE_ORIGIN_LOCAL && is_unreachable(e);
}

static void read_errors(struct udp_socket *s)
{
	for (int i = 0; i < BATCH; i++) {
		uint8_t quoted[256];
		char room[512];
		struct sockaddr_storage to;
		struct iovec v = { quoted, sizeof quoted };
		struct msghdr h = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1,
			.msg_control = room, .msg_controllen = sizeof room };
		ssize_t len = recvmsg(s->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
		struct endpoint peer;

		if (len < 0)
			return;
		endpoint_from_sockaddr(&peer, (const struct sockaddr *)&to);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c != NULL; c = CMSG_NXTHDR(&h, c)) {
			struct sock_extended_err e;

			if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
				!(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
				continue;
			memcpy(&e, CMSG_DATA(c), sizeof e);
			if (is_final(&e))
				tell_unreachable(s, &peer, quoted, (size_t)len);
		}
	}
}

/* ---- receiving ---- */

static void note_drops(struct udp_socket *s, uint32_t drops)
{
	if (drops != s->drops)
		edge.proxy->metrics->count[COUNT_KERNEL_DROPS] += drops - s->drops;
	s->drops = drops;
}

/* Reads where a datagram was sent to, and how many the kernel has dropped. */
static void read_control(struct udp_socket *s, struct msghdr *h, struct local_address *to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			to->addr[10] = to->addr[11] = 0xff;
			memcpy(to->addr + 12, &info.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(to->addr, &info.ipi6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				to->ifindex = info.ipi6_ifindex;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t drops;

			memcpy(&drops, CMSG_DATA(c), sizeof drops);
			note_drops(s, drops);
		}
	}
}

static size_t length_of(unsigned i)
{
	size_t len = edge.messages[i].msg_len;

	return len > MSG_DATAGRAM_MAX ? MSG_DATAGRAM_MAX : len;
}

static void announce(const struct udp_socket *s, unsigned i, bool secured)
{
	endpoint_from_sockaddr(&edge.peers[i], (const struct sockaddr *)&edge.from[i]);
	if (secured)
		dtls_soon(&edge.peers[i]);
	else if (!s->upstream)
		edge.soon[i] = receive_soon(edge.proxy, s->number, &edge.peers[i], edge.in[i], length_of(i));
}

/* Returns whether it is of DTLS, which has it then. What protects a message comes on top of its length. */
static bool take_secured(const struct udp_socket *s, unsigned i, bool secured, const struct local_address *to)
{
	const struct mmsghdr *m = &edge.messages[i];
	bool whole = (m->msg_hdr.msg_flags & MSG_TRUNC) == 0;

	if (secured)
		dtls_datagram(s->number, &edge.peers[i], to, edge.in[i], m->msg_len, whole);
	else if (s->upstream && dtls_is_datagram(edge.in[i], m->msg_len))
		dtls_origin_datagram(s->number, &edge.peers[i], edge.in[i], m->msg_len, whole);
	else
		return false;
	return true;
}

static void take(struct udp_socket *s, unsigned i, bool secured)
{
	struct msghdr *h = &edge.messages[i].msg_hdr;
	size_t len = length_of(i);
	bool truncated = (h->msg_flags & MSG_TRUNC) != 0 || edge.messages[i].msg_len > len;
	struct local_address to = { .ifindex = 0 };
	struct endpoint asked = { .port = 0 };
	const struct endpoint *peer = &edge.peers[i];

	read_control(s, h, &to);
	if (take_secured(s, i, secured, &to))
		return;
	if (s->upstream) {
		upstream_datagram(edge.proxy, s->number, peer, edge.in[i], len, truncated);
		return;
	}
	memcpy(asked.addr, to.addr, sizeof asked.addr);
	receive_datagram(edge.proxy, s->number, peer, &to, edge.in[i], len, truncated, endpoint_is_multicast(&asked), edge.soon[i]);
}

/* The first of the batch, for the next one: the kernel has written over what there was room for. */
static void prepare(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		edge.vectors[i] = (struct iovec){ edge.in[i], RECEIVE_ROOM };
		edge.messages[i].msg_hdr = (struct msghdr){ .msg_name = &edge.from[i], .msg_namelen = sizeof edge.from[i],
			.msg_iov = &edge.vectors[i], .msg_iovlen = 1, .msg_control = edge.control[i],
			.msg_controllen = CONTROL_ROOM };
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct udp_socket *s = arg;
	bool secured = !s->upstream && dtls_has_listener(s->number);

	(void)fd, (void)what;
	clock_update(); /* the loop may have slept long since the last turn */
	if (s->has_errors) {
		s->has_errors = false;
		read_errors(s);
	}
	for (int round = 0; round < BATCHES_A_TURN; round++) {
		int got = datagrams_receive(s->fd, edge.messages, BATCH, s->upstream);

		if (got < 0 && errno != EAGAIN && errno != EINTR && s->upstream)
			read_errors(s);
		if (got <= 0)
			return;
		edge.activity += (unsigned)got;
		for (int i = 0; i < got; i++)
			announce(s, (unsigned)i, secured);
		for (int i = 0; i < got; i++)
			take(s, (unsigned)i, secured);
		prepare((unsigned)got);
		if (got < BATCH)
			return;
	}
}

/* ---- sockets ---- */

/* Takes fd, also where it fails. */
static struct udp_socket *socket_new(int fd, bool ipv4, bool upstream, unsigned number)
{
	struct udp_socket *s = calloc(1, sizeof *s);

	if (s == NULL)
		goto out;
	s->fd = fd;
	s->family = ipv4 ? AF_INET : AF_INET6;
	s->upstream = upstream;
	s->number = number;
	s->drops = socket_drops(fd);
	s->event = event_new(edge.base, fd, EV_READ | EV_PERSIST, on_readable, s);
	if (s->event != NULL && event_add(s->event, NULL) == 0)
		return s;
	if (s->event != NULL)
		event_free(s->event);
out:
	close(fd);
	free(s);
	return NULL;
}

static void close_socket(struct udp_socket *s)
{
	if (s == NULL)
		return;
	event_free(s->event);
	close(s->fd);
	free(s);
}

int udp_open_slot(unsigned slot, bool ipv4)
{
	int fd;

	if (slot >= SLOTS_MAX)
		return -1;
	if (edge.slots[slot][ipv4] != NULL)
		return 0;
	fd = socket_open_source(ipv4, edge.receive_buffer);
	if (fd >= 0)
		edge.slots[slot][ipv4] = socket_new(fd, ipv4, true, slot);
	if (edge.slots[slot][ipv4] == NULL) {
		log_warning("no socket for a source port: %s", strerror(errno));
		return -1;
	}
	if (slot >= edge.slots_end)
		edge.slots_end = slot + 1;
	return 0;
}

void udp_close_slot(unsigned slot)
{
	udp_flush();
	for (int family = 0; family < 2 && slot < edge.slots_end; family++) {
		close_socket(edge.slots[slot][family]);
		edge.slots[slot][family] = NULL;
	}
}

void udp_open(struct event_base *base, struct proxy *p, uint32_t receive_buffer)
{
	edge.base = base;
	edge.proxy = p;
	edge.receive_buffer = receive_buffer;
	prepare(BATCH);
}

int udp_add_listener(unsigned slot, int fd)
{
	int family = 0;
	socklen_t len = sizeof family;

	if (slot >= CONF_SLOTS_MAX || edge.listeners[slot] != NULL || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0) {
		close(fd);
		return -1;
	}
	edge.listeners[slot] = socket_new(fd, family == AF_INET, false, slot);
	return edge.listeners[slot] != NULL ? 0 : -1;
}

bool udp_has_listener(unsigned slot)
{
	return slot < CONF_SLOTS_MAX && edge.listeners[slot] != NULL;
}

void udp_remove_listener(unsigned slot)
{
	if (!udp_has_listener(slot))
		return;
	dtls_remove_listener(slot);
	udp_flush();
	close_socket(edge.listeners[slot]);
	edge.listeners[slot] = NULL;
}

void udp_close(void)
{
	udp_flush();
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		close_socket(edge.listeners[i]);
	for (unsigned i = 0; i < edge.slots_end; i++)
		udp_close_slot(i);
	while (edge.free_slots != NULL) {
		struct send_slot *slot = edge.free_slots;

		edge.free_slots = slot->next;
		free(slot);
	}
}

uint64_t udp_activity(void)
{
	return edge.activity;
}

bool udp_is_readable(void)
{
	static struct pollfd fds[POLLED_MAX];
	nfds_t count = 0;

	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		if (edge.listeners[i] != NULL)
			fds[count++] = (struct pollfd){ edge.listeners[i]->fd, POLLIN, 0 };
	for (unsigned i = 0; i < edge.slots_end && count + 2 < sizeof fds / sizeof *fds; i++)
		for (int family = 0; family < 2; family++)
			if (edge.slots[i][family] != NULL)
				fds[count++] = (struct pollfd){ edge.slots[i][family]->fd, POLLIN, 0 };
	return poll(fds, count, 0) > 0;
}

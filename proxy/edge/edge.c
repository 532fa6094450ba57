/* Which edge has a peer, by what carries messages to it. */
#include "proxy/edge/edge.h"

#include "base/clock.h"
#include "proxy/edge/dtls.h"
#include "proxy/edge/streams.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"

uint64_t edge_session_number(const struct proxy *p)
{
	static uint64_t last;

	/* Bit 54 is that of clients without one (proxy/exchange/sessions.h). A successor of this worker counts on somewhere else. */
	if (last == 0)
		last = (uint64_t)(house_incarnation(&p->house, p->house.self) & 0x3fffff) << 32;
	return (uint64_t)p->house.self << 56 | EDGE_SESSION_OF_CLIENT | ++last;
}

/* Reliable transports are all of one edge. */
static bool is_stream(const struct endpoint *peer)
{
	return edge_of(peer)->reliable;
}

static bool is_dtls(const struct endpoint *peer)
{
	return peer->transport == URI_COAPS;
}

/* ---- towards clients ---- */

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	if (is_stream(peer))
		streams_send_client(peer, bytes, len);
	else if (is_dtls(peer))
		dtls_send_client(peer, bytes, len);
	else
		udp_send_client(listener, peer, from, bytes, len);
}

bool edge_client_is_slow(const struct endpoint *peer)
{
	return is_stream(peer) && streams_client_is_slow(peer);
}

const char *edge_client_name(const struct endpoint *peer)
{
	if (is_stream(peer))
		return streams_client_name(peer);
	return is_dtls(peer) ? dtls_client_name(peer) : NULL;
}

const char *edge_client_host(const struct endpoint *peer)
{
	if (is_stream(peer))
		return streams_client_host(peer);
	return is_dtls(peer) ? dtls_client_host(peer) : NULL;
}

bool edge_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	if (is_stream(peer))
		return streams_client_session(peer, listener, local);
	return is_dtls(peer) && dtls_client_session(peer, listener, local);
}

void edge_end_client(const struct endpoint *peer)
{
	if (is_stream(peer))
		streams_end_client(peer);
	else if (is_dtls(peer))
		dtls_end_client(peer);
}

/* ---- towards origins ---- */

/* Whether a client is spoken to as an origin: from his listener, in his session if he has one. */
static bool is_client(unsigned slot)
{
	return slot >= EDGE_LISTENER_SLOT;
}

int edge_open_slot(unsigned slot, bool ipv4)
{
	return is_client(slot) ? 0 : udp_open_slot(slot, ipv4);
}

void edge_close_slot(unsigned slot)
{
	udp_close_slot(slot);
}

int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	if (is_client(slot) || !edge_of(peer)->connects)
		return 0;
	return is_stream(peer) ? streams_connect_origin(slot, peer, c) : dtls_connect_origin(slot, peer, c);
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	static const struct local_address any;

	if (is_client(slot))
		edge_send_client(slot - EDGE_LISTENER_SLOT, peer, &any, bytes, len);
	else if (is_stream(peer))
		streams_send_origin(slot, peer, bytes, len);
	else if (is_dtls(peer))
		dtls_send_origin(slot, peer, bytes, len);
	else
		udp_send_origin(slot, peer, bytes, len);
}

void edge_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	if (is_client(slot))
		return;
	if (is_stream(peer))
		streams_let_origin_go(slot, peer);
	else if (is_dtls(peer))
		dtls_let_origin_go(slot, peer);
}

void edge_abort_origin(unsigned slot, const struct endpoint *peer)
{
	if (is_stream(peer))
		streams_abort_origin(slot, peer);
}

/* ---- of both ---- */

size_t edge_message_limit(unsigned slot, const struct endpoint *peer)
{
	return is_stream(peer) ? streams_message_limit(slot, peer) : edge_of(peer)->message_max;
}

bool edge_takes_blocks(unsigned slot, const struct endpoint *peer)
{
	return !is_stream(peer) || streams_takes_blocks(slot, peer);
}

bool edge_takes_bert(unsigned slot, const struct endpoint *peer)
{
	return is_stream(peer) && streams_takes_bert(slot, peer);
}

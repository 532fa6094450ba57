/* Which edge has a peer, by what carries messages to it. */
#include "proxy/edge/edge.h"

#include "proxy/edge/dtls.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"

uint64_t edge_session_number(const struct proxy *p)
{
	static uint64_t last;

	return (uint64_t)p->house.self << 56 | EDGE_SESSION_OF_CLIENT | ++last;
}

/* ---- towards clients ---- */

void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len)
{
	if (peer->transport == URI_COAP)
		udp_send_client(listener, peer, from, bytes, len);
	else if (peer->transport == URI_COAPS)
		dtls_send_client(peer, bytes, len);
}

bool edge_client_is_slow(const struct endpoint *peer)
{
	(void)peer;
	return false;
}

const char *edge_client_name(const struct endpoint *peer)
{
	return peer->transport == URI_COAPS ? dtls_client_name(peer) : NULL;
}

const char *edge_client_host(const struct endpoint *peer)
{
	return peer->transport == URI_COAPS ? dtls_client_host(peer) : NULL;
}

bool edge_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	return peer->transport == URI_COAPS && dtls_client_session(peer, listener, local);
}

void edge_end_client(const struct endpoint *peer)
{
	if (peer->transport == URI_COAPS)
		dtls_end_client(peer);
}

/* ---- towards origins ---- */

int edge_open_slot(unsigned slot, bool ipv4)
{
	return udp_open_slot(slot, ipv4);
}

int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	if (peer->transport == URI_COAPS && !edge_is_clients_session(peer))
		return dtls_connect_origin(slot, peer, c);
	return edge_of(peer)->connects && !edge_is_clients_session(peer) ? -1 : 0;
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	if (peer->transport == URI_COAP)
		udp_send_origin(slot, peer, bytes, len);
	else if (peer->transport == URI_COAPS && edge_is_clients_session(peer))
		dtls_send_client(peer, bytes, len);
	else if (peer->transport == URI_COAPS)
		dtls_send_origin(slot, peer, bytes, len);
}

void edge_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	if (peer->transport == URI_COAPS && !edge_is_clients_session(peer))
		dtls_let_origin_go(slot, peer);
}

/* ---- of both ---- */

size_t edge_message_limit(unsigned slot, const struct endpoint *peer)
{
	(void)slot;
	return edge_of(peer)->message_max;
}

bool edge_takes_blocks(unsigned slot, const struct endpoint *peer)
{
	(void)slot;
	return !edge_of(peer)->reliable;
}

bool edge_takes_bert(unsigned slot, const struct endpoint *peer)
{
	(void)slot, (void)peer;
	return false;
}

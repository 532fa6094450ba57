/* Which edge has a peer, by what carries messages to it. */
#include "proxy/edge/edge.h"

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
}

bool edge_client_is_slow(const struct endpoint *peer)
{
	(void)peer;
	return false;
}

const char *edge_client_name(const struct endpoint *peer)
{
	(void)peer;
	return NULL;
}

const char *edge_client_host(const struct endpoint *peer)
{
	(void)peer;
	return NULL;
}

bool edge_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	(void)peer, (void)listener, (void)local;
	return false;
}

void edge_end_client(const struct endpoint *peer)
{
	(void)peer;
}

/* ---- towards origins ---- */

int edge_open_slot(unsigned slot, bool ipv4)
{
	return udp_open_slot(slot, ipv4);
}

int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	(void)slot, (void)c;
	return edge_of(peer)->connects ? -1 : 0;
}

void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	if (peer->transport == URI_COAP)
		udp_send_origin(slot, peer, bytes, len);
}

void edge_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	(void)slot, (void)peer;
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

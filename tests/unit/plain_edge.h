/* The part of the edge that only sessions and connections need, for worlds that have none. Included once by what defines the rest. */
#ifndef TESTS_UNIT_PLAIN_EDGE_H
#define TESTS_UNIT_PLAIN_EDGE_H

#include "proxy/edge/edge.h"

uint64_t edge_session_number(const struct proxy *p)
{
	static uint64_t last;

	(void)p;
	return EDGE_SESSION_OF_CLIENT | ++last;
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

int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	(void)slot, (void)c;
	return edge_of(peer)->connects ? -1 : 0;
}

void edge_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	(void)slot, (void)peer;
}

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

#endif

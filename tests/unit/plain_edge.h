/* The part of the edge that only sessions and connections need, as a test says. Included once by what defines the rest. */
#ifndef TESTS_UNIT_PLAIN_EDGE_H
#define TESTS_UNIT_PLAIN_EDGE_H

#include "proxy/edge/edge.h"
#include "tests/unit/edge_says.h"

struct edge_says edge_says;

uint64_t edge_session_number(const struct proxy *p)
{
	static uint64_t last;

	(void)p;
	return EDGE_SESSION_OF_CLIENT | ++last;
}

bool edge_client_is_slow(const struct endpoint *peer)
{
	return edge_of(peer)->reliable && edge_says.slow;
}

const char *edge_client_name(const struct endpoint *peer)
{
	return peer->session != 0 ? edge_says.client_name : NULL;
}

const char *edge_client_host(const struct endpoint *peer)
{
	return peer->session != 0 ? edge_says.client_host : NULL;
}

bool edge_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	if (peer->session == 0)
		return false;
	for (unsigned i = 0; i < edge_says.gone_count; i++)
		if (endpoint_equal(&edge_says.gone[i], peer))
			return false;
	*listener = 0;
	*local = (struct local_address){ .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };
	return true;
}

void edge_end_client(const struct endpoint *peer)
{
	edge_says.ended++;
	edge_says.ended_last = *peer;
}

int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	(void)slot;
	if (!edge_of(peer)->connects)
		return 0;
	edge_says.connects++;
	edge_says.named = c->host != NULL && c->host[0] != '\0';
	return edge_says.connects_fail ? -1 : 0;
}

void edge_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	(void)slot, (void)peer;
	edge_says.let_go++;
}

void edge_abort_origin(unsigned slot, const struct endpoint *peer)
{
	(void)slot, (void)peer;
}

size_t edge_message_limit(unsigned slot, const struct endpoint *peer)
{
	(void)slot;
	return edge_of(peer)->reliable && edge_says.message_limit != 0 ? edge_says.message_limit : edge_of(peer)->message_max;
}

bool edge_takes_blocks(unsigned slot, const struct endpoint *peer)
{
	(void)slot;
	return !edge_of(peer)->reliable || !edge_says.no_blocks;
}

bool edge_takes_bert(unsigned slot, const struct endpoint *peer)
{
	(void)slot;
	return edge_of(peer)->reliable && edge_says.bert;
}

void edge_close_slot(unsigned slot)
{
	edge_says.closed++;
	edge_says.closed_last = slot;
}

#endif

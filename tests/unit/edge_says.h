/* What a test has the edge say of sessions and connections, and what it saw of them; all zero: nobody is slow, everything can be opened. */
#ifndef TESTS_UNIT_EDGE_SAYS_H
#define TESTS_UNIT_EDGE_SAYS_H

#include "proxy/edge/edge.h"

extern struct edge_says {
	bool slow;                  /* clients whose transport is reliable */
	const char *client_name, *client_host; /* of clients in sessions */
	bool connects_fail;
	struct endpoint gone[64];   /* sessions that have ended: the first `gone_count` */
	unsigned gone_count;
	size_t message_limit;       /* of reliable peers; 0: their transport's */
	bool no_blocks, bert;       /* of reliable peers */
	/* seen */
	unsigned connects, let_go, ended, closed, closed_last;
	bool named;                 /* the last origin that was connected to had a name */
	struct endpoint ended_last;
} edge_says;

#endif

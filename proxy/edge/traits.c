#include "proxy/edge/edge.h"

const struct edge_traits edge_traits[URI_SCHEME_COUNT] = {
	[URI_COAP] = { .message_max = MSG_DATAGRAM_MAX },
	[URI_COAPS] = { .secured = true, .proven = true, .connects = true, .named = true, .message_max = MSG_DATAGRAM_MAX },
	[URI_COAP_TCP] = { .reliable = true, .proven = true, .connects = true, .message_max = MSG_MAX },
	[URI_COAPS_TCP] = { .reliable = true, .secured = true, .proven = true, .connects = true, .named = true, .message_max = MSG_MAX },
	[URI_COAP_WS] = { .reliable = true, .proven = true, .connects = true, .named = true, .message_max = MSG_MAX },
	[URI_COAPS_WS] = { .reliable = true, .secured = true, .proven = true, .connects = true, .named = true, .message_max = MSG_MAX },
	/* HTTP and HTTPS carry no message of CoAP: who comes by them asks by a requester, and has a connection. */
	[URI_HTTP] = { .reliable = true, .proven = true },
	[URI_HTTPS] = { .reliable = true, .secured = true, .proven = true },
};

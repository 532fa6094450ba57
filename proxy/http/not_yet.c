/*
 * not_yet - stands in for the HTTP client until it is there.
 */
#include "proxy/http/client.h"

int http_client_open(struct event_base *base, struct proxy *p)
{
	(void)base, (void)p;
	return 0;
}

void http_client_close(void)
{
}

void http_client_configure(void)
{
}

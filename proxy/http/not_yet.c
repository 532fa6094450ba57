/*
 * not_yet - stands in for the HTTP server and client until they are there: connections are accepted by nobody.
 */
#include <unistd.h>

#include "conf/snapshot.h"
#include "proxy/http/client.h"
#include "proxy/http/server.h"

static int fds[CONF_SLOTS_MAX];
static bool served[CONF_SLOTS_MAX];

int http_server_open(struct event_base *base, struct proxy *p)
{
	(void)base, (void)p;
	return 0;
}

void http_server_close(void)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		http_server_remove_listener(i);
}

int http_server_add_listener(unsigned slot, int fd)
{
	fds[slot] = fd;
	served[slot] = true;
	return 0;
}

bool http_server_has_listener(unsigned slot)
{
	return served[slot];
}

void http_server_remove_listener(unsigned slot)
{
	if (served[slot])
		close(fds[slot]);
	served[slot] = false;
}

void http_server_configure(void)
{
}

void http_server_drain(void)
{
}

bool http_server_is_drained(void)
{
	return true;
}

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

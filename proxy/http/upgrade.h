/*
 * upgrade - HTTP connections that become WebSockets of CoAP: what is asked of /.well-known/coap (RFC 8323 4.1, 8.3; RFC 6455 4.2).
 */
#ifndef PROXY_HTTP_UPGRADE_H
#define PROXY_HTTP_UPGRADE_H

#include "proxy/http/request.h"

/* Answers a request for /.well-known/coap, at a listener that has WebSockets; true if it was one: r is finished then, and the connection the
 * streams edge's if it asked for that in the right way. Who asks, and the host asked, are known. */
bool upgrade_answer(struct http_request *r, const struct http_head *head);

#endif

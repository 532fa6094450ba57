/*
 * local - what the gateway itself has to say over HTTP: /.well-known/core (RFC 8075 5.5.1), for whatever no route takes.
 */
#ifndef PROXY_HTTP_LOCAL_H
#define PROXY_HTTP_LOCAL_H

#include "proxy/http/request.h"

/* Answers a request for a resource of its own; true if it was one: r is finished then. */
bool local_answer(struct http_request *r, const struct http_head *head);

#endif

/*
 * access - the line of the access log for an HTTP request (exchange/access_log.h).
 */
#ifndef PROXY_HTTP_ACCESS_H
#define PROXY_HTTP_ACCESS_H

#include "proxy/http/request.h"

/* r ends. Does nothing for a route that does not log. */
void http_access_log(const struct http_request *r);

#endif

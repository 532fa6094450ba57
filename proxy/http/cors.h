/*
 * cors - pages of other origins in browsers (WHATWG Fetch 3.2): which may ask, and read the answer, is a setting of the route.
 */
#ifndef PROXY_HTTP_CORS_H
#define PROXY_HTTP_CORS_H

#include "proxy/http/request.h"

/* Answers a preflight request for a route that has `cors`; true if it was one: r is finished then. A browser sends it without credentials, so
 * who asks is not looked at; the request itself says it. */
bool cors_preflight(struct http_request *r, const struct http_head *head);

/* The page of this Origin is one of the gateway's own, by the name that its browser asks under or by the one that is configured. */
bool cors_is_own(const struct http_request *r, struct http_text origin);

/* Notes what the answers to this request are to say about its Origin; r->route is known. False if it is to be refused: a POST that a page of
 * another origin makes its browser send, without a preflight and with whatever that knows of the user (a certificate, a password). Every
 * other method that changes something is preflighted. */
bool cors_admits(struct http_request *r, const struct http_head *head);

#endif

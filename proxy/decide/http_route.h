/*
 * http_route - which route takes an HTTP request, and which CoAP resource it asks for (RFC 8075 5). Pure.
 *
 * A route takes an HTTP request in one of three forms: by the template of its http-path with a target URI in it, by an http-path without
 * one (the null mapping: the route's `to` is the resource), or, without an http-path, a request in absolute-form for a CoAP URI (GET
 * coap://host/path). All other conditions hold as they do for CoAP requests, and who asks is one of them. A route that denies and has no
 * http-path takes its targets in all three forms.
 */
#ifndef PROXY_DECIDE_HTTP_ROUTE_H
#define PROXY_DECIDE_HTTP_ROUTE_H

#include "proxy/decide/target.h"
#include "translate/http_message.h"

/* What a decision looks at. Views are borrowed. */
struct http_question {
	unsigned listener;          /* index into the snapshot's listeners */
	struct endpoint client;
	struct endpoint asked;      /* local address and port */
	struct http_text target;    /* of the request line, as it was read */
	struct http_text host;      /* value of the Host field; empty: none */
	uint8_t code;               /* of the CoAP request that it is to become */
	bool oscore;                /* the OSCORE field is there */
	bool legacy_oscore;         /* the field with its name of the drafts */
	const char *name;           /* who asks, proved; NULL: nobody said */
	bool any_name;              /* who asks is not looked at */
};

struct http_decision {
	const struct route *route;  /* NULL: refused */
	enum error refused;         /* ERR_NONE, or why no route takes it */
	bool has_target;            /* `uri` is the target; else the null mapping */
	size_t uri_len;
	char uri[URI_MAX + 1];      /* absolute, of a CoAP scheme */
	struct uri parts;           /* of `uri`, views of it: not to be copied */
};

/* Sets *d. */
void http_route_find(const struct snapshot *s, const struct http_question *q, struct http_decision *d);

/* Whether this one route does: ERR_NONE (then *d is set but for its route), or the first condition that failed: ERR_NO_ROUTE, ERR_BAD_URI,
 * ERR_SCHEME_MISSING, ERR_SCHEME (the http-path is its, but not what stands in it), ERR_CREDENTIALS (nobody said who asks), ERR_IDENTITY (not for
 * this name). *mismatch says which of the conditions of route.h, where it is one of them. */
enum error http_route_check(const struct route *r, const struct http_question *q, struct http_decision *d,
	enum route_mismatch *mismatch);

/* A request target in absolute-form with a scheme of CoAP: "coap://...", for a proxy (RFC 9112 3.2.2). */
bool http_target_is_coap(struct http_text target);

/* The host of a Host field as a Uri-Host, for the null mapping. False if it is none. */
bool http_host_read(struct http_text field, char host[URI_HOST_MAX + 1]);

#endif

/*
 * origin - HTTP origins of CoAP clients: an errand of the exchange layer becomes a request of HTTP, its answer a CoAP response (RFC 7252
 * 10.1, RFC 8613 11).
 */
#ifndef PROXY_HTTP_ORIGIN_H
#define PROXY_HTTP_ORIGIN_H

struct proxy;

/* From now on the proxy's errands to http and https are carried (http_client_open() came before). */
void http_origin_open(struct proxy *p);
/* No more; what is under way is given up. Before http_client_close(). */
void http_origin_close(void);

#endif

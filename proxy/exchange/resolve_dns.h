/*
 * resolve_dns - evdns as the resolver uses it: it gets name servers, search list and times from us, and opens no file.
 */
#ifndef PROXY_EXCHANGE_RESOLVE_DNS_H
#define PROXY_EXCHANGE_RESOLVE_DNS_H

#include <stdint.h>

#include "proxy/exchange/resolve_texts.h"

struct event_base;
struct evdns_base;

/* Without name servers yet, for so many questions at once. Ended by evdns_base_free(). Returns NULL without memory. */
struct evdns_base *resolve_dns_new(struct event_base *base, unsigned questions_max);

/* The time in microseconds in which a question is answered or given up, its repetitions included; for what is sent from now
 * on. */
int resolve_dns_set_timeout(struct evdns_base *dns, uint64_t timeout);

/* Replaces the servers by those of conf. Questions under way are asked anew. Only between two turns of the loop: the old
 * servers are freed, and the answer to a probe of one may wait in the turn that runs. */
void resolve_dns_set_servers(struct evdns_base *dns, const struct resolve_conf *conf);

/* Replaces the search list. Questions under way keep the one they began with. */
void resolve_dns_set_search(struct evdns_base *dns, const struct resolve_conf *conf);

#endif

#include "proxy/exchange/resolve.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

enum {
	QUERIES_MAX = 256,       /* names under way at once */
	ATTEMPTS = 3,            /* datagrams for each question inside the time allowed */
	NAME_MAX_BYTES = 253,    /* RFC 1035 2.3.4, without the root */
	LABEL_MAX = 63,
	HOSTS_MAX = 4096,        /* names taken from the hosts file */
	HOSTS_LINE = 1024,
	TTL_MIN = 1, TTL_MAX = 3600, TTL_FAILURE = 5,   /* seconds */
};
#define SECOND_FAMILY_WAIT (2 * CLOCK_SECOND) /* for the other family, once one has given addresses */

enum { FAMILY_6, FAMILY_4, FAMILIES };

/* The answers to the questions of one name: AAAA and A. It outlives its name when the resolver gives up on it, because
 * evdns calls back for a cancelled question too, later. */
struct query {
	struct name *name;       /* NULL: nobody waits any more */
	struct evdns_request *request[FAMILIES]; /* NULL: not asked, or came back */
	unsigned under_way;
	struct part {
		struct query *query;
		unsigned family;
		enum resolve_result result;
		uint32_t ttl;
		size_t count;
		struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	} part[FAMILIES];
	struct event *timer;
	uint64_t asked;
};

struct name {
	struct name *chain;
	struct name *older, *newer; /* by last use, only while it is not being asked */
	struct resolver *resolver;
	struct query *query;        /* NULL: not being asked */
	struct resolve_waiter *waiters;
	uint64_t expires;           /* UINT64_MAX: from the hosts file */
	enum resolve_result result;
	size_t count;
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	uint8_t len;
	char text[NAME_MAX_BYTES + 1];
};

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	struct hash_key key;
	struct name **table;
	size_t buckets;              /* a power of two */
	struct name *oldest, *newest;
	size_t cached, cache_max;
	unsigned under_way;
	unsigned hosts;
	uint64_t timeout;
};

/* ---- the names known ---- */

static struct name **chain_of(struct resolver *r, const char *text, size_t len)
{
	return &r->table[hash_bytes(&r->key, text, len) & (r->buckets - 1)];
}

static struct name *name_find(struct resolver *r, const char *text, size_t len)
{
	struct name *n = *chain_of(r, text, len);

	while (n != NULL && (n->len != len || memcmp(n->text, text, len) != 0))
		n = n->chain;
	return n;
}

static struct name *name_new(struct resolver *r, const char *text, size_t len)
{
	struct name **chain = chain_of(r, text, len), *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	memcpy(n->text, text, len);
	n->len = (uint8_t)len;
	n->resolver = r;
	n->chain = *chain;
	*chain = n;
	return n;
}

static void name_free(struct name *n)
{
	struct name **link = chain_of(n->resolver, n->text, n->len);

	while (*link != n)
		link = &(*link)->chain;
	*link = n->chain;
	free(n);
}

static void lru_remove(struct name *n)
{
	struct resolver *r = n->resolver;

	*(n->older != NULL ? &n->older->newer : &r->oldest) = n->newer;
	*(n->newer != NULL ? &n->newer->older : &r->newest) = n->older;
	n->older = n->newer = NULL;
	r->cached--;
}

static void lru_add(struct name *n)
{
	struct resolver *r = n->resolver;

	n->older = r->newest;
	*(r->newest != NULL ? &r->newest->newer : &r->oldest) = n;
	r->newest = n;
	r->cached++;
}

static void cache_trim(struct resolver *r)
{
	while (r->cached > r->cache_max) {
		struct name *n = r->oldest;

		lru_remove(n);
		name_free(n);
	}
}

/* ---- a query ---- */

static void waiter_push(struct resolve_waiter **list, struct resolve_waiter *w)
{
	w->next = *list;
	w->link = list;
	if (w->next != NULL)
		w->next->link = &w->next;
	*list = w;
}

static void query_free(struct query *q)
{
	if (q->timer != NULL)
		event_free(q->timer);
	free(q);
}

/* Lets go of a query: what is still under way is cancelled, and the last callback frees it. */
static void query_abandon(struct query *q, struct evdns_base *dns)
{
	q->name = NULL;
	event_del(q->timer);
	for (unsigned f = 0; f < FAMILIES; f++)
		if (q->request[f] != NULL && dns != NULL)
			evdns_cancel_request(dns, q->request[f]);
	if (q->under_way == 0)
		query_free(q);
}

/* What the parts say together; a part that is still under way counts as timed out. */
static void combine(struct name *n, const struct query *q)
{
	uint32_t ttl = TTL_MAX;
	bool partial = false;

	n->count = 0;
	n->result = RESOLVE_FAILED;
	for (unsigned f = 0; f < FAMILIES; f++) {
		const struct part *p = &q->part[f];

		if (p->result != RESOLVE_OK) {
			partial = partial || p->result != RESOLVE_FAILED;
			continue;
		}
		for (size_t i = 0; i < p->count && n->count < RESOLVE_ADDRESSES_MAX; i++)
			n->addresses[n->count++] = p->addresses[i];
		if (p->ttl < ttl)
			ttl = p->ttl;
	}
	if (n->count > 0)
		n->result = RESOLVE_OK;
	else if (partial)
		n->result = RESOLVE_TIMEOUT;
	/* half an answer, as no answer, is asked again soon */
	if ((partial || n->result != RESOLVE_OK) && ttl > TTL_FAILURE)
		ttl = TTL_FAILURE;
	n->expires = clock_now() + (ttl < TTL_MIN ? TTL_MIN : ttl) * CLOCK_SECOND;
}

/* Ends the query of a name: keeps the answer and calls the waiters, who may ask and cancel as they like. */
static void name_finish(struct name *n)
{
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	struct resolver *r = n->resolver;
	struct resolve_waiter *waiters = NULL, *w; /* a list of its own: a waiter may ask for the same name again */
	enum resolve_result result;
	size_t count;

	combine(n, n->query);
	query_abandon(n->query, r->dns);
	n->query = NULL;
	r->under_way--;
	result = n->result;
	count = n->count;
	memcpy(addresses, n->addresses, sizeof(addresses));
	while ((w = n->waiters) != NULL) { /* the last came to the front: turned round, the first is called first */
		resolve_cancel(w);
		waiter_push(&waiters, w);
	}
	lru_add(n);
	cache_trim(r); /* from here on n may be gone */
	while ((w = waiters) != NULL) {
		resolve_cancel(w);
		w->done(w, result, addresses, count);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct query *q = arg;

	(void)fd;
	(void)what;
	clock_update(); /* as in on_answer() */
	name_finish(q->name);
}

static void timer_arm(struct query *q, uint64_t after)
{
	struct timeval tv = { .tv_sec = (time_t)(after / CLOCK_SECOND), .tv_usec = (suseconds_t)(after % CLOCK_SECOND) };

	event_add(q->timer, &tv);
}

static void part_fill(struct part *p, int count, const void *addresses)
{
	for (int i = 0; i < count && p->count < RESOLVE_ADDRESSES_MAX; i++) {
		struct endpoint *e = &p->addresses[p->count];

		*e = (struct endpoint){ .port = 0 };
		if (p->family == FAMILY_6) {
			memcpy(e->addr, (const uint8_t *)addresses + 16 * i, 16);
		} else {
			e->addr[10] = e->addr[11] = 0xff;
			memcpy(e->addr + 12, (const uint8_t *)addresses + 4 * i, 4);
		}
		p->count++;
	}
}

static void on_answer(int error, char type, int count, int ttl, void *addresses, void *arg)
{
	struct part *p = arg;
	struct query *q = p->query;

	clock_update(); /* the loop may have slept long, and the waiters send and set timers */
	q->request[p->family] = NULL;
	q->under_way--;
	if (q->name == NULL) {
		if (q->under_way == 0)
			query_free(q);
		return;
	}
	p->result = error == DNS_ERR_TIMEOUT ? RESOLVE_TIMEOUT : RESOLVE_FAILED;
	if (error == DNS_ERR_NONE && type == (p->family == FAMILY_6 ? DNS_IPv6_AAAA : DNS_IPv4_A) && count > 0) {
		p->result = RESOLVE_OK;
		p->ttl = ttl < TTL_MIN ? TTL_MIN : (uint32_t)ttl;
		part_fill(p, count, addresses);
	}
	if (q->under_way == 0)
		name_finish(q->name);
	else if (p->result == RESOLVE_OK && SECOND_FAMILY_WAIT < q->name->resolver->timeout)
		timer_arm(q, SECOND_FAMILY_WAIT);
}

/* Asks for AAAA and A at once. Returns 0, or -1 if neither question could be asked. */
static int query_start(struct name *n)
{
	struct resolver *r = n->resolver;
	struct query *q = calloc(1, sizeof(*q));
	int flags = memchr(n->text, '.', n->len) != NULL ? DNS_QUERY_NO_SEARCH : 0;

	if (q == NULL || (q->timer = evtimer_new(r->base, on_timer, q)) == NULL) {
		free(q);
		return -1;
	}
	for (unsigned f = 0; f < FAMILIES; f++) {
		struct part *p = &q->part[f];

		*p = (struct part){ .query = q, .family = f, .result = RESOLVE_PENDING };
		q->request[f] = f == FAMILY_6 ? evdns_base_resolve_ipv6(r->dns, n->text, flags, on_answer, p)
		                              : evdns_base_resolve_ipv4(r->dns, n->text, flags, on_answer, p);
		if (q->request[f] != NULL)
			q->under_way++;
		else
			p->result = RESOLVE_FAILED;
	}
	if (q->under_way == 0) {
		query_free(q);
		return -1;
	}
	q->name = n;
	n->query = q;
	r->under_way++;
	timer_arm(q, r->timeout);
	return 0;
}

/* ---- the hosts file ---- */

static void hosts_add(struct resolver *r, const char *text, const struct endpoint *address)
{
	size_t len = strlen(text), at;
	char lower[NAME_MAX_BYTES + 1];
	struct name *n;

	if (len == 0 || len > NAME_MAX_BYTES || r->hosts >= HOSTS_MAX)
		return;
	for (at = 0; at < len; at++)
		lower[at] = (char)(text[at] >= 'A' && text[at] <= 'Z' ? text[at] + ('a' - 'A') : text[at]);
	n = name_find(r, lower, len);
	if (n == NULL) {
		n = name_new(r, lower, len);
		if (n == NULL)
			return;
		n->expires = UINT64_MAX;
		n->result = RESOLVE_OK;
		r->hosts++;
	}
	if (n->count == RESOLVE_ADDRESSES_MAX)
		return;
	for (at = n->count; at > 0; at--) { /* IPv6 goes before IPv4 */
		if (endpoint_is_ipv4(address) || !endpoint_is_ipv4(&n->addresses[at - 1]))
			break;
		n->addresses[at] = n->addresses[at - 1];
	}
	n->addresses[at] = *address;
	n->count++;
}

void resolver_load_hosts(struct resolver *r, const char *path)
{
	char line[HOSTS_LINE], *save, *word;
	struct endpoint address;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "#\n")] = '\0';
		word = strtok_r(line, " \t\r", &save);
		if (word == NULL || endpoint_parse_literal(&address, word, strlen(word), true) != 0)
			continue;
		while ((word = strtok_r(NULL, " \t\r", &save)) != NULL)
			hosts_add(r, word, &address);
	}
	fclose(file);
}

/* localhost means this machine whatever files and servers say (RFC 6761 6.3). */
static void localhost_add(struct resolver *r)
{
	struct endpoint loopback;

	if (name_find(r, "localhost", 9) != NULL)
		return;
	for (int i = 0; i < 2; i++) {
		const char *text = i == 0 ? "::1" : "127.0.0.1";

		if (endpoint_parse_literal(&loopback, text, strlen(text), false) == 0)
			hosts_add(r, "localhost", &loopback);
	}
}

/* ---- the resolver ---- */

static void on_log(int is_warning, const char *text)
{
	if (is_warning)
		log_info("dns: %s", text);
	else
		log_debug("dns: %s", text);
}

static int set_time(struct evdns_base *dns, const char *option, uint64_t time)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%06u", (unsigned)(time / CLOCK_SECOND), (unsigned)(time % CLOCK_SECOND));
	return evdns_base_set_option(dns, option, text);
}

/* Servers and search list from the file, times and bounds from us. */
static int dns_configure(struct resolver *r, const char *resolv_conf)
{
	char inflight[16];

	/* A file with too little in it fails here and fails name queries later; it is not a reason not to start. */
	evdns_base_resolv_conf_parse(r->dns, DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC |
		DNS_OPTION_NAMESERVERS_NO_DEFAULT, resolv_conf);
	if (evdns_base_count_nameservers(r->dns) == 0)
		log_warning("%s names no name server: only addresses and names in the hosts file will resolve", resolv_conf);
	snprintf(inflight, sizeof(inflight), "%d", FAMILIES * QUERIES_MAX);
	if (set_time(r->dns, "timeout:", r->timeout / ATTEMPTS) != 0 || evdns_base_set_option(r->dns, "attempts:", "3") != 0 ||
	    evdns_base_set_option(r->dns, "max-inflight:", inflight) != 0)
		return -1;
	return 0;
}

struct resolver *resolver_create(struct event_base *base, const struct settings *settings)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->base = base;
	r->cache_max = settings->dns_cache;
	r->timeout = settings->dns_timeout;
	r->buckets = 64;
	while (r->buckets < r->cache_max)
		r->buckets *= 2;
	r->table = calloc(r->buckets, sizeof(*r->table));
	hash_key_init(&r->key);
	evdns_set_log_fn(on_log);
	r->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (r->table == NULL || r->dns == NULL || dns_configure(r, settings->resolv_conf) != 0) {
		resolver_destroy(r);
		return NULL;
	}
	resolver_load_hosts(r, "/etc/hosts");
	localhost_add(r);
	return r;
}

void resolver_destroy(struct resolver *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; r->table != NULL && i < r->buckets; i++) {
		while (r->table[i] != NULL) {
			struct name *n = r->table[i];

			r->table[i] = n->chain;
			while (n->waiters != NULL)
				resolve_cancel(n->waiters);
			if (n->query != NULL)
				query_abandon(n->query, NULL); /* evdns_base_free() calls back for each */
			free(n);
		}
	}
	if (r->dns != NULL)
		evdns_base_free(r->dns, 1);
	free(r->table);
	free(r);
}

/* A name that can be asked for: letters, digits, '-' and '_' in labels of at most 63 (RFC 1035 2.3.1, and what is in use);
 * a last dot is allowed. Returns its length without that dot, or 0. */
static size_t name_check(const char *name, size_t len)
{
	size_t label = 0;

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_BYTES)
		return 0;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '.' ? label == 0 : ++label > LABEL_MAX)
			return 0;
		if (c == '.')
			label = 0;
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return 0;
	}
	return label == 0 ? 0 : len;
}

static enum resolve_result answer_from(struct name *n, struct endpoint *addresses, size_t *count)
{
	if (n->expires != UINT64_MAX) {
		lru_remove(n);
		lru_add(n);
	}
	*count = n->count;
	memcpy(addresses, n->addresses, n->count * sizeof(*addresses));
	return n->result;
}

enum resolve_result resolve_name(struct resolver *r, const char *name, size_t len, struct endpoint addresses[RESOLVE_ADDRESSES_MAX],
	size_t *count, struct resolve_waiter *w)
{
	struct name *n;

	*count = 0;
	len = name_check(name, len);
	if (len == 0)
		return RESOLVE_FAILED;
	if (len > 10 && memcmp(name + len - 10, ".localhost", 10) == 0) {
		name = "localhost";
		len = strlen(name);
	}
	n = name_find(r, name, len);
	if (n != NULL && n->query == NULL && clock_now() < n->expires)
		return answer_from(n, addresses, count);
	if (n == NULL || n->query == NULL) {
		if (evdns_base_count_nameservers(r->dns) == 0)
			return RESOLVE_FAILED;
		if (r->under_way >= QUERIES_MAX)
			return RESOLVE_FULL;
		if (n != NULL)
			lru_remove(n);
		else if ((n = name_new(r, name, len)) == NULL)
			return RESOLVE_FULL;
		if (query_start(n) != 0) {
			name_free(n);
			return RESOLVE_FAILED;
		}
	}
	waiter_push(&n->waiters, w);
	return RESOLVE_PENDING;
}

void resolve_cancel(struct resolve_waiter *w)
{
	if (w->link == NULL)
		return;
	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	w->next = NULL;
	w->link = NULL;
}

#include "proxy/exchange/resolve.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "proxy/exchange/resolve_dns.h"

enum {
	QUERIES_MAX = 256,       /* names under way at once */
	BUCKETS_MIN = 64,
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
	bool outdated;           /* it began under other texts: what it brings is kept for a short while */
};

struct name {
	struct name *chain;
	struct name *older, *newer; /* by last use, only while it is not being asked */
	struct resolver *resolver;
	struct query *query;        /* NULL: not being asked */
	struct resolve_waiter *waiters;
	uint64_t expires;
	enum resolve_result result;
	size_t count;
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	uint8_t len;
	char text[RESOLVE_NAME_MAX + 1];
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
	uint64_t timeout;
	struct resolve_conf conf;
	struct resolve_hosts *hosts;
	uint64_t conf_hash, hosts_hash; /* of the texts */
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

/* Drops the least recently used names but `most`. */
static void cache_trim(struct resolver *r, size_t most)
{
	while (r->cached > most) {
		struct name *n = r->oldest;

		lru_remove(n);
		name_free(n);
	}
}

/* Gives the table enough buckets for the names that may be in it; it never shrinks. */
static int table_fit(struct resolver *r)
{
	size_t buckets = BUCKETS_MIN, old_buckets = r->buckets;
	struct name **table, **old = r->table;

	while (buckets < r->cache_max)
		buckets *= 2;
	if (buckets <= old_buckets)
		return 0;
	table = calloc(buckets, sizeof(*table));
	if (table == NULL)
		return -1;
	r->table = table;
	r->buckets = buckets;
	for (size_t i = 0; i < old_buckets; i++) {
		while (old[i] != NULL) {
			struct name *n = old[i], **chain = chain_of(r, n->text, n->len);

			old[i] = n->chain;
			n->chain = *chain;
			*chain = n;
		}
	}
	free(old);
	return 0;
}

/* ---- a query ---- */

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
	if ((partial || q->outdated || n->result != RESOLVE_OK) && ttl > TTL_FAILURE)
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
		CHAIN_ENTER(waiters, w, next, link);
	}
	lru_add(n);
	cache_trim(r, r->cache_max); /* from here on n may be gone */
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

/* ---- the resolver ---- */

static uint64_t text_hash(const struct resolver *r, const char *text, size_t len)
{
	return hash_bytes(&r->key, len > 0 ? text : "", len);
}

static void conf_take(struct resolver *r, const struct settings *settings, const struct resolve_files *files)
{
	struct resolve_conf old = r->conf;

	resolve_conf_parse(&r->conf, files->resolv_conf, files->resolv_conf_len);
	if (memcmp(old.servers, r->conf.servers, sizeof(old.servers)) != 0)
		resolve_dns_set_servers(r->dns, &r->conf);
	resolve_dns_set_search(r->dns, &r->conf);
	if (r->conf.refused > 0)
		log_warning("%s: %u name server(s) left out: not an address, or more than %d", settings->resolv_conf, r->conf.refused,
			RESOLVE_SERVERS_MAX);
	if (evdns_base_count_nameservers(r->dns) == 0)
		log_warning("%s names no name server: only addresses and names in the hosts file will resolve", settings->resolv_conf);
	r->conf_hash = text_hash(r, files->resolv_conf, files->resolv_conf_len);
}

static int hosts_take(struct resolver *r, const struct resolve_files *files)
{
	struct resolve_hosts *hosts = resolve_hosts_new(files->hosts, files->hosts_len);

	if (hosts == NULL)
		return -1;
	resolve_hosts_free(r->hosts);
	r->hosts = hosts;
	r->hosts_hash = text_hash(r, files->hosts, files->hosts_len);
	return 0;
}

static int bounds_take(struct resolver *r, const struct settings *settings)
{
	r->cache_max = settings->dns_cache;
	r->timeout = settings->dns_timeout;
	cache_trim(r, r->cache_max);
	return table_fit(r) != 0 || resolve_dns_set_timeout(r->dns, r->timeout) != 0 ? -1 : 0;
}

struct resolver *resolver_create(struct event_base *base, const struct settings *settings, const struct resolve_files *files)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->base = base;
	hash_key_init(&r->key);
	r->dns = resolve_dns_new(base, FAMILIES * QUERIES_MAX);
	if (r->dns == NULL || bounds_take(r, settings) != 0 || hosts_take(r, files) != 0) {
		resolver_destroy(r);
		return NULL;
	}
	conf_take(r, settings, files);
	return r;
}

/* Forgets what was cached; what is being asked goes on, and is soon asked again. */
static void cache_drop(struct resolver *r)
{
	cache_trim(r, 0);
	for (size_t i = 0; i < r->buckets; i++)
		for (struct name *n = r->table[i]; n != NULL; n = n->chain)
			n->query->outdated = true;
}

void resolver_update(struct resolver *r, const struct settings *settings, const struct resolve_files *files)
{
	bool conf = text_hash(r, files->resolv_conf, files->resolv_conf_len) != r->conf_hash;
	bool hosts = text_hash(r, files->hosts, files->hosts_len) != r->hosts_hash;

	if (bounds_take(r, settings) != 0 || (hosts && hosts_take(r, files) != 0))
		log_warning("not enough memory for all of the name resolution: part of it stays as it was");
	if (conf)
		conf_take(r, settings, files);
	if (conf || hosts)
		cache_drop(r);
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
	resolve_hosts_free(r->hosts);
	free(r->table);
	free(r);
}

static enum resolve_result answer_from(struct name *n, struct endpoint *addresses, size_t *count)
{
	lru_remove(n);
	lru_add(n);
	*count = n->count;
	memcpy(addresses, n->addresses, n->count * sizeof(*addresses));
	return n->result;
}

enum resolve_result resolve_name(struct resolver *r, const char *name, size_t len, struct endpoint addresses[RESOLVE_ADDRESSES_MAX],
	size_t *count, struct resolve_waiter *w)
{
	const struct endpoint *found;
	struct name *n;

	*count = 0;
	len = resolve_name_length(name, len);
	if (len == 0)
		return RESOLVE_FAILED;
	if (len > 10 && memcmp(name + len - 10, ".localhost", 10) == 0) {
		name = "localhost";
		len = strlen(name);
	}
	found = resolve_hosts_find(r->hosts, name, len, count);
	if (found != NULL) {
		memcpy(addresses, found, *count * sizeof(*addresses));
		return RESOLVE_OK;
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
	CHAIN_ENTER(n->waiters, w, next, link);
	return RESOLVE_PENDING;
}

void resolve_cancel(struct resolve_waiter *w)
{
	CHAIN_LEAVE(w, next, link);
}

#include "proxy/exchange/resolve_dns.h"

#include <event2/dns.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

enum { ATTEMPTS = 3 }; /* datagrams for each question inside the time allowed */

static void on_log(int is_warning, const char *text)
{
	if (is_warning)
		log_info("dns: %s", text);
	else
		log_debug("dns: %s", text);
}

static int option_set(struct evdns_base *dns, const char *option, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return evdns_base_set_option(dns, option, text);
}

struct evdns_base *resolve_dns_new(struct event_base *base, unsigned questions_max)
{
	struct evdns_base *dns;

	evdns_set_log_fn(on_log);
	dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns == NULL)
		return NULL;
	/* With room for a probe of each server: what has to wait for room would be sent while the servers are freed. */
	if (option_set(dns, "attempts:", ATTEMPTS) != 0 ||
	    option_set(dns, "max-inflight:", questions_max + 2 * RESOLVE_SERVERS_MAX) != 0) {
		evdns_base_free(dns, 0);
		return NULL;
	}
	return dns;
}

int resolve_dns_set_timeout(struct evdns_base *dns, uint64_t timeout)
{
	uint64_t each = timeout / ATTEMPTS;
	char text[32];

	snprintf(text, sizeof(text), "%u.%06u", (unsigned)(each / CLOCK_SECOND), (unsigned)(each % CLOCK_SECOND));
	return evdns_base_set_option(dns, "timeout:", text);
}

void resolve_dns_set_servers(struct evdns_base *dns, const struct resolve_conf *conf)
{
	struct sockaddr_storage address;

	evdns_base_clear_nameservers_and_suspend(dns);
	for (unsigned i = 0; i < conf->server_count; i++) {
		const struct endpoint *e = &conf->servers[i];
		socklen_t len = endpoint_to_sockaddr(e, endpoint_is_ipv4(e) ? AF_INET : AF_INET6, &address);

		evdns_base_nameserver_sockaddr_add(dns, (struct sockaddr *)&address, len, 0); /* logs what fails */
	}
	evdns_base_resume(dns);
}

void resolve_dns_set_search(struct evdns_base *dns, const struct resolve_conf *conf)
{
	evdns_base_search_clear(dns); /* begins another list: questions under way hold the old one */
	for (unsigned i = conf->search_count; i > 0; i--) /* each is put before those that are there */
		evdns_base_search_add(dns, conf->search[i - 1]);
	evdns_base_search_ndots_set(dns, (int)conf->ndots);
}

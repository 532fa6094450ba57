/* objects: proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o */
/* measures: proxy/exchange/resolve_texts.c */
/*
 * Any text as resolv.conf and as hosts file. What was taken of resolv.conf keeps its bounds and, written again, is taken as
 * the same. Each word of the input is looked up among the hosts: what is found is complete and in order, and localhost
 * is always this machine.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/exchange/resolve_texts.h"
#include "tests/fuzz/fuzz.h"

enum { WRITTEN_MAX = 8192, WORDS_MAX = 256 };

static void conf_is_sound(const struct resolve_conf *c)
{
	CHECK(c->server_count <= RESOLVE_SERVERS_MAX && c->search_count <= RESOLVE_SEARCH_MAX && c->ndots <= RESOLVE_NDOTS_MAX);
	for (unsigned i = 0; i < c->server_count; i++) {
		const struct endpoint *e = &c->servers[i];

		CHECK(e->port != 0 && e->transport == 0 && e->session == 0);
		CHECK(e->scope == 0 || (endpoint_is_link_local(e) && !endpoint_is_ipv4(e)));
		for (unsigned other = 0; other < i; other++)
			CHECK(!endpoint_equal(e, &c->servers[other]));
	}
	for (unsigned i = 0; i < c->search_count; i++) {
		size_t len = strnlen(c->search[i], sizeof(c->search[i]));

		CHECK(len > 0 && len <= RESOLVE_DOMAIN_MAX);
		CHECK(resolve_name_length(c->search[i], len) == len);
	}
}

static size_t conf_write(const struct resolve_conf *c, char *out)
{
	char address[ENDPOINT_TEXT_MAX], zone[16];
	int at = 0;

	for (unsigned i = 0; i < c->server_count; i++) {
		struct endpoint plain = c->servers[i];
		uint32_t scope = plain.scope;

		plain.scope = 0; /* its name, if it has one, is no zone here */
		zone[0] = '\0';
		if (scope != 0)
			snprintf(zone, sizeof(zone), "%%%u", scope);
		at += snprintf(out + at, WRITTEN_MAX - (size_t)at, "nameserver [%s%s]:%u\n", endpoint_format_address(&plain, address), zone,
			plain.port);
	}
	for (unsigned i = 0; i < c->search_count; i++)
		at += snprintf(out + at, WRITTEN_MAX - (size_t)at, "%s %s", i == 0 ? "search" : "", c->search[i]);
	at += snprintf(out + at, WRITTEN_MAX - (size_t)at, "\noptions ndots:%u\n", c->ndots);
	CHECK(at < WRITTEN_MAX);
	return (size_t)at;
}

static void as_resolv_conf(const char *text, size_t len)
{
	static struct resolve_conf conf, again;
	char written[WRITTEN_MAX];

	resolve_conf_parse(&conf, text, len);
	conf_is_sound(&conf);
	resolve_conf_parse(&again, written, conf_write(&conf, written));
	CHECK(again.refused == 0 && again.ndots == conf.ndots);
	CHECK(again.server_count == conf.server_count && memcmp(again.servers, conf.servers, sizeof(conf.servers)) == 0);
	CHECK(again.search_count == conf.search_count);
	for (unsigned i = 0; i < conf.search_count; i++)
		CHECK(strcmp(again.search[i], conf.search[i]) == 0);
}

static void host_is_sound(const struct endpoint *found, size_t count)
{
	CHECK(found == NULL ? count == 0 : count > 0 && count <= RESOLVE_ADDRESSES_MAX);
	for (size_t i = 0; i < count; i++) {
		CHECK(found[i].port == 0 && found[i].transport == 0 && found[i].session == 0);
		CHECK(i == 0 || endpoint_is_ipv4(&found[i]) || !endpoint_is_ipv4(&found[i - 1]));
	}
}

static void as_hosts(const char *text, size_t len)
{
	struct resolve_hosts *hosts = resolve_hosts_new(text, len);
	const struct endpoint *found;
	size_t count, at = 0;

	CHECK(hosts != NULL);
	for (unsigned words = 0; at < len && words < WORDS_MAX; words++) {
		char name[RESOLVE_NAME_MAX + 1];
		size_t n = 0;

		while (at < len && n < sizeof(name) && !strchr(" \t\r\n#", text[at]))
			name[n++] = (char)tolower((unsigned char)text[at++]);
		if (n == 0) {
			at++;
			continue;
		}
		n = resolve_name_length(name, n);
		found = resolve_hosts_find(hosts, name, n, &count);
		host_is_sound(found, count);
		CHECK(n > 0 || found == NULL);
	}
	found = resolve_hosts_find(hosts, "localhost", 9, &count);
	CHECK(found != NULL);
	host_is_sound(found, count);
	for (size_t i = 0; i < count; i++)
		CHECK(endpoint_is_loopback(&found[i]));
	resolve_hosts_free(hosts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_open(-1, LOG_LEVEL_ERROR);
	as_resolv_conf((const char *)data, size);
	as_hosts((const char *)data, size);
	return 0;
}

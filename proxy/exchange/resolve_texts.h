/*
 * resolve_texts - what resolv.conf(5) and hosts(5) say, taken from their texts. Nothing here opens, asks or looks up
 * anything, so that it works in a process that can open no file; resolve_files reads the files elsewhere.
 */
#ifndef PROXY_EXCHANGE_RESOLVE_TEXTS_H
#define PROXY_EXCHANGE_RESOLVE_TEXTS_H

#include <stddef.h>

#include "base/endpoint.h"

enum {
	RESOLVE_ADDRESSES_MAX = 8,  /* of one name */
	RESOLVE_NAME_MAX = 253,     /* RFC 1035 2.3.4, without the root */
	RESOLVE_SERVERS_MAX = 8,    /* name servers */
	RESOLVE_SEARCH_MAX = 16,    /* domains of the search list */
	RESOLVE_DOMAIN_MAX = 189,   /* bytes of one: with a label and a dot before it it is still a name */
	RESOLVE_NDOTS_MAX = 15,    /* dots before which a name is looked up in the search list first */
	RESOLVE_HOSTS_MAX = 4096    /* names taken from a hosts text */
};

struct resolve_conf {
	struct endpoint servers[RESOLVE_SERVERS_MAX]; /* with ports: 53 where the text has none */
	unsigned server_count;
	unsigned refused;       /* lines that name a server and could not be taken */
	char search[RESOLVE_SEARCH_MAX][RESOLVE_DOMAIN_MAX + 1]; /* lower case, no dot at either end */
	unsigned search_count;
	unsigned ndots;         /* 1 where the text has none */
};

/* Reads "nameserver ADDRESS", "domain NAME", "search NAME..." (of these two the last line counts) and "options ndots:N";
 * other lines and options are passed over: times and attempts are settings of ours. An address may have a port
 * ("10.0.0.1:53", "[fd00::1]:53"); the zone of a link-local one is the number of an interface ("fe80::1%2"). A domain
 * that is no name is left out. Any text is taken; text need not be terminated. */
void resolve_conf_parse(struct resolve_conf *conf, const char *text, size_t len);

struct resolve_hosts;

/* The names of a hosts text, any case, and localhost: what the text says of localhost counts only as far as it means this
 * machine, ::1 and 127.0.0.1 if nothing is left (RFC 6761 6.3). Zones as above. Lines without an address and names that
 * resolve_name_length() refuses are passed over. Returns NULL without memory. */
struct resolve_hosts *resolve_hosts_new(const char *text, size_t len);
void resolve_hosts_free(struct resolve_hosts *hosts);

/* The addresses of a lower-case name, IPv6 before IPv4, ports 0; NULL if it has none here. They live as long as hosts. */
const struct endpoint *resolve_hosts_find(const struct resolve_hosts *hosts, const char *name, size_t len, size_t *count);

/* The length without its last dot of a lower-case name that can be asked for: letters, digits, '-' and '_' in labels of at
 * most 63 (RFC 1035 2.3.1, and what is in use), at most RESOLVE_NAME_MAX in all. 0 for every other. */
size_t resolve_name_length(const char *name, size_t len);

#endif

#include "proxy/exchange/resolve_texts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

enum { SERVER_PORT = 53, LABEL_MAX = 63, HOSTS_BUCKETS = 1024 };

/* ---- words ---- */

struct span {
	const char *at, *end;
};

static struct span span_of(const char *text, size_t len)
{
	static const char nothing[1];

	if (len == 0) /* where text may be NULL */
		return (struct span){ nothing, nothing };
	return (struct span){ text, text + len };
}

static size_t span_length(struct span s)
{
	return (size_t)(s.end - s.at);
}

/* Cuts the next line, without its line feed, off the text. Returns false at its end. */
static bool line_next(struct span *text, struct span *line)
{
	const char *feed;

	if (text->at == text->end)
		return false;
	feed = memchr(text->at, '\n', span_length(*text));
	line->at = text->at;
	line->end = feed != NULL ? feed : text->end;
	text->at = feed != NULL ? feed + 1 : text->end;
	return true;
}

/* Cuts the next word off a line. Returns false at its end, which a word that begins with '#' or ';' is too. */
static bool word_next(struct span *line, struct span *word)
{
	while (line->at < line->end && (*line->at == ' ' || *line->at == '\t' || *line->at == '\r'))
		line->at++;
	if (line->at == line->end || *line->at == '#' || *line->at == ';')
		return false;
	word->at = line->at;
	while (line->at < line->end && *line->at != ' ' && *line->at != '\t' && *line->at != '\r')
		line->at++;
	word->end = line->at;
	return true;
}

static bool word_is(struct span word, const char *text)
{
	return span_length(word) == strlen(text) && memcmp(word.at, text, span_length(word)) == 0;
}

/* A decimal number of digits alone up to max, or -1. */
static int64_t number_parse(struct span s, uint32_t max)
{
	int64_t n = 0;

	if (s.at == s.end)
		return -1;
	for (; s.at < s.end; s.at++) {
		if (*s.at < '0' || *s.at > '9')
			return -1;
		n = n * 10 + (*s.at - '0');
		if (n > max)
			return -1;
	}
	return n;
}

/* The zone is a number: a name would have to be looked up by the system, which a confined process may not ask. */
static int address_parse(struct endpoint *e, struct span word)
{
	const char *percent = memchr(word.at, '%', span_length(word));
	struct span address = { word.at, percent != NULL ? percent : word.end };
	int64_t zone;

	if (endpoint_parse_literal(e, address.at, span_length(address), false) != 0)
		return -1;
	if (percent == NULL)
		return 0;
	zone = number_parse((struct span){ percent + 1, word.end }, INT32_MAX);
	if (zone < 1 || endpoint_is_ipv4(e) || !endpoint_is_link_local(e))
		return -1;
	e->scope = (uint32_t)zone;
	return 0;
}

size_t resolve_name_length(const char *name, size_t len)
{
	size_t label = 0;

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > RESOLVE_NAME_MAX)
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

/* Writes the word in lower case. Returns its length as a name, or 0 if it is none. */
static size_t name_fold(struct span word, char out[RESOLVE_NAME_MAX + 1])
{
	size_t len = span_length(word);

	if (len > RESOLVE_NAME_MAX + 1)
		return 0;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(word.at[i] >= 'A' && word.at[i] <= 'Z' ? word.at[i] + ('a' - 'A') : word.at[i]);
	return resolve_name_length(out, len);
}

/* ---- resolv.conf ---- */

/* "ADDRESS", "IPV4:PORT", "[ADDRESS]" or "[ADDRESS]:PORT". */
static int server_parse(struct endpoint *e, struct span word)
{
	struct span address = word, port = { NULL, NULL };
	const char *colon = memchr(word.at, ':', span_length(word));
	int64_t number = SERVER_PORT;

	if (*word.at == '[') {
		const char *bracket = memchr(word.at, ']', span_length(word));

		if (bracket == NULL)
			return -1;
		address = (struct span){ word.at + 1, bracket };
		if (bracket + 1 < word.end) {
			if (bracket[1] != ':')
				return -1;
			port = (struct span){ bracket + 2, word.end };
		}
	} else if (colon != NULL && memchr(colon + 1, ':', (size_t)(word.end - colon - 1)) == NULL) {
		address.end = colon;
		port = (struct span){ colon + 1, word.end };
	}
	if (port.at != NULL)
		number = number_parse(port, UINT16_MAX);
	if (number < 1 || address_parse(e, address) != 0)
		return -1;
	e->port = (uint16_t)number;
	return 0;
}

static void server_take(struct resolve_conf *conf, struct span line)
{
	struct endpoint server;
	struct span word;

	if (!word_next(&line, &word) || server_parse(&server, word) != 0) {
		conf->refused++;
		return;
	}
	for (unsigned i = 0; i < conf->server_count; i++)
		if (endpoint_equal(&conf->servers[i], &server))
			return;
	if (conf->server_count == RESOLVE_SERVERS_MAX)
		conf->refused++;
	else
		conf->servers[conf->server_count++] = server;
}

static void search_take(struct resolve_conf *conf, struct span line, unsigned most)
{
	char name[RESOLVE_NAME_MAX + 1];
	struct span word;

	conf->search_count = 0;
	while (conf->search_count < most && word_next(&line, &word)) {
		size_t len;

		if (*word.at == '.')
			word.at++;
		len = name_fold(word, name);
		if (len == 0 || len > RESOLVE_DOMAIN_MAX)
			continue;
		memcpy(conf->search[conf->search_count], name, len);
		conf->search[conf->search_count++][len] = '\0';
	}
}

static void options_take(struct resolve_conf *conf, struct span line)
{
	struct span word;
	int64_t ndots;

	while (word_next(&line, &word)) {
		if (span_length(word) < 6 || memcmp(word.at, "ndots:", 6) != 0)
			continue;
		word.at += 6;
		ndots = number_parse(word, INT32_MAX);
		if (ndots >= 0)
			conf->ndots = ndots < RESOLVE_NDOTS_MAX ? (unsigned)ndots : RESOLVE_NDOTS_MAX;
	}
}

void resolve_conf_parse(struct resolve_conf *conf, const char *text, size_t len)
{
	struct span all = span_of(text, len), line, word;

	memset(conf, 0, sizeof(*conf));
	conf->ndots = 1;
	while (line_next(&all, &line)) {
		if (!word_next(&line, &word))
			continue;
		if (word_is(word, "nameserver"))
			server_take(conf, line);
		else if (word_is(word, "domain"))
			search_take(conf, line, 1);
		else if (word_is(word, "search"))
			search_take(conf, line, RESOLVE_SEARCH_MAX);
		else if (word_is(word, "options"))
			options_take(conf, line);
	}
}

/* ---- hosts ---- */

struct host {
	struct host *chain;
	size_t count;
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	size_t len;
	char text[];
};

struct resolve_hosts {
	struct hash_key key;
	unsigned count;
	struct host *table[HOSTS_BUCKETS];
};

static struct host **chain_of(struct resolve_hosts *hosts, const char *name, size_t len)
{
	return &hosts->table[hash_bytes(&hosts->key, name, len) % HOSTS_BUCKETS];
}

static struct host *host_find(const struct resolve_hosts *hosts, const char *name, size_t len)
{
	struct host *h = hosts->table[hash_bytes(&hosts->key, name, len) % HOSTS_BUCKETS];

	while (h != NULL && (h->len != len || memcmp(h->text, name, len) != 0))
		h = h->chain;
	return h;
}

static struct host *host_new(struct resolve_hosts *hosts, const char *name, size_t len)
{
	struct host **chain = chain_of(hosts, name, len), *h = malloc(sizeof(*h) + len);

	if (h == NULL)
		return NULL;
	h->count = 0;
	h->len = len;
	memcpy(h->text, name, len);
	h->chain = *chain;
	*chain = h;
	hosts->count++;
	return h;
}

static void address_add(struct host *h, const struct endpoint *address)
{
	size_t at;

	if (h->count == RESOLVE_ADDRESSES_MAX)
		return;
	for (at = h->count; at > 0; at--) { /* IPv6 goes before IPv4 */
		if (endpoint_is_ipv4(address) || !endpoint_is_ipv4(&h->addresses[at - 1]))
			break;
		h->addresses[at] = h->addresses[at - 1];
	}
	h->addresses[at] = *address;
	h->count++;
}

/* Returns 0, 1 if there is no room for another name, or -1 without memory. */
static int host_take(struct resolve_hosts *hosts, struct span word, const struct endpoint *address)
{
	char name[RESOLVE_NAME_MAX + 1];
	size_t len = name_fold(word, name);
	struct host *h;

	if (len == 0)
		return 0;
	if (len == 9 && memcmp(name, "localhost", 9) == 0 && !endpoint_is_loopback(address))
		return 0;
	h = host_find(hosts, name, len);
	if (h == NULL) {
		if (hosts->count >= RESOLVE_HOSTS_MAX)
			return 1;
		h = host_new(hosts, name, len);
		if (h == NULL)
			return -1;
	}
	address_add(h, address);
	return 0;
}

/* Returns as host_take(). */
static int hosts_take(struct resolve_hosts *hosts, struct span text)
{
	struct span line, word;
	struct endpoint address;
	int full = 0;

	while (line_next(&text, &line)) {
		const char *comment = memchr(line.at, '#', span_length(line));

		if (comment != NULL)
			line.end = comment;
		if (!word_next(&line, &word) || address_parse(&address, word) != 0)
			continue;
		while (word_next(&line, &word)) {
			int r = host_take(hosts, word, &address);

			if (r < 0)
				return r;
			full |= r;
		}
	}
	return full;
}

static int localhost_take(struct resolve_hosts *hosts)
{
	static const char text[] = "::1 localhost\n127.0.0.1 localhost\n";

	if (host_find(hosts, "localhost", 9) != NULL)
		return 0;
	if (hosts->count >= RESOLVE_HOSTS_MAX)
		hosts->count--; /* this one always has room */
	return hosts_take(hosts, span_of(text, sizeof(text) - 1));
}

struct resolve_hosts *resolve_hosts_new(const char *text, size_t len)
{
	struct resolve_hosts *hosts = calloc(1, sizeof(*hosts));
	int r;

	if (hosts == NULL)
		return NULL;
	hash_key_init(&hosts->key);
	r = hosts_take(hosts, span_of(text, len));
	if (r > 0)
		log_warning("the hosts file has more than %d names: the others are left out", RESOLVE_HOSTS_MAX);
	if (r < 0 || localhost_take(hosts) < 0) {
		resolve_hosts_free(hosts);
		return NULL;
	}
	return hosts;
}

void resolve_hosts_free(struct resolve_hosts *hosts)
{
	if (hosts == NULL)
		return;
	for (size_t i = 0; i < HOSTS_BUCKETS; i++) {
		while (hosts->table[i] != NULL) {
			struct host *h = hosts->table[i];

			hosts->table[i] = h->chain;
			free(h);
		}
	}
	free(hosts);
}

const struct endpoint *resolve_hosts_find(const struct resolve_hosts *hosts, const char *name, size_t len, size_t *count)
{
	const struct host *h = host_find(hosts, name, len);

	*count = h != NULL ? h->count : 0;
	return h != NULL ? h->addresses : NULL;
}

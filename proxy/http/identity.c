#include "proxy/http/identity.h"

#include <string.h>

#include "base/log.h"
#include "proxy/edge/tls.h"
#include "proxy/http/connection.h"
#include "proxy/http/material.h"

enum { FORWARDED_MAX = 64 /* elements that are looked at */ };

static struct credentials *in_force;

int identity_renew(const struct snapshot *conf, const struct material *m)
{
	const struct material_file *file = material_find(m, conf->settings.http_credentials);
	struct credentials *next = NULL;
	char error[160];

	if (file != NULL) {
		next = credentials_parse((const char *)file->bytes, file->len, error, sizeof error);
		if (next == NULL) {
			log_error("%s:%s", file->path, error);
			return -1;
		}
	}
	credentials_free(in_force);
	in_force = next;
	return 0;
}

void identity_close(void)
{
	credentials_free(in_force);
	in_force = NULL;
}

bool identity_of(const struct http_connection *c, const struct http_head *head, char name[IDENTITY_MAX], struct credential_proof *proof)
{
	const struct http_field *field = http_field_find(head, "Authorization");
	const SSL *ssl = http_connection_tls(c);
	const char *proved;

	proof->used = false;
	if (field != NULL) {
		if (in_force == NULL || http_field_count(head, "Authorization") != 1)
			return false;
		proved = credentials_check(in_force, field->value, proof);
		if (proved == NULL)
			return false;
		memcpy(name, proved, strlen(proved) + 1);
		return true;
	}
	return ssl != NULL && tls_peer_name(ssl, name, IDENTITY_MAX) != TLS_ANONYMOUS;
}

bool identity_holds(const char *name, const struct credential_proof *proof)
{
	return !proof->used || (in_force != NULL && credentials_hold(in_force, name, proof));
}

/* ---- behind proxies ---- */

static bool is_trusted(const struct listener *l, const struct endpoint *e)
{
	for (size_t i = 0; i < l->trusted_proxy_count; i++)
		if (network_contains(&l->trusted_proxies[i], e))
			return true;
	return false;
}

/* Nothing, or ":" and a port, which may be an obfuscated one (RFC 7239 6). */
static bool is_port(const char *at, size_t len)
{
	if (len == 0)
		return true;
	for (size_t i = 1; i < len; i++)
		if (!(at[i] >= '0' && at[i] <= '9') && at[1] != '_')
			return false;
	return at[0] == ':' && len > 1;
}

/* "10.0.0.1", "10.0.0.1:80", "[fd00::1]", "[fd00::1]:80", "fd00::1". */
static bool read_node(struct http_text text, struct endpoint *e)
{
	const char *end, *colon;

	if (text.len > 1 && text.at[0] == '"' && text.at[text.len - 1] == '"') {
		text.at++;
		text.len -= 2;
	}
	if (text.len > 0 && text.at[0] == '[') {
		end = memchr(text.at, ']', text.len);
		return end != NULL && is_port(end + 1, text.len - (size_t)(end + 1 - text.at)) &&
			endpoint_parse_literal(e, text.at + 1, (size_t)(end - text.at - 1), false) == 0 && !endpoint_is_ipv4(e);
	}
	colon = memchr(text.at, ':', text.len);
	if (colon != NULL && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.at)) == NULL) {
		if (!is_port(colon, text.len - (size_t)(colon - text.at)))
			return false;
		text.len = (size_t)(colon - text.at);
	}
	return endpoint_parse_literal(e, text.at, text.len, false) == 0;
}

/* The for= of an element of Forwarded. */
static bool read_forwarded(struct http_text element, struct endpoint *e)
{
	struct http_text pair, name, value;
	const char *semicolon, *equals;

	while (element.len > 0) {
		semicolon = memchr(element.at, ';', element.len);
		pair = (struct http_text){ element.at, semicolon != NULL ? (size_t)(semicolon - element.at) : element.len };
		element.at += pair.len + (semicolon != NULL);
		element.len -= pair.len + (semicolon != NULL);
		while (pair.len > 0 && (*pair.at == ' ' || *pair.at == '\t'))
			pair.at++, pair.len--;
		equals = pair.len > 0 ? memchr(pair.at, '=', pair.len) : NULL;
		if (equals == NULL)
			continue;
		name = (struct http_text){ pair.at, (size_t)(equals - pair.at) };
		value = (struct http_text){ equals + 1, pair.len - name.len - 1 };
		if (http_text_is(name, "for"))
			return read_node(value, e);
	}
	return false;
}

/* A quoted string of Forwarded that does not end would take what the next proxy appends into itself (RFC 9110 5.6.4). */
static bool ends_its_strings(struct http_text line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] == '"')
			quoted = !quoted;
		else if (line.at[i] == '\\' && quoted)
			i++;
	}
	return !quoted;
}

/* Takes the next element of X-Forwarded-For, which knows no quoted strings. */
static bool next_address(struct http_text *rest, struct http_text *element)
{
	const char *comma;

	if (rest->len == 0)
		return false;
	comma = memchr(rest->at, ',', rest->len);
	*element = (struct http_text){ rest->at, comma != NULL ? (size_t)(comma - rest->at) : rest->len };
	rest->at += element->len + (comma != NULL);
	rest->len -= element->len + (comma != NULL);
	while (element->len > 0 && (*element->at == ' ' || *element->at == '\t'))
		element->at++, element->len--;
	while (element->len > 0 && (element->at[element->len - 1] == ' ' || element->at[element->len - 1] == '\t'))
		element->len--;
	return true;
}

/* The elements of all lines of one of the two fields, as a ring: those nearest to us are the last. */
struct hops {
	struct http_text elements[FORWARDED_MAX];
	size_t count;
	bool present, broken;
};

static void read_hops(struct hops *h, const struct http_head *head, const char *name, bool forwarded)
{
	h->count = 0;
	h->present = h->broken = false;
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text rest = head->fields[i].value, element;

		if (!http_text_is(head->fields[i].name, name))
			continue;
		h->present = true;
		h->broken = h->broken || (forwarded && !ends_its_strings(rest));
		while (forwarded ? http_list_next(&rest, &element) : next_address(&rest, &element))
			h->elements[h->count++ % FORWARDED_MAX] = element;
	}
}

/* From the end: each one was written by the one behind it. The first that is not trusted, or says nothing, is as far as is believed. */
static void follow(const struct listener *l, const struct hops *h, bool forwarded, struct endpoint *client)
{
	size_t left = h->count, looks = h->count < FORWARDED_MAX ? h->count : FORWARDED_MAX;

	for (; looks > 0; looks--) {
		struct http_text element = h->elements[--left % FORWARDED_MAX];
		struct endpoint e;

		if (!(forwarded ? read_forwarded(element, &e) : read_node(element, &e)))
			return;
		*client = e;
		if (!is_trusted(l, &e))
			return;
	}
}

bool identity_address(const struct listener *l, const struct endpoint *peer, const struct http_head *head, struct endpoint *client)
{
	struct endpoint by_list = *peer;
	struct hops hops;
	bool forwarded;

	*client = *peer;
	if (l->trusted_proxy_count == 0 || !is_trusted(l, peer))
		return true;
	read_hops(&hops, head, "Forwarded", true);
	if (hops.broken)
		return false;
	forwarded = hops.present;
	follow(l, &hops, true, client);
	read_hops(&hops, head, "X-Forwarded-For", false);
	if (!hops.present)
		return true;
	follow(l, &hops, false, &by_list);
	/* A proxy writes one of them and may pass on the other, which anybody can have written. */
	if (forwarded)
		return memcmp(client->addr, by_list.addr, sizeof client->addr) == 0;
	*client = by_list;
	return true;
}

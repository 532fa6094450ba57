#include "proxy/http/identity.h"

#include <string.h>

#include "base/log.h"
#include "proxy/edge/tls.h"
#include "proxy/http/connection.h"
#include "proxy/http/credentials.h"
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

bool identity_of(const struct http_connection *c, const struct http_head *head, char name[IDENTITY_MAX])
{
	const struct http_field *field = http_field_find(head, "Authorization");
	const SSL *ssl = http_connection_tls(c);
	const char *proved;

	if (field != NULL) {
		proved = in_force != NULL && http_field_count(head, "Authorization") == 1 ? credentials_check(in_force, field->value) : NULL;
		if (proved == NULL)
			return false;
		memcpy(name, proved, strlen(proved) + 1);
		return true;
	}
	return ssl != NULL && tls_peer_name(ssl, name, IDENTITY_MAX) != TLS_ANONYMOUS;
}

/* ---- behind proxies ---- */

static bool is_trusted(const struct listener *l, const struct endpoint *e)
{
	for (size_t i = 0; i < l->trusted_proxy_count; i++)
		if (network_contains(&l->trusted_proxies[i], e))
			return true;
	return false;
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
		return end != NULL && endpoint_parse_literal(e, text.at + 1, (size_t)(end - text.at - 1), false) == 0;
	}
	colon = memchr(text.at, ':', text.len);
	if (colon != NULL && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.at)) == NULL)
		text.len = (size_t)(colon - text.at);
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

/* All elements of all lines of a field, in order. Returns how many. */
static size_t list_of(const struct http_head *head, const char *name, struct http_text elements[FORWARDED_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text rest = head->fields[i].value;

		if (!http_text_is(head->fields[i].name, name))
			continue;
		while (count < FORWARDED_MAX && http_list_next(&rest, &elements[count]))
			count++;
	}
	return count;
}

void identity_address(const struct listener *l, const struct endpoint *peer, const struct http_head *head, struct endpoint *client)
{
	struct http_text elements[FORWARDED_MAX];
	bool forwarded;
	size_t count;

	*client = *peer;
	if (l->trusted_proxy_count == 0 || !is_trusted(l, peer))
		return;
	count = list_of(head, "Forwarded", elements);
	forwarded = count > 0;
	if (!forwarded)
		count = list_of(head, "X-Forwarded-For", elements);
	/* From the end: each one was written by the one behind it. The first that is not trusted, or says nothing, is as far as is believed. */
	while (count > 0) {
		struct endpoint e;

		count--;
		if (!(forwarded ? read_forwarded(elements[count], &e) : read_node(elements[count], &e)))
			return;
		*client = e;
		if (!is_trusted(l, &e))
			return;
	}
}

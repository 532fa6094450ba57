/* check_listeners - what no single setting of a listener shows: see load.h */
#include <stdio.h>
#include <string.h>

#include "conf/load.h"

/* Sets of schemes, one bit each. */
enum {
	SECURED = 1 << URI_COAPS | 1 << URI_COAPS_TCP | 1 << URI_HTTPS, WEB = 1 << URI_HTTP | 1 << URI_HTTPS, ALL = (1 << URI_SCHEME_COUNT) - 1
};

static void complain(struct conf_loader *l, size_t i, const char *key, const char *text)
{
	conf_complain(l, conf_line_of(l->named[GROUP_LISTENERS][i], key), "listeners.%s.%s: %s", l->snapshot->listeners[i].name, key, text);
}

/* Settings that a scheme has no use for. What is at its default cannot be told from what is not written. */
static void check_foreign_settings(struct conf_loader *l, size_t i)
{
	const struct listener *at = &l->snapshot->listeners[i];
	static const char secured[] = "is for coaps, coaps+tcp and https", web[] = "is for http and https", not_coap[] = "is for all schemes but coap";
	const struct {
		const char *key;
		bool is_set;
		unsigned schemes;
		const char *text;
	} settings[] = {
		{"certificate", *at->certificate, SECURED, secured}, {"key", *at->key, SECURED, secured},
		{"certificates", at->certificate_count > 0, SECURED, secured}, {"client-ca", *at->client_ca, SECURED, secured},
		{"client-certificate", at->client_certificate, SECURED, secured}, {"psk-file", *at->psk_file, SECURED, secured},
		{"public-url", *at->public_url, WEB, web}, {"proxy-protocol", at->proxy_protocol, WEB, web},
		{"trusted-proxies", at->trusted_proxy_count > 0, WEB, web}, {"websocket", !at->websocket, WEB, web},
		{"websocket-origins", at->websocket_origin_count > 0, WEB, web},
		{"keepalive", at->keepalive > 0, ALL & ~(1u << URI_COAP), not_coap},
	};
	size_t k;

	for (k = 0; k < sizeof(settings) / sizeof(settings[0]); k++)
		if (settings[k].is_set && !(settings[k].schemes >> at->scheme & 1))
			complain(l, i, settings[k].key, settings[k].text);
}

/* What one is known by, and knows others by. */
static void check_keys(struct conf_loader *l, size_t i)
{
	const struct listener *at = &l->snapshot->listeners[i];
	char text[80];

	if (*at->certificate && !*at->key)
		complain(l, i, "certificate", "needs a key");
	if (*at->key && !*at->certificate)
		complain(l, i, "key", "needs a certificate");
	if (!*at->certificate && !*at->key && !*at->psk_file) {
		snprintf(text, sizeof(text), "%s needs certificate and key, or psk-file", uri_schemes[at->scheme].name);
		complain(l, i, "url", text);
	}
	if (at->certificate_count > 0 && !*at->certificate)
		complain(l, i, "certificates", "needs a certificate: for clients that ask for none of their names");
	if (*at->client_ca && !*at->certificate)
		complain(l, i, "client-ca", "needs a certificate: by a shared key alone no client is asked for one");
	if (at->client_certificate && !*at->client_ca)
		complain(l, i, "client-certificate", "needs client-ca: what the certificates of clients are verified by");
}

static void check_listener(struct conf_loader *l, size_t i)
{
	const struct listener *at = &l->snapshot->listeners[i];

	check_foreign_settings(l, i);
	if (at->proxy_protocol && at->trusted_proxy_count == 0)
		complain(l, i, "proxy-protocol", "needs trusted-proxies: those whose header is believed");
	if (at->websocket_origin_count > 0 && !at->websocket)
		complain(l, i, "websocket-origins", "needs websocket");
	if (!conf_is_coap(at->scheme) && !at->websocket && at->keepalive > 0)
		complain(l, i, "keepalive", "needs websocket: HTTP has no sessions");
	if (SECURED >> at->scheme & 1)
		check_keys(l, i);
}

/* A port of datagrams and one of connections are two. The unspecified address of IPv6 takes IPv4 as well. */
static bool bind_together(const struct listener *a, const struct listener *b)
{
	if (uri_schemes[a->scheme].stream != uri_schemes[b->scheme].stream)
		return false;
	return endpoint_equal(&a->address, &b->address) || (a->any && b->any && a->address.port == b->address.port);
}

void conf_check_listeners(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;
	size_t i, j;

	if (s->listener_count == 0)
		conf_complain(l, 1, "listeners: there is none, so nothing could be asked");
	for (i = 0; i < s->listener_count; i++) {
		if (!s->listeners[i].url) {
			conf_complain(l, l->named[GROUP_LISTENERS][i]->line, "listeners.%s: has no url", s->listeners[i].name);
			continue;
		}
		check_listener(l, i);
		for (j = 0; j < i; j++)
			if (s->listeners[j].url && bind_together(&s->listeners[i], &s->listeners[j]))
				conf_complain(l, l->named[GROUP_LISTENERS][i]->line, "listeners.%s: takes the same address as %s", s->listeners[i].name,
					s->listeners[j].name);
	}
}

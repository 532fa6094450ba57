/* files - lists the files that workers want, in the order of listeners: see load.h */
#include <stdio.h>
#include <string.h>

#include "conf/load.h"

enum { SETTING_MAX = 2 * CONF_NAME_MAX };

static void add(struct conf_loader *l, const struct conf_file *file)
{
	struct snapshot *s = l->snapshot;

	if (*file->path == '\0')
		return;
	if (s->file_count == CONF_FILES_MAX) {
		conf_complain(l, file->line, "%s: is one more file than the %d that a configuration may name", file->setting, CONF_FILES_MAX);
		return;
	}
	s->files[s->file_count] = *file;
	s->files[s->file_count++].setting = arena_copy(l->arena, file->setting, strlen(file->setting));
}

/* Each is a certificate and its key, with a space between them. */
static void add_more_certificates(struct conf_loader *l, const struct listener *at, unsigned line)
{
	char setting[SETTING_MAX];

	snprintf(setting, sizeof(setting), "listeners.%s.certificates", at->name);
	for (size_t i = 0; i < at->certificate_count; i++) {
		const char *text = at->certificates[i], *space = strchrnul(text, ' ');

		add(l, &(struct conf_file){CONF_FILE_CERTIFICATE, arena_copy(l->arena, text, (size_t)(space - text)), setting, line, at});
		add(l, &(struct conf_file){CONF_FILE_KEY, *space ? space + 1 : "", setting, line, at});
	}
}

static void add_of_listener(struct conf_loader *l, size_t i)
{
	const struct listener *at = &l->snapshot->listeners[i];
	const struct {
		enum conf_file_kind kind;
		const char *key, *path;
	} rows[] = {
		{CONF_FILE_CERTIFICATE, "certificate", at->certificate}, {CONF_FILE_KEY, "key", at->key},
		{CONF_FILE_CLIENT_CA, "client-ca", at->client_ca}, {CONF_FILE_PSK, "psk-file", at->psk_file},
	};
	char setting[SETTING_MAX];

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		snprintf(setting, sizeof(setting), "listeners.%s.%s", at->name, rows[k].key);
		add(l, &(struct conf_file){rows[k].kind, rows[k].path, setting, conf_line_of(l->named[GROUP_LISTENERS][i], rows[k].key), at});
	}
	add_more_certificates(l, at, conf_line_of(l->named[GROUP_LISTENERS][i], "certificates"));
}

static bool is_https(enum uri_scheme scheme)
{
	return scheme == URI_HTTPS;
}

static bool asks_by(const struct route *r, bool (*is)(enum uri_scheme scheme))
{
	for (size_t i = 0; i < r->to_count; i++)
		if (!r->to[i].session && is(r->to[i].scheme))
			return true;
	for (size_t i = 0; i < r->forward_count; i++)
		if (!r->via && is(r->forward_to[i].scheme))
			return true;
	return r->via && is(r->via->scheme);
}

/* Those who vouch are needed where no key of ours is shown. */
static void list_upstream(struct conf_loader *l)
{
	struct snapshot *s = l->snapshot;
	const struct settings *t = &s->settings;
	const struct {
		enum conf_file_kind kind;
		const char *key, *setting, *path;
	} rows[] = {
		{CONF_FILE_PSK, "psk-file", "upstream.psk-file", t->upstream_psk_file},
		{CONF_FILE_CERTIFICATE, "certificate", "upstream.certificate", t->upstream_certificate},
		{CONF_FILE_KEY, "key", "upstream.key", t->upstream_key}, {CONF_FILE_AUTHORITIES, "ca", "upstream.ca", t->upstream_ca},
	};
	bool by_https = false, by_certificate = false;

	for (const struct route *r = s->routes; r < s->routes + s->route_count; r++) {
		bool secured = asks_by(r, conf_is_secured_coap);

		s->asks_secured |= secured;
		by_certificate |= secured && *r->origin_identity == '\0';
		by_https |= asks_by(r, is_https);
	}
	for (size_t k = 0; s->asks_secured && k < sizeof(rows) / sizeof(rows[0]); k++)
		add(l, &(struct conf_file){rows[k].kind, rows[k].path, rows[k].setting, conf_line_in(l, "upstream", rows[k].key), NULL});
	if (by_https || (by_certificate && *t->upstream_ca == '\0'))
		add(l, &(struct conf_file){CONF_FILE_AUTHORITIES, t->http_ca, "http.ca", conf_line_in(l, "http", "ca"), NULL});
}

void conf_list_files(struct conf_loader *l)
{
	struct snapshot *s = l->snapshot;

	s->files = arena_take(l->arena, CONF_FILES_MAX * sizeof(s->files[0]));
	for (size_t i = 0; i < s->listener_count; i++)
		if (uri_schemes[s->listeners[i].scheme].secure)
			add_of_listener(l, i);
	add(l, &(struct conf_file){CONF_FILE_CREDENTIALS, s->settings.http_credentials, "http.credentials",
		conf_line_in(l, "http", "credentials"), NULL});
	list_upstream(l);
}

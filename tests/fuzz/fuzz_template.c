/* objects: translate/map_template.o translate/link_hc.o coap/link_format.o coap/uri.o coap/message.o base/endpoint.o */
/* measures: translate/map_template.c coap/link_format.c */
/*
 * URI templates. The first line of the input is a template, the rest is taken as a request target and as a target URI, by that template and
 * by some that carry every URI. What matches is a URI of CoAP; what a URI is expanded to leads back to it, and with the templates that
 * carry every URI there is always such a form. Each template's link is written, and asked for by the rest as a query.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "translate/link_hc.h"
#include "translate/map_template.h"

static const char *const complete[] = {
	"/hc/{+tu}", "/x?tu={+tu}", "/{tu}/x", "/{+s}/{+hp}{+p}{+qq}", "/?s={s}&hp={hp}&p={p}&q={qq}", "/{s}/{hp}{+p}{+qq}",
	"/{+s}@{+hp}/{p}{+qq}",
};
enum { COMPLETE = sizeof(complete) / sizeof(complete[0]), SCHEMES = 3, EXPANDED_MAX = 3 * URI_MAX + TEMPLATE_MAX + 1 };
static const int schemes[SCHEMES] = {-1, URI_COAPS, URI_HTTP};

static bool is_of_coap(const char *text, size_t len)
{
	struct uri u;

	return uri_parse(&u, text, len) == URI_OK && u.scheme != URI_HTTP && u.scheme != URI_HTTPS;
}

/* What a URI becomes leads back to it, whatever room there is. */
static void there_and_back(const struct template *t, const char *uri, size_t len, int scheme, bool always)
{
	char *out = malloc(EXPANDED_MAX), *back = malloc(URI_MAX + 1), *small;
	int target_len = template_expand(t, uri, len, scheme, out, EXPANDED_MAX);
	struct uri parts;
	size_t back_len;

	CHECK(!always || target_len > 0);
	if (target_len >= 0) {
		CHECK(is_of_coap(uri, len));
		CHECK(strlen(out) == (size_t)target_len && out[0] == '/' && !strpbrk(out, "[]# "));
		CHECK(template_match(t, (struct http_text){out, (size_t)target_len}, scheme, back, &back_len, &parts) == TEMPLATE_OK);
		CHECK(back_len == len && memcmp(back, uri, len) == 0 && back[len] == '\0');
		small = malloc((size_t)target_len + 1);
		CHECK(template_expand(t, uri, len, scheme, small, (size_t)target_len) == -1);
		CHECK(template_expand(t, uri, len, scheme, small, (size_t)target_len + 1) == target_len);
		free(small);
	} else {
		CHECK(out[0] == '\0');
	}
	free(out);
	free(back);
}

static void target_tried(const struct template *t, const char *target, size_t len, int scheme, bool always)
{
	char *out = malloc(URI_MAX + 1);
	struct uri parts;
	size_t out_len = 1;
	enum template_result r = template_match(t, (struct http_text){target, len}, scheme, out, &out_len, &parts);

	CHECK(out_len <= URI_MAX && out[out_len] == '\0' && strlen(out) == out_len);
	if (r == TEMPLATE_NO_SCHEME)
		CHECK(scheme == -1);
	if (r != TEMPLATE_OK || !template_has_target(t)) {
		CHECK(out_len == 0);
	} else {
		CHECK(is_of_coap(out, out_len) && parts.path.at + parts.path.len + parts.has_query + parts.query.len == out + out_len);
		there_and_back(t, out, out_len, scheme, always);
	}
	free(out);
}

static void template_tried(const struct template *t, const char *text, size_t len, bool always)
{
	for (int i = 0; i < SCHEMES; i++) {
		target_tried(t, text, len, schemes[i], always);
		there_and_back(t, text, len, schemes[i], always && is_of_coap(text, len));
	}
}

/* The URI in the place where the default mapping has it. */
static void default_mapping_tried(const struct template *t, const char *text, size_t len)
{
	char *target = malloc(len + 4);

	memcpy(target, "/hc/", 4);
	memcpy(target + 4, text, len);
	target_tried(t, target, len + 4, -1, true);
	free(target);
}

static void published_tried(const struct template *t, const char *text)
{
	struct http_text base, hct;

	template_publish(t, &base, &hct);
	CHECK(base.len > 0 && memcmp(base.at, text, base.len) == 0 && !memchr(base.at, '{', base.len));
	CHECK(template_has_target(t) || (hct.at == NULL && base.len == strlen(text)));
	if (hct.at)
		CHECK(base.len + hct.len == strlen(text) && memcmp(hct.at, text + base.len, hct.len) == 0);
	else if (template_has_target(t))
		CHECK(strcmp(text + base.len, "{+tu}") == 0);
}

/* What is written holds no line break, and a value ends at its own quote. */
static void texts_written(const char *text, size_t len)
{
	uint8_t *bytes = malloc(2 * len + 32);
	const uint8_t *c, *end;
	struct writer w;
	struct link link;

	writer_init(&w, bytes, 2 * len + 32);
	link_init(&link, "/", 1);
	link_add(&link, "title", text, len);
	link_write(&w, &link);
	if (!w.failed) {
		for (c = bytes + strlen("</>;title=\""), end = w.at - 1; c < end; c++) {
			CHECK(*c >= 0x20 && *c != '"');
			if (*c == '\\')
				c++;
		}
		CHECK(c == end && *c == '"');
	}
	writer_init(&w, bytes, 2 * len + 32);
	link_init(&link, text, len);
	link_add(&link, "ct", text, len);
	link.attributes[0].bare = true;
	link_write(&w, &link);
	if (!w.failed)
		CHECK(writer_length(&w) == 2 * len + 6 && !memchr(bytes + 1, '<', writer_length(&w) - 1) && !memchr(bytes, ' ', writer_length(&w)));
	free(bytes);
}

/* A query of one argument is the same, decoded or not yet. */
static void link_tried(const struct template *t, const char *query, size_t len)
{
	char out[2 * TEMPLATE_MAX + 100];
	struct uri_part argument;
	struct link link;
	int out_len = link_format_hc(out, sizeof(out), t, "coap://h"), decoded_len;
	char *decoded;

	CHECK((out_len > 0) == template_has_target(t) && out_len <= (int)strlen(out));
	if (!link_hc_make(&link, t, NULL))
		return;
	CHECK(link_matches_query(&link, "rt=core.hc", 10) && link_matches_query(&link, "href=/*", 7));
	if (memchr(query, '&', len)) {
		(void)link_matches_query(&link, query, len);
		return;
	}
	decoded = malloc(len + 1);
	decoded_len = uri_text_decode(query, len, decoded, len);
	CHECK(decoded_len <= (int)len);
	argument = (struct uri_part){decoded, decoded_len < 0 ? 0 : (size_t)decoded_len};
	CHECK(link_matches_query(&link, query, len) == (decoded_len >= 0 && decoded_len <= 255 && link_matches(&link, &argument, 1)));
	free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct template *known[COMPLETE];
	const uint8_t *line_end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t line = line_end ? (size_t)(line_end - data) : size;
	const char *rest = (const char *)data + (line_end ? line + 1 : size);
	size_t rest_len = size - (size_t)(rest - (const char *)data);
	char *text = malloc(line + 1), error[TEMPLATE_ERROR_MAX];
	struct template *t;

	for (size_t i = 0; i < COMPLETE; i++)
		if (!known[i] && !(known[i] = template_compile(complete[i], error)))
			abort();
	memcpy(text, data, line);
	text[line] = '\0';
	memset(error, 1, sizeof(error));
	t = template_compile(text, error);
	if (t) {
		published_tried(t, text);
		link_tried(t, rest, rest_len);
		template_tried(t, rest, rest_len, false);
		template_free(t);
	} else {
		CHECK(memchr(error, '\0', sizeof(error)) && error[0] != '\0');
	}
	for (size_t i = 0; i < COMPLETE; i++)
		template_tried(known[i], rest, rest_len, true);
	default_mapping_tried(known[0], rest, rest_len);
	texts_written(rest, rest_len);
	free(text);
	return 0;
}

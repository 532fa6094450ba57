#include "coap/link_format.h"

#include <string.h>

enum { ARGUMENT_MAX = 255 }; /* as long as a Uri-Query may be (RFC 7252 5.10) */

/* Attributes whose values are lists, separated by spaces. */
static const char *const lists[] = {"rt", "if", "rel", "rev", "ct"};

void link_init(struct link *link, const char *target, size_t len)
{
	memset(link, 0, sizeof(*link));
	link->target = (struct uri_part){target, len};
}

void link_add(struct link *link, const char *name, const char *value, size_t len)
{
	link->attributes[link->attribute_count++] = (struct link_attribute){.name = name, .value = {value, len}};
}

void link_add_bare(struct link *link, const char *name, const char *value)
{
	link_add(link, name, value, strlen(value));
	link->attributes[link->attribute_count - 1].bare = true;
}

static void target_write(struct writer *w, const struct uri_part *target)
{
	for (size_t i = 0; i < target->len; i++)
		if (target->at[i] <= 0x20 || target->at[i] > 0x7e || strchr("<>\"", target->at[i]))
			w->failed = true;
	writer_u8(w, '<');
	writer_bytes(w, target->at, target->len);
	writer_u8(w, '>');
}

/* A quoted-string (RFC 2616 2.2, which RFC 6690 2 builds on). */
static void quoted_write(struct writer *w, const struct uri_part *value)
{
	writer_u8(w, '"');
	for (size_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->at[i];

		if (c < 0x20 || c == 0x7f)
			w->failed = true;
		if (c == '"' || c == '\\')
			writer_u8(w, '\\');
		writer_u8(w, c);
	}
	writer_u8(w, '"');
}

static void bare_write(struct writer *w, const struct uri_part *value)
{
	for (size_t i = 0; i < value->len; i++)
		if (value->at[i] <= 0x20 || value->at[i] > 0x7e || strchr("\"\\,;<>", value->at[i]))
			w->failed = true;
	writer_bytes(w, value->at, value->len);
}

void link_write(struct writer *w, const struct link *link)
{
	if (writer_length(w) > 0)
		writer_u8(w, ',');
	target_write(w, &link->target);
	for (size_t i = 0; i < link->attribute_count; i++) {
		const struct link_attribute *a = &link->attributes[i];

		writer_u8(w, ';');
		writer_bytes(w, a->name, strlen(a->name));
		writer_u8(w, '=');
		if (a->bare)
			bare_write(w, &a->value);
		else
			quoted_write(w, &a->value);
	}
}

static bool is_list(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i], name) == 0)
			return true;
	return false;
}

static bool text_matches(const char *at, const char *end, const struct uri_part *token, bool prefix)
{
	size_t len = (size_t)(end - at);

	return (prefix ? len >= token->len : len == token->len) && memcmp(at, token->at, token->len) == 0;
}

static bool attribute_matches(const struct link_attribute *a, const struct uri_part *token, bool prefix)
{
	const char *at = a->value.at, *end = at + a->value.len;

	if (!is_list(a->name))
		return text_matches(at, end, token, prefix);
	for (;;) {
		const char *stop = memchr(at, ' ', (size_t)(end - at));

		if (!stop)
			stop = end;
		if (text_matches(at, stop, token, prefix))
			return true;
		if (stop == end)
			return false;
		at = stop + 1;
	}
}

static bool argument_matches(const struct link *link, const struct uri_part *argument)
{
	const char *equals = memchr(argument->at, '=', argument->len);
	struct uri_part name, token;
	bool prefix;

	if (!equals || equals == argument->at)
		return true;
	name = (struct uri_part){argument->at, (size_t)(equals - argument->at)};
	token = (struct uri_part){equals + 1, argument->len - name.len - 1};
	prefix = token.len > 0 && token.at[token.len - 1] == '*';
	if (prefix)
		token.len--;
	if (name.len == 4 && memcmp(name.at, "href", 4) == 0)
		return text_matches(link->target.at, link->target.at + link->target.len, &token, prefix);
	for (size_t i = 0; i < link->attribute_count; i++) {
		const struct link_attribute *a = &link->attributes[i];

		if (strlen(a->name) == name.len && memcmp(a->name, name.at, name.len) == 0)
			return attribute_matches(a, &token, prefix);
	}
	return false;
}

bool link_matches(const struct link *link, const struct uri_part *arguments, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!argument_matches(link, &arguments[i]))
			return false;
	return true;
}

bool link_matches_query(const struct link *link, const char *query, size_t len)
{
	const char *at = query, *end;

	if (len == 0)
		return true;
	end = query + len;
	for (;;) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		char decoded[ARGUMENT_MAX];
		struct uri_part argument = {decoded, 0};
		int decoded_len;

		if (!stop)
			stop = end;
		decoded_len = uri_text_decode(at, (size_t)(stop - at), decoded, sizeof(decoded));
		if (decoded_len < 0)
			return false;
		argument.len = (size_t)decoded_len;
		if (!argument_matches(link, &argument))
			return false;
		if (stop == end)
			return true;
		at = stop + 1;
	}
}

#include "translate/map_template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum variable { TU, S, HP, P, Q, QQ, VARIABLE_COUNT };

static const char *const names[VARIABLE_COUNT] = {"tu", "s", "hp", "p", "q", "qq"};

/* What literal text may begin with behind {+x}: what the value does not hold, or hardly ever. Behind the others nothing may stand. */
static const char *const may_follow[VARIABLE_COUNT] = {
	[TU] = "", [S] = ":/?@!$&'()*,;=", [HP] = "/?@!$&'()*+,;=", [P] = "?!$&'()*+,;=", [Q] = "", [QQ] = "",
};
/* And behind {x}. The characters !'()* are not among them: many coders of URI components leave them as they are. */
static const char may_follow_coded[] = ":/?@$&+,;=";

enum { ELEMENTS_MAX = 2 * VARIABLE_COUNT + 2, VALUE_MAX = URI_MAX + 4 }; /* with brackets as %5B and %5D */

/* A piece of literal text, or a variable. */
struct element {
	bool is_variable;
	bool coded; /* {x}, not {+x} */
	enum variable variable;
	struct http_text literal;
};

struct template {
	size_t element_count;
	struct element elements[ELEMENTS_MAX];
	unsigned variables; /* bits by enum variable */
	size_t base_len;
	size_t len;
	char text[];
};

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool begins_with(const char *at, const char *end, struct http_text text)
{
	return (size_t)(end - at) >= text.len && memcmp(at, text.at, text.len) == 0;
}

/* ---- compiling -------------------------------------------------------------------------------------------------------- */

/* Takes the literal text at *at, up to the next variable. */
static const char *literal_read(struct element *e, const char **at)
{
	const char *c = *at;

	for (; *c && *c != '{'; c++) {
		if (*c == '}')
			return "has a \"}\" without its \"{\"";
		if (*c == '%') {
			if (!isxdigit((unsigned char)c[1]) || !isxdigit((unsigned char)c[2]))
				return "has a \"%\" that is not followed by two hexadecimal digits";
		} else if (!is_unreserved(*c) && !is_one_of(*c, "!$&'()*+,;=:@/?")) {
			return "has a character that no request target may hold";
		}
	}
	*e = (struct element){.literal = {*at, (size_t)(c - *at)}};
	*at = c;
	return NULL;
}

/* Takes the variable at *at. */
static const char *variable_read(struct element *e, const char **at)
{
	const char *name = *at + 1, *end = strchr(name, '}');

	if (!end)
		return "has a \"{\" without its \"}\"";
	*at = end + 1;
	*e = (struct element){.is_variable = true, .coded = *name != '+'};
	if (!e->coded)
		name++;
	if (is_one_of(*name, "#./;?&=,!@|+") || memchr(name, ',', (size_t)(end - name)) || memchr(name, ':', (size_t)(end - name)) ||
		memchr(name, '*', (size_t)(end - name)))
		return "has an expression beyond level 2 of RFC 6570: only {x} and {+x} are taken";
	for (int i = 0; i < VARIABLE_COUNT; i++) {
		if (strlen(names[i]) == (size_t)(end - name) && memcmp(names[i], name, strlen(names[i])) == 0) {
			e->variable = (enum variable)i;
			return NULL;
		}
	}
	return "has an unknown variable: there are tu, s, hp, p, q and qq";
}

static const char *elements_read(struct template *t)
{
	const char *at = t->text;

	while (*at) {
		/* no two literals follow each other, and it ends at the first variable that comes twice: there is room for that one too */
		struct element *e = &t->elements[t->element_count];
		const char *wrong = *at == '{' ? variable_read(e, &at) : literal_read(e, &at);

		if (wrong)
			return wrong;
		t->element_count++;
		if (!e->is_variable)
			continue;
		if (t->variables & 1U << e->variable)
			return "has a variable twice";
		t->variables |= 1U << e->variable;
	}
	return NULL;
}

static const char *variables_check(const struct template *t)
{
	unsigned simple = 1U << TU, both_queries = 1U << Q | 1U << QQ;

	if (t->variables == 0)
		return NULL;
	if ((t->variables & simple) && t->variables != simple)
		return "has {tu} beside other variables";
	if ((t->variables & both_queries) == both_queries)
		return "has both {q} and {qq}";
	if (!(t->variables & (simple | 1U << HP)))
		return "does not say where the host stands: neither {tu} nor {hp}";
	return NULL;
}

/* Whether the end of a variable's value can be told by what follows it. */
static bool ends_clearly(const struct element *e, const struct element *next)
{
	if (!next->is_variable)
		return is_one_of(next->literal.at[0], e->coded ? may_follow_coded : may_follow[e->variable]);
	/* a path is empty or begins with '/', and a query with '?': what stands before them holds neither */
	if (next->coded)
		return false;
	return (e->variable == HP && (next->variable == P || next->variable == QQ)) || (e->variable == P && next->variable == QQ);
}

static const char *compile(struct template *t, char error[TEMPLATE_ERROR_MAX])
{
	const char *wrong = elements_read(t);

	if (!wrong)
		wrong = variables_check(t);
	if (wrong)
		return wrong;
	for (size_t i = 0; i + 1 < t->element_count; i++) {
		const struct element *e = &t->elements[i];

		if (!e->is_variable || ends_clearly(e, e + 1))
			continue;
		snprintf(error, TEMPLATE_ERROR_MAX, "cannot be inverted: nothing tells where {%s%s} ends", e->coded ? "" : "+", names[e->variable]);
		return error;
	}
	return NULL;
}

struct template *template_compile(const char *text, char error[TEMPLATE_ERROR_MAX])
{
	size_t len = strlen(text);
	struct template *t = NULL;
	const char *wrong;

	if (text[0] != '/')
		wrong = "is no template of a request target: it begins with \"/\"";
	else if (len > TEMPLATE_MAX)
		wrong = "is longer than 512 bytes";
	else if (!(t = calloc(1, sizeof(*t) + len + 1)))
		wrong = "finds no memory";
	else
		wrong = NULL;
	if (t) {
		memcpy(t->text, text, len + 1);
		t->len = len;
		t->base_len = strcspn(text, "{?");
		wrong = compile(t, error);
	}
	if (!wrong)
		return t;
	if (wrong != error)
		snprintf(error, TEMPLATE_ERROR_MAX, "%s", wrong);
	free(t);
	return NULL;
}

void template_free(struct template *t)
{
	free(t);
}

bool template_has_target(const struct template *t)
{
	return t->variables != 0;
}

bool template_needs_scheme(const struct template *t)
{
	return t->variables != 0 && !(t->variables & (1U << TU | 1U << S));
}

/* ---- matching --------------------------------------------------------------------------------------------------------- */

static bool value_may_hold(const struct element *e, char c)
{
	if (e->coded)
		return is_unreserved(c) || is_one_of(c, "%!'()*");
	switch (e->variable) {
	case S:
		return is_unreserved(c) || c == '+';
	case HP:
		return c != '/' && c != '?';
	case P:
		return c != '?';
	default:
		return true;
	}
}

/* Where the value of element i ends that begins at `at`. */
static const char *value_end(const struct template *t, size_t i, const char *at, const char *end)
{
	const struct element *e = &t->elements[i], *stop = e + 1, *last = t->elements + t->element_count;

	/* what nothing may stand behind ends where the target does */
	if (!e->coded && may_follow[e->variable][0] == '\0')
		return end;
	/* variables that follow directly may be empty */
	while (stop < last && stop->is_variable)
		stop++;
	while (at < end && value_may_hold(e, *at) && !(stop < last && begins_with(at, end, stop->literal)))
		at++;
	return at;
}

/* Splits a request target into the values of the variables, raw. */
static bool target_split(const struct template *t, struct http_text target, struct http_text values[VARIABLE_COUNT])
{
	const char *at = target.at, *end = target.at + target.len;

	memset(values, 0, VARIABLE_COUNT * sizeof(values[0]));
	for (size_t i = 0; i < t->element_count; i++) {
		const struct element *e = &t->elements[i];

		if (e->is_variable) {
			values[e->variable].at = at;
			at = value_end(t, i, at, end);
			values[e->variable].len = (size_t)(at - values[e->variable].at);
		} else if (begins_with(at, end, e->literal)) {
			at += e->literal.len;
		} else {
			return false;
		}
	}
	return at == end;
}

static bool is_escape(const char *at, const char *end, char second)
{
	return end - at >= 3 && at[0] == '%' && at[1] == '5' && (at[2] | 0x20) == second;
}

/* Writes what begins with host and port, the brackets of an IPv6 literal turned back (RFC 8075 5.3.2). */
static void authority_write(struct writer *w, const char *at, const char *end)
{
	const char *close = at;

	if (is_escape(at, end, 'b'))
		while (close < end && !is_escape(close, end, 'd'))
			close++;
	if (close == at || close == end) {
		writer_bytes(w, at, (size_t)(end - at));
		return;
	}
	writer_u8(w, '[');
	writer_bytes(w, at + 3, (size_t)(close - at - 3));
	writer_u8(w, ']');
	writer_bytes(w, close + 3, (size_t)(end - close - 3));
}

/* Behind "scheme://", or NULL if the text does not begin so. */
static const char *scheme_end(const char *at, const char *end)
{
	static const struct http_text delimiter = {"://", 3};
	const char *c = at;

	while (c < end && (is_unreserved(*c) || *c == '+'))
		c++;
	return begins_with(c, end, delimiter) ? c + 3 : NULL;
}

static void default_scheme_write(struct writer *w, int scheme)
{
	writer_bytes(w, uri_schemes[scheme].name, strlen(uri_schemes[scheme].name));
	writer_bytes(w, "://", 3);
}

/* The simple form. */
static enum template_result whole_write(struct writer *w, struct http_text tu, int default_scheme)
{
	const char *at = tu.at, *end = tu.at + tu.len, *behind = scheme_end(at, end), *authority_end;

	if (behind) {
		writer_bytes(w, tu.at, (size_t)(behind - tu.at));
		authority_write(w, behind, end);
		return TEMPLATE_OK;
	}
	for (authority_end = at; authority_end < end && *authority_end != '/' && *authority_end != '?';)
		authority_end++;
	/* "coap:/h" is what is left of a URI whose slashes somebody merged, not a host with an empty port */
	if (authority_end == at || authority_end[-1] == ':')
		return TEMPLATE_BAD_URI;
	if (default_scheme < 0)
		return TEMPLATE_NO_SCHEME;
	default_scheme_write(w, default_scheme);
	authority_write(w, at, end);
	return TEMPLATE_OK;
}

/* Where the path of a composed URI begins, and what is behind it. */
struct joints {
	size_t path, query;
};

/* The enhanced form. */
static enum template_result parts_write(struct writer *w, const struct http_text values[VARIABLE_COUNT], int default_scheme,
	struct joints *joints)
{
	if (values[S].len > 0) {
		writer_bytes(w, values[S].at, values[S].len);
		writer_bytes(w, "://", 3);
	} else if (default_scheme < 0) {
		return TEMPLATE_NO_SCHEME;
	} else {
		default_scheme_write(w, default_scheme);
	}
	authority_write(w, values[HP].at, values[HP].at + values[HP].len);
	joints->path = writer_length(w);
	writer_bytes(w, values[P].at, values[P].len);
	joints->query = writer_length(w);
	if (values[Q].len > 0) {
		writer_u8(w, '?');
		writer_bytes(w, values[Q].at, values[Q].len);
	}
	writer_bytes(w, values[QQ].at, values[QQ].len);
	return TEMPLATE_OK;
}

/* A piece of the host in {p}, or of the path in {hp} or {qq}, would make another URI of it than each says by itself. */
static bool joints_hold(const struct uri *u, const char *text, const struct joints *joints)
{
	return u->path.at == text + joints->path && u->path.len == joints->query - joints->path;
}

/* Makes the values of {x} views of what they say once decoded, in rooms. */
static bool values_decode(const struct template *t, struct http_text values[VARIABLE_COUNT], char rooms[VARIABLE_COUNT][VALUE_MAX])
{
	for (size_t i = 0; i < t->element_count; i++) {
		const struct element *e = &t->elements[i];
		struct http_text *value = &values[e->variable];
		int len;

		if (!e->is_variable || !e->coded)
			continue;
		len = uri_text_decode(value->at, value->len, rooms[e->variable], VALUE_MAX);
		if (len < 0)
			return false;
		*value = (struct http_text){rooms[e->variable], (size_t)len};
	}
	return true;
}

static bool is_coap(enum uri_scheme scheme)
{
	return scheme != URI_HTTP && scheme != URI_HTTPS;
}

enum template_result template_match(const struct template *t, struct http_text target, int default_scheme, char out[URI_MAX + 1],
	size_t *out_len, struct uri *parts)
{
	char rooms[VARIABLE_COUNT][VALUE_MAX];
	struct http_text values[VARIABLE_COUNT];
	struct joints joints = {0, 0};
	enum template_result r;
	struct writer w;

	out[0] = '\0';
	*out_len = 0;
	if (!target_split(t, target, values))
		return TEMPLATE_OTHER;
	if (t->variables == 0)
		return TEMPLATE_OK;
	if (!values_decode(t, values, rooms))
		return TEMPLATE_BAD_URI;
	writer_init(&w, (uint8_t *)out, URI_MAX);
	if (t->variables & 1U << TU)
		r = whole_write(&w, values[TU], default_scheme);
	else
		r = parts_write(&w, values, default_scheme, &joints);
	if (r == TEMPLATE_OK && (w.failed || uri_parse(parts, out, writer_length(&w)) != URI_OK || !is_coap(parts->scheme)))
		r = TEMPLATE_BAD_URI;
	if (r == TEMPLATE_OK && !(t->variables & 1U << TU) && !joints_hold(parts, out, &joints))
		r = TEMPLATE_BAD_URI;
	if (r == TEMPLATE_OK)
		*out_len = writer_length(&w);
	out[*out_len] = '\0';
	return r;
}

/* ---- expanding -------------------------------------------------------------------------------------------------------- */

static void coded_write(struct writer *w, const char *at, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (is_unreserved(at[i])) {
			writer_u8(w, c);
		} else {
			writer_u8(w, '%');
			writer_u8(w, (unsigned char)hex[c >> 4]);
			writer_u8(w, (unsigned char)hex[c & 15]);
		}
	}
}

/* Only the brackets of an IPv6 literal are kept out of a request target. */
static void plain_write(struct writer *w, const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '[' || at[i] == ']')
			coded_write(w, at + i, 1);
		else
			writer_u8(w, (unsigned char)at[i]);
	}
}

/* The values of a URI that has been split. */
static void values_of(const struct uri *u, const char *text, size_t len, struct http_text values[VARIABLE_COUNT])
{
	const char *colon = memchr(text, ':', len);
	const char *authority = colon + 3, *path_end = u->path.at + u->path.len;

	values[TU] = (struct http_text){text, len};
	values[S] = (struct http_text){text, (size_t)(colon - text)};
	values[HP] = (struct http_text){authority, (size_t)(u->path.at - authority)};
	values[P] = (struct http_text){u->path.at, u->path.len};
	values[Q] = (struct http_text){u->query.at, u->query.len};
	values[QQ] = (struct http_text){path_end, (size_t)(text + len - path_end)};
}

int template_expand(const struct template *t, const char *target_uri, size_t len, int default_scheme, char *out, size_t out_size)
{
	struct http_text values[VARIABLE_COUNT];
	char back[URI_MAX + 1];
	size_t back_len;
	struct writer w;
	struct uri u, parts;

	if (out_size == 0)
		return -1;
	out[0] = '\0';
	if (t->variables == 0 || uri_parse(&u, target_uri, len) != URI_OK || !is_coap(u.scheme))
		return -1;
	values_of(&u, target_uri, len, values);
	writer_init(&w, (uint8_t *)out, out_size - 1);
	for (size_t i = 0; i < t->element_count; i++) {
		const struct element *e = &t->elements[i];

		if (!e->is_variable)
			writer_bytes(&w, e->literal.at, e->literal.len);
		else if (e->coded)
			coded_write(&w, values[e->variable].at, values[e->variable].len);
		else
			plain_write(&w, values[e->variable].at, values[e->variable].len);
	}
	/* What the template has no place for (a query, another scheme), or what it would read otherwise, shows here. */
	if (w.failed || template_match(t, (struct http_text){out, writer_length(&w)}, default_scheme, back, &back_len, &parts) != TEMPLATE_OK ||
		back_len != len || memcmp(back, target_uri, len) != 0) {
		out[0] = '\0';
		return -1;
	}
	*w.at = '\0';
	return (int)writer_length(&w);
}

void template_publish(const struct template *t, struct http_text *base, struct http_text *hct)
{
	static const char default_template[] = "{+tu}";

	*base = (struct http_text){t->text, t->base_len};
	*hct = (struct http_text){t->text + t->base_len, t->len - t->base_len};
	if (t->variables == 0)
		base->len = t->len;
	if (t->variables == 0 || strcmp(hct->at, default_template) == 0)
		*hct = (struct http_text){NULL, 0};
}

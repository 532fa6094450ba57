/* members - see members.h */
#include "conf/members.h"

#include <string.h>

enum { DEPTH_MAX = 64 };

/* A place in the text, and its line. */
struct scan {
	char *at;
	unsigned line;
};

static void step(struct scan *s)
{
	s->line += *s->at == '\n';
	s->at++;
}

/* Steps over a comment, if one begins here. */
static bool skip_comment(struct scan *s)
{
	if (s->at[0] == '#' || (s->at[0] == '/' && s->at[1] == '/')) {
		while (*s->at && *s->at != '\n')
			s->at++;
		return true;
	}
	if (s->at[0] != '/' || s->at[1] != '*')
		return false;
	for (s->at += 2; *s->at && (s->at[0] != '*' || s->at[1] != '/'); step(s))
		;
	s->at += *s->at ? 2 : 0;
	return true;
}

static void skip_blank(struct scan *s)
{
	for (;;) {
		if (*s->at && strchr(" \t\r\n\f\v", *s->at))
			step(s);
		else if (!skip_comment(s))
			return;
	}
}

static void skip_string(struct scan *s)
{
	for (s->at++; *s->at && *s->at != '"'; step(s))
		if (s->at[0] == '\\' && s->at[1])
			step(s);
	s->at += *s->at == '"';
}

static bool is_name_letter(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*')
		return true;
	return !first && ((c >= '0' && c <= '9') || c == '-' || c == '_');
}

/* Steps over a name and the ':' or '=' behind it; returns the name's length, or 0. The place may move in any case. */
static size_t skip_name(struct scan *s)
{
	char *begin = s->at;
	size_t len;

	while (is_name_letter(*s->at, s->at == begin))
		s->at++;
	len = (size_t)(s->at - begin);
	skip_blank(s);
	if (len == 0 || (*s->at != ':' && *s->at != '='))
		return 0;
	s->at++;
	return len;
}

/* Steps over what stands in brackets, from the opening one to behind the closing one. */
static bool skip_brackets(struct scan *s)
{
	char closing[DEPTH_MAX];
	size_t depth = 0;

	do {
		skip_blank(s);
		if (*s->at == '"') {
			skip_string(s);
			continue;
		}
		if (*s->at == '{' || *s->at == '(' || *s->at == '[') {
			if (depth == DEPTH_MAX)
				return false;
			closing[depth++] = *s->at == '{' ? '}' : *s->at == '(' ? ')' : ']';
		} else if (*s->at == '\0' || (strchr("})]", *s->at) && *s->at != closing[--depth]))
			return false;
		s->at++;
	} while (depth > 0);
	return true;
}

/* Finds `name` at the top; leaves s at its '{'. False if it is not there. */
static bool find_group(struct scan *s, const char *name)
{
	size_t len;
	char *begin;

	for (;;) {
		skip_blank(s);
		begin = s->at;
		if (*s->at == '\0')
			return false;
		if (*s->at == '"')
			skip_string(s);
		else if (strchr("{([", *s->at)) {
			if (!skip_brackets(s))
				return false;
		} else if (is_name_letter(*s->at, true)) {
			len = skip_name(s);
			skip_blank(s);
			if (len == strlen(name) && memcmp(begin, name, len) == 0)
				return *s->at == '{';
		} else
			s->at++;
	}
}

/* Steps from the first member to the closing '}'; counts the members, and notes them if there is where to. */
static bool scan_members(struct arena *a, struct scan *s, struct members *out)
{
	struct member *m;
	char *begin;
	size_t len;

	for (out->count = 0;; out->count++) {
		skip_blank(s);
		while (*s->at == ';' || *s->at == ',') {
			if (out->all)
				*s->at = ' ';
			s->at++;
			skip_blank(s);
		}
		if (*s->at == '}')
			return true;
		begin = s->at;
		m = out->all ? &out->all[out->count] : NULL;
		if (m)
			m->line = s->line;
		len = skip_name(s);
		if (len == 0)
			return false;
		if (m) {
			m->name = arena_copy(a, begin, len);
			memset(begin, ' ', len);
			s->at[-1] = ' ';
			/* the separator that a list wants stands in the place of the name */
			*begin = out->count > 0 ? ',' : ' ';
		}
		skip_blank(s);
		if (*s->at != '{' || !skip_brackets(s))
			return false;
	}
}

static bool take(struct arena *a, char *text, const char *name, struct members *out)
{
	struct scan s = {text, 1}, inside, again;

	if (!find_group(&s, name))
		return false;
	inside = s;
	inside.at++;
	again = inside;
	if (!scan_members(a, &again, out))
		return false;
	again.at++;
	if (find_group(&again, name)) /* libconfig says so */
		return false;
	out->all = arena_take(a, (out->count + 1) * sizeof(out->all[0]));
	if (!scan_members(a, &inside, out))
		return false; /* it was sound a moment ago */
	*s.at = '(';
	*inside.at = ')';
	return true;
}

bool members_take(struct arena *a, char *text, const char *name, struct members *out)
{
	*out = (struct members){NULL, 0};
	if (take(a, text, name, out))
		return true;
	*out = (struct members){NULL, 0};
	return false;
}

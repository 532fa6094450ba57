#include "proxy/decide/inner.h"

#include <string.h>

#include "base/bytes.h"
#include "coap/message.h"

static bool has_rules(const struct read_conf *r)
{
	return r->allow_count > 0 || r->deny_count > 0;
}

uint32_t inner_needed(const struct read_conf *r)
{
	return has_rules(r) ? FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH) : 0;
}

/* ---- spelling ---- */

static bool is_text(const struct opening_text *t, const char *text)
{
	return t->len == strlen(text) && memcmp(t->at, text, t->len) == 0;
}

/* How many bytes of a character follow its first, and the least that the whole may stand for; -1: no character begins so. */
static int characters_rest(uint8_t first, uint32_t *least, uint32_t *value)
{
	static const struct { uint8_t mask, lead; int rest; uint32_t least; } forms[] = {
		{ 0x80, 0x00, 0, 0 }, { 0xe0, 0xc0, 1, 0x80 }, { 0xf0, 0xe0, 2, 0x800 }, { 0xf8, 0xf0, 3, 0x10000 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if ((first & forms[i].mask) != forms[i].lead)
			continue;
		*least = forms[i].least;
		*value = first & (uint8_t)~forms[i].mask;
		return forms[i].rest;
	}
	return -1;
}

/* A "/" in three bytes is no UTF-8, but some decoders take it. */
static bool is_utf8(const uint8_t *at, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint32_t least = 0, value = 0;
		int rest = characters_rest(at[i++], &least, &value);

		if (rest < 0 || (size_t)rest > len - i)
			return false;
		for (; rest > 0; rest--, i++) {
			if ((at[i] & 0xc0) != 0x80)
				return false;
			value = value << 6 | (at[i] & 0x3f);
		}
		if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
			return false;
	}
	return true;
}

static bool is_percent_code(const uint8_t *at, size_t left)
{
	return left >= 3 && at[0] == '%' && byte_hex((char)at[1]) >= 0 && byte_hex((char)at[2]) >= 0;
}

static bool has_one_spelling(const struct opening_text *t)
{
	if (is_text(t, ".") || is_text(t, ".."))
		return false;
	for (size_t i = 0; i < t->len; i++)
		if (t->at[i] == '/' || t->at[i] == '\0' || is_percent_code(t->at + i, t->len - i))
			return false;
	return is_utf8(t->at, t->len);
}

static bool path_has_one_spelling(const struct opening_inner *in)
{
	if (in->path_abbreviated)
		return false;
	for (size_t i = 0; i < in->path_count; i++)
		if (!has_one_spelling(&in->path[i]) || (in->path[i].len == 0 && i + 1 < in->path_count))
			return false;
	return true;
}

/* ---- rules ---- */

static bool segment_matches(const char *want, const struct opening_text *t, bool any_case)
{
	if (strlen(want) != t->len)
		return false;
	for (size_t i = 0; i < t->len; i++) {
		char c = (char)t->at[i];

		if (want[i] != c && !(any_case && byte_lower(want[i]) == byte_lower(c)))
			return false;
	}
	return true;
}

static bool path_matches(const struct path_pattern *p, const struct opening_inner *in, size_t count, bool any_case)
{
	if (p->open ? count < p->count : count != p->count)
		return false;
	for (size_t i = 0; i < p->count; i++)
		if (p->segments[i] != NULL && !segment_matches(p->segments[i], &in->path[i], any_case))
			return false;
	return true;
}

static bool any_rule(const struct inner_rule *rules, size_t rule_count, const struct opening_inner *in, size_t count, bool any_case)
{
	for (size_t i = 0; i < rule_count; i++)
		if ((rules[i].methods == 0 || rules[i].methods >> in->code & 1) && path_matches(&rules[i].path, in, count, any_case))
			return true;
	return false;
}

/* Without the empty segment at the end. */
static size_t count_without_end(const struct opening_inner *in)
{
	return in->path_count > 0 && in->path[in->path_count - 1].len == 0 ? in->path_count - 1u : in->path_count;
}

static enum error judge_by_rules(const struct read_conf *r, const struct opening_inner *in)
{
	size_t whole = in->path_count, cut = count_without_end(in);

	/* Rules name methods up to iPATCH; what a code beyond means is known to nobody here. */
	if (!(in->fields & FIELD_BIT(FIELD_CODE)) || in->code < CODE_GET || in->code > CODE_IPATCH || !path_has_one_spelling(in))
		return ERR_READ_DENIED;
	if (any_rule(r->deny, r->deny_count, in, whole, true) || any_rule(r->deny, r->deny_count, in, cut, true))
		return ERR_READ_DENIED;
	if (r->allow_count > 0 &&
		(!any_rule(r->allow, r->allow_count, in, whole, false) || !any_rule(r->allow, r->allow_count, in, cut, false)))
		return ERR_READ_DENIED;
	return ERR_NONE;
}

enum error inner_judge(const struct read_conf *r, const struct opening_answer *a)
{
	switch ((enum opening_verdict)a->verdict) {
	case OPENING_OPENED:
		return has_rules(r) ? judge_by_rules(r, &a->inner) : ERR_NONE;
	case OPENING_VERIFIED:
		return has_rules(r) ? ERR_READ_DENIED : ERR_NONE; /* genuine, but what it asks was not read */
	case OPENING_UNKNOWN:
		return r->pass_unknown ? ERR_NONE : ERR_READ_UNKNOWN;
	case OPENING_NO_KEY:
		return ERR_READ_UNKNOWN;
	case OPENING_MALFORMED:
		return ERR_READ_MALFORMED;
	case OPENING_BAD:
	case OPENING_INNER:
		return ERR_READ_BAD;
	case OPENING_CLOSED:
		return ERR_READ_CLOSED;
	case OPENING_FAILED:
	case OPENING_VERDICTS:
		break;
	}
	return ERR_READER_FAILED;
}

size_t inner_counted_path(const struct read_conf *r, const struct opening_inner *in)
{
	size_t i = 0;

	while (i < r->count_path_count && (in->path_abbreviated || !path_matches(&r->count_paths[i], in, in->path_count, false)))
		i++;
	return i;
}

#include "proxy/decide/explain_read.h"

#include <string.h>

#include "coap/option.h"
#include "conf/grammar.h"
#include "conf/value.h"
#include "oscore/opening.h"
#include "proxy/decide/inner.h"

static void show_fields(FILE *out, uint32_t fields)
{
	char word[CONF_WORD_MAX];

	fputs("  fields:", out);
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (fields & FIELD_BIT(i))
			fprintf(out, " %s", conf_word_at(opening_field_names, i, word));
	fputs(fields == 0 ? " none\n" : "\n", out);
}

static void show_rules(FILE *out, const char *what, const struct inner_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "  %s: %s\n", what, rules[i].text);
}

static void show_gate(FILE *out, const struct read_conf *r)
{
	char text[VALUE_TEXT_MAX];

	fprintf(out, "reads by %s: a gate, at which a request waits until it is read, %s at most\n", r->name, value_write_duration(r->deadline, text));
	show_rules(out, "allow", r->allow, r->allow_count);
	show_rules(out, "deny", r->deny, r->deny_count);
	if (r->rate > 0)
		fprintf(out, "  rate: %u requests a second of one sender, %u at once\n", (unsigned)r->rate, (unsigned)r->burst);
	fprintf(out, "  of no context that is known: %s\n", r->pass_unknown ? "passes unread" : "refused");
}

static void show(FILE *out, const struct read_conf *r)
{
	if (conf_read_is_gate(r))
		show_gate(out, r);
	else
		fprintf(out, "reads by %s: a tap, which reads a request after it has left\n", r->name);
	fprintf(out, "  contexts: %s\n", r->contexts->name);
	show_fields(out, r->fields);
	if (r->feed)
		fprintf(out, "  told to the feed %s\n", r->feed->name);
}

/* The path as the reader would tell it, in the room of a URI. */
struct inside {
	struct opening_inner *inner;
	uint8_t bytes[URI_MAX];
	size_t used;
};

static void add_segment(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct inside *in = arg;
	struct opening_inner *inner = in->inner;

	if (number != OPT_URI_PATH)
		return;
	if (inner->path_count == OPENING_TEXTS_MAX || len > sizeof(in->bytes) - in->used) {
		inner->path_abbreviated = true;
		return;
	}
	if (len > 0)
		memcpy(in->bytes + in->used, value, len);
	inner->path[inner->path_count].at = in->bytes + in->used;
	inner->path[inner->path_count++].len = (uint16_t)len;
	in->used += len;
}

/* As if it were opened, and held this. */
static enum error judge(const struct read_conf *r, uint8_t method, const struct uri *uri)
{
	struct opening_answer a = {.verdict = OPENING_OPENED, .inner = {.fields = FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH), .code = method}};
	struct inside in = {.inner = &a.inner};

	if (uri_each_option(uri, add_segment, &in) != URI_OK)
		a.inner.path_abbreviated = true;
	return inner_judge(r, &a);
}

enum error explain_read(FILE *out, const struct read_conf *r, bool oscore, uint8_t method, const struct uri *uri)
{
	enum error e;

	if (!oscore) {
		fprintf(out, "reads by %s: OSCORE messages alone, so nothing of this one\n", r->name);
		return ERR_NONE;
	}
	show(out, r);
	if (!conf_read_is_gate(r) || !uri)
		return ERR_NONE;
	e = judge(r, method, uri);
	fprintf(out, "  with that inside: %s\n", e == ERR_NONE ? "passes, if it is genuine" : "refused, once it is opened");
	return e;
}

/* read - takes one setting into its field, by its row: see load.h. Defaults take the same way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/load.h"
#include "conf/pattern.h"
#include "conf/value.h"
#include "oscore/opening.h"
#include "translate/map_template.h"

enum { WHY_MAX = 160, SCALAR_MAX = 64 };

/* How the value of each type is written in the file. */
enum written { WRITTEN_STRING = 1, WRITTEN_INTEGER = 2, WRITTEN_FLOAT = 4, WRITTEN_BOOL = 8, WRITTEN_LIST = 16 };

static const struct type_row {
	unsigned written;
	size_t element; /* of a list */
	const char *expects;
} types[] = {
	[TYPE_BOOL] = {WRITTEN_BOOL, 0, "true or false"},
	[TYPE_COUNT] = {WRITTEN_INTEGER, 0, "a whole number"},
	[TYPE_AUTO] = {WRITTEN_STRING | WRITTEN_INTEGER, 0, "a whole number or \"auto\""},
	[TYPE_DURATION] = {WRITTEN_STRING, 0, "a duration with its unit, such as \"30s\""},
	[TYPE_SIZE] = {WRITTEN_STRING | WRITTEN_INTEGER, 0, "a size, such as \"4MB\""},
	[TYPE_FACTOR] = {WRITTEN_FLOAT | WRITTEN_INTEGER, 0, "a number, such as 1.5"},
	[TYPE_CHOICE] = {WRITTEN_STRING, 0, "a word in quotes"},
	[TYPE_STRING] = {WRITTEN_STRING, 0, "a text in quotes"},
	[TYPE_URL] = {WRITTEN_STRING, 0, "a URL in quotes"},
	[TYPE_PORTS] = {WRITTEN_STRING | WRITTEN_INTEGER, 0, "a port, or a range such as \"5683-5690\""},
	[TYPE_LISTENERS] = {WRITTEN_LIST, 0, "a list of listeners"},
	[TYPE_METHODS] = {WRITTEN_LIST, 0, "a list of methods"},
	[TYPE_REQUIRE] = {WRITTEN_LIST, 0, "a list such as [\"oscore\"]"},
	[TYPE_ORIGIN] = {WRITTEN_STRING, 0, "a URL in quotes"},
	[TYPE_SCHEME] = {WRITTEN_STRING, 0, "a scheme in quotes"},
	[TYPE_TEMPLATE] = {WRITTEN_STRING, 0, "a path or template in quotes"},
	[TYPE_MEMBER] = {WRITTEN_STRING, 0, "a name in quotes"},
	[TYPE_FIELDS] = {WRITTEN_LIST, 0, "a list of fields"},
	[TYPE_NETWORKS] = {WRITTEN_LIST, sizeof(struct network), "a list of networks"},
	[TYPE_HOSTS] = {WRITTEN_LIST, sizeof(struct host_pattern), "a list of hosts"},
	[TYPE_PATHS] = {WRITTEN_LIST, sizeof(struct path_pattern), "a list of paths"},
	[TYPE_TARGETS] = {WRITTEN_LIST, sizeof(struct target_pattern), "a list of targets"},
	[TYPE_ORIGINS] = {WRITTEN_LIST, sizeof(struct origin_conf), "a list of origins"},
	[TYPE_RULES] = {WRITTEN_LIST, sizeof(struct inner_rule), "a list of rules"},
	[TYPE_TEXTS] = {WRITTEN_LIST, sizeof(char *), "a list of texts"},
};

static const char *explain_range(const struct conf_row *row, char why[WHY_MAX])
{
	char lo[VALUE_TEXT_MAX], hi[VALUE_TEXT_MAX];

	switch (row->type) {
	case TYPE_DURATION:
		value_write_duration(row->min, lo);
		value_write_duration(row->max, hi);
		break;
	case TYPE_SIZE:
		value_write_size(row->min, lo);
		value_write_size(row->max, hi);
		break;
	case TYPE_FACTOR:
		value_write_factor(row->min, lo);
		value_write_factor(row->max, hi);
		break;
	default:
		snprintf(lo, sizeof(lo), "%llu", (unsigned long long)row->min);
		snprintf(hi, sizeof(hi), "%llu", (unsigned long long)row->max);
	}
	snprintf(why, WHY_MAX, "is not between %s and %s%s%s%s", lo, hi, row->why ? " (" : "", row->why ? row->why : "",
		row->why ? ")" : "");
	return why;
}

/* What libconfig took for a number has digits alone; a text must. */
static const char *read_whole(const struct conf_row *row, const char *text, uint64_t *v, char why[WHY_MAX])
{
	char *end;

	*v = strtoull(text, &end, 10);
	if (text[0] == '-')
		return explain_range(row, why);
	if (row->type == TYPE_AUTO && (*end != '\0' || text[0] < '0' || text[0] > '9'))
		return "is neither a whole number nor \"auto\"";
	return NULL;
}

static const char *read_number(const struct conf_row *row, const char *text, void *field, char why[WHY_MAX])
{
	const char *wrong = NULL;
	uint64_t v = 0;

	if (row->type == TYPE_AUTO && strcmp(text, "auto") == 0) {
		value_store(field, row->width, 0);
		return NULL;
	}
	if (row->type == TYPE_DURATION)
		wrong = value_read_duration(text, &v);
	else if (row->type == TYPE_FACTOR)
		wrong = text[0] == '-' ? explain_range(row, why) : value_read_factor(text, &v);
	else if (row->type == TYPE_SIZE)
		wrong = value_read_size(text, &v);
	else
		wrong = read_whole(row, text, &v, why);
	if (wrong)
		return wrong;
	if (v < row->min || v > row->max)
		return explain_range(row, why);
	value_store(field, row->width, v);
	return row->check ? row->check(field) : NULL;
}

static const char *read_choice(const struct conf_row *row, const char *text, void *field, char why[WHY_MAX])
{
	int i = conf_word_index(row->choices, text);

	if (i >= 0) {
		value_store(field, row->width, (uint64_t)i);
		return NULL;
	}
	snprintf(why, WHY_MAX, "is none of: %s", row->choices);
	return why;
}

static const char *read_string(struct conf_loader *l, const struct conf_row *row, const char *text, void *field, char why[WHY_MAX])
{
	char *copy = arena_copy(l->arena, text, strlen(text));

	if (strlen(text) < row->min || strlen(text) > row->max) {
		snprintf(why, WHY_MAX, "has not %llu to %llu characters", (unsigned long long)row->min, (unsigned long long)row->max);
		return why;
	}
	memcpy(field, &copy, sizeof(copy));
	return row->check ? row->check(field) : NULL;
}

static const char *read_parent(struct conf_loader *l, const char *text, void *field)
{
	struct origin_conf *origin = NULL;
	const char *wrong = NULL;

	if (*text) {
		origin = arena_take(l->arena, sizeof(*origin));
		wrong = pattern_read_origin(l->arena, text, origin);
		if (!wrong && origin->session)
			wrong = "is a session, and a parent proxy is a host";
		else if (!wrong && !conf_is_coap(origin->scheme))
			wrong = "has no scheme that a parent proxy is asked by: coap coaps coap+tcp coaps+tcp coap+ws coaps+ws";
		else if (!wrong && origin->path_count > 0)
			wrong = "has a path, which a parent proxy cannot have";
	}
	memcpy(field, &origin, sizeof(origin));
	return wrong;
}

static const char *read_scheme(const char *text, void *field)
{
	int scheme = *text ? uri_scheme_parse(text, strlen(text)) : -1;

	memcpy(field, &scheme, sizeof(scheme));
	if (*text && (scheme < 0 || !conf_is_coap((enum uri_scheme)scheme)))
		return "is no scheme that a target may be given: coap coaps coap+tcp coaps+tcp coap+ws coaps+ws";
	return NULL;
}

/* The template is on the heap; the snapshot frees it. */
static const char *read_template(struct conf_loader *l, const char *text, struct route *r, char why[WHY_MAX])
{
	char error[TEMPLATE_ERROR_MAX] = "";

	r->http_path = arena_copy(l->arena, text, strlen(text));
	r->http_template = *text ? template_compile(text, error) : NULL;
	if (!*text || r->http_template)
		return NULL;
	snprintf(why, WHY_MAX, "%s", error);
	return why;
}

/* "wrong; did you mean ...?", where something is near. */
static const char *did_you_mean(const char *near, const char *wrong, char why[WHY_MAX])
{
	if (near)
		snprintf(why, WHY_MAX, "%s; did you mean \"%s\"?", wrong, near);
	else
		snprintf(why, WHY_MAX, "%s", wrong);
	return why;
}

static const char *no_member(const struct conf_loader *l, enum conf_group group, const char *text, char why[WHY_MAX])
{
	char near[CONF_WORD_MAX], wrong[48];

	snprintf(wrong, sizeof(wrong), "is no %s of this file", conf_groups[group].member);
	return did_you_mean(conf_member_nearest(l, group, text, near), wrong, why);
}

static const char *read_member(const struct conf_loader *l, const struct conf_row *row, const char *text, void *field, char why[WHY_MAX])
{
	size_t index;
	void *member = *text ? conf_member_find(l, row->of, text, &index) : NULL;

	memcpy(field, &member, sizeof(member));
	return *text && !member ? no_member(l, row->of, text, why) : NULL;
}

/* Sets the bit of one word in a mask. */
static const char *read_bit(const struct conf_loader *l, const struct conf_row *row, const char *text, uint64_t *mask, char why[WHY_MAX])
{
	char near[CONF_WORD_MAX];
	const char *words, *wrong;
	unsigned first = 0;
	size_t index;
	int i;

	if (row->type == TYPE_LISTENERS) {
		if (!conf_member_find(l, GROUP_LISTENERS, text, &index))
			return no_member(l, GROUP_LISTENERS, text, why);
		*mask |= 1ull << index;
		return NULL;
	}
	words = "oscore";
	wrong = "is nothing that can be required: oscore";
	if (row->type == TYPE_METHODS) {
		words = conf_methods;
		wrong = "is no method";
		first = 1;
	} else if (row->type == TYPE_FIELDS) {
		words = opening_field_names;
		wrong = "is no field that can be read";
	}
	i = conf_word_index(words, text);
	if (i < 0)
		return did_you_mean(conf_word_nearest(words, text, near), wrong, why);
	*mask |= 1ull << (first + (unsigned)i);
	return NULL;
}

/* A single value from its text. */
static const char *read_scalar(struct conf_loader *l, const struct conf_row *row, const char *text, void *object, char why[WHY_MAX])
{
	char *field = (char *)object + row->offset;
	uint32_t ports[2];
	const char *wrong;

	switch (row->type) {
	case TYPE_BOOL:
		value_store(field, row->width, strcmp(text, "true") == 0);
		return NULL;
	case TYPE_CHOICE:
		return read_choice(row, text, field, why);
	case TYPE_STRING:
		return read_string(l, row, text, field, why);
	case TYPE_URL:
		return pattern_read_listener(l->arena, text, object);
	case TYPE_ORIGIN:
		return read_parent(l, text, field);
	case TYPE_SCHEME:
		return read_scheme(text, field);
	case TYPE_TEMPLATE:
		return read_template(l, text, object, why);
	case TYPE_MEMBER:
		return read_member(l, row, text, field, why);
	case TYPE_PORTS:
		wrong = value_read_ports(text, &ports[0], &ports[1]);
		if (!wrong)
			memcpy(field, ports, sizeof(ports));
		return wrong;
	default:
		return read_number(row, text, field, why);
	}
}

static const char *read_text(struct conf_loader *l, const struct conf_row *row, const char *text, void *at)
{
	char *copy = arena_copy(l->arena, text, strlen(text));

	memcpy(at, &copy, sizeof(copy));
	return row->check ? row->check(at) : NULL;
}

/* One element of a list, into `mask` or at its place in the array. */
static const char *read_element(struct conf_loader *l, const struct conf_row *row, const char *text, uint64_t *mask, void *at,
	char why[WHY_MAX])
{
	switch (row->type) {
	case TYPE_NETWORKS:
		return pattern_read_network(l->arena, text, at);
	case TYPE_HOSTS:
		return pattern_read_host(l->arena, text, at);
	case TYPE_PATHS:
		return pattern_read_path(l->arena, text, at);
	case TYPE_TARGETS:
		return pattern_read_target(l->arena, text, at);
	case TYPE_ORIGINS:
		return pattern_read_origin(l->arena, text, at);
	case TYPE_RULES:
		return pattern_read_rule(l->arena, text, at);
	case TYPE_TEXTS:
		return read_text(l, row, text, at);
	default:
		return read_bit(l, row, text, mask, why);
	}
}

static void store_list(const struct conf_row *row, uint64_t mask, void *array, size_t count, void *object)
{
	char *field = (char *)object + row->offset;

	if (types[row->type].element > 0) {
		memcpy(field, &array, sizeof(array));
		memcpy((char *)object + row->count_offset, &count, sizeof(count));
		return;
	}
	if (row->type == TYPE_METHODS && mask == 0xfe)
		mask = 0; /* all seven is no condition */
	value_store(field, row->width, mask);
}

static void read_default_list(struct conf_loader *l, const struct conf_row *row, void *object)
{
	size_t element = types[row->type].element, count = 0;
	char word[CONF_WORD_MAX], why[WHY_MAX], *array;
	uint64_t mask = 0;

	while (*conf_word_at(row->fallback, (unsigned)count, word))
		count++;
	array = arena_take(l->arena, count * element);
	for (unsigned i = 0; i < count; i++)
		if (read_element(l, row, conf_word_at(row->fallback, i, word), &mask, array + i * element, why))
			conf_complain(l, 0, "the default of %s is wrong", row->name);
	store_list(row, mask, array, count, object);
}

void conf_read_defaults(struct conf_loader *l, enum conf_group group, void *object)
{
	const struct conf_row *row;
	char why[WHY_MAX];

	for (row = conf_rows; row < conf_rows + conf_row_count; row++) {
		if (row->group != group || !row->fallback)
			continue;
		if (types[row->type].written & WRITTEN_LIST)
			read_default_list(l, row, object);
		else if (read_scalar(l, row, row->fallback, object, why))
			conf_complain(l, 0, "the default of %s is wrong", row->name);
	}
}

/* The text of a value as it is written, or NULL if it is of no kind that the type takes. */
static const char *text_of(const config_setting_t *s, unsigned written, enum conf_type type, char buffer[SCALAR_MAX])
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_STRING:
		return written & (WRITTEN_STRING | WRITTEN_LIST) ? config_setting_get_string(s) : NULL;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(buffer, SCALAR_MAX, "%lld%s",
			config_setting_type(s) == CONFIG_TYPE_INT ? (long long)config_setting_get_int(s) : config_setting_get_int64(s),
			type == TYPE_SIZE ? "B" : "");
		return written & WRITTEN_INTEGER ? buffer : NULL;
	case CONFIG_TYPE_FLOAT:
		snprintf(buffer, SCALAR_MAX, "%.9g", config_setting_get_float(s));
		return written & WRITTEN_FLOAT ? buffer : NULL;
	case CONFIG_TYPE_BOOL:
		return written & WRITTEN_BOOL ? (config_setting_get_bool(s) ? "true" : "false") : NULL;
	default:
		return NULL;
	}
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static void read_list(struct conf_loader *l, const struct conf_row *row, const config_setting_t *s, const char *path, void *object)
{
	bool single = config_setting_is_scalar(s);
	size_t count = single ? 1 : (size_t)config_setting_length(s), element = types[row->type].element, i;
	char why[WHY_MAX], buffer[SCALAR_MAX], *array;
	const config_setting_t *e;
	const char *text, *wrong;
	uint64_t mask = 0;

	if (count > CONF_TARGETS_MAX) {
		conf_complain(l, s->line, "%s%s: has more than %d elements", path, row->name, CONF_TARGETS_MAX);
		return;
	}
	array = arena_take(l->arena, count * element);
	for (i = 0; i < count; i++) {
		e = single ? s : config_setting_get_elem(s, (unsigned)i);
		text = text_of(e, WRITTEN_LIST, row->type, buffer);
		if (!text) {
			conf_complain(l, e->line, "%s%s: must be %s, in quotes", path, row->name, types[row->type].expects);
			continue;
		}
		wrong = is_printable(text) ? read_element(l, row, text, &mask, array + i * element, why) : "holds a control character";
		if (wrong)
			conf_complain(l, e->line, "%s%s: \"%.100s\" %s", path, row->name, is_printable(text) ? text : "...", wrong);
	}
	store_list(row, mask, array, count, object);
}

void conf_read_setting(struct conf_loader *l, const struct conf_row *row, const config_setting_t *setting, const char *path,
	void *object)
{
	const struct type_row *type = &types[row->type];
	char buffer[SCALAR_MAX], why[WHY_MAX];
	const char *text, *wrong;

	if ((type->written & WRITTEN_LIST) && (config_setting_is_array(setting) || config_setting_is_list(setting))) {
		read_list(l, row, setting, path, object);
		return;
	}
	text = text_of(setting, type->written, row->type, buffer);
	if (!text) {
		conf_complain(l, setting->line, "%s%s: must be %s%s%s", path, row->name, type->expects, row->choices ? ": " : "",
			row->choices ? row->choices : "");
		return;
	}
	if (type->written & WRITTEN_LIST) {
		read_list(l, row, setting, path, object);
		return;
	}
	if (!is_printable(text))
		conf_complain(l, setting->line, "%s%s: holds a control character", path, row->name);
	else if ((wrong = read_scalar(l, row, text, object, why)))
		conf_complain(l, setting->line, "%s%s: \"%.100s\" %s", path, row->name, text, wrong);
}

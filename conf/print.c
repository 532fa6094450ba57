/* print - writes a snapshot as the text it could have been loaded from: see snapshot_print() in snapshot.h */
#include <string.h>

#include "conf/grammar.h"
#include "conf/snapshot.h"
#include "conf/value.h"
#include "oscore/opening.h"

/* Strings of a snapshot hold no control characters, so two characters need an escape. */
static void print_string(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

/* One element of a list, with the separator before it. */
static void print_element(FILE *out, bool *first, const char *text)
{
	fputs(*first ? "" : ", ", out);
	print_string(out, text);
	*first = false;
}

static void print_bits(FILE *out, const struct snapshot *s, const struct conf_row *row, uint64_t mask)
{
	char word[CONF_WORD_MAX];
	bool first = true;
	unsigned i;

	if (row->type == TYPE_METHODS && mask == 0)
		mask = 0xfe;
	for (i = 0; i < 64; i++) {
		if (!(mask >> i & 1))
			continue;
		if (row->type == TYPE_LISTENERS)
			print_element(out, &first, s->listeners[i].name);
		else if (row->type == TYPE_FIELDS)
			print_element(out, &first, conf_word_at(opening_field_names, i, word));
		else
			print_element(out, &first, row->type == TYPE_METHODS ? conf_word_at(conf_methods, i - 1, word) : "oscore");
	}
}

static void print_array(FILE *out, const struct conf_row *row, const void *array, size_t count)
{
	char text[ENDPOINT_TEXT_MAX];
	bool first = true;
	size_t i;

	for (i = 0; i < count; i++) {
		switch (row->type) {
		case TYPE_NETWORKS:
			print_element(out, &first, network_format((const struct network *)array + i, text));
			break;
		case TYPE_HOSTS: {
			const struct host_pattern *h = (const struct host_pattern *)array + i;

			fputs(first ? "" : ", ", out);
			fprintf(out, "\"%s%s\"", h->kind == HOST_SUFFIX ? "*" : "", h->text);
			first = false;
			break;
		}
		case TYPE_PATHS:
			print_element(out, &first, ((const struct path_pattern *)array)[i].text);
			break;
		case TYPE_TARGETS:
			print_element(out, &first, ((const struct target_pattern *)array)[i].text);
			break;
		case TYPE_RULES:
			print_element(out, &first, ((const struct inner_rule *)array)[i].text);
			break;
		case TYPE_TEXTS:
			print_element(out, &first, ((char *const *)array)[i]);
			break;
		default:
			print_element(out, &first, ((const struct origin_conf *)array)[i].text);
		}
	}
}

static void print_list(FILE *out, const struct snapshot *s, const struct conf_row *row, const void *object)
{
	const char *field = (const char *)object + row->offset;
	void *array;
	size_t count;

	putc('[', out);
	if (row->count_offset > 0) {
		memcpy(&array, field, sizeof(array));
		memcpy(&count, (const char *)object + row->count_offset, sizeof(count));
		print_array(out, row, array, count);
	} else
		print_bits(out, s, row, value_fetch(field, row->width));
	putc(']', out);
}

static void print_number(FILE *out, const struct conf_row *row, uint64_t v)
{
	char text[VALUE_TEXT_MAX], word[CONF_WORD_MAX];

	switch (row->type) {
	case TYPE_BOOL:
		fputs(v ? "true" : "false", out);
		break;
	case TYPE_DURATION:
		print_string(out, value_write_duration(v, text));
		break;
	case TYPE_SIZE:
		print_string(out, value_write_size(v, text));
		break;
	case TYPE_FACTOR:
		fputs(value_write_factor(v, text), out);
		break;
	case TYPE_CHOICE:
		print_string(out, conf_word_at(row->choices, (unsigned)v, word));
		break;
	case TYPE_AUTO:
		if (v == 0)
			fputs("\"auto\"", out);
		else
			fprintf(out, "%llu", (unsigned long long)v);
		break;
	default:
		fprintf(out, "%llu", (unsigned long long)v);
	}
}

static void print_value(FILE *out, const struct snapshot *s, const struct conf_row *row, const void *object)
{
	const char *field = (const char *)object + row->offset;
	const struct origin_conf *origin;
	char text[VALUE_TEXT_MAX];
	uint32_t ports[2];
	char *string, *const *member; /* the name of one stands first */
	int scheme;

	switch (row->type) {
	case TYPE_STRING: case TYPE_TEMPLATE:
		memcpy(&string, field, sizeof(string));
		print_string(out, string);
		break;
	case TYPE_URL:
		print_string(out, ((const struct listener *)object)->url);
		break;
	case TYPE_ORIGIN:
		memcpy(&origin, field, sizeof(origin));
		print_string(out, origin ? origin->text : "");
		break;
	case TYPE_MEMBER:
		memcpy(&member, field, sizeof(member));
		print_string(out, member ? *member : "");
		break;
	case TYPE_SCHEME:
		memcpy(&scheme, field, sizeof(scheme));
		print_string(out, scheme >= 0 ? uri_schemes[scheme].name : "");
		break;
	case TYPE_PORTS:
		memcpy(ports, field, sizeof(ports));
		print_string(out, value_write_ports(ports[0], ports[1], text));
		break;
	case TYPE_BOOL: case TYPE_COUNT: case TYPE_AUTO: case TYPE_DURATION: case TYPE_SIZE: case TYPE_FACTOR: case TYPE_CHOICE:
		print_number(out, row, value_fetch(field, row->width));
		break;
	default:
		print_list(out, s, row, object);
	}
}

static void print_rows(FILE *out, const struct snapshot *s, enum conf_group g, const char *indent, const void *object)
{
	const struct conf_row *row;

	for (row = conf_rows; row < conf_rows + conf_row_count; row++) {
		if (row->group != g)
			continue;
		fprintf(out, "%s%s = ", indent, row->name);
		print_value(out, s, row, object);
		fputs(";\n", out);
	}
}

/* The name of each stands first in its struct. */
static void print_members(FILE *out, const struct snapshot *s, enum conf_group g)
{
	const struct conf_group_row *row = &conf_groups[g];
	const char *array, *name;
	size_t i, count;

	memcpy(&array, (const char *)s + row->array, sizeof(array));
	memcpy(&count, (const char *)s + row->count_offset, sizeof(count));
	for (i = 0; i < count; i++, array += row->element) {
		memcpy(&name, array, sizeof(name));
		fprintf(out, "\t%s: {\n", name);
		print_rows(out, s, g, "\t\t", array);
		fputs("\t};\n", out);
	}
}

void snapshot_print(const struct snapshot *s, FILE *out)
{
	enum conf_group g;

	for (g = 0; g < GROUP_COUNT; g++) {
		fprintf(out, "%s: {\n", conf_groups[g].name);
		if (conf_groups[g].member)
			print_members(out, s, g);
		else
			print_rows(out, s, g, "\t", &s->settings);
		fputs("};\n", out);
	}
}

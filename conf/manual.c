/* manual - the option part of oscore-proxy.conf(5), from the schema: see conf_print_manual() in snapshot.h */
#include <string.h>

#include "conf/grammar.h"
#include "conf/snapshot.h"
#include "conf/value.h"

static const char *const kinds[] = {
	[TYPE_BOOL] = "boolean", [TYPE_COUNT] = "number", [TYPE_AUTO] = "number", [TYPE_DURATION] = "duration", [TYPE_SIZE] = "size",
	[TYPE_FACTOR] = "decimal", [TYPE_CHOICE] = "word", [TYPE_STRING] = "text", [TYPE_URL] = "url", [TYPE_PORTS] = "ports",
	[TYPE_LISTENERS] = "listeners", [TYPE_METHODS] = "methods", [TYPE_REQUIRE] = "protection", [TYPE_ORIGIN] = "url",
	[TYPE_NETWORKS] = "networks", [TYPE_HOSTS] = "hosts", [TYPE_PATHS] = "paths", [TYPE_TARGETS] = "targets",
	[TYPE_ORIGINS] = "urls", [TYPE_SCHEME] = "word", [TYPE_TEMPLATE] = "template", [TYPE_TEXTS] = "texts",
	[TYPE_MEMBER] = "name", [TYPE_FIELDS] = "fields", [TYPE_RULES] = "rules",
};

/* A sentence a line, as mdoc wants it; nothing that begins a line is taken for a request. */
static void print_text(FILE *out, const char *text)
{
	const char *at;

	for (at = text; *at; at++) {
		if (at == text && (*at == '.' || *at == '\''))
			fputs("\\&", out);
		if (*at == '\\')
			fputs("\\e", out);
		else if (*at == '-' && at[1] >= '0' && at[1] <= '9')
			fputs("\\-", out);
		else if (*at == ' ' && at > text && at[-1] == '.')
			putc('\n', out);
		else
			putc(*at, out);
	}
	putc('\n', out);
}

static void print_range(FILE *out, const struct conf_row *row)
{
	char lo[VALUE_TEXT_MAX], hi[VALUE_TEXT_MAX];

	switch (row->type) {
	case TYPE_COUNT:
		fprintf(out, "From %llu to %llu", (unsigned long long)row->min, (unsigned long long)row->max);
		break;
	case TYPE_AUTO:
		fprintf(out, "From %llu to %llu, or \"auto\"", (unsigned long long)row->min, (unsigned long long)row->max);
		break;
	case TYPE_DURATION:
		fprintf(out, "From %s to %s", value_write_duration(row->min, lo), value_write_duration(row->max, hi));
		break;
	case TYPE_SIZE:
		fprintf(out, "From %s to %s", value_write_size(row->min, lo), value_write_size(row->max, hi));
		break;
	case TYPE_FACTOR:
		fprintf(out, "From %s to %s", value_write_factor(row->min, lo), value_write_factor(row->max, hi));
		break;
	case TYPE_CHOICE:
		fprintf(out, "One of: %s", row->choices);
		break;
	default:
		return;
	}
	if (row->why)
		fprintf(out, " (%s)", row->why);
	fputs(".\n", out);
}

static void print_row(FILE *out, const struct conf_row *row)
{
	fprintf(out, ".It Cm %s Ar %s\n", row->name, kinds[row->type]);
	print_text(out, row->doc);
	print_range(out, row);
	if (!row->fallback)
		fputs("Required.\n", out);
	else
		fprintf(out, "Default: %s.\n", *row->fallback ? row->fallback : "none");
	if (row->fixed)
		fputs("Fixed until restart.\n", out);
}

void conf_print_manual(FILE *out)
{
	const struct conf_row *row;
	enum conf_group g;

	for (g = 0; g < GROUP_COUNT; g++) {
		fprintf(out, ".Ss %s\n", conf_groups[g].name);
		print_text(out, conf_groups[g].doc);
		fputs(".Bl -tag -width Ds\n", out);
		for (row = conf_rows; row < conf_rows + conf_row_count; row++)
			if (row->group == g)
				print_row(out, row);
		fputs(".El\n", out);
	}
}

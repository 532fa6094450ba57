#include "translate/map_media.h"

#include <string.h>

#include "base/bytes.h"
#include "translate/content_formats.h"

#define OSCORE "application/oscore"
#define COAP_PAYLOAD "application/coap-payload"

enum { FORMAT_DIGITS = 5 };
enum { ACCEPT_RANGES_MAX = 32 }; /* elements of Accept that are looked at; browsers send about ten */

/* The parameters of a type that has one form alone. */
static const struct http_text no_parameters = {"", 0};

/* Takes "type/subtype" and what follows it apart. Returns false if it is not that: blanks or an empty half. */
static bool media_split(struct http_text text, struct http_text *type, struct http_text *parameters)
{
	size_t first = http_token_length(text), second;

	if (first == 0 || first == text.len || text.at[first] != '/')
		return false;
	second = http_token_length((struct http_text){text.at + first + 1, text.len - first - 1});
	*type = (struct http_text){text.at, first + 1 + second};
	*parameters = (struct http_text){text.at + type->len, text.len - type->len};
	return second > 0;
}

/* True if all of it is parameters. */
static bool parameters_are_sound(struct http_text parameters)
{
	struct http_text name, value;
	int more;

	while ((more = http_parameter_next(&parameters, &name, &value)) == 1)
		;
	return more == 0;
}

/* ---- a representation ---- */

/* The one coding of a Content-Encoding, or -1: more than one, or one that is part of no Content-Format. */
static int coding_parse(struct http_text list)
{
	struct http_text element;
	int coding = CODING_NONE;

	while (http_list_next(&list, &element)) {
		int next = content_coding_parse(element);

		if (next < 0 || (next != CODING_NONE && coding != CODING_NONE))
			return -1;
		if (next != CODING_NONE)
			coding = next;
	}
	return coding;
}

/* The Content-Format that parameters of application/coap-payload name: a sound cf and nothing else (RFC 8075 9.2), or MEDIA_MALFORMED; and
 * MEDIA_REFUSED for the one that must not get into CoAP. */
static int format_of_payload(struct http_text parameters)
{
	struct http_text name, value;
	int format = -1, more;

	while ((more = http_parameter_next(&parameters, &name, &value)) == 1) {
		if (format >= 0 || !http_text_is(name, "cf") || value.len == 0 || value.len > FORMAT_DIGITS)
			return MEDIA_MALFORMED;
		format = 0;
		for (size_t i = 0; i < value.len; i++) {
			if (value.at[i] < '0' || value.at[i] > '9')
				return MEDIA_MALFORMED;
			format = format * 10 + (value.at[i] - '0');
		}
	}
	if (more < 0 || format < 0 || format > FORMAT_MAX)
		return MEDIA_MALFORMED;
	return format == FORMAT_OSCORE ? MEDIA_REFUSED : format;
}

/* loose-media-types of RFC 8075 6.3: what begins with `before` and ends with `after`, with something between them, is also that type. */
static const struct loose_row {
	const char *before, *after; /* after NULL: exactly `before` */
	const char *type, *parameters;
	bool any_charset;
} loose_rows[] = {
	{"application/", "+xml", "application/xml", "", false},
	{"application/", "+json", "application/json", "", false},
	{"application/", "+cbor", "application/cbor", "", false},
	{"text/xml", NULL, "application/xml", "", false},
	{"text/", "", "text/plain", ";charset=utf-8", false}, /* the only form of text/plain that is registered */
	{"", "", "application/octet-stream", "", true},
};

static bool loose_row_matches(const struct loose_row *row, struct http_text type)
{
	struct http_text begin = type, end = type;

	if (row->after == NULL)
		return http_text_is(type, row->before);
	begin.len = strlen(row->before);
	end.len = strlen(row->after);
	if (type.len <= begin.len + end.len)
		return false;
	end.at += type.len - end.len;
	return http_text_is(begin, row->before) && http_text_is(end, row->after);
}

/* True if the text is in another charset than UTF-8, of which ASCII is a part. */
static bool has_foreign_charset(struct http_text parameters)
{
	static const struct http_text utf8 = {"utf-8", 5}, ascii = {"us-ascii", 8};
	struct http_text name, value;

	while (http_parameter_next(&parameters, &name, &value) == 1)
		if (http_text_is(name, "charset") && !content_value_is(value, utf8, true) && !content_value_is(value, ascii, true))
			return true;
	return false;
}

/* The row of a type that has none of its own, or NULL: without its parameters, else generalised once (RFC 8075 6.4). A charset that none of
 * the formats has leaves it bytes: whoever reads the format's name would misread the text. */
static const struct content_format *find_loosely(struct http_text type, struct http_text parameters, enum content_coding coding)
{
	bool foreign = has_foreign_charset(parameters);
	const struct content_format *found = foreign ? NULL : content_format_find(type, no_parameters, coding);
	const struct loose_row *row = loose_rows;

	if (found != NULL)
		return found;
	/* the last row takes everything */
	while ((foreign && !row->any_charset) || !loose_row_matches(row, type))
		row++;
	return content_format_find((struct http_text){row->type, strlen(row->type)},
		(struct http_text){row->parameters, strlen(row->parameters)}, coding);
}

int media_to_format(struct http_text text, struct http_text coding_list, const struct media_policy *policy)
{
	const struct content_format *row;
	struct http_text type, parameters;
	int coding = coding_parse(coding_list), format;

	if (!media_split(text, &type, &parameters))
		return MEDIA_UNMAPPED;
	if (http_text_is(type, OSCORE))
		return MEDIA_REFUSED;
	if (http_text_is(type, COAP_PAYLOAD)) {
		format = policy->coap_payload ? format_of_payload(parameters) : MEDIA_REFUSED;
		return format >= 0 && coding != CODING_NONE ? MEDIA_UNMAPPED : format;
	}
	/* A range is no type, and a blank at the end is none of its parts (RFC 8075 A). */
	if (coding < 0 || memchr(type.at, '*', type.len) || !parameters_are_sound(parameters) || text.at[text.len - 1] == ' ' ||
		text.at[text.len - 1] == '\t')
		return MEDIA_UNMAPPED;
	row = content_format_find(type, parameters, (enum content_coding)coding);
	if (row == NULL && policy->loose)
		row = find_loosely(type, parameters, (enum content_coding)coding);
	return row != NULL ? row->id : MEDIA_UNMAPPED;
}

static void write_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

#define X(id, type, parameters, coding) _Static_assert(sizeof type parameters <= MEDIA_TEXT_MAX, "a media type is too long");
CONTENT_FORMATS_TABLE(X)
#undef X

void media_of_format(uint32_t format, char type[MEDIA_TEXT_MAX], const char **coding)
{
	const struct content_format *row = format != FORMAT_OSCORE ? content_format_row(format) : NULL;
	char digits[10]; /* of the largest uint32_t */
	size_t at = sizeof digits;
	struct writer w;

	*coding = row != NULL && row->coding != CODING_NONE ? content_coding_name(row->coding) : NULL;
	writer_init(&w, (uint8_t *)type, MEDIA_TEXT_MAX);
	if (row != NULL) {
		write_text(&w, row->type);
		write_text(&w, row->parameters);
	} else {
		do {
			digits[--at] = (char)('0' + format % 10);
			format /= 10;
		} while (format > 0);
		write_text(&w, COAP_PAYLOAD ";cf=");
		writer_bytes(&w, digits + at, sizeof digits - at);
	}
	writer_u8(&w, '\0');
}

/* ---- what a client accepts ---- */

/* Media ranges by how specific they are. */
enum range_kind { RANGE_ALL, RANGE_MAJOR, RANGE_TYPE, RANGE_PARAMETERS };

struct range {
	struct http_text type, parameters; /* without the weight and what follows it */
	int quality;
	enum range_kind kind;
};

struct accept {
	struct range ranges[ACCEPT_RANGES_MAX];
	size_t count;
	bool is_cut; /* there were more */
	bool has_codings;
	int coding_quality[CODING_COUNT];
};

/* Reads one element of Accept; false if it is none, then it says nothing. */
static bool range_parse(struct range *r, struct http_text element)
{
	struct http_text rest, name, value;

	if (!media_split(element, &r->type, &r->parameters))
		return false;
	r->quality = http_quality(r->parameters);
	if (r->quality < 0)
		return false;
	rest = r->parameters;
	r->kind = RANGE_TYPE;
	for (const char *before = rest.at; http_parameter_next(&rest, &name, &value) == 1; before = rest.at) {
		if (http_text_is(name, "q")) {
			r->parameters.len = (size_t)(before - r->parameters.at);
			break;
		}
		r->kind = RANGE_PARAMETERS;
	}
	if (http_text_equal(r->type, "*/*"))
		r->kind = RANGE_ALL;
	else if (r->type.at[0] == '*')
		return false;
	else if (r->type.at[r->type.len - 1] == '*' && r->type.at[r->type.len - 2] == '/')
		r->kind = RANGE_MAJOR;
	return true;
}

/* The weight of each coding (RFC 9110 12.5.3): its own, else that of "*", else only no coding at all is welcome. */
static void read_codings(struct accept *a, const struct http_head *head)
{
	int any = -1;

	a->has_codings = false;
	for (int i = 0; i < CODING_COUNT; i++)
		a->coding_quality[i] = -1;
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text list = head->fields[i].value, element;

		if (!http_text_is(head->fields[i].name, "Accept-Encoding"))
			continue;
		a->has_codings = true;
		while (http_list_next(&list, &element)) {
			struct http_text name = {element.at, http_token_length(element)};
			int quality = http_quality((struct http_text){element.at + name.len, element.len - name.len});
			int coding = content_coding_parse(name);

			/* an unsound weight says as little as none */
			if (coding >= 0)
				a->coding_quality[coding] = quality;
			else if (http_text_equal(name, "*"))
				any = quality;
		}
	}
	for (int i = 0; i < CODING_COUNT; i++)
		if (a->coding_quality[i] < 0)
			a->coding_quality[i] = any >= 0 ? any : i == CODING_NONE ? 1000 : 0;
}

static void accept_read(struct accept *a, const struct http_head *head)
{
	a->count = 0;
	a->is_cut = false;
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text list = head->fields[i].value, element;

		if (!http_text_is(head->fields[i].name, "Accept"))
			continue;
		while (a->count < ACCEPT_RANGES_MAX && http_list_next(&list, &element))
			a->count += range_parse(&a->ranges[a->count], element);
		a->is_cut |= http_list_next(&list, &element);
	}
	read_codings(a, head);
}

static bool range_matches(const struct range *r, const struct content_format *row)
{
	struct http_text major = {r->type.at, r->type.len - 1};

	switch (r->kind) {
	case RANGE_ALL:
		return true;
	case RANGE_MAJOR:
		return strlen(row->type) > major.len && content_value_is((struct http_text){row->type, major.len}, major, true);
	case RANGE_TYPE:
		return http_text_is(r->type, row->type);
	case RANGE_PARAMETERS:
		break;
	}
	/* A client may name a registered format by its number too. */
	if (http_text_is(r->type, COAP_PAYLOAD))
		return format_of_payload(r->parameters) == row->id;
	return http_text_is(r->type, row->type) && content_format_has_parameters(row, r->parameters);
}

/* The range whose weight counts for a format: the most specific, of such the first (RFC 9110 12.5.1); or NULL. */
static const struct range *range_of(const struct accept *a, const struct content_format *row)
{
	const struct range *best = NULL;

	for (const struct range *r = a->ranges; r < a->ranges + a->count; r++)
		if ((best == NULL || r->kind > best->kind) && range_matches(r, row))
			best = r;
	return best;
}

/* The row of a format, or one made for a format that has none. */
static struct content_format row_or_payload(uint16_t format)
{
	const struct content_format *row = format != FORMAT_OSCORE ? content_format_row(format) : NULL;

	return row != NULL ? *row : (struct content_format){format, CODING_NONE, COAP_PAYLOAD, ""};
}

/* True if a range asks for application/coap-payload in a way that is not served. */
static bool range_is_refused(const struct range *r, const struct media_policy *policy)
{
	if (r->quality == 0 || r->kind < RANGE_TYPE || !http_text_is(r->type, COAP_PAYLOAD))
		return false;
	return !policy->coap_payload || (r->kind == RANGE_PARAMETERS && format_of_payload(r->parameters) < 0);
}

/* Formats that may be asked for; a greater rank comes first. */
struct candidates {
	const struct accept *accept;
	int least; /* the weight of what need not be asked for */
	uint16_t *formats;
	uint32_t ranks[MEDIA_ACCEPT_MAX];
	size_t count;
};

static void candidate_add(struct candidates *c, const struct content_format *row)
{
	const struct accept *a = c->accept;
	const struct range *r = range_of(a, row);
	uint32_t rank;
	size_t at;

	/* What is welcome only among others is not asked for. */
	if (row->id == FORMAT_OSCORE || r == NULL || r->kind < RANGE_TYPE || a->coding_quality[row->coding] == 0)
		return;
	if (r->quality == 0 || r->quality < c->least)
		return;
	for (at = 0; at < c->count; at++)
		if (c->formats[at] == row->id)
			return;
	rank = (uint32_t)r->quality << 2 | (uint32_t)r->kind;
	rank = rank << 11 | (uint32_t)a->coding_quality[row->coding] << 1 | (row->coding == CODING_NONE);
	rank = rank << 5 | (uint32_t)(ACCEPT_RANGES_MAX - 1 - (r - a->ranges));
	for (at = c->count; at > 0 && c->ranks[at - 1] < rank; at--)
		if (at < MEDIA_ACCEPT_MAX) {
			c->ranks[at] = c->ranks[at - 1];
			c->formats[at] = c->formats[at - 1];
		}
	if (at == MEDIA_ACCEPT_MAX)
		return;
	c->ranks[at] = rank;
	c->formats[at] = row->id;
	c->count += c->count < MEDIA_ACCEPT_MAX;
}

/* True if a range before this one names the same type, whose rows were looked at then: so no list makes us look at them again and again. */
static bool type_was_seen(const struct accept *a, const struct range *r)
{
	for (const struct range *before = a->ranges; before < r; before++)
		if (content_value_is(before->type, r->type, true))
			return true;
	return false;
}

/* Adds the formats that a range names. */
static void candidates_add(struct candidates *c, const struct range *r)
{
	const struct content_format *row;

	if (r->kind == RANGE_PARAMETERS && http_text_is(r->type, COAP_PAYLOAD)) {
		int format = format_of_payload(r->parameters); /* unsound where its weight is 0 */
		struct content_format named = row_or_payload((uint16_t)(format >= 0 ? format : FORMAT_OSCORE));

		candidate_add(c, &named);
	} else if (r->kind >= RANGE_TYPE && !type_was_seen(c->accept, r)) {
		for (size_t left = content_formats_of_type(r->type, &row); left > 0; left--, row++)
			candidate_add(c, row);
	}
}

size_t media_accept(const struct http_head *head, const struct media_policy *policy, uint16_t formats[MEDIA_ACCEPT_MAX], bool *refused)
{
	struct accept a;
	struct candidates c = {.accept = &a, .formats = formats};

	*refused = false;
	accept_read(&a, head);
	for (const struct range *r = a.ranges; r < a.ranges + a.count; r++) {
		if (range_is_refused(r, policy)) {
			*refused = true;
			return 0;
		}
		if (r->kind == RANGE_ALL && c.least == 0)
			c.least = r->quality;
	}
	for (const struct range *r = a.ranges; r < a.ranges + a.count; r++)
		candidates_add(&c, r);
	return c.count;
}

bool media_is_acceptable(const struct http_head *head, uint32_t format)
{
	struct content_format row = row_or_payload((uint16_t)(format <= FORMAT_MAX ? format : FORMAT_MAX));
	const struct range *r;
	struct accept a;

	accept_read(&a, head);
	if (a.has_codings && a.coding_quality[row.coding] == 0)
		return false;
	if (a.count == 0)
		return true;
	r = range_of(&a, &row);
	return r != NULL ? r->quality > 0 : a.is_cut;
}

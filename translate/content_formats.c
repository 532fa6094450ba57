#include "translate/content_formats.h"

#include <string.h>

static const struct content_format rows[] = {
#define X(id, type, parameters, coding) {id, CODING_##coding, type, parameters},
	CONTENT_FORMATS_TABLE(X)
#undef X
};

enum row_index {
#define X(id, type, parameters, coding) ROW_##id,
	CONTENT_FORMATS_TABLE(X)
#undef X
	ROW_COUNT
};

static const char *const coding_names[CODING_COUNT] = {
#define X(name, text) [CODING_##name] = text,
	CONTENT_CODINGS_TABLE(X)
#undef X
};

static struct http_text text_of(const char *text)
{
	return (struct http_text){text, strlen(text)};
}

const struct content_format *content_format_row(uint32_t id)
{
	/* The compiler makes a search of it, and refuses a number that is there twice. */
	switch (id) {
#define X(id, type, parameters, coding) case id: return &rows[ROW_##id];
	CONTENT_FORMATS_TABLE(X)
#undef X
	default:
		return NULL;
	}
}

/* The order of the table: a text in any case against a word in lower case. */
static int type_compare(struct http_text type, const char *word)
{
	for (size_t i = 0; i < type.len; i++) {
		if (word[i] == '\0')
			return 1;
		if (byte_lower(type.at[i]) != word[i])
			return (unsigned char)byte_lower(type.at[i]) - (unsigned char)word[i];
	}
	return word[type.len] == '\0' ? 0 : -1;
}

size_t content_formats_of_type(struct http_text type, const struct content_format **first)
{
	size_t low = 0, high = ROW_COUNT, count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (type_compare(type, rows[middle].type) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = &rows[low];
	while (low + count < ROW_COUNT && type_compare(type, rows[low + count].type) == 0)
		count++;
	return count;
}

bool content_value_is(struct http_text value, struct http_text word, bool any_case)
{
	size_t at = 0;

	/* A backslash stands in a quoted string alone and takes the next byte as it is (RFC 9110 5.6.4). */
	for (size_t i = 0; i < value.len; i++, at++) {
		if (value.at[i] == '\\' && i + 1 < value.len)
			i++;
		if (at == word.len || (any_case ? byte_lower(value.at[i]) != byte_lower(word.at[at]) : value.at[i] != word.at[at]))
			return false;
	}
	return at == word.len;
}

/* True if a parameter of this name is there and says nothing but this value. */
static bool has_parameter(struct http_text parameters, struct http_text name, struct http_text value)
{
	struct http_text other, given;
	bool found = false;

	while (http_parameter_next(&parameters, &other, &given) == 1) {
		if (!content_value_is(other, name, true))
			continue;
		if (!content_value_is(given, value, http_text_is(name, "charset")))
			return false;
		found = true;
	}
	return found;
}

bool content_format_has_parameters(const struct content_format *row, struct http_text parameters)
{
	struct http_text wanted = text_of(row->parameters), rest = parameters, name, value;
	int surplus = 0, more;

	while ((more = http_parameter_next(&rest, &name, &value)) == 1)
		surplus++;
	while (http_parameter_next(&wanted, &name, &value) == 1) {
		if (!has_parameter(parameters, name, value))
			return false;
		surplus--;
	}
	return more == 0 && surplus == 0;
}

const struct content_format *content_format_find(struct http_text type, struct http_text parameters, enum content_coding coding)
{
	const struct content_format *row;

	for (size_t left = content_formats_of_type(type, &row); left > 0; left--, row++)
		if (row->coding == coding && content_format_has_parameters(row, parameters))
			return row;
	return NULL;
}

const char *content_coding_name(enum content_coding coding)
{
	return coding_names[coding];
}

int content_coding_parse(struct http_text name)
{
	for (int i = 0; i < CODING_COUNT; i++)
		if (http_text_is(name, coding_names[i]))
			return i;
	return -1;
}

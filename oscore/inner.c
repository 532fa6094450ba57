#include "oscore/inner.h"

#include <stddef.h>
#include <string.h>

static bool is_asked(uint32_t fields, enum opening_field field)
{
	return (fields & FIELD_BIT(field)) != 0;
}

/* The first option of this number, if it is one that a recipient recognises. */
static const struct msg_option *recognised(const struct msg_view *m, uint16_t number)
{
	const struct msg_option *o = msg_option(m, number);

	return o != NULL && opt_is_recognised(o, m->code, 0) ? o : NULL;
}

/* The value of a uint option. Returns false if there is none. */
static bool number_read(const struct msg_view *m, uint16_t number, uint32_t *value)
{
	const struct msg_option *o = recognised(m, number);

	return o != NULL && msg_uint(o, value) == 0;
}

static bool block_read(const struct msg_view *m, uint16_t number, struct opt_block *b)
{
	const struct msg_option *o = recognised(m, number);

	return o != NULL && opt_block_parse(b, o) == 0;
}

/* All options of a number. Returns false if one of them is not recognised, or there are too many: then none counts. */
static bool texts_read(const struct msg_view *m, uint16_t number, struct opening_text *texts, uint8_t *count)
{
	const struct msg_option *o = msg_option(m, number);
	unsigned n = 0;

	for (; o != NULL && o < m->options + m->option_count && o->number == number; o++, n++) {
		if (n == OPENING_TEXTS_MAX || !opt_is_recognised(o, m->code, n))
			return false;
		texts[n] = (struct opening_text){ o->value, o->len };
	}
	*count = (uint8_t)n;
	return true;
}

static void path_read(struct opening_inner *i, const struct msg_view *m)
{
	/* A second OSCORE message in the first: a device that opens that too does what is asked there. */
	static const uint16_t hides[] = { OPT_URI_PATH_ABBREV, OPT_PROXY_URI, OPT_PROXY_CRI, OPT_OSCORE };

	if (!msg_code_is_request(m->code))
		return;
	i->fields |= FIELD_BIT(FIELD_URI_PATH);
	for (size_t h = 0; h < sizeof hides / sizeof hides[0]; h++)
		i->path_abbreviated = i->path_abbreviated || msg_option(m, hides[h]) != NULL;
	if (!i->path_abbreviated)
		i->path_abbreviated = !texts_read(m, OPT_URI_PATH, i->path, &i->path_count);
}

static void query_read(struct opening_inner *i, const struct msg_view *m)
{
	if (texts_read(m, OPT_URI_QUERY, i->query, &i->query_count) && i->query_count > 0)
		i->fields |= FIELD_BIT(FIELD_URI_QUERY);
}

static void numbers_read(struct opening_inner *i, const struct msg_view *m, uint32_t asked)
{
	uint32_t value;

	if (is_asked(asked, FIELD_CONTENT_FORMAT) && number_read(m, OPT_CONTENT_FORMAT, &value)) {
		i->content_format = (uint16_t)value;
		i->fields |= FIELD_BIT(FIELD_CONTENT_FORMAT);
	}
	if (is_asked(asked, FIELD_OBSERVE) && number_read(m, OPT_OBSERVE, &i->observe))
		i->fields |= FIELD_BIT(FIELD_OBSERVE);
	if (is_asked(asked, FIELD_MAX_AGE) && number_read(m, OPT_MAX_AGE, &i->max_age))
		i->fields |= FIELD_BIT(FIELD_MAX_AGE);
}

static void etag_read(struct opening_inner *i, const struct msg_view *m)
{
	const struct msg_option *o = recognised(m, OPT_ETAG);

	if (o == NULL)
		return;
	i->etag_len = (uint8_t)o->len;
	memcpy(i->etag, o->value, o->len);
	i->fields |= FIELD_BIT(FIELD_ETAG);
}

static void blocks_read(struct opening_inner *i, const struct msg_view *m, uint32_t asked)
{
	if (is_asked(asked, FIELD_BLOCK)) {
		i->has_block1 = block_read(m, OPT_BLOCK1, &i->block1);
		i->has_block2 = block_read(m, OPT_BLOCK2, &i->block2);
		if (i->has_block1 || i->has_block2)
			i->fields |= FIELD_BIT(FIELD_BLOCK);
	}
	if (is_asked(asked, FIELD_SIZE)) {
		i->has_size1 = number_read(m, OPT_SIZE1, &i->size1);
		i->has_size2 = number_read(m, OPT_SIZE2, &i->size2);
		if (i->has_size1 || i->has_size2)
			i->fields |= FIELD_BIT(FIELD_SIZE);
	}
}

static void payload_read(struct opening_inner *i, const struct msg_view *m)
{
	if (m->payload == NULL)
		return;
	i->payload = m->payload;
	i->payload_cut = m->payload_len > OPENING_PAYLOAD_MAX;
	i->payload_len = (uint32_t)(i->payload_cut ? OPENING_PAYLOAD_MAX : m->payload_len);
	i->fields |= FIELD_BIT(FIELD_PAYLOAD);
}

/* All but the texts, which are many: a message is read for each answer. */
static void inner_clear(struct opening_inner *i)
{
	memset(i, 0, offsetof(struct opening_inner, path));
	i->path_count = i->query_count = 0;
	i->payload = NULL;
	i->payload_len = 0;
	i->payload_cut = false;
}

void oscore_inner_read(struct opening_inner *i, const struct msg_view *m, uint32_t fields)
{
	inner_clear(i);
	if (is_asked(fields, FIELD_CODE)) {
		i->code = m->code;
		i->fields |= FIELD_BIT(FIELD_CODE);
	}
	if (is_asked(fields, FIELD_URI_PATH))
		path_read(i, m);
	if (is_asked(fields, FIELD_URI_QUERY))
		query_read(i, m);
	numbers_read(i, m, fields);
	if (is_asked(fields, FIELD_ETAG))
		etag_read(i, m);
	blocks_read(i, m, fields);
	if (is_asked(fields, FIELD_PAYLOAD))
		payload_read(i, m);
}

/* value - see value.h */
#include "conf/value.h"

#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the largest down, so that writing takes the first that divides. */
static const struct unit durations[] = {
	{"d", 86400000000}, {"h", 3600000000}, {"min", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}, {NULL, 0},
};
static const struct unit sizes[] = {
	{"GB", 1000000000}, {"GiB", 1 << 30}, {"MB", 1000000}, {"MiB", 1 << 20}, {"kB", 1000}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0},
};

/* Reads decimal digits at *at, stepping over them. Returns -1 if there are none or the value passes max. */
static int read_digits(const char **at, uint64_t max, uint64_t *v)
{
	uint64_t digit;

	if (**at < '0' || **at > '9')
		return -1;
	for (*v = 0; **at >= '0' && **at <= '9'; (*at)++) {
		digit = (uint64_t)(**at - '0');
		if (digit > max || *v > (max - digit) / 10)
			return -1;
		*v = *v * 10 + digit;
	}
	return 0;
}

static int read_with_unit(const struct unit *units, const char *text, uint64_t *v)
{
	if (read_digits(&text, INT64_MAX, v) < 0)
		return -1;
	while (*text == ' ')
		text++;
	for (; units->name; units++) {
		if (strcmp(units->name, text) != 0)
			continue;
		if (*v > INT64_MAX / units->factor)
			return -1;
		*v *= units->factor;
		return 0;
	}
	return -1;
}

const char *value_read_duration(const char *text, uint64_t *us)
{
	return read_with_unit(durations, text, us) < 0 ? "is no duration: a number and us, ms, s, min, h or d" : NULL;
}

const char *value_read_size(const char *text, uint64_t *bytes)
{
	return read_with_unit(sizes, text, bytes) < 0 ? "is no size: a number and B, kB, MB, GB, KiB, MiB or GiB" : NULL;
}

const char *value_read_factor(const char *text, uint64_t *hundredths)
{
	static const char wrong[] = "is no number of at most two decimals";
	uint64_t scale = 10;

	if (read_digits(&text, 1000000, hundredths) < 0)
		return wrong;
	*hundredths *= 100;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9' && scale > 0; text++, scale /= 10)
			*hundredths += (uint64_t)(*text - '0') * scale;
	while (*text == '0') /* a number is printed with more of them */
		text++;
	return *text ? wrong : NULL;
}

const char *value_read_ports(const char *text, uint32_t *lo, uint32_t *hi)
{
	static const char wrong[] = "is no port, no range such as 5683-5690, and not \"any\"";
	uint64_t first = 0, last = 0;

	if (strcmp(text, "any") != 0) {
		if (read_digits(&text, 65535, &first) < 0)
			return wrong;
		last = first;
		if (*text == '-') {
			text++;
			if (read_digits(&text, 65535, &last) < 0)
				return wrong;
		}
		if (*text || first == 0 || last < first)
			return wrong;
	}
	*lo = (uint32_t)first;
	*hi = (uint32_t)last;
	return NULL;
}

static const char *write_with_unit(const struct unit *units, uint64_t v, char out[VALUE_TEXT_MAX])
{
	const struct unit *u = units;

	while (u[1].name && (v == 0 || v % u->factor != 0))
		u++;
	snprintf(out, VALUE_TEXT_MAX, "%llu%s", (unsigned long long)(v / u->factor), u->name);
	return out;
}

const char *value_write_duration(uint64_t us, char out[VALUE_TEXT_MAX])
{
	if (us > 0)
		return write_with_unit(durations, us, out);
	snprintf(out, VALUE_TEXT_MAX, "0s");
	return out;
}

const char *value_write_size(uint64_t bytes, char out[VALUE_TEXT_MAX])
{
	return write_with_unit(sizes, bytes, out);
}

const char *value_write_factor(uint64_t hundredths, char out[VALUE_TEXT_MAX])
{
	snprintf(out, VALUE_TEXT_MAX, "%llu.%02llu", (unsigned long long)(hundredths / 100), (unsigned long long)(hundredths % 100));
	return out;
}

const char *value_write_ports(uint32_t lo, uint32_t hi, char out[VALUE_TEXT_MAX])
{
	if (lo == 0)
		snprintf(out, VALUE_TEXT_MAX, "any");
	else if (lo == hi)
		snprintf(out, VALUE_TEXT_MAX, "%u", (unsigned)lo);
	else
		snprintf(out, VALUE_TEXT_MAX, "%u-%u", (unsigned)lo, (unsigned)hi);
	return out;
}

void value_store(void *field, size_t width, uint64_t v)
{
	uint32_t v32 = (uint32_t)v;
	uint16_t v16 = (uint16_t)v;
	uint8_t v8 = (uint8_t)v;

	memcpy(field, width == 8 ? (void *)&v : width == 4 ? (void *)&v32 : width == 2 ? (void *)&v16 : (void *)&v8, width);
}

uint64_t value_fetch(const void *field, size_t width)
{
	uint64_t v = 0;
	uint32_t v32 = 0;
	uint16_t v16 = 0;
	uint8_t v8 = 0;

	memcpy(width == 8 ? (void *)&v : width == 4 ? (void *)&v32 : width == 2 ? (void *)&v16 : (void *)&v8, field, width);
	return v | v32 | v16 | v8;
}

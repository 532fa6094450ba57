#include "translate/map_freshness.h"

#include <string.h>

enum {
	DATE_LENGTH = 29,
	YEAR_FIRST = 1970, YEAR_LAST = 9999,
	DAYS_OF_400_YEARS = 146097,
	SECONDS_OF_DAY = 86400,
};

/* The digits of text[from..from+count), or -1. */
static int digits_at(struct http_text text, size_t from, size_t count)
{
	int value = 0;

	for (size_t i = from; i < from + count; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -1;
		value = value * 10 + (text.at[i] - '0');
	}
	return value;
}

static int month_at(struct http_text text, size_t from)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 0; month < 12; month++)
		if (memcmp(text.at + from, names + 3 * month, 3) == 0)
			return month + 1;
	return -1;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from the first of January 1970; years are counted from March, so that the day of a leap year comes last. */
static int64_t days_until(int year, int month, int day)
{
	int from_march = (month + 9) % 12, years = month <= 2 ? year - 1 : year;
	int64_t century4 = years / 400, rest = years % 400;
	int64_t in_year = (153 * from_march + 2) / 5 + day - 1;
	int64_t in_century4 = rest * 365 + rest / 4 - rest / 100 + in_year;

	return century4 * DAYS_OF_400_YEARS + in_century4 - 719468; /* the days from March of year 0 to 1970 */
}

bool http_date_parse(struct http_text text, int64_t *seconds)
{
	static const char form[] = "???, ?? ??? ???? ??:??:?? GMT";
	int day, month, year, hour, minute, second;

	if (text.len != DATE_LENGTH)
		return false;
	for (size_t i = 0; i < DATE_LENGTH; i++)
		if (form[i] != '?' && text.at[i] != form[i])
			return false;
	day = digits_at(text, 5, 2);
	month = month_at(text, 8);
	year = digits_at(text, 12, 4);
	hour = digits_at(text, 17, 2);
	minute = digits_at(text, 20, 2);
	second = digits_at(text, 23, 2);
	if (year < YEAR_FIRST || year > YEAR_LAST || month < 1 || day < 1 || day > days_of_month(year, month))
		return false;
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*seconds = days_until(year, month, day) * SECONDS_OF_DAY + hour * 3600 + minute * 60 + second;
	return true;
}

bool http_seconds_parse(struct http_text text, uint32_t *seconds)
{
	uint64_t value = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		if (value <= UINT32_MAX)
			value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	*seconds = value <= UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	return true;
}

/* What Cache-Control says, over all its lines. */
struct directives {
	bool forbidden;
	bool has_max_age, has_shared;
	uint32_t max_age, shared;
};

/* A lifetime that cannot be read, or is told twice, is no lifetime at all (RFC 9111 4.2.1). */
static void take_lifetime(struct http_text value, bool *has, uint32_t *seconds)
{
	uint32_t told;

	if (*has || !http_seconds_parse(value, &told))
		told = 0;
	*has = true;
	*seconds = told;
}

/* Cuts an element at its '='; a value may stand in quotes. */
static void directive_split(struct http_text element, struct http_text *name, struct http_text *value)
{
	const char *equals = memchr(element.at, '=', element.len);

	*name = element;
	*value = (struct http_text){element.at + element.len, 0};
	if (equals == NULL)
		return;
	name->len = (size_t)(equals - element.at);
	*value = (struct http_text){equals + 1, element.len - name->len - 1};
	if (value->len >= 2 && value->at[0] == '"' && value->at[value->len - 1] == '"') {
		value->at++;
		value->len -= 2;
	}
}

static void directives_read(struct http_text list, struct directives *d)
{
	struct http_text element, name, value;

	while (http_list_next(&list, &element)) {
		directive_split(element, &name, &value);
		if (http_text_is(name, "no-store") || http_text_is(name, "no-cache") || http_text_is(name, "private"))
			d->forbidden = true;
		else if (http_text_is(name, "max-age"))
			take_lifetime(value, &d->has_max_age, &d->max_age);
		else if (http_text_is(name, "s-maxage"))
			take_lifetime(value, &d->has_shared, &d->shared);
	}
}

/* A field that may stand once; NULL if it stands more often or not at all. */
static const struct http_field *single_field(const struct http_head *head, const char *name)
{
	return http_field_count(head, name) == 1 ? http_field_find(head, name) : NULL;
}

/* Seconds from the response's Date to a date in it; 0 if it lies before, or if one of the two cannot be read. */
static uint32_t seconds_since_date(const struct http_head *head, struct http_text later)
{
	const struct http_field *date = single_field(head, "Date");
	int64_t from, to;

	if (date == NULL || !http_date_parse(date->value, &from) || !http_date_parse(later, &to) || to <= from)
		return 0;
	return to - from < UINT32_MAX ? (uint32_t)(to - from) : UINT32_MAX;
}

static uint32_t lifetime(const struct http_head *head, const struct directives *d)
{
	const struct http_field *expires;

	if (d->has_shared)
		return d->shared;
	if (d->has_max_age)
		return d->max_age;
	expires = single_field(head, "Expires");
	return expires != NULL ? seconds_since_date(head, expires->value) : 0;
}

uint32_t freshness_left(const struct http_head *head, uint32_t resident)
{
	struct directives d = {false, false, false, 0, 0};
	uint64_t age = resident;
	uint32_t fresh, told;

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *f = &head->fields[i];

		if (http_text_is(f->name, "Cache-Control"))
			directives_read(f->value, &d);
		else if (http_text_is(f->name, "Age"))
			age += http_seconds_parse(f->value, &told) ? told : UINT32_MAX;
		else if (http_text_is(f->name, "Vary") && http_text_is(f->value, "*"))
			d.forbidden = true;
	}
	fresh = d.forbidden ? 0 : lifetime(head, &d);
	return fresh > age ? (uint32_t)(fresh - age) : 0;
}

bool freshness_retry_after(const struct http_head *head, uint32_t *seconds)
{
	const struct http_field *f = single_field(head, "Retry-After");

	if (f == NULL)
		return false;
	if (http_seconds_parse(f->value, seconds))
		return true;
	*seconds = seconds_since_date(head, f->value);
	return *seconds > 0;
}

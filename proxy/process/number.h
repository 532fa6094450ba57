/*
 * number - the numbers that a service manager leaves in the environment.
 */
#ifndef PROXY_PROCESS_NUMBER_H
#define PROXY_PROCESS_NUMBER_H

#include <stdint.h>

/* Parses decimal digits and nothing else. Returns 0, or -1 if there are none, something else stands there, or the value is
 * above max; *out is then 0. */
static inline int number_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	*out = 0;
	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned)(unsigned char)*text - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	if (value > max)
		return -1;
	*out = value;
	return 0;
}

#endif

/*
 * script - the input of a target that has a state, read as what happens one after another: zeros behind its end.
 */
#ifndef TESTS_FUZZ_SCRIPT_H
#define TESTS_FUZZ_SCRIPT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static struct {
	const uint8_t *at;
	size_t left;
} script;

static inline unsigned take(void)
{
	if (script.left == 0)
		return 0;
	script.left--;
	return *script.at++;
}

/* Up to so many; returns how many there were. */
static inline size_t take_bytes(uint8_t *out, size_t len)
{
	if (len > script.left)
		len = script.left;
	if (len > 0)
		memcpy(out, script.at, len);
	script.at += len;
	script.left -= len;
	return len;
}

#endif

/*
 * keys_blocks - texts of keys by blocks: a word and a name begin one ("context pump-7"), the lines of its settings follow.
 *
 * Who reads such a text gives the tables; that settings are known, have the values they want, stand once and are not missing is seen to here.
 */
#ifndef OSCORE_KEYS_BLOCKS_H
#define OSCORE_KEYS_BLOCKS_H

#include "oscore/keys_lines.h"

enum { KEYS_NAME_MAX = 63, KEYS_SETTINGS_MAX = 32 };

struct keys_setting {
	const char *word;
	size_t values;   /* words behind it */
	bool required;
	bool repeats;    /* it may stand more than once */
	void (*take)(void *arg, const struct keys_word *values);
};

struct keys_block {
	const char *word;
	const struct keys_setting *settings; /* at most KEYS_SETTINGS_MAX, and behind them one without a word */
	void (*begin)(void *arg, const char *name, unsigned line); /* the name is short enough, and "" if it was none */
	void (*end)(void *arg, bool sound); /* sound: nothing was wrong with it so far */
};

/* Reads a text to its end. `blocks` ends with one without a word. With `no_masters` words for a secret from which keys are derived are refused with
 * an explanation. */
void keys_blocks_read(struct keys_lines *l, const struct keys_block *blocks, bool no_masters, void *arg);

#endif

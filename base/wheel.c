/*
 * Level l has 64 slots of 64^l ticks. A timer lies on the level of the highest six-bit digit in which its tick differs
 * from the present one, in the slot of that digit: so a slot in use is always ahead of the present, everything on a lower
 * level comes before everything on a higher one, and when the present enters a slot its timers move to lower levels.
 * Cancelling leaves the slot's bit set; who meets a set bit over an empty slot clears it.
 */
#include "base/wheel.h"

#include <stdlib.h>

#include "base/chain.h"

enum { DIGIT = 6, SLOTS = 1 << DIGIT, LEVELS = 9 }; /* 54 bits: every tick that 64 bits of microseconds can name */

struct wheel {
	uint64_t tick; /* every earlier tick and this one have been run */
	uint64_t bits[LEVELS];
	struct wheel_timer *due; /* to be run now */
	struct wheel_timer *slots[LEVELS][SLOTS];
};

struct wheel *wheel_create(uint64_t now)
{
	struct wheel *w = calloc(1, sizeof(*w));

	if (w)
		w->tick = now / WHEEL_TICK;
	return w;
}

void wheel_destroy(struct wheel *w)
{
	free(w);
}

void wheel_cancel(struct wheel_timer *t)
{
	CHAIN_LEAVE(t, next, link);
}

static inline void timer_place(struct wheel *w, struct wheel_timer *t)
{
	uint64_t tick = t->due / WHEEL_TICK + (t->due % WHEEL_TICK != 0); /* upwards: never early */

	if (tick <= w->tick) {
		CHAIN_ENTER(w->due, t, next, link);
		return;
	}
	unsigned level = (63 - (unsigned)__builtin_clzll(tick ^ w->tick)) / DIGIT;
	unsigned slot = (unsigned)(tick >> DIGIT * level) & (SLOTS - 1);

	CHAIN_ENTER(w->slots[level][slot], t, next, link);
	w->bits[level] |= 1ull << slot;
}

void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due)
{
	wheel_cancel(t);
	t->due = due;
	timer_place(w, t);
}

/* Finds the first slot with a timer in it: its level (LEVELS if there is none) and the tick at which it begins. */
static unsigned slot_first(struct wheel *w, uint64_t *begin)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		while (w->bits[level] != 0) {
			unsigned slot = (unsigned)__builtin_ctzll(w->bits[level]);
			unsigned above = DIGIT * (level + 1);

			if (w->slots[level][slot]) {
				*begin = (w->tick >> above << above) | (uint64_t)slot << DIGIT * level;
				return level;
			}
			w->bits[level] &= w->bits[level] - 1;
		}
	}
	return LEVELS;
}

static void due_run(struct wheel *w)
{
	while (w->due) {
		struct wheel_timer *t = w->due;

		wheel_cancel(t);
		t->run(t);
	}
}

/* Moves the timers of the slot that has just begun to where they belong now: lower levels, or the list of the due. */
static void slot_enter(struct wheel *w, unsigned level)
{
	unsigned slot = (unsigned)(w->tick >> DIGIT * level) & (SLOTS - 1);
	struct wheel_timer *t = w->slots[level][slot];

	w->slots[level][slot] = NULL;
	w->bits[level] &= ~(1ull << slot);
	while (t) {
		struct wheel_timer *next = t->next;

		timer_place(w, t);
		t = next;
	}
}

void wheel_run(struct wheel *w, uint64_t now)
{
	uint64_t until = now / WHEEL_TICK, begin;

	for (;;) {
		due_run(w);
		unsigned level = slot_first(w, &begin);

		if (level == LEVELS || begin > until)
			break;
		w->tick = begin;
		slot_enter(w, level);
	}
	if (until > w->tick)
		w->tick = until;
}

uint64_t wheel_next(const struct wheel *w)
{
	/* clearing the bits of empty slots changes nothing that a caller could see */
	struct wheel *mine = (struct wheel *)w;
	uint64_t begin = w->tick > 0 ? w->tick : 1;

	if (!w->due && slot_first(mine, &begin) == LEVELS)
		return UINT64_MAX;
	return begin < UINT64_MAX / WHEEL_TICK ? begin * WHEEL_TICK : UINT64_MAX - 1;
}

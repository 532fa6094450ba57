/*
 * wheel - the timers of one worker: a hierarchical timer wheel.
 *
 * Setting and cancelling cost O(1) and no memory: the node lies in the object it times. Resolution is WHEEL_TICK;
 * a timer never runs early and at most one tick late (by the clock at the time of wheel_run).
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK 4096ull /* microseconds */

struct wheel_timer {
	struct wheel_timer *next, **link; /* link is NULL while the timer is not set */
	uint64_t due;                     /* microseconds of clock_now() */
	void (*run)(struct wheel_timer *t);
};

struct wheel;

struct wheel *wheel_create(uint64_t now);
void wheel_destroy(struct wheel *w); /* timers still set are forgotten */

/* Sets t to run at `due` (again: moves it). t->run must be set. A due time in the past runs at the next wheel_run(). */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due);
void wheel_cancel(struct wheel_timer *t); /* does nothing if t is not set */

static inline bool wheel_timer_is_set(const struct wheel_timer *t)
{
	return t->link != 0;
}

/* Runs every timer due at `now`, in the order of ticks; a callback may set and cancel any timer, itself too. A timer set
 * by a callback for a time that has passed runs within the same call. */
void wheel_run(struct wheel *w, uint64_t now);

/* A lower bound, never 0, of the earliest due time (exact to the slot it lies in); UINT64_MAX if no timer is set.
 * Running the wheel at that time makes progress. */
uint64_t wheel_next(const struct wheel *w);

/* The embedding object of a timer. */
#define wheel_owner(t, type, member) ((type *)(void *)((char *)(t) - offsetof(type, member)))

#endif

#include "oscore/replay.h"

void oscore_window_look(const struct oscore_window *w, uint64_t sequence, bool *seen, bool *unverified)
{
	uint64_t behind = w->highest - sequence;

	*seen = w->begun && sequence <= w->highest && (behind >= OSCORE_WINDOW || (w->taken >> behind & 1));
	*unverified = !*seen && (!w->known || sequence < w->floor);
}

void oscore_window_take(struct oscore_window *w, uint64_t sequence, bool *seen, bool *unverified)
{
	oscore_window_look(w, sequence, seen, unverified);
	if (!w->begun || sequence > w->highest) {
		uint64_t step = sequence - w->highest;

		w->taken = (w->begun && step < OSCORE_WINDOW ? w->taken << step : 0) | 1;
		w->highest = sequence;
		w->begun = true;
	} else if (w->highest - sequence < OSCORE_WINDOW) {
		w->taken |= UINT64_C(1) << (w->highest - sequence);
	}
}

void oscore_window_accepted(struct oscore_window *w, uint64_t sequence)
{
	bool seen, unverified;

	oscore_window_take(w, sequence, &seen, &unverified);
	if (!w->known) {
		w->known = true;
		w->floor = sequence;
	}
}

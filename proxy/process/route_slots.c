#include "proxy/process/route_slots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
	const struct route *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A slot that no route of the new configuration has; there is one, as it has no more routes than there are slots. */
static uint32_t take_slot(bool *taken, uint32_t *used, uint32_t *at)
{
	if (*used < CONF_ROUTES_MAX)
		return (*used)++;
	while (taken[*at])
		(*at)++;
	taken[*at] = true;
	return *at;
}

int route_slots_place(const struct snapshot *now, const struct snapshot *next, uint32_t *used, uint32_t *slots)
{
	const struct route **known = calloc(now->route_count + 1, sizeof(*known));
	bool *taken = calloc(CONF_ROUTES_MAX, sizeof(*taken)), *placed = calloc(next->route_count + 1, sizeof(*placed));
	uint32_t at = 0;
	int result = -1;

	if (known == NULL || taken == NULL || placed == NULL)
		goto out;
	for (size_t i = 0; i < now->route_count; i++)
		known[i] = &now->routes[i];
	qsort(known, now->route_count, sizeof(*known), by_name);
	for (size_t i = 0; i < next->route_count; i++) {
		const struct route *wanted = &next->routes[i];
		const struct route *const *found = bsearch(&wanted, known, now->route_count, sizeof(*known), by_name);

		if (found == NULL)
			continue;
		slots[i] = (*found)->metrics_slot;
		placed[i] = taken[slots[i]] = true;
	}
	for (size_t i = 0; i < next->route_count; i++)
		if (!placed[i])
			slots[i] = take_slot(taken, used, &at);
	result = 0;
out:
	free(known);
	free(taken);
	free(placed);
	return result;
}

#include "proxy/exchange/message_ids.h"

#include <stddef.h>

#include "base/random.h"

enum { TENTH = 100000, LIFETIME_TENTHS = 2470 };

/* Tenths of a second; never 0, which means "never". */
static uint32_t tenths_of(uint64_t now)
{
	uint32_t tenths = (uint32_t)(now / TENTH);

	return tenths == 0 ? 1 : tenths;
}

/* Both times are rounded down, so more than LIFETIME_TENTHS between them is at least 247 s. */
static bool chunk_rested(const struct message_ids *ids, unsigned chunk, uint32_t now)
{
	return ids->used_at[chunk] == 0 || now - ids->used_at[chunk] > LIFETIME_TENTHS;
}

int32_t message_ids_take(struct message_ids *ids, uint64_t now, uint32_t *chunk_took)
{
	uint32_t tenths = tenths_of(now);

	if (chunk_took != NULL)
		*chunk_took = 0;
	if (!ids->started) {
		ids->next = (uint16_t)random_u32();
		ids->started = true;
	}

	unsigned chunk = ids->next / MESSAGE_ID_CHUNK;

	if (ids->next % MESSAGE_ID_CHUNK == 0) {
		if (!chunk_rested(ids, chunk, tenths))
			return -1;
		ids->entered_at = tenths;
	}
	if (ids->next % MESSAGE_ID_CHUNK == MESSAGE_ID_CHUNK - 1) {
		ids->used_at[chunk] = tenths;
		/* The first chunk is entered somewhere inside (entered_at 0): its time says nothing about the rate. */
		if (chunk_took != NULL && ids->entered_at != 0)
			*chunk_took = tenths == ids->entered_at ? 1 : tenths - ids->entered_at;
	}
	return ids->next++;
}

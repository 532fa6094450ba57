/*
 * message_ids - Message IDs towards one peer (from one port) that are not reused inside EXCHANGE_LIFETIME (RFC 7252 4.4).
 *
 * The 65,536 IDs are used in order from a random start, in chunks; a chunk is entered again only when its last use is
 * 247 s ago. So at least 15/16 of the IDs are usable in any 247 s, for 68 bytes of state.
 */
#ifndef PROXY_EXCHANGE_MESSAGE_IDS_H
#define PROXY_EXCHANGE_MESSAGE_IDS_H

#include <stdbool.h>
#include <stdint.h>

enum { MESSAGE_ID_CHUNKS = 16, MESSAGE_ID_CHUNK = 65536 / MESSAGE_ID_CHUNKS };

struct message_ids {
	uint32_t used_at[MESSAGE_ID_CHUNKS]; /* tenths of a second; when the chunk was left, 0: never used */
	uint32_t entered_at;                 /* tenths of a second; when the current chunk was entered */
	uint16_t next;
	bool started;
};

/* Takes the next ID at `now` (microseconds); returns it, or -1 if none is free yet. *chunk_took, if not NULL, is set to 0,
 * or at the end of a chunk to the tenths of a second (at least 1) it lasted: the port's rate. */
int32_t message_ids_take(struct message_ids *ids, uint64_t now, uint32_t *chunk_took) __attribute__((warn_unused_result));

#endif

#include "proxy/http/backlog.h"

#include <stdlib.h>
#include <string.h>

enum { SPARE = 64 };

static struct {
	uint8_t *list[SPARE];
	unsigned count;
} spare;

static uint8_t *memory_take(size_t room)
{
	return room == BACKLOG_SMALL && spare.count > 0 ? spare.list[--spare.count] : malloc(room);
}

static void memory_give(uint8_t *bytes, size_t room)
{
	if (room == BACKLOG_SMALL && spare.count < SPARE)
		spare.list[spare.count++] = bytes;
	else
		free(bytes);
}

/* For so many bytes in all. One step more than they need, so that not every addition moves all of them. */
static size_t room_for(size_t len)
{
	return len <= BACKLOG_SMALL ? BACKLOG_SMALL : (len + BACKLOG_STEP - 1) / BACKLOG_STEP * BACKLOG_STEP + BACKLOG_STEP;
}

/* Makes room for so many bytes in all. The room of those that were sent is used again where that pays. */
static int make_room(struct backlog *b, size_t len)
{
	size_t held = backlog_length(b), room = b->room;
	uint8_t *bytes = b->bytes;

	if (len > room || (room > BACKLOG_SMALL && b->begin < BACKLOG_STEP)) {
		room = room_for(len);
		bytes = memory_take(room);
		if (bytes == NULL)
			return -1;
	}
	if (held > 0)
		memmove(bytes, b->bytes + b->begin, held);
	if (bytes != b->bytes && b->bytes != NULL)
		memory_give(b->bytes, b->room);
	*b = (struct backlog){ .bytes = bytes, .end = held, .room = room };
	return 0;
}

int backlog_add(struct backlog *b, const void *bytes, size_t len)
{
	if (b->room - b->end < len && make_room(b, backlog_length(b) + len) < 0)
		return -1;
	if (len > 0)
		memcpy(b->bytes + b->end, bytes, len);
	b->end += len;
	return 0;
}

void backlog_drain(struct backlog *b, size_t len)
{
	b->begin += len;
	if (b->begin < b->end || b->bytes == NULL)
		return;
	memory_give(b->bytes, b->room);
	*b = (struct backlog){ .bytes = NULL };
}

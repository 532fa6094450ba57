#include "proxy/exchange/feed_lines.h"

#include <stdlib.h>
#include <string.h>

int feed_lines_init(struct feed_lines *l, size_t capacity)
{
	*l = (struct feed_lines){ .bytes = malloc(capacity), .capacity = capacity };
	return l->bytes != NULL ? 0 : -1;
}

void feed_lines_fini(struct feed_lines *l)
{
	free(l->bytes);
	*l = (struct feed_lines){ .bytes = NULL };
}

static void append(struct feed_lines *l, const uint8_t *bytes, size_t len)
{
	size_t at = (l->start + l->len) % l->capacity;
	size_t first = len < l->capacity - at ? len : l->capacity - at;

	memcpy(l->bytes + at, bytes, first);
	memcpy(l->bytes, bytes + first, len - first);
	l->len += len;
}

bool feed_lines_add(struct feed_lines *l, const uint8_t *line, size_t len)
{
	if (l->bytes == NULL || len > l->capacity - l->len)
		return false;
	append(l, line, len);
	return true;
}

int feed_lines_pieces(const struct feed_lines *l, size_t n, struct iovec pieces[2])
{
	size_t first = n < l->capacity - l->start ? n : l->capacity - l->start;

	pieces[0] = (struct iovec){ l->bytes + l->start, first };
	pieces[1] = (struct iovec){ l->bytes, n - first };
	return n > first ? 2 : 1;
}

uint64_t feed_lines_count(const struct feed_lines *l, size_t n)
{
	struct iovec pieces[2];
	int count = feed_lines_pieces(l, n, pieces);
	uint64_t lines = 0;

	for (int i = 0; i < count; i++) {
		const uint8_t *at = pieces[i].iov_base, *end = at + pieces[i].iov_len;

		for (; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
			lines++;
	}
	return lines;
}

static uint8_t byte(const struct feed_lines *l, size_t i)
{
	return l->bytes[(l->start + i) % l->capacity];
}

bool feed_lines_ends(const struct feed_lines *l, size_t n)
{
	return byte(l, n - 1) == '\n';
}

size_t feed_lines_first(const struct feed_lines *l)
{
	size_t n = 1;

	while (!feed_lines_ends(l, n))
		n++;
	return n;
}

size_t feed_lines_whole(const struct feed_lines *l, size_t most)
{
	size_t n = l->len < most ? l->len : most;

	while (n > 0 && !feed_lines_ends(l, n))
		n--;
	return n;
}

void feed_lines_drop(struct feed_lines *l, size_t n)
{
	l->start = (l->start + n) % l->capacity;
	l->len -= n;
}

size_t feed_lines_move(struct feed_lines *to, struct feed_lines *l)
{
	struct iovec pieces[2];
	size_t n = to->bytes != NULL && l->len > 0 ? feed_lines_whole(l, to->capacity) : 0;
	int count = n > 0 ? feed_lines_pieces(l, n, pieces) : 0;

	for (int i = 0; i < count; i++)
		append(to, pieces[i].iov_base, pieces[i].iov_len);
	if (n > 0)
		feed_lines_drop(l, n);
	return n;
}

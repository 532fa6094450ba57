#include "base/buffers.h"

#include <stdlib.h>
#include <string.h>

#include "base/slab.h"

struct buffers {
	struct slab *classes[BUFFER_CLASSES];
	size_t in_use;
	uint64_t limit; /* also of more than addresses reach */
};

enum { BUFFERS_OF_CLASS_MAX = (1 << 24) - 1 };

static size_t class_size(unsigned class)
{
	return (size_t)BUFFER_SMALLEST << class;
}

static uint32_t most_of(unsigned class, uint64_t limit)
{
	uint64_t most = limit / class_size(class);

	return most < BUFFERS_OF_CLASS_MAX ? (uint32_t)most : BUFFERS_OF_CLASS_MAX;
}

void buffers_set_limit(struct buffers *b, uint64_t limit)
{
	b->limit = limit;
	for (unsigned i = 0; i < BUFFER_CLASSES; i++)
		slab_set_limit(b->classes[i], most_of(i, limit));
}

struct buffers *buffers_create(uint64_t limit)
{
	struct buffers *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->limit = limit;
	for (unsigned i = 0; i < BUFFER_CLASSES; i++) {
		b->classes[i] = slab_create(class_size(i), most_of(i, limit));
		if (b->classes[i] == NULL) {
			buffers_destroy(b);
			return NULL;
		}
	}
	return b;
}

void buffers_destroy(struct buffers *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; i < BUFFER_CLASSES; i++)
		slab_destroy(b->classes[i]);
	free(b);
}

int buffers_keep(struct buffers *b, struct buffer *out, const uint8_t *bytes, size_t len)
{
	unsigned class = 0;

	if (len > BUFFER_LARGEST)
		return -1;
	while (class_size(class) < len)
		class++;
	if (b->in_use + class_size(class) > b->limit)
		return -1;
	out->bytes = slab_new(b->classes[class], &out->index);
	if (out->bytes == NULL)
		return -1;
	memcpy(out->bytes, bytes, len);
	out->len = (uint16_t)len;
	out->class = (uint8_t)class;
	b->in_use += class_size(class);
	return 0;
}

void buffers_drop(struct buffers *b, struct buffer *held)
{
	if (held->bytes == NULL)
		return;
	slab_free(b->classes[held->class], held->index);
	b->in_use -= class_size(held->class);
	*held = (struct buffer){ 0 };
}

size_t buffers_in_use(const struct buffers *b)
{
	return b->in_use;
}

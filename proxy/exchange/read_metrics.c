#include "proxy/exchange/read_metrics.h"

#include <inttypes.h>
#include <string.h>

#include "coap/message.h"
#include "proxy/exchange/house.h"

enum { PATH_SHIFT = 8, METHOD_SHIFT = 24, LOOKS = 16 };

static const char *const names[READ_COUNT_COUNT] = {
#define X(name, text) [name] = text,
	READ_COUNTS(X)
#undef X
};

static uint32_t key_of(uint8_t method, uint16_t path, uint8_t code)
{
	return ((uint32_t)method << METHOD_SHIFT | (uint32_t)path << PATH_SHIFT | code) + 1;
}

/* Of a key that is there, or of a free place where it may be put; NULL if there is none. */
static struct read_label *find(struct read_metrics *m, uint32_t key)
{
	uint32_t at = key * 2654435769u >> 16;

	for (unsigned i = 0; i < LOOKS; i++) {
		struct read_label *l = &m->labels[(at + i) % READ_LABELS];
		uint32_t here = atomic_load_explicit(&l->key, memory_order_relaxed);

		if (here == key || here == 0)
			return l;
	}
	return NULL;
}

static void count(struct read_metrics *m, uint32_t key, uint64_t by)
{
	struct read_label *l = find(m, key);

	if (l == NULL) {
		m->unlabelled += by;
		return;
	}
	atomic_store_explicit(&l->count, atomic_load_explicit(&l->count, memory_order_relaxed) + by, memory_order_relaxed);
	atomic_store_explicit(&l->key, key, memory_order_release);
}

void read_metrics_label(struct read_metrics *m, uint8_t method, uint16_t path, uint8_t code, uint64_t by)
{
	count(m, key_of(method, path, code), by);
}

void read_metrics_add(struct read_metrics *sum, const struct read_metrics *m)
{
	for (unsigned i = 0; i < READ_COUNT_COUNT; i++)
		sum->count[i] += m->count[i];
	sum->unlabelled += m->unlabelled;
	for (unsigned i = 0; i < READ_LABELS; i++) {
		uint32_t key = atomic_load_explicit(&m->labels[i].key, memory_order_acquire);

		if (key != 0)
			count(sum, key, atomic_load_explicit(&m->labels[i].count, memory_order_relaxed));
	}
}

void read_metrics_of_house(const struct house *h, const struct read_conf *r, struct read_metrics *sum)
{
	memset(sum, 0, sizeof *sum);
	for (unsigned w = 0; w < h->count; w++) {
		const struct read_metrics *m = &h->cells[w].reads[r->slot];

		if (atomic_load_explicit(&m->owner, memory_order_acquire) == r->id)
			read_metrics_add(sum, m);
	}
}

struct read_metrics *read_metrics_of(struct read_metrics *cell, const struct read_conf *r)
{
	struct read_metrics *m = &cell[r->slot];

	if (atomic_load_explicit(&m->owner, memory_order_relaxed) == r->id)
		return m;
	memset(m, 0, sizeof *m);
	atomic_store_explicit(&m->owner, r->id, memory_order_release);
	return m;
}

static const char *path_text(const struct read_conf *r, uint16_t path)
{
	if (path < r->count_path_count)
		return r->count_paths[path].text;
	return path == READ_PATH_NONE ? "-" : "other";
}

static const char *method_text(uint8_t method, char text[MSG_CODE_TEXT_MAX])
{
	return method == CODE_EMPTY ? "-" : msg_code_text(method, text);
}

static void print_label(const struct read_label *l, const struct read_conf *r, FILE *out)
{
	uint32_t key = atomic_load_explicit(&l->key, memory_order_acquire) - 1;
	char method[MSG_CODE_TEXT_MAX], code[MSG_CODE_TEXT_MAX];
	uint8_t answer = (uint8_t)key;

	fprintf(out, "read.%s.%s.%s", r->name, method_text((uint8_t)(key >> METHOD_SHIFT), method), path_text(r, (uint16_t)(key >> PATH_SHIFT)));
	if (answer != CODE_EMPTY)
		fprintf(out, ".%s", msg_code_text(answer, code));
	fprintf(out, " %" PRIu64 "\n", atomic_load_explicit(&l->count, memory_order_relaxed));
}

void read_metrics_print(const struct read_metrics *m, const struct read_conf *r, FILE *out)
{
	for (unsigned i = 0; i < READ_COUNT_COUNT; i++)
		if (m->count[i] != 0)
			fprintf(out, "read.%s.%s %" PRIu64 "\n", r->name, names[i], m->count[i]);
	for (unsigned i = 0; i < READ_LABELS; i++)
		if (atomic_load_explicit(&m->labels[i].key, memory_order_relaxed) != 0)
			print_label(&m->labels[i], r, out);
	if (m->unlabelled != 0)
		fprintf(out, "read.%s.unlabelled %" PRIu64 "\n", r->name, m->unlabelled);
}

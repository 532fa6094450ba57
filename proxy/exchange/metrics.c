#include "proxy/exchange/metrics.h"

#include <inttypes.h>

static const char *const names[METRIC_COUNT] = {
#define X(name, text) [name] = text,
	METRICS_TABLE(X)
#undef X
};

void metrics_print(const struct metrics *m, FILE *out)
{
	for (int i = 0; i < METRIC_COUNT; i++)
		fprintf(out, "%s %" PRIu64 "\n", names[i], m->count[i]);
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++)
		fprintf(out, "%s %" PRIu64 "\n", error_row((enum error)i)->counter, m->errors[i]);
}

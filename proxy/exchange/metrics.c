#include "proxy/exchange/metrics.h"

#include <inttypes.h>

static const char *const names[METRIC_COUNT] = {
#define X(name, text) [name] = text,
	METRICS_TABLE(X)
#undef X
};

void metrics_print_route(const struct route_metrics *m, const char *name, FILE *out)
{
	const struct {
		const char *counter;
		uint64_t value;
	} plain[] = { { "requests", m->requests }, { "responses", m->responses }, { "notifications", m->notifications } };

	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (plain[i].value != 0)
			fprintf(out, "route.%s.%s %" PRIu64 "\n", name, plain[i].counter, plain[i].value);
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++)
		if (m->errors[i] != 0)
			fprintf(out, "route.%s.%s %" PRIu64 "\n", name, error_row((enum error)i)->counter, m->errors[i]);
}

void metrics_print(const struct metrics *m, FILE *out)
{
	for (int i = 0; i < METRIC_COUNT; i++)
		fprintf(out, "%s %" PRIu64 "\n", names[i], m->count[i]);
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++)
		fprintf(out, "%s %" PRIu64 "\n", error_row((enum error)i)->counter, m->errors[i]);
}

#include "proxy/process/route_counts.h"

#include <stdlib.h>
#include <string.h>

/* Nearly always nothing was left, and then no memory is taken. */
static int begin_at(struct route_counts *c, const struct house *h, unsigned slot)
{
	static const struct route_metrics zero;
	struct route_metrics sum;

	house_route_metrics(h, slot, &sum);
	if (c->left == NULL && memcmp(&sum, &zero, sizeof sum) == 0)
		return 0;
	if (c->left == NULL)
		c->left = calloc(CONF_ROUTES_MAX, sizeof *c->left);
	if (c->left == NULL)
		return -1;
	c->left[slot] = sum;
	return 0;
}

int route_counts_renew(struct route_counts *c, const struct house *h, const struct snapshot *before, const struct snapshot *now)
{
	const struct route **had = calloc(CONF_ROUTES_MAX, sizeof(*had));
	int status = 0;

	if (had == NULL)
		return -1;
	for (size_t i = 0; i < before->route_count; i++)
		had[before->routes[i].metrics_slot] = &before->routes[i];
	for (size_t i = 0; i < now->route_count && status == 0; i++) {
		const struct route *r = &now->routes[i], *other = had[r->metrics_slot];

		if (other == NULL || strcmp(other->name, r->name) != 0)
			status = begin_at(c, h, r->metrics_slot);
	}
	free(had);
	return status;
}

void route_counts_get(const struct route_counts *c, const struct house *h, unsigned slot, struct route_metrics *out)
{
	const struct route_metrics *left = c->left != NULL ? &c->left[slot] : NULL;

	house_route_metrics(h, slot, out);
	if (left == NULL)
		return;
	out->requests -= left->requests;
	out->responses -= left->responses;
	out->notifications -= left->notifications;
	for (int i = 0; i < ERR_COUNT; i++)
		out->errors[i] -= left->errors[i];
}

void route_counts_free(struct route_counts *c)
{
	free(c->left);
	c->left = NULL;
}

#include "proxy/exchange/local.h"

#include <string.h>

#include "proxy/exchange/respond.h"

enum { CONTENT_FORMAT_LINK = 40 };

static const char well_known_core[] = "</.well-known/core>;ct=40";

static bool is_segment(const struct uri_part *part, const char *text)
{
	return part->len == strlen(text) && memcmp(part->at, text, part->len) == 0;
}

static bool is_well_known_core(const struct route_question *q)
{
	return !q->forward && !q->oscore && q->path_count == 2 && is_segment(&q->path[0], ".well-known") &&
		is_segment(&q->path[1], "core");
}

/* The first critical option that this resource does not process, or 0. */
static uint16_t unprocessed(const struct msg_view *m)
{
	unsigned earlier = 0;

	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		if (opt_is_critical(o->number) && !opt_is_recognised(o, m->code, earlier))
			return o->number;
	}
	return 0;
}

bool local_serve(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct target *t)
{
	const struct msg_option *accept = msg_option(m, OPT_ACCEPT);
	uint16_t offender;
	uint32_t format;

	if (!is_well_known_core(&t->question))
		return false;
	offender = unprocessed(m);
	if (offender != 0)
		respond_error(p, x, ERR_BAD_OPTION, offender);
	else if (m->code != CODE_GET)
		respond_error(p, x, ERR_METHOD, 0);
	else if (accept != NULL && (msg_uint(accept, &format) < 0 || format != CONTENT_FORMAT_LINK))
		respond_content(p, x, CODE_NOT_ACCEPTABLE, -1, NULL, 0);
	else
		respond_content(p, x, CODE_CONTENT, CONTENT_FORMAT_LINK, well_known_core, sizeof well_known_core - 1);
	return true;
}

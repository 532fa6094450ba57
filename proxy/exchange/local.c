#include "proxy/exchange/local.h"

#include <string.h>

#include "proxy/decide/links.h"
#include "proxy/exchange/respond.h"

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

struct query {
	struct uri_part arguments[MSG_OPTIONS_MAX];
	size_t count;
};

static bool is_wanted(const struct link *link, const void *arg)
{
	const struct query *query = arg;

	return link_matches(link, query->arguments, query->count);
}

static void serve_links(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	uint8_t bytes[LINKS_MAX];
	struct query query = { .count = 0 };
	struct writer w;

	for (unsigned i = 0; i < m->option_count; i++)
		if (m->options[i].number == OPT_URI_QUERY)
			query.arguments[query.count++] = (struct uri_part){ (const char *)m->options[i].value, m->options[i].len };
	writer_init(&w, bytes, sizeof bytes);
	links_write(&w, x->conf, x->conf->listener_of_slot[x->client->listener], is_wanted, &query);
	respond_document(p, x, CONTENT_FORMAT_LINK_FORMAT, bytes, writer_length(&w));
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
	else if (accept != NULL && (msg_uint(accept, &format) < 0 || format != CONTENT_FORMAT_LINK_FORMAT))
		respond_content(p, x, CODE_NOT_ACCEPTABLE, -1, NULL, 0);
	else
		serve_links(p, x, m);
	return true;
}

#include "translate/link_hc.h"

#include <string.h>

#include "base/bytes.h"

bool link_hc_make(struct link *link, const struct template *t, const char *anchor)
{
	struct http_text base, hct;

	template_publish(t, &base, &hct);
	link_init(link, base.at, base.len);
	if (!template_has_target(t))
		return false;
	if (anchor)
		link_add(link, "anchor", anchor, strlen(anchor));
	link_add(link, "rt", "core.hc", strlen("core.hc"));
	if (hct.at)
		link_add(link, "hct", hct.at, hct.len);
	return true;
}

int link_format_hc(char *out, size_t room, const struct template *t, const char *anchor)
{
	struct link link;
	struct writer w;

	if (room == 0)
		return -1;
	out[0] = '\0';
	if (!link_hc_make(&link, t, anchor))
		return -1;
	writer_init(&w, (uint8_t *)out, room - 1);
	link_write(&w, &link);
	if (w.failed) {
		out[0] = '\0';
		return -1;
	}
	*w.at = '\0';
	return (int)writer_length(&w);
}

#include "proxy/http/local.h"

#include <string.h>

#include "proxy/decide/links.h"
#include "translate/map_media.h"

static bool is_wanted(const struct link *link, const void *arg)
{
	const struct http_text *query = arg;

	return link_matches_query(link, query->at, query->len);
}

static bool is_acceptable(const struct http_head *head)
{
	return http_field_find(head, "Accept") == NULL || media_is_acceptable(head, CONTENT_FORMAT_LINK_FORMAT);
}

bool local_answer(struct http_request *r, const struct http_head *head)
{
	static const char path[] = "/.well-known/core";
	const size_t len = sizeof path - 1;
	struct http_text query = { r->target.at + r->target.len, 0 };
	uint8_t bytes[LINKS_MAX];
	struct writer w;

	if (r->target.len < len || memcmp(r->target.at, path, len) != 0 || (r->target.len > len && r->target.at[len] != '?'))
		return false;
	if (r->target.len > len + 1)
		query = (struct http_text){ r->target.at + len + 1, r->target.len - len - 1 };
	if (r->mapping.code != CODE_GET || r->mapping.oscore) {
		reply_refused(r, 405, NULL, "Allow: GET, HEAD\r\n", ERR_METHOD);
	} else if (!is_acceptable(head)) {
		reply_status(r, 406, NULL, NULL);
	} else {
		writer_init(&w, bytes, sizeof bytes);
		links_write(&w, r->conf, r->conf->listener_of_slot[http_connection_slot(r->connection)], is_wanted, &query);
		reply_content(r, 200, "application/link-format", bytes, writer_length(&w), NULL);
	}
	request_finish(r, false);
	return true;
}

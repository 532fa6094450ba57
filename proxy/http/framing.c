#include "proxy/http/framing.h"

#include "coap/uri.h"

enum { STATUS_SWITCHING = 101, STATUS_NO_CONTENT = 204, STATUS_NOT_MODIFIED = 304 };

static bool is_request(const struct http_head *head)
{
	return head->status == 0;
}

static bool is_interim(const struct http_head *head)
{
	return head->status >= 100 && head->status < 200;
}

/* What the elements of Connection and Expect say, which may be spread over several fields (RFC 9110 5.3). */
struct said {
	bool close, keep_alive, oscore, expects_continue;
};

static void read_connection(struct http_text list, struct said *said)
{
	struct http_text element;

	while (http_list_next(&list, &element)) {
		said->close |= http_text_is(element, "close");
		said->keep_alive |= http_text_is(element, "keep-alive");
		said->oscore |= http_text_is(element, "OSCORE") || http_text_is(element, "Object-Security");
	}
}

static void read_expect(struct http_text list, struct said *said)
{
	struct http_text element;

	while (http_list_next(&list, &element))
		said->expects_continue |= http_text_is(element, "100-continue");
}

static struct said read_said(const struct http_head *head)
{
	struct said said = {false, false, false, false};

	for (const struct http_field *f = head->fields; f < head->fields + head->field_count; f++) {
		if (http_text_is(f->name, "Connection"))
			read_connection(f->value, &said);
		else if (http_text_is(f->name, "Expect"))
			read_expect(f->value, &said);
	}
	return said;
}

/* RFC 9112 3.2. An empty Host would be that of a URI without authority, and every scheme here has one. */
static enum http_error host_check(const struct http_head *head, const char **why)
{
	const struct http_field *host = http_field_find(head, "Host");
	struct uri u;

	if (!host && head->minor == 0)
		return HTTP_OK;
	if (!host)
		*why = "no Host field";
	else if (http_field_count(head, "Host") > 1)
		*why = "a second Host field";
	else if (uri_parse_authority(&u, host->value.at, host->value.len) != URI_OK)
		*why = "a Host field that is no host and port";
	else
		return HTTP_OK;
	return HTTP_BAD;
}

/* Digits alone, and not above what a signed number holds elsewhere. */
static bool length_parse(struct http_text text, uint64_t *length)
{
	*length = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)text.at[i] - '0';

		if (text.at[i] < '0' || text.at[i] > '9' || *length > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		*length = *length * 10 + digit;
	}
	return text.len > 0;
}

/* RFC 9112 6.3 lets a list of equal lengths pass; a sender that repeats itself is refused here all the same. */
static enum http_error length_read(struct http_head *head, const char **why)
{
	const struct http_field *field = http_field_find(head, "Content-Length");

	if (!field)
		return HTTP_OK;
	if (http_field_count(head, "Content-Length") > 1)
		*why = "a second Content-Length field";
	else if (!length_parse(field->value, &head->length))
		*why = "a Content-Length that is no number, or too large";
	else
		head->has_length = true;
	return head->has_length ? HTTP_OK : HTTP_BAD;
}

/* Tells another coding before chunked, which is merely unknown here, from a list that does not end with chunked, whose body has no
 * end that both sides know (RFC 9112 6.1, 6.3). */
static enum http_error coding_refuse(const struct http_head *head, const char **why)
{
	const struct http_field *field = http_field_find(head, "Transfer-Encoding");
	struct http_text list = field->value, element = {NULL, 0};
	size_t chunked = 0;

	while (http_list_next(&list, &element))
		chunked += http_text_is(element, "chunked");
	if (http_field_count(head, "Transfer-Encoding") == 1 && chunked == 1 && http_text_is(element, "chunked") &&
	    element.at + element.len == field->value.at + field->value.len && field->value.at[0] != ',') {
		*why = "a transfer coding other than chunked";
		return HTTP_NOT_IMPLEMENTED;
	}
	*why = "a Transfer-Encoding that does not end with chunked, once";
	return HTTP_BAD;
}

static enum http_error coding_read(struct http_head *head, const char **why)
{
	const struct http_field *field = http_field_find(head, "Transfer-Encoding");

	if (!field)
		return HTTP_OK;
	if (head->minor == 0)
		*why = "Transfer-Encoding in HTTP/1.0"; /* RFC 9112 6.1 */
	else if (head->has_length)
		*why = "both Content-Length and Transfer-Encoding";
	else if (http_field_count(head, "Transfer-Encoding") > 1 || !http_text_is(field->value, "chunked"))
		return coding_refuse(head, why);
	else
		head->chunked = true;
	return head->chunked ? HTTP_OK : HTTP_BAD;
}

/* RFC 9112 6.3. What must have no body (RFC 9110 15.2, 15.3.5) is refused if it says that it has one: the next response would
 * begin in it. */
static enum http_error body_find(const struct http_head *head, bool answers_head, enum http_body_kind *body, const char **why)
{
	bool bodiless = is_interim(head) || head->status == STATUS_NO_CONTENT;

	if (head->status == STATUS_SWITCHING) {
		*why = "another protocol that nobody asked for";
		return HTTP_BAD;
	}
	if (bodiless && (head->chunked || head->length > 0)) {
		*why = "a body in a response that has none";
		return HTTP_BAD;
	}
	if (bodiless || head->status == STATUS_NOT_MODIFIED || answers_head)
		*body = HTTP_BODY_NONE;
	else if (head->chunked)
		*body = HTTP_BODY_CHUNKED;
	else if (head->has_length)
		*body = head->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	else
		*body = is_request(head) ? HTTP_BODY_NONE : HTTP_BODY_UNTIL_CLOSE;
	return HTTP_OK;
}

/* RFC 9112 9.3. "keep-alive" of HTTP/1.0 is not believed in a request made to a proxy: one that does not know the field may have
 * passed it on. */
static bool goes_on(const struct http_head *head, const struct said *said, enum http_body_kind body)
{
	if (body == HTTP_BODY_UNTIL_CLOSE || said->close)
		return false;
	if (head->minor > 0)
		return true;
	return said->keep_alive && !(is_request(head) && http_target_is_absolute(head->target));
}

enum http_error http_framing_read(struct http_head *head, bool answers_head, enum http_body_kind *body, const char **why)
{
	enum http_error error = is_request(head) ? host_check(head, why) : HTTP_OK;
	struct said said;

	head->chunked = head->has_length = head->keep_alive = head->expects_continue = false;
	head->length = 0;
	if (error == HTTP_OK)
		error = length_read(head, why);
	if (error == HTTP_OK)
		error = coding_read(head, why);
	if (error == HTTP_OK)
		error = body_find(head, answers_head, body, why);
	if (error != HTTP_OK)
		return error;
	/* RFC 8613 11.1: it is an end-to-end field; what Connection names a next hop would take away. */
	said = read_said(head);
	if (said.oscore) {
		*why = "Connection names the OSCORE field";
		return HTTP_BAD;
	}
	head->keep_alive = goes_on(head, &said, *body);
	/* RFC 9110 10.1.1: not from HTTP/1.0 */
	head->expects_continue = is_request(head) && head->minor > 0 && said.expects_continue;
	return HTTP_OK;
}

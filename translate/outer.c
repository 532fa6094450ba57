#include "translate/outer.h"

#include <string.h>

#include "coap/uri.h"

void outer_plan_init(struct outer_plan *plan)
{
	memset(plan->drop, 0, sizeof plan->drop);
	plan->add_count = 0;
	plan->drop_payload = plan->drop_second_etag = false;
}

void outer_drop(struct outer_plan *plan, uint16_t number)
{
	if (number < OUTER_DROP_WORDS * 64)
		plan->drop[number / 64] |= 1ull << number % 64;
}

static bool is_dropped(const struct outer_plan *plan, uint16_t number)
{
	return number < OUTER_DROP_WORDS * 64 && plan->drop[number / 64] >> number % 64 & 1;
}

int outer_add(struct outer_plan *plan, uint16_t number, const uint8_t *value, size_t len)
{
	size_t at = plan->add_count;

	if (at == OUTER_ADD_MAX || len > UINT16_MAX)
		return -1;
	while (at > 0 && plan->add[at - 1].number > number) {
		plan->add[at] = plan->add[at - 1];
		at--;
	}
	plan->add[at] = (struct msg_option){ .number = number, .len = (uint16_t)len, .value = value };
	plan->add_count++;
	return 0;
}

int outer_add_uint(struct outer_plan *plan, uint16_t number, uint32_t value)
{
	uint8_t *bytes;
	size_t len = 0;

	if (plan->add_count == OUTER_ADD_MAX)
		return -1;
	bytes = plan->uint_bytes[plan->add_count];
	for (int shift = 24; shift >= 0; shift -= 8)
		if (len > 0 || value >> shift & 0xff)
			bytes[len++] = (uint8_t)(value >> shift);
	return outer_add(plan, number, bytes, len);
}

static bool is_dot_segment(const struct msg_option *o)
{
	return (o->len == 1 && o->value[0] == '.') || (o->len == 2 && o->value[0] == '.' && o->value[1] == '.');
}

/* Observe is defined for GET and FETCH; an OSCORE request is one whatever its Outer Code is (RFC 8613 4.1.3.5). */
static enum error read_observe(const struct msg_view *m, const struct msg_option *o, struct outer_request *r)
{
	uint32_t value;

	if (m->code != CODE_GET && m->code != CODE_FETCH && msg_option(m, OPT_OSCORE) == NULL)
		return ERR_BAD_OPTION;
	if (msg_uint(o, &value) < 0)
		return ERR_BAD_OPTION;
	if (value > 1)
		r->observe_undefined = true;
	else
		r->observe = value == 0 ? 1 : 2;
	return ERR_NONE;
}

static enum error read_block(const struct msg_option *o, struct opt_block *b, bool *has)
{
	if (opt_block_parse(b, o) < 0)
		return ERR_BLOCK_SIZE;
	*has = true;
	return ERR_NONE;
}

static enum error read_hop_limit(const struct msg_option *o, struct outer_request *r)
{
	uint32_t value;

	if (o->len != 1 || msg_uint(o, &value) < 0 || value == 0)
		return ERR_HOP_LIMIT_VALUE;
	if (!r->has_hop_limit)
		r->hop_limit = (uint8_t)value;
	r->has_hop_limit = true;
	return ERR_NONE;
}

/* One option of a request that is recognised. */
static enum error read_known(const struct msg_view *m, const struct msg_option *o, struct outer_request *r)
{
	uint32_t value;

	switch (o->number) {
	case OPT_URI_HOST:
		r->uri_host = o;
		return ERR_NONE;
	case OPT_URI_PORT:
		r->uri_port = o;
		return ERR_NONE;
	case OPT_URI_PATH:
		return is_dot_segment(o) ? ERR_BAD_OPTION : ERR_NONE;
	case OPT_PROXY_URI:
		r->proxy_uri = o;
		return ERR_NONE;
	case OPT_PROXY_SCHEME:
		r->proxy_scheme = o;
		return ERR_NONE;
	case OPT_ECHO:
		r->echo = o;
		return ERR_NONE;
	case OPT_OBSERVE:
		return read_observe(m, o, r);
	case OPT_BLOCK1:
		return read_block(o, &r->block1, &r->has_block1);
	case OPT_BLOCK2:
		return read_block(o, &r->block2, &r->has_block2);
	case OPT_REQUEST_TAG:
		r->request_tag = true;
		return ERR_NONE;
	case OPT_ACCEPT:
		r->accepts_problem_details = msg_uint(o, &value) == 0 && value == 257;
		return ERR_NONE;
	case OPT_NO_RESPONSE:
		if (msg_uint(o, &value) == 0)
			r->no_response = (uint8_t)value;
		return ERR_NONE;
	default:
		return ERR_NONE;
	}
}

enum error outer_read_reliable_request(const struct msg_view *m, struct outer_request *r, uint16_t *offender)
{
	unsigned earlier = 0;

	memset(r, 0, sizeof *r);
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		enum error e = ERR_NONE;

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		*offender = o->number;
		if (o->number == OPT_OSCORE) {
			/* By the letter a second copy is an unrecognised Safe option; relaying two would let two readers disagree. */
			if (earlier > 0 || o->len > 255)
				return ERR_BAD_OPTION;
			r->oscore = true;
			r->oscore_option = o;
		} else if (o->number == OPT_URI_PATH_ABBREV) {
			r->path_abbreviated = true;
		} else if (o->number == OPT_HOP_LIMIT && earlier == 0) {
			e = read_hop_limit(o, r);
		} else if (o->number == OPT_OBSERVE && earlier == 0 && o->len <= 3) {
			e = read_observe(m, o, r);
		} else if (opt_is_recognised(o, m->code, earlier)) {
			e = read_known(m, o, r);
		} else if (opt_is_unsafe(o->number)) {
			e = ERR_BAD_OPTION;
		}
		if (e != ERR_NONE)
			return e;
	}
	r->forward = r->proxy_uri != NULL || r->proxy_scheme != NULL;
	*offender = OPT_URI_HOST;
	if (r->uri_host != NULL && r->proxy_uri == NULL && !uri_host_is_valid(r->uri_host->value, r->uri_host->len))
		return ERR_BAD_OPTION;
	*offender = OPT_BLOCK1;
	if (r->has_block1 && r->block1.more && !opt_block_holds(&r->block1, m->payload_len))
		return ERR_BLOCK_SIZE;
	return ERR_NONE;
}

enum error outer_read_request(const struct msg_view *m, struct outer_request *r, uint16_t *offender)
{
	enum error e = outer_read_reliable_request(m, r, offender);

	if (e != ERR_NONE)
		return e;
	*offender = r->has_block1 && r->block1.szx == OPT_SZX_BERT ? OPT_BLOCK1 : OPT_BLOCK2;
	if ((r->has_block1 && r->block1.szx == OPT_SZX_BERT) || (r->has_block2 && r->block2.szx == OPT_SZX_BERT))
		return ERR_BLOCK_SIZE;
	return ERR_NONE;
}

static enum error check_response(const struct msg_view *m, bool reliable)
{
	unsigned earlier = 0;

	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		struct opt_block b;

		earlier = i > 0 && o->number == o[-1].number ? earlier + 1 : 0;
		if (!opt_is_recognised(o, m->code, earlier)) {
			if (opt_is_unsafe(o->number))
				return ERR_BAD_RESPONSE;
			continue;
		}
		if (o->number != OPT_BLOCK1 && o->number != OPT_BLOCK2)
			continue;
		if (opt_block_parse(&b, o) < 0 || (b.szx == OPT_SZX_BERT && !reliable))
			return ERR_BAD_RESPONSE;
		if (o->number == OPT_BLOCK2 && b.more && !opt_block_holds(&b, m->payload_len))
			return ERR_BAD_RESPONSE;
	}
	return ERR_NONE;
}

enum error outer_check_response(const struct msg_view *m)
{
	return check_response(m, false);
}

enum error outer_check_reliable_response(const struct msg_view *m)
{
	return check_response(m, true);
}

void outer_write_options(struct msg_writer *out, const struct msg_view *m, const struct outer_plan *plan)
{
	size_t added = 0;
	bool etag_seen = false;

	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		if (is_dropped(plan, o->number))
			continue;
		if (o->number == OPT_ETAG) {
			if (plan->drop_second_etag && etag_seen)
				continue;
			etag_seen = true;
		}
		while (added < plan->add_count && plan->add[added].number <= o->number) {
			msg_add_option(out, plan->add[added].number, plan->add[added].value, plan->add[added].len);
			added++;
		}
		msg_add_option(out, o->number, o->value, o->len);
	}
	for (; added < plan->add_count; added++)
		msg_add_option(out, plan->add[added].number, plan->add[added].value, plan->add[added].len);
}

void outer_write(struct msg_writer *out, const struct msg_view *m, const struct outer_plan *plan)
{
	outer_write_options(out, m, plan);
	if (!plan->drop_payload)
		msg_add_payload(out, m->payload, m->payload_len);
}

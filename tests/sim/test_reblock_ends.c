/* objects: tests/sim/bodies.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Requests that are re-blocked, and what becomes of them where something is missing, refused, silent or gone.
 */
#include "tests/sim/bodies.h"

#include <stdio.h>

#include "tests/unit/made.h"

static const char *with_format(const char *options)
{
	static char text[64];

	snprintf(text, sizeof text, "%s 12=2a", options);
	return text;
}

/* Who asks in another session, or in none, is another client: his block is of no body. */
static void blocks_of_another_session_are_others(void **state)
{
	struct local_address to = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9 } };
	struct endpoint secured = client_endpoint(UNKNOWN_CLIENTS + 1), plain = secured;
	uint8_t bytes[MSG_MAX];
	struct made made;
	struct msg_writer w;

	(void)state;
	covers("C7959-7-1");
	begin("");
	secured.transport = URI_COAPS_TCP;
	secured.session = EDGE_SESSION_OF_CLIENT | 7;
	for (unsigned block = 0; block < 3; block++) {
		made_message(&made, CODE_PUT, block1_text(device(), (int)block * 2, block < 2, BERT), NULL);
		writer_init(&w.w, bytes, sizeof bytes);
		writer_bytes(&w.w, made.bytes, made.m.len);
		msg_add_payload(&w, body_of(block == 1 ? 1 : 2), 2048);
		the.current = 0;
		if (block == 1) {
			plain.transport = URI_COAP_TCP;
			plain.session = EDGE_SESSION_OF_CLIENT | 8;
		}
		assert_true(receive_message(the.proxy[0], 0, block == 1 ? &plain : &secured, &to, bytes, msg_end(&w)));
		settle();
		/* the second one is injected; the third one finds what the first has left, behind a gap */
		is_code(next_to_client(), block == 0 ? CODE_CONTINUE : CODE_REQUEST_INCOMPLETE);
	}
	nothing_more();
	finish();
}

static void a_gap_and_another_format_are_told(void **state)
{
	(void)state;
	covers("C7959-2.5-1 C7959-2.3-2 C7959-7-2");
	begin("");
	asks(STREAM, CODE_PUT, block1_text(device(), 0, true, BERT), body_of(1), 4096);
	is_code(next_to_client(), CODE_CONTINUE);
	asks(STREAM, CODE_PUT, block1_text(device(), 5, true, BERT), body_of(1), 4096);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	asks(STREAM, CODE_PUT, block1_text(device(), (1 << 20) - 1, false, BERT), body_of(1), 4096);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	/* the missing one may still come, but not of something else */
	asks(STREAM, CODE_PUT, with_blocks(device(), (struct blocks_text){ NO_BLOCK, 4, false, true, 0, BERT }, ""), body_of(1) + 4096, 4096);
	is_code(next_to_client(), CODE_CONTINUE);
	asks(STREAM, CODE_PUT, block1_text(with_format(device()), 8, false, BERT), body_of(1) + 8192, 100);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	assert_false(is_under_way());
	finish();
}

/* What is said of a body's size is advice, and is told anew to the next hop (RFC 7959 4). */
static void a_size_that_is_not_so(void **state)
{
	const struct sent *s;
	char options[64];

	(void)state;
	covers("C7959-4-1 C7959-7-2");
	begin("");
	snprintf(options, sizeof options, "%s 60=05", device());
	asks(STREAM, CODE_PUT, options, body_of(1), 3000);
	s = next_to_origin();
	assert_int_equal(option_value(s, OPT_SIZE1), 3000);
	replies(s, CODE_FORBIDDEN, "", NULL, 0);
	is_code(next_to_client(), CODE_FORBIDDEN);
	/* of one that streams nothing is told */
	for (int num = 0; num < 64; num += 16)
		asks(STREAM, CODE_PUT, with_blocks(device(), (struct blocks_text){ NO_BLOCK, num, false, true, 0, BERT }, num == 0 ? "60=05" : ""),
			body_of(1) + num * 1024, 16384);
	s = next_to_origin();
	is_block(s, OPT_BLOCK1, 0, true, 6);
	assert_false(has_option(s, OPT_SIZE1));
	replies(s, CODE_FORBIDDEN, "", NULL, 0);
	while (the.to_client.seen < the.to_client.count)
		s = next_to_client();
	is_code(s, CODE_FORBIDDEN);
	/* one that cannot be taken is refused at once, and nothing is set aside for it */
	asks(STREAM, CODE_PUT, with_blocks(device(), (struct blocks_text){ NO_BLOCK, 0, false, true, 0, BERT }, "60=ffffffff"), body_of(1), 1024);
	s = next_to_client();
	is_code(s, CODE_TOO_LARGE);
	assert_int_equal(option_value(s, OPT_SIZE1), 16000000);
	nothing_more();
	finish();
}

static void a_silent_origin_is_answered_for(void **state)
{
	const struct sent *s;

	(void)state;
	covers("S-20");
	begin("");
	asks(STREAM, CODE_POST, device(), body_of(1), 3000);
	next_to_origin();
	pass_time(300 * CLOCK_SECOND);
	is_code(next_to_client(), CODE_GATEWAY_TIMEOUT);
	assert_int_equal(the.to_client.seen, the.to_client.count);
	the.to_origin.seen = the.to_origin.count; /* its repeats */
	/* one that takes its time, and says so */
	asks(STREAM, CODE_POST, device(), body_of(1), 3000);
	s = takes_body(body_of(1), 3000);
	origin_empty(s, MSG_ACK, s->m.mid);
	pass_time(120 * CLOCK_SECOND);
	nothing_more();
	answer(s, MSG_NON, 77, CODE_CHANGED, block1_text("", 2, false, 6), "late");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CHANGED, NULL, "late");
	finish();
}

/* What the origin says to a block is the answer to all of it. */
static void an_origin_that_refuses_is_heard(void **state)
{
	const struct sent *s;

	(void)state;
	covers("C7959-2.5-2 C9177-5-1");
	begin("");
	asks(STREAM, CODE_PUT, device(), body_of(1), 5000);
	replies(next_to_origin(), CODE_TOO_LARGE, "60=07d0", NULL, 0);
	s = next_to_client();
	is_code(s, CODE_TOO_LARGE);
	assert_int_equal(option_value(s, OPT_SIZE1), 2000);
	nothing_more();
	/* a list of what is missing is for who asked by Q-Block; it passes all the same, when nothing helps */
	asks(STREAM, CODE_PUT, device(), body_of(1), 5000);
	for (int i = 0; i < 3; i++)
		replies(next_to_origin(), CODE_REQUEST_INCOMPLETE, "12=0110", (const uint8_t *)"\x01\x02", 2);
	s = next_to_client();
	is_message(s, MSG_NON, CODE_REQUEST_INCOMPLETE, "12=0110", "\x01\x02");
	nothing_more();
	/* in the middle of an upload */
	asks(STREAM, CODE_PUT, block1_text(device(), 0, true, BERT), body_of(1), 16384);
	asks(STREAM, CODE_PUT, block1_text(device(), 16, true, BERT), body_of(1) + 16384, 16384);
	asks(STREAM, CODE_PUT, block1_text(device(), 32, true, BERT), body_of(1) + 32768, 16384);
	for (int i = 0; i < 2; i++)
		is_code(next_to_client(), CODE_CONTINUE);
	replies(next_to_origin(), CODE_FORBIDDEN, "", NULL, 0);
	is_code(next_to_client(), CODE_FORBIDDEN);
	nothing_more();
	finish();
}

/* An answer whose options alone are more than a head may be. */
static void an_answer_that_is_all_options(void **state)
{
	char options[8192];
	int at = snprintf(options, sizeof options, "23=0e ");

	(void)state;
	begin("");
	for (unsigned i = 0; i < 12; i++)
		at += snprintf(options + at, sizeof options - (size_t)at, "2049='%0250u' ", i);
	asks(STREAM, CODE_PUT, block1_text(stream("11='a'"), 0, false, 6), body_of(1), 100);
	replies(next_to_origin(), CODE_CHANGED, options, body_of(2), 1024);
	options[3] = '1'; /* the second block: until it came the first may have become another */
	replies(next_to_origin(), CODE_CHANGED, options, body_of(2), 1024);
	is_code(next_to_client(), CODE_BAD_GATEWAY);
	nothing_more();
	finish();
}

/* RFC 7641 1.2: an observation that is not kept is no error. */
static void a_large_request_does_not_observe(void **state)
{
	const struct sent *s;
	char options[64];

	(void)state;
	begin("");
	snprintf(options, sizeof options, "3='o%u' 6= 11='a' 258=1a", origin_at(bodies_workers - 1, 1));
	asks(STREAM, CODE_FETCH, options, body_of(1), 2000);
	s = takes_body(body_of(1), 2000);
	assert_false(has_option(s, OPT_OBSERVE));
	assert_false(has_option(s, OPT_NO_RESPONSE));
	replies(s, CODE_CONTENT, block1_text("", 1, false, 6), body_of(2), 100);
	/* which his client did not want (RFC 7967): 2.xx is silent where the bits say so */
	settle();
	while (the.to_client.seen < the.to_client.count)
		assert_false(has_option(next_to_client(), OPT_OBSERVE));
	assert_int_equal(counted(COUNT_SILENCED), 1);
	snprintf(options, sizeof options, "3='o%u' 6= 11='a'", origin_at(bodies_workers - 1, 1));
	asks(STREAM, CODE_FETCH, options, body_of(1), 2000);
	s = takes_body(body_of(1), 2000);
	replies(s, CODE_CONTENT, block1_text("6=05", 1, false, 6), body_of(2), 100);
	s = next_to_client();
	is_code(s, CODE_CONTENT);
	assert_false(has_option(s, OPT_OBSERVE));
	has_bytes(s, body_of(2), 100);
	nothing_more();
	finish();
}

static void a_client_who_goes_takes_his_upload_along(void **state)
{
	(void)state;
	begin("");
	asks(STREAM, CODE_PUT, block1_text(device(), 0, true, BERT), body_of(1), 16384);
	asks(STREAM, CODE_PUT, block1_text(device(), 16, true, BERT), body_of(1) + 16384, 16384);
	is_code(next_to_client(), CODE_CONTINUE);
	is_code(next_to_client(), CODE_CONTINUE);
	client_gone(0, STREAM);
	settle();
	nothing_remains();
	/* one that is all here goes on without him (RFC 8075 8.1 says so of HTTP) */
	asks(STREAM + 1, CODE_PUT, device(), body_of(1), 3000);
	next_to_origin();
	client_gone(0, STREAM + 1);
	settle();
	replies(&the.to_origin.all[the.to_origin.seen - 1], CODE_CONTINUE, block1_text("", 0, true, 6), NULL, 0);
	pass_time(CLOCK_SECOND);
	assert_int_equal(the.to_client.seen, the.to_client.count);
	the.to_origin.seen = the.to_origin.count;
	finish();
}

static void an_upload_goes_on_under_a_new_configuration(void **state)
{
	struct snapshot *conf;
	const struct sent *s;

	(void)state;
	begin("");
	asks(STREAM, CODE_PUT, device(), body_of(1), 4000);
	s = next_to_origin();
	conf = workers_conf(1, STREAM_ORIGINS, "");
	snapshot_release(the.proxy[0]->conf);
	the.proxy[0]->conf = snapshot_keep(conf);
	replies(s, CODE_CONTINUE, block1_text("", 0, true, 6), NULL, 0);
	s = next_to_origin();
	is_block(s, OPT_BLOCK1, 1, true, 6);
	snapshot_release(conf);
	/* or does not, where its route has gone */
	conf = workers_conf(ORIGINS, STREAM_ORIGINS, "");
	snapshot_release(the.proxy[0]->conf);
	the.proxy[0]->conf = snapshot_keep(conf);
	replies(s, CODE_CONTINUE, block1_text("", 1, true, 6), NULL, 0);
	is_code(next_to_client(), CODE_UNAVAILABLE);
	snapshot_release(conf);
	nothing_more();
	finish();
}

static void the_end_of_the_process_answers(void **state)
{
	(void)state;
	begin("");
	asks(STREAM, CODE_PUT, device(), body_of(1), 4000);
	next_to_origin();
	proxy_drain(the.proxy[0]);
	assert_false(proxy_is_drained(the.proxy[0]));
	replies(&the.to_origin.all[the.to_origin.seen - 1], CODE_CONTINUE, block1_text("", 0, true, 6), NULL, 0);
	/* what was begun goes on */
	is_block(next_to_origin(), OPT_BLOCK1, 1, true, 6);
	proxy_give_up(the.proxy[0]);
	settle();
	is_code(next_to_client(), CODE_GATEWAY_TIMEOUT);
	assert_int_equal(the.to_client.seen, the.to_client.count);
}

/* Its exchange counts once, however many it takes. */
static void limits_count_an_errand_once(void **state)
{
	const struct sent *s;

	(void)state;
	begin("limits: { client-exchanges = 1; };");
	asks(STREAM, CODE_PUT, device(), body_of(1), 4000);
	s = takes_body(body_of(1), 4000);
	asks(STREAM, CODE_PUT, device(), body_of(1), 4000);
	is_code(next_to_client(), CODE_TOO_MANY);
	replies(s, CODE_CHANGED, "", NULL, 0);
	is_code(next_to_client(), CODE_CHANGED);
	nothing_more();
	finish();
}

/* ---- what is not spoken ---- */

/* RFC 9177 4.1: both options or neither. Here neither, over whatever they come. */
static void q_blocks_are_not_known(void **state)
{
	static const char *const options[] = { "19=0e", "31=06", "19=0e 31=06", "19=0e 27=0e", "23=06 31=06" };
	const unsigned clients[] = { PLAIN, STREAM };

	(void)state;
	covers("C9177-4.1-1 C9177-4.1-2");
	begin("");
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		for (unsigned c = 0; c < 2; c++) {
			char text[64];

			asks(clients[c], CODE_PUT, stream(options[i]), body_of(1), 1024);
			is_code(next_to_client(), CODE_BAD_OPTION);
			snprintf(text, sizeof text, "%s %s", device(), options[i]);
			asks(clients[c], CODE_PUT, text, body_of(1), 1024);
			is_code(next_to_client(), CODE_BAD_OPTION);
		}
	assert_false(is_under_way());
	/* nor of origins: what asked for none is not answered with one, also not to a body in blocks */
	asks(PLAIN, CODE_GET, stream("11='a'"), NULL, 0);
	replies(next_to_origin(), CODE_CONTENT, "31=0e", body_of(1), 1024);
	is_code(next_to_client(), CODE_BAD_GATEWAY);
	asks(STREAM, CODE_PUT, device(), body_of(1), 3000);
	replies(next_to_origin(), CODE_CONTINUE, "19=0e", NULL, 0);
	is_code(next_to_client(), CODE_BAD_GATEWAY);
	/* inside of OSCORE nobody sees them */
	asks(STREAM, CODE_POST, stream("9=0901aa"), (const uint8_t *)"sealed", 6);
	replies(next_to_origin(), CODE_CHANGED, "9=", (const uint8_t *)"sealed too", 10);
	is_code(next_to_client(), CODE_CHANGED);
	nothing_more();
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(blocks_of_another_session_are_others), BOTH(a_gap_and_another_format_are_told), BOTH(a_size_that_is_not_so),
		BOTH(a_silent_origin_is_answered_for),
		BOTH(an_origin_that_refuses_is_heard), BOTH(an_answer_that_is_all_options), BOTH(a_large_request_does_not_observe),
		BOTH(a_client_who_goes_takes_his_upload_along), BOTH(an_upload_goes_on_under_a_new_configuration),
		BOTH(the_end_of_the_process_answers), BOTH(limits_count_an_errand_once), BOTH(q_blocks_are_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

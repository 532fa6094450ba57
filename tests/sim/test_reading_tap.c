/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * A tap: messages go on first and are read afterwards, requests, answers and notifications; what the access log and the counters say of
 * them.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/exchange/reading_state.h"
#include "tests/sim/fake_reader.h"

#define OSCORE "9=090a0b0c"
#define FIELDS "fields = [\"code\", \"uri-path\"];"

static int log_fd = -1;

static void begin(const char *tap, const char *more)
{
	reading_begins(1, "verify = true;", tap, more);
	log_fd = memfd_create("log", 0);
	log_access_open(log_fd);
	for (size_t i = 0; i < the.conf->route_count; i++)
		the.conf->routes[i].access_log = ACCESS_TEXT;
}

static int set_up(void **state)
{
	(void)state;
	begin(FIELDS " count-paths = [\"/temp\"];", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	close(log_fd);
	log_access_open(STDOUT_FILENO);
	return 0;
}

/* What the access log says behind its own words, of the lines since the last call; a line for each. */
static const char *logged(void)
{
	static char out[4096];
	char text[8192], *save = NULL;
	ssize_t n = pread(log_fd, text, sizeof text - 1, 0);
	size_t at = 0;

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	out[0] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		const char *tail = strstr(line, "retransmissions=");

		tail = tail != NULL ? strchr(tail, ' ') : NULL;
		at += (size_t)snprintf(out + at, sizeof out - at, "%s\n", tail != NULL ? tail + 1 : "");
	}
	return out;
}

/* What the counters say. */
static const char *labels(void)
{
	static char text[4096];
	static struct read_metrics sum;
	const struct read_conf *tap = the.conf->reads[1].name[0] == 't' ? &the.conf->reads[1] : &the.conf->reads[0];
	FILE *out = fmemopen(text, sizeof text, "w");

	read_metrics_of_house(&the.house, tap, &sum);
	read_metrics_print(&sum, tap, out);
	fclose(out);
	return text;
}

static void nothing_is_left(void)
{
	nothing_more();
	no_more_questions();
	nothing_remains();
	assert_int_equal(reader_link_open(the.proxy[0]), 0);
	assert_int_equal(readings_count(the.proxy[0]), 0);
}

static const struct sent *ask_tap(uint16_t mid)
{
	ask(0, 1, MSG_CON, CODE_POST, mid, TAP, OSCORE, "sealed bytes");
	return next_to_origin();
}

static void messages_leave_first_and_are_read(void **state)
{
	const struct sent *s = ask_tap(1);
	const struct asked *request, *response;

	(void)state;
	no_more_questions(); /* it has left before the turn ends in which it is asked about */
	settle();
	request = next_question();
	assert_int_equal(request->sent_to_origin, 1);
	assert_int_equal(request->q.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH));
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=01", "sealed answer");
	is_for(next_to_client(), 0, 1, 1);
	no_more_questions();
	settle();
	response = next_question();
	assert_true(response->q.response && response->sent_to_client == 1);
	assert_memory_equal(response->q.request_option, "\x09\x0a\x0b\x0c", 4);
	assert_int_equal(response->q.option_len, 1);
	assert_memory_equal(response->q.payload, "sealed answer", 13);
	assert_string_equal(logged(), "");
	opened(request, CODE_GET, "temp");
	assert_string_equal(logged(), "");
	opened(response, CODE_CONTENT, "");
	assert_string_equal(logged(), "inner_method=GET inner_path=/temp inner_code=2.05 reading=opened reading_answer=opened\n");
	assert_string_equal(labels(), "read.tap.opened 2\nread.tap.GET./temp.2.05 1\nread.tap.GET./temp 1\n");
	nothing_is_left();
}

/* The packets of a turn are one. */
static void a_turn_asks_once(void **state)
{
	(void)state;
	for (uint16_t mid = 1; mid <= 20; mid++)
		ask(0, (unsigned)mid, MSG_CON, CODE_POST, mid, TAP + mid % 4u, OSCORE, "sealed bytes");
	settle();
	assert_int_equal(reader.count, 20);
	assert_int_equal(reader.packets, 1);
}

static void a_reader_that_stopped_costs_lines_alone(void **state)
{
	const struct sent *s;

	(void)state;
	reader.blocks = true;
	for (uint16_t mid = 1; mid <= 3; mid++) {
		s = ask_tap(mid);
		settle();
		answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
		settle();
		is_for(next_to_client(), 0, 1, mid);
	}
	pass_time(READING_TAP_PATIENCE + 10 * CLOCK_MS);
	assert_string_equal(logged(), "reading=missed reading_answer=missed\nreading=missed reading_answer=missed\n"
		"reading=missed reading_answer=missed\n");
	assert_int_equal(counted(COUNT_READ_MISSED), 6);
	reader.blocks = false;
	reader_link_writable(the.proxy[0]);
	settle();
	no_more_questions(); /* nobody wants to know any more */
	nothing_is_left();
}

static void without_a_reader_and_with_a_full_queue_they_are_missed(void **state)
{
	const struct sent *s;

	(void)state;
	reading_ends();
	close(log_fd);
	begin(FIELDS, "reader: { queue = 1; };");
	s = ask_tap(1);
	settle();
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	opened(next_question(), CODE_PUT, "a/b c/\xc3\xa9/d\"");
	assert_string_equal(logged(), "inner_method=PUT inner_path=/a/b%20c/%C3%A9/d%22 reading=opened reading_answer=missed\n");
	reader.gone = true;
	s = ask_tap(2);
	settle();
	assert_string_equal(logged(), "");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	assert_string_equal(logged(), "reading=missed reading_answer=missed\n");
	next_to_client(), next_to_client();
	nothing_is_left();
}

static void what_is_not_named_is_not_told(void **state)
{
	const struct sent *s;
	const struct asked *a;

	(void)state;
	reading_ends();
	close(log_fd);
	begin("fields = [\"uri-query\"];", "");
	s = ask_tap(1);
	settle();
	a = next_question();
	assert_int_equal(a->q.fields, FIELD_BIT(FIELD_URI_QUERY));
	answered_with(a, &(struct opening_answer){ .verdict = OPENING_OPENED, .inner = { .fields = FIELD_BIT(FIELD_CODE), .code = CODE_PUT } });
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	opened(next_question(), CODE_CHANGED, "");
	assert_string_equal(logged(), "reading=opened reading_answer=opened\n");
	assert_string_equal(labels(), "read.tap.opened 2\n");
	next_to_client();
	nothing_is_left();
}

static void errors_and_unprotected_answers_are_told_as_such(void **state)
{
	const struct sent *s = ask_tap(1);

	(void)state;
	settle();
	answer(s, MSG_ACK, 0, CODE_BAD_REQUEST, "", "Decryption failed");
	assert_string_equal(logged(), "");
	answered_with(next_question(), &(struct opening_answer){ .verdict = OPENING_BAD });
	assert_string_equal(logged(), "reading=bad\n");
	ask_tap(2);
	settle();
	answered_with(next_question(), &(struct opening_answer){ .verdict = OPENING_OPENED, .seen = true, .unverified = true });
	pass_time(94 * CLOCK_SECOND);
	assert_string_equal(logged(), "inner_path=/ reading=opened seen=true\n");
	assert_string_equal(labels(), "read.tap.opened 1\nread.tap.bad 1\nread.tap.seen 1\nread.tap.unverified 1\nread.tap.-.other 1\n");
}

static void notifications_are_read_with_the_option_of_their_request(void **state)
{
	const struct sent *s;
	const struct asked *a;

	(void)state;
	ask(0, 1, MSG_CON, CODE_FETCH, 1, TAP, "6= " OSCORE, "sealed bytes");
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "first");
	settle();
	opened(next_question(), CODE_GET, "temp");
	opened(next_question(), CODE_CONTENT, "");
	assert_string_equal(logged(), "inner_method=GET inner_path=/temp inner_code=2.05 reading=opened reading_answer=opened\n");
	for (uint16_t n = 1; n <= 3; n++) {
		answer(s, MSG_NON, n, CODE_CONTENT, "6=05 9=0107", "later");
		settle();
		a = next_question();
		assert_true(a->q.response);
		assert_memory_equal(a->q.request_option, "\x09\x0a\x0b\x0c", 4);
		assert_memory_equal(a->q.payload, "later", 5);
		opened(a, CODE_CONTENT, "");
	}
	assert_string_equal(logged(), "");
	assert_non_null(strstr(labels(), "read.tap.GET./temp.2.05 4\n"));
	/* a refresh has a line of its own, and what follows goes with its option; what came before it is not counted as its */
	answer(s, MSG_NON, 4, CODE_CONTENT, "6=06 9=0108", "later");
	settle();
	a = next_question();
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, 9, TAP, "6= 9=090d0b0c", "sealed again");
	settle();
	opened(next_question(), CODE_GET, "other");
	opened(a, CODE_CONTENT, "");
	assert_non_null(strstr(labels(), "read.tap.-.-.2.05 1\n"));
	s = &the.to_origin.all[the.to_origin.count - 1];
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=09 9=", "again");
	settle();
	a = next_question();
	assert_memory_equal(a->q.request_option, "\x09\x0d\x0b\x0c", 4);
	opened(a, CODE_CONTENT, "");
	assert_string_equal(logged(), "inner_method=GET inner_path=/other inner_code=2.05 reading=opened reading_answer=opened\n");
}

/* Its questions outlive the exchange: so does what its line needs. */
static void the_line_outlives_the_exchange(void **state)
{
	const struct asked *a;

	(void)state;
	ask_tap(1);
	settle();
	a = next_question();
	proxy_give_up(the.proxy[0]);
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
	assert_string_equal(logged(), "");
	opened(a, CODE_GET, "");
	assert_string_equal(logged(), "inner_method=GET inner_path=/ reading=opened\n");
}

/* What was asked is still to be told when the gateway closes down. */
static void the_end_waits_for_what_is_asked(void **state)
{
	const struct sent *s = ask_tap(1);

	(void)state;
	settle();
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	next_to_client();
	proxy_drain(the.proxy[0]);
	assert_false(proxy_is_drained(the.proxy[0]));
	opened(next_question(), CODE_GET, "temp");
	assert_false(proxy_is_drained(the.proxy[0]));
	opened(next_question(), CODE_CHANGED, "");
	assert_true(proxy_is_drained(the.proxy[0]));
	assert_string_equal(logged(), "inner_method=GET inner_path=/temp inner_code=2.04 reading=opened reading_answer=opened\n");
	nothing_is_left();
}

static void paths_are_bounded(void **state)
{
	static char path[400];
	const struct sent *s = ask_tap(1);

	(void)state;
	memset(path, 'x', sizeof path - 1);
	settle();
	opened(next_question(), CODE_GET, path);
	answer(s, MSG_ACK, 0, CODE_CHANGED, "", "");
	settle();
	assert_true(strlen(logged()) < 400);
}

static void upload_block(uint16_t mid, const char *block, const char *payload)
{
	char options[64];

	snprintf(options, sizeof options, OSCORE " 27=%s", block);
	ask(0, 1, MSG_CON, CODE_POST, mid, TAP, options, payload);
}

/* Blocks that go on one by one are read together, requests and answers. */
static void bodies_in_blocks_are_put_together(void **state)
{
	const struct asked *a;
	const struct sent *s;

	(void)state;
	upload_block(1, "08", "0123456789abcdef");
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTINUE, "27=08", "");
	upload_block(2, "18", "ghijklmnopqrstuv");
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTINUE, "27=18", "");
	upload_block(3, "20", "wxyz");
	s = next_to_origin();
	settle();
	a = next_question();
	assert_int_equal(a->q.payload_len, 36);
	assert_memory_equal(a->q.payload, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
	opened(a, CODE_PUT, "temp");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=01 23=08 27=20", "ABCDEFGHIJKLMNOP");
	ask(0, 1, MSG_CON, CODE_POST, 4, TAP, OSCORE " 23=10", NULL);
	s = next_to_origin();
	settle();
	no_more_questions();
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=01 23=10", "QRST");
	settle();
	a = next_question();
	assert_true(a->q.response);
	assert_memory_equal(a->q.request_option, "\x09\x0a\x0b\x0c", 4);
	assert_int_equal(a->q.payload_len, 20);
	assert_memory_equal(a->q.payload, "ABCDEFGHIJKLMNOPQRST", 20);
	opened(a, CODE_CHANGED, "");
	assert_int_equal(counted(COUNT_READ_PARTIAL), 0);
	assert_string_equal(logged(), "\n\ninner_method=PUT inner_path=/temp reading=opened reading_answer=partial\n"
		"inner_method=PUT inner_code=2.04 reading=none reading_answer=opened\n");
	assert_string_equal(labels(), "read.tap.opened 2\nread.tap.PUT./temp 1\nread.tap.PUT./temp.2.04 1\n");
	the.to_client.seen = the.to_client.count;
	nothing_is_left();
}

/* A block that comes once more is no gap; and of more bodies than there is room for, the one that has waited longest is given up. */
static void blocks_come_twice_and_bodies_at_once(void **state)
{
	char options[64];

	(void)state;
	upload_block(1, "08", "0123456789abcdef");
	upload_block(2, "18", "ghijklmnopqrstuv");
	upload_block(3, "18", "ghijklmnopqrstuv");
	upload_block(4, "20", "wxyz");
	settle();
	assert_int_equal(next_question()->q.payload_len, 36);
	for (unsigned n = 0; n <= READING_GATHERS; n++) {
		snprintf(options, sizeof options, "9=090a0b%02x 27=08", n);
		ask(0, 1, MSG_CON, CODE_POST, (uint16_t)(10 + n), TAP, options, "0123456789abcdef");
		pass_time(CLOCK_MS);
	}
	for (unsigned n = 0; n <= READING_GATHERS; n++) {
		snprintf(options, sizeof options, "9=090a0b%02x 27=10", n);
		ask(0, 1, MSG_CON, CODE_POST, (uint16_t)(100 + n), TAP, options, "the end");
		settle();
		if (n == 0)
			no_more_questions();
		else
			assert_int_equal(next_question()->q.payload_len, 23);
	}
}

/* A gap, a beginning that nobody saw, and more than can be read. */
static void parts_of_bodies_are_counted(void **state)
{
	static char block[1025];

	(void)state;
	upload_block(1, "10", "0123456789abcdef");
	upload_block(2, "08", "0123456789abcdef");
	upload_block(3, "28", "0123456789abcdef");
	upload_block(4, "30", "0123456789abcdef");
	settle();
	no_more_questions();
	assert_int_equal(counted(COUNT_READ_PARTIAL), 2);
	memset(block, 'b', sizeof block - 1);
	for (unsigned num = 0; num < 67; num++) {
		char value[8];

		snprintf(value, sizeof value, "%04x", num << 4 | (num < 66 ? 8u : 0) | 6);
		upload_block((uint16_t)(10 + num), value, block);
		answer(&the.to_origin.all[the.to_origin.count - 1], MSG_ACK, 0, CODE_CONTINUE, "", "");
	}
	settle();
	no_more_questions();
	assert_int_equal(counted(COUNT_READ_PARTIAL), 3);
}

static void others_cost_nothing(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, UNREAD, OSCORE, "sealed bytes");
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "x");
	ask(0, 1, MSG_CON, CODE_GET, 2, GATE, "11='a'", NULL);
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	next_to_client(), next_to_client();
	assert_null(the.proxy[0]->readings);
	assert_string_equal(logged(), "\n\n");
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_leave_first_and_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_turn_asks_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_stopped_costs_lines_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_reader_and_with_a_full_queue_they_are_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_named_is_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_and_unprotected_answers_are_told_as_such, set_up, tear_down),
		cmocka_unit_test_setup_teardown(notifications_are_read_with_the_option_of_their_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_line_outlives_the_exchange, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_waits_for_what_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bodies_in_blocks_are_put_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(blocks_come_twice_and_bodies_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_of_bodies_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_cost_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Observations that go on at a gate: what of several requests and configurations counts.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/exchange/reading.h"
#include "proxy/exchange/renew.h"
#include "tests/sim/fake_reader.h"
#include "tests/unit/covers.h"

#define OSCORE "9=090a0b0c"
#define FIELDS "fields = [\"code\", \"uri-path\"];"
#define QUEUE "reader: { queue = 100; };"
#define DENY FIELDS " deny = [\"PUT /firmware/**\"];"

static int one(void **state)
{
	(void)state;
	reading_begins(1, DENY, FIELDS, "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	return 0;
}

static void open_next(uint8_t code, const char *path)
{
	settle();
	opened(next_question(), code, path);
	settle();
}

static const struct sent *observe_as(unsigned origin, uint16_t mid)
{
	const struct sent *s;

	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, mid, origin, "6= " OSCORE, "register");
	open_next(CODE_GET, "temp");
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "first");
	open_next(CODE_CONTENT, "");
	assert_true(has_option(next_to_client(), OPT_OBSERVE));
	return s;
}

static const struct sent *observe(unsigned origin)
{
	return observe_as(origin, 1);
}

static void cancel_by_reset(const struct sent *s, uint16_t mid)
{
	answer(s, MSG_CON, mid, CODE_CONTENT, "6=20 9=", "news");
	settle();
	client_empty(0, 1, MSG_RST, the.to_client.all[the.to_client.count - 1].m.mid);
	settle();
}

static void renew(const char *gate, const char *tap, const char *more)
{
	struct snapshot *before = the.conf;

	the.conf = reading_conf(gate, tap, more);
	for (unsigned w = 0; w < the.count; w++) {
		the.current = w;
		proxy_renew(the.proxy[w], the.conf);
	}
	settle();
	snapshot_release(before);
}

/* Twice in a row: the answer that is of the rules before judges nothing, and none of them is a message that came. */
static void an_observation_is_judged_by_the_last_of_several_configurations(void **state)
{
	const struct sent *s = observe(GATE);
	const struct asked *before;
	uint64_t opened_before;

	(void)state;
	opened_before = counted(COUNT_READ_OPENED);
	renew(FIELDS " deny = [\"PUT /a\"];", FIELDS, "");
	before = next_question();
	renew(FIELDS " deny = [\"PUT /b\"];", FIELDS, "");
	opened(before, CODE_GET, "temp");
	settle();
	nothing_more();
	judged(next_question(), OPENING_UNKNOWN);
	settle();
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	assert_int_equal(counted(COUNT_READ_OPENED), opened_before);
	assert_int_equal(counted(COUNT_READ_UNKNOWN), 0);
	client_empty(0, 1, MSG_ACK, the.to_client.all[the.to_client.count - 1].m.mid);
	settle();
	/* it ends while it is asked about */
	s = observe_as(GATE, 7);
	opened_before = counted(COUNT_READ_OPENED);
	renew(FIELDS " deny = [\"PUT /a\"];", FIELDS, "");
	before = next_question();
	answer(s, MSG_NON, 50, CODE_NOT_FOUND, "9=", "gone");
	settle();
	open_next(CODE_NOT_FOUND, "");
	next_to_client();
	opened(before, CODE_GET, "temp");
	settle();
	assert_int_equal(counted(COUNT_READ_OPENED), opened_before + 1);
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
}

/* What an origin says while a refresh waits, or when it was refused, answers the registration before it. */
static void notifications_are_opened_by_the_request_that_the_origin_has(void **state)
{
	static const struct { const char *option, *path; } refreshes[] = { { "9=090d0b0c", "firmware" }, { "9=090e0b0c", "temp" },
		{ "9=090f0b0c", "firmware" } };
	const uint8_t of_origin[] = { 0x0a, 0x0a, 0x0e };
	const struct sent *s = observe(GATE);
	const struct asked *waiting, *news;
	char options[32];

	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		snprintf(options, sizeof options, "6= %s", refreshes[i].option);
		ask_as(1, 0, 1, MSG_CON, CODE_FETCH, (uint16_t)(10 + i), GATE, options, "refresh");
		settle();
		waiting = next_question();
		for (uint16_t k = 0; k < 2; k++) {
			answer(s, MSG_NON, (uint16_t)(50 + 2 * i + k), CODE_CONTENT, k == 0 ? "6=05 9=" : "6=15 9=", "news");
			settle();
			news = next_question();
			assert_true(news->q.response);
			if (k == 0)
				assert_int_equal(news->q.request_option[1], of_origin[i]);
			else
				assert_int_equal(news->q.request_option[1], i == 1 ? 0x0e : of_origin[i]);
			opened(news, CODE_CONTENT, "");
			if (k > 0)
				continue;
			opened(waiting, i == 1 ? CODE_GET : CODE_PUT, refreshes[i].path);
			settle();
			if (i != 1)
				continue;
			answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=09 9=", "again");
			open_next(CODE_CONTENT, "");
		}
	}
	the.to_client.seen = the.to_client.count;
	cancel_by_reset(s, 61);
}

/* It does not wait for the next thing that is read. */
static void a_refusal_has_its_line_at_once(void **state)
{
	char text[8192] = "";
	int fd = memfd_create("access log", 0);
	ssize_t len;

	(void)state;
	log_access_open(fd);
	for (size_t i = 0; i < the.conf->route_count; i++)
		the.conf->routes[i].access_log = ACCESS_TEXT;
	observe(GATE);
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, 2, GATE, "6= 9=090d0b0c", "refresh");
	open_next(CODE_PUT, "firmware");
	reader.gone = true;
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, 3, GATE, "6= 9=090e0b0c", "refresh");
	settle();
	len = pread(fd, text, sizeof text - 1, 0);
	assert_in_range(len, 1, sizeof text - 2);
	assert_non_null(strstr(text, "inner_method=GET inner_path=/temp inner_code=2.05 reading=opened reading_answer=opened\n"));
	assert_non_null(strstr(text, "inner_method=PUT inner_path=/firmware reading=opened\n"));
	assert_non_null(strstr(text, "reading=missed\n"));
	the.to_client.seen = the.to_client.count;
	log_access_open(STDOUT_FILENO);
	close(fd);
}

/* More of them than the reader may be asked about at once. */
static void a_new_gate_judges_all_that_goes_on(void **state)
{
	enum { MANY = 150 };
	unsigned asked = 0;

	(void)state;
	reading_begins(1, DENY, FIELDS, QUEUE);
	for (uint16_t n = 1; n <= MANY; n++) {
		ask_as(n, 0, n % 90 + 1, MSG_CON, CODE_FETCH, n, GATE, "6= " OSCORE, "register");
		open_next(CODE_GET, "temp");
		answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "first");
		open_next(CODE_CONTENT, "");
	}
	renew(FIELDS " deny = [\"GET /temp\"];", FIELDS, QUEUE);
	for (unsigned tick = 0; tick < MANY; tick++) {
		for (; reader.seen < reader.count; asked++)
			opened(next_question(), CODE_GET, "temp");
		pass_time(WHEEL_TICK);
	}
	assert_int_equal(asked, MANY);
	assert_false(proxy_is_renewing(the.proxy[0]));
	assert_int_equal(slab_count(the.proxy[0]->observations), 0);
}

/* And as many may be read as there may be then. */
static void a_new_limit_of_exchanges_is_one_of_what_is_read(void **state)
{
	enum { FEW = 2, MORE = 6 };

	(void)state;
	reading_begins(1, DENY, FIELDS, "limits: { exchanges = 2; }; reader: { queue = 1; };");
	for (uint16_t n = 1; n <= FEW; n++) {
		ask(0, n, MSG_CON, CODE_POST, n, GATE, OSCORE, "sealed bytes");
		open_next(CODE_GET, "temp");
	}
	renew(DENY, FIELDS, "limits: { exchanges = 100; }; reader: { queue = 1; };");
	for (uint16_t n = FEW + 1; n <= MORE; n++) {
		ask(0, n, MSG_CON, CODE_POST, n, GATE, OSCORE, "sealed bytes");
		open_next(CODE_GET, "temp");
	}
	assert_int_equal(slab_count(the.proxy[0]->exchanges), MORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_observation_is_judged_by_the_last_of_several_configurations, one, tear_down),
		cmocka_unit_test_setup_teardown(notifications_are_opened_by_the_request_that_the_origin_has, one, tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_has_its_line_at_once, one, tear_down),
		cmocka_unit_test_teardown(a_new_gate_judges_all_that_goes_on, tear_down),
		cmocka_unit_test_teardown(a_new_limit_of_exchanges_is_one_of_what_is_read, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* objects: proxy/edge/traits.o proxy/exchange/access_log.o oscore/option.o base/bytes.o base/clock_steered.o base/endpoint.o base/hash.o base/log.o base/random_seeded.o coap/message.o coap/uri.o CONF_OBJS translate/map_template.o coap/option.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/exchange/access_log.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reading.h"
#include "tests/unit/made.h"
#include "tests/unit/plain_edge.h"

static struct proxy *p;
static struct client client;
static struct exchange x;
static struct metrics counted;
static struct endpoint origin;
static bool has_origin;
static uint64_t sent_at;
static char text[4096];
static int fd;

/* What another worker may know of it. */
const struct endpoint *exchange_origin_peer(const struct exchange *e)
{
	(void)e;
	return has_origin ? &origin : NULL;
}

uint64_t exchange_sent_at(const struct exchange *e)
{
	(void)e;
	return sent_at;
}

unsigned exchange_retransmissions(const struct exchange *e)
{
	return e->retransmissions;
}

/* Where messages are read a line waits. */
static char kept[2048];
static bool keeps;

bool reading_keep_line(struct exchange *e, const char *line, size_t len)
{
	(void)e;
	assert_true(len < sizeof kept);
	memcpy(kept, line, len);
	kept[len] = '\0';
	return keeps;
}

bool reading_keep_requesters_line(struct proxy *q, uint64_t reading, const char *line, size_t len)
{
	(void)q, (void)reading, (void)line, (void)len;
	return false;
}

static struct endpoint endpoint_of(const char *address, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, address, strlen(address), true), 0);
	e.port = port;
	return e;
}

/* An exchange of a route that logs in this format, asked 12.345 ms ago. */
static void begin_exchange(const char *format, const char *kid)
{
	char conf[300];

	snprintf(conf, sizeof conf, "listeners: { front: { url = \"coap://[::]\"; }; }; log: { kid = \"%s\"; };"
		"routes: { lab: { to = \"coap://h\"; access-log = \"%s\"; }; };", kid, format);
	snapshot_release(p->conf);
	p->conf = conf_load_text(conf, "test", stderr);
	client = (struct client){ .peer = endpoint_of("2001:db8::7", 5000) };
	x = (struct exchange){ .proxy = p, .conf = p->conf, .client = &client, .route = &p->conf->routes[0], .code = 1,
		.request_len = 40 };
	x.arrived_at = clock_now();
	has_origin = false;
	sent_at = 0;
	clock_steer(clock_now() + 12345);
}

static int begin(void **state)
{
	(void)state;
	fd = memfd_create("log", 0);
	p = calloc(1, sizeof *p);
	assert_true(fd >= 0 && p != NULL);
	log_access_open(fd);
	p->metrics = &counted;
	hash_key_init(&p->hash_key);
	return 0;
}

static int end(void **state)
{
	(void)state;
	snapshot_release(p->conf);
	free(p);
	close(fd);
	log_access_open(STDOUT_FILENO);
	return 0;
}

/* What was written since the last call, with the time taken out. */
static const char *written(void)
{
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	char *time;

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	time = strstr(text, "20");
	if (time != NULL) {
		assert_int_equal(strspn(time, "0123456789-T:.Z"), 24);
		memmove(time, time + 24, strlen(time + 24) + 1);
	}
	return text;
}

static void a_line_of_pairs(void **state)
{
	(void)state;
	begin_exchange("text", "hashed");
	has_origin = true;
	origin = endpoint_of("192.0.2.9", 5683);
	sent_at = x.arrived_at + 345;
	x.retransmissions = 2;
	access_log_answer(&x, 0x45, 99);
	assert_string_equal(written(), "time= route=lab listener=front client=[2001:db8::7]:5000 origin=192.0.2.9:5683 method=GET code=2.05 "
		"oscore=false request_bytes=40 response_bytes=99 ms=12.345 origin_ms=12.000 retransmissions=2\n");
	/* one line for a request, whatever is sent later */
	access_log_answer(&x, 0x84, 7);
	access_log_end(&x);
	assert_string_equal(written(), "");
}

/* Whom a session names is named. */
static void a_client_with_a_name(void **state)
{
	(void)state;
	begin_exchange("text", "hashed");
	client.peer.transport = URI_COAPS;
	client.peer.session = EDGE_SESSION_OF_CLIENT | 1;
	edge_says.client_name = "meter 17";
	access_log_answer(&x, 0x45, 9);
	assert_non_null(strstr(written(), " client=[2001:db8::7]:5000 name=meter\\x2017 method=GET "));
	edge_says.client_name = NULL;
}

static void an_object(void **state)
{
	(void)state;
	begin_exchange("json", "hashed");
	x.code = 2;
	access_log_end(&x);
	assert_string_equal(written(), "{\"time\":\"\",\"route\":\"lab\",\"listener\":\"front\",\"client\":\"[2001:db8::7]:5000\","
		"\"method\":\"POST\",\"code\":\"none\",\"oscore\":false,\"request_bytes\":40,\"response_bytes\":0,\"ms\":12.345,"
		"\"retransmissions\":0}\n");
}

static void silent_routes_and_clients_that_left(void **state)
{
	(void)state;
	begin_exchange("none", "hashed");
	access_log_answer(&x, 0x45, 99);
	begin_exchange("text", "hashed");
	x.client = NULL;
	access_log_end(&x);
	x.route = NULL;
	access_log_end(&x);
	assert_string_equal(written(), "");
}

/* The kid and the option it came in, as the line names it. */
static const char *kid_of(const char *form, const char *option)
{
	static char kid[64];
	struct made made;
	const char *at;

	begin_exchange("text", form);
	made_message(&made, 2, option, "payload");
	x.oscore = true;
	access_log_begin(&x, &made.m);
	access_log_answer(&x, 0x44, 10);
	assert_non_null(strstr(written(), " oscore=true "));
	assert_null(strstr(text, "payload"));
	at = strstr(text, " kid=");
	snprintf(kid, sizeof kid, "%.*s", at != NULL ? (int)strcspn(at + 5, " ") : 6, at != NULL ? at + 5 : "absent");
	return kid;
}

static void kids(void **state)
{
	static const struct {
		const char *option, *plain;
	} cases[] = {
		{ "9=0905ab", "ab" },                       /* Partial IV 5, kid ab */
		{ "9=09050102030405060708", "0102030405060708" },
		{ "9=0905010203040506070809", "0102030405060708" }, /* cut */
		{ "9=1905020102ab", "ab" },                 /* with a kid context */
		{ "9=2905ab", "ab" },                       /* Group OSCORE */
		{ "9=0905", "" },                           /* present and empty */
		{ "9=", "absent" }, { "9=0105", "absent" }, { "9=0f05ab", "absent" }, { "9=8905ab", "absent" },
	};
	char first[64], second[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool absent = strcmp(cases[i].plain, "absent") == 0;

		assert_string_equal(kid_of("plain", cases[i].option), cases[i].plain);
		assert_string_equal(kid_of("none", cases[i].option), "absent");
		assert_int_equal(strlen(kid_of("hashed", cases[i].option)), absent ? 6 : 8);
	}
	/* the same for the same kid, whatever the sequence number; another for another kid or context */
	snprintf(first, sizeof first, "%s", kid_of("hashed", "9=0905ab"));
	assert_string_equal(kid_of("hashed", "9=0906ab"), first);
	snprintf(second, sizeof second, "%s", kid_of("hashed", "9=0905ac"));
	assert_string_not_equal(first, second);
	assert_string_not_equal(kid_of("hashed", "9=1905020102ab"), first);
	hash_key_init(&p->hash_key);
	assert_string_not_equal(kid_of("hashed", "9=0905ab"), first);
}

/* What a refresh of an observation says is its own. */
static void a_refresh_has_a_line_of_its_own(void **state)
{
	struct crossing c = { .sent_at = 5, .retransmissions = 3 };
	struct made made;

	(void)state;
	begin_exchange("text", "plain");
	made_message(&made, 2, "9=0905ab", NULL);
	x.oscore = true;
	x.crossing = &c;
	access_log_begin(&x, &made.m);
	access_log_answer(&x, 0x44, 10);
	assert_non_null(strstr(written(), " kid=ab "));
	c.sent_at = 7;
	made_message(&made, 2, "9=0906cd", NULL);
	access_log_begin(&x, &made.m);
	assert_true(c.sent_at == 0 && c.retransmissions == 0);
	access_log_answer(&x, 0x44, 10);
	assert_non_null(strstr(written(), " kid=cd "));
}

static void lost_lines_are_counted(void **state)
{
	(void)state;
	begin_exchange("text", "hashed");
	log_access_open(-1);
	access_log_answer(&x, 0x45, 99);
	assert_int_equal(counted.count[COUNT_ACCESS_LOST], 1);
	log_access_open(fd);
}

/* A line whose messages are read is kept, and written with what was read; where it cannot be kept it is written at once. */
static void lines_of_routes_that_read(void **state)
{
	struct access_inner inner = { .request = "missed" };

	(void)state;
	begin_exchange("text", "hashed");
	x.reading = (struct reading *)(void *)&inner;
	keeps = true;
	access_log_answer(&x, 0x44, 99);
	assert_string_equal(written(), "");
	access_log_write_inner(p, kept, strlen(kept), &inner);
	assert_non_null(strstr(written(), "method=GET code=2.04 oscore=false request_bytes=40 response_bytes=99 ms=12.345 retransmissions=0 reading=missed\n"));
	inner = (struct access_inner){ .method = "PUT", .path = "/a%20b/\"c", .code = "4.04", .request = "opened", .answer = "bad", .seen = true };
	access_log_write_inner(p, kept, strlen(kept), &inner);
	assert_non_null(strstr(written(), " retransmissions=0 inner_method=PUT inner_path=/a%20b/\\x22c inner_code=4.04 reading=opened reading_answer=bad "
		"seen=true\n"));
	begin_exchange("json", "hashed");
	x.reading = (struct reading *)(void *)&inner;
	access_log_answer(&x, 0x44, 99);
	access_log_write_inner(p, kept, strlen(kept), &inner);
	assert_non_null(strstr(written(), ",\"retransmissions\":0,\"inner_method\":\"PUT\",\"inner_path\":\"/a%20b/\\u0022c\",\"inner_code\":\"4.04\","
		"\"reading\":\"opened\",\"reading_answer\":\"bad\",\"seen\":true}\n"));
	begin_exchange("text", "hashed");
	x.reading = (struct reading *)(void *)&inner;
	keeps = false;
	access_log_answer(&x, 0x44, 99);
	assert_non_null(strstr(written(), " retransmissions=0\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_of_pairs), TEST(a_client_with_a_name), TEST(an_object), TEST(silent_routes_and_clients_that_left), TEST(kids),
		TEST(a_refresh_has_a_line_of_its_own), TEST(lost_lines_are_counted), TEST(lines_of_routes_that_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

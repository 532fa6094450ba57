/* See resolve_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "tests/unit/resolve_world.h"

const char hosts_text[] = "# comment\n10.9.0.1 Printer printer.lab  # both\nfd00::9\tprinter\nnonsense x\n10.9.0.2 printer\n\n";

static struct resolve_files files_of(const char *resolv_conf, const char *hosts)
{
	return (struct resolve_files){ resolv_conf, strlen(resolv_conf), hosts, strlen(hosts) };
}

void world_open(struct world *w, unsigned cache, uint64_t timeout, const char *search)
{
	struct resolve_files files;
	char text[256];

	memset(w, 0, sizeof(*w));
	w->base = event_base_new();
	w->port = name_server_open(&w->server, w->base);
	w->other_port = name_server_open(&w->other, w->base);
	snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\n%s", w->port, search);
	w->settings.dns_cache = cache;
	w->settings.dns_timeout = timeout;
	w->settings.resolv_conf = (char *)(uintptr_t)"resolv.conf";
	files = files_of(text, hosts_text);
	w->resolver = resolver_create(w->base, &w->settings, &files);
	assert_non_null(w->resolver);
	memset(text, 'x', sizeof(text)); /* it was borrowed */
}

/* A reload: the name server on that port (none if it is 0), these lines and these hosts. */
void world_update(struct world *w, uint16_t port, const char *search, const char *hosts)
{
	struct resolve_files files;
	char text[256];

	snprintf(text, sizeof(text), "%s127.0.0.1:%u\n%s", port != 0 ? "nameserver " : "# ", port, search);
	files = files_of(text, hosts);
	resolver_update(w->resolver, &w->settings, &files);
	memset(text, 'x', sizeof(text));
}

void world_close(struct world *w)
{
	resolver_destroy(w->resolver);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	name_server_close(&w->server);
	name_server_close(&w->other);
	event_base_free(w->base);
}

static unsigned turns;

void asker_done(struct resolve_waiter *waiter, enum resolve_result result, const struct endpoint *addresses, size_t count)
{
	struct asker *a = (struct asker *)(void *)waiter;

	assert_null(waiter->link);
	a->calls++;
	a->turn = ++turns;
	a->result = result;
	a->count = count;
	assert_true(count <= RESOLVE_ADDRESSES_MAX);
	memcpy(a->addresses, addresses, count * sizeof(*addresses));
	if (a->then != NULL)
		a->then(a);
}

enum resolve_result ask(struct world *w, struct asker *a, const char *name)
{
	enum resolve_result result;

	*a = (struct asker){ .waiter.done = asker_done, .world = w, .then = a->then };
	result = resolve_name(w->resolver, name, strlen(name), a->addresses, &a->count, &a->waiter);
	assert_int_equal(a->calls, 0); /* never before it returns */
	assert_int_equal(a->waiter.link != NULL, result == RESOLVE_PENDING);
	return result;
}

void wait_for(struct world *w, const struct asker *a)
{
	struct timeval limit = { 5, 0 };

	event_base_loopexit(w->base, &limit);
	while (a->calls == 0 && !event_base_got_exit(w->base))
		assert_true(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
	assert_int_equal(a->calls, 1);
}

/* Asks and waits if need be; returns the result. */
enum resolve_result ask_and_wait(struct world *w, struct asker *a, const char *name)
{
	enum resolve_result result;

	a->then = NULL;
	result = ask(w, a, name);
	if (result != RESOLVE_PENDING)
		return result;
	wait_for(w, a);
	return a->result;
}

void assert_addresses(const struct asker *a, const char *expected)
{
	char text[512] = "", one[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->addresses[i].port, 0);
		assert_int_equal(a->addresses[i].scope, 0);
		strcat(strcat(text, i > 0 ? " " : ""), endpoint_format_address(&a->addresses[i], one));
	}
	assert_string_equal(text, expected);
}

unsigned asked(const struct world *w, const char *question)
{
	return name_server_count(&w->server, question);
}

void pass(uint64_t microseconds)
{
	clock_steer(clock_now() + microseconds);
}

uint64_t real_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void assert_loopback(struct world *w, const char *name)
{
	struct asker a = { 0 };

	assert_int_equal(ask(w, &a, name), RESOLVE_OK);
	assert_true(a.count > 0);
	for (size_t i = 0; i < a.count; i++)
		assert_true(endpoint_is_loopback(&a.addresses[i]));
}

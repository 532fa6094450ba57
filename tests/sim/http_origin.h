/*
 * http_origin - an HTTP origin that says what the test lets it say, on a socket of the loopback interface, and the loop around it.
 *
 * Time is the steered clock; only the kernel's delivery of bytes is waited for.
 */
#ifndef TESTS_SIM_HTTP_ORIGIN_H
#define TESTS_SIM_HTTP_ORIGIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wheel.h"

enum { ORIGIN_SETTLE_MS = 20 };

static struct event_base *base;
static struct wheel *wheel;
static int listening = -1;
static uint16_t origin_port;

static inline void origin_listen(int backlog)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof any;

	listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(listening >= 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(listen(listening, backlog), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&any, &len), 0);
	origin_port = ntohs(any.sin_port);
}

/* What has arrived is handled, until nothing more comes. */
static inline void settle(void)
{
	for (int quiet = 0; quiet < ORIGIN_SETTLE_MS; quiet++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		wheel_run(wheel, clock_now());
		poll(NULL, 0, 1);
	}
}

static inline void wait_for(uint64_t microseconds)
{
	clock_steer(clock_now() + microseconds);
	settle();
}

/* The next connection that was made, or -1. */
static inline int origin_accept(void)
{
	struct pollfd p = { .fd = listening, .events = POLLIN };
	int fd;

	settle();
	if (poll(&p, 1, 0) <= 0)
		return -1;
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline void origin_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	settle();
}

/* All that has come on a connection, as a text; "(closed)" behind what came before the other end closed. */
static inline const char *origin_hear(int fd)
{
	static char heard[4096];
	size_t len = 0;
	ssize_t n;

	settle();
	while (len < sizeof heard - 16 && (n = recv(fd, heard + len, sizeof heard - 16 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	heard[len] = '\0';
	if (n == 0)
		strcpy(heard + len, "(closed)");
	return heard;
}

/* Bytes that have come, thrown away. */
static inline size_t origin_count(int fd, size_t most)
{
	static uint8_t away[65536];
	size_t len = 0;
	ssize_t n = 1;

	settle();
	while (len < most && (n = recv(fd, away, most - len < sizeof away ? most - len : sizeof away, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	return len;
}

#endif

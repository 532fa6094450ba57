/*
 * metrics - what is counted. One table of names; errors of base/errors.h have counters of their own.
 */
#ifndef PROXY_EXCHANGE_METRICS_H
#define PROXY_EXCHANGE_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "base/errors.h"

#define METRICS_TABLE(X)                                                     \
	X(COUNT_REQUESTS, "requests")                                        \
	X(COUNT_REQUESTS_OSCORE, "requests_oscore")                          \
	X(COUNT_FORWARDED, "forwarded")                                      \
	X(COUNT_RESPONSES, "responses")                                      \
	X(COUNT_NOTIFICATIONS, "notifications")                              \
	X(COUNT_NOTIFICATIONS_SKIPPED, "notifications_skipped")              \
	X(COUNT_DUPLICATES, "duplicates")                                    \
	X(COUNT_DUPLICATES_FORGOTTEN, "duplicates_forgotten")                \
	X(COUNT_EMPTY_ACKS, "empty_acks")                                    \
	X(COUNT_RETRANSMISSIONS_UP, "retransmissions_up")                    \
	X(COUNT_RETRANSMISSIONS_DOWN, "retransmissions_down")                \
	X(COUNT_DELIVERIES_FAILED, "deliveries_failed")                      \
	X(COUNT_IGNORED, "ignored")                                          \
	X(COUNT_REJECTED, "rejected")                                        \
	X(COUNT_PINGS, "pings")                                              \
	X(COUNT_CLIENT_RESETS, "client_resets")                              \
	X(COUNT_UNEXPECTED_RESPONSES, "unexpected_responses")                \
	X(COUNT_FOREIGN_RESPONSES, "foreign_responses")                      \
	X(COUNT_STALE_NOTIFICATIONS, "stale_notifications")                  \
	X(COUNT_MULTICAST_IGNORED, "multicast_ignored")                      \
	X(COUNT_GROUP_LATE, "group_answers_late")                            \
	X(COUNT_TRUNCATED, "truncated")                                      \
	X(COUNT_VERIFIED, "verified")                                        \
	X(COUNT_CUT, "cut_for_unverified")                                   \
	X(COUNT_UNVERIFIED_DROPPED, "unverified_rate_exceeded")              \
	X(COUNT_SILENCED, "silenced_by_no_response")                         \
	X(COUNT_ABANDONED, "abandoned")                                      \
	X(COUNT_PORTS_GROWN, "ports_grown")                                  \
	X(COUNT_LOOPS, "loops")                                              \
	X(COUNT_KERNEL_DROPS, "kernel_drops")                                \
	X(COUNT_SEND_FAILED, "send_failed")                                  \
	X(COUNT_SESSIONS, "sessions")                                        \
	X(COUNT_SESSIONS_UP, "sessions_to_origins")                          \
	X(COUNT_SESSIONS_DISPLACED, "sessions_displaced")                    \
	X(COUNT_HANDSHAKES_FAILED, "handshakes_failed")                      \
	X(COUNT_RECORDS_DROPPED, "records_dropped")                          \
	X(COUNT_CROSSED, "crossed")                                          \
	X(COUNT_CROSSING_BROKEN, "crossing_broken")                          \
	X(COUNT_SESSIONS_REPLACED, "sessions_replaced")                      \
	X(COUNT_SESSIONS_UNLISTED, "sessions_unlisted")                      \
	X(COUNT_SESSIONS_SILENT, "sessions_silent")                          \
	X(COUNT_SESSION_WAITS, "session_waits")                              \
	X(COUNT_RETURN_PATHS, "return_paths_opened")                         \
	X(COUNT_RETURN_REQUESTS, "return_requests")                          \
	X(COUNT_RETURN_FOREIGN, "return_foreign_dropped")                    \
	X(COUNT_KEEPALIVE_PINGS, "keepalive_pings")                          \
	X(COUNT_ACCESS_LOST, "access_lines_lost")                            \
	X(COUNT_READER_RESTARTS, "reader_restarts") /* by the parent alone */ \
	X(COUNT_FEED_LINES, "feed_lines")                                    \
	X(COUNT_FEED_LOST, "feed_lines_lost")                                \
	X(COUNT_READ_OPENED, "read_opened")                                  \
	X(COUNT_READ_UNKNOWN, "read_unknown")                                \
	X(COUNT_READ_BAD, "read_bad")                                        \
	X(COUNT_READ_SEEN, "read_seen_before")                               \
	X(COUNT_READ_UNVERIFIED, "read_unverified")                          \
	X(COUNT_READ_MISSED, "read_missed")                                  \
	X(COUNT_READ_PARTIAL, "read_partial")                                \
	X(COUNT_READ_LATE, "reader_answers_late")                            \
	X(COUNT_READER_BROKEN, "reader_packets_broken")                      \
	X(COUNT_HTTP_CONNECTIONS, "http_connections_accepted")               \
	X(COUNT_HTTP_CONNECTIONS_REFUSED, "http_connections_refused")        \
	X(COUNT_HTTP_HANDSHAKES_FAILED, "http_handshakes_failed")            \
	X(COUNT_HTTP_BAD_REQUESTS, "http_bad_requests")                      \
	X(COUNT_HTTP_TIMEOUTS, "http_timeouts")                              \
	X(COUNT_HTTP_TRUNCATED, "http_truncated")                            \
	X(COUNT_CONNECTIONS, "connections_accepted")                         \
	X(COUNT_CONNECTIONS_REFUSED, "connections_refused")                  \
	X(COUNT_CONNECTIONS_OPENED, "connections_opened")                    \
	X(COUNT_CONNECTIONS_FAILED, "connections_failed")                    \
	X(COUNT_CONNECTION_HANDSHAKES_FAILED, "connection_handshakes_failed") \
	X(COUNT_CONNECTION_TIMEOUTS, "connection_timeouts")                  \
	X(COUNT_ABORTS_SENT, "aborts_sent")                                  \
	X(COUNT_ABORTS_RECEIVED, "aborts_received")

enum metric {
#define X(name, text) name,
	METRICS_TABLE(X)
#undef X
	METRIC_COUNT
};

struct metrics {
	uint64_t count[METRIC_COUNT];
	uint64_t errors[ERR_COUNT];
};

/* What is counted for each route. */
struct route_metrics {
	uint64_t requests, responses, notifications;
	uint64_t errors[ERR_COUNT];
};

/* Writes "name value" lines, all of them. */
void metrics_print(const struct metrics *m, FILE *out);

/* Writes "route.NAME.COUNTER value" lines of what is not zero. */
void metrics_print_route(const struct route_metrics *m, const char *name, FILE *out);

#endif

/*
 * pattern - hosts, targets, origins, paths, rules about what is inside, and listener addresses of the configuration, from their text.
 *
 * Each reader fills *out from memory of the arena and returns NULL, or what is wrong, as the end of a sentence that
 * begins with the value. Zones are taken here and nowhere else (RFC 6874 has none in URIs of the network).
 */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include "conf/arena.h"
#include "conf/snapshot.h"

const char *pattern_read_network(struct arena *a, const char *text, struct network *out) __attribute__((warn_unused_result));
const char *pattern_read_host(struct arena *a, const char *text, struct host_pattern *out) __attribute__((warn_unused_result));
const char *pattern_read_target(struct arena *a, const char *text, struct target_pattern *out) __attribute__((warn_unused_result));
const char *pattern_read_path(struct arena *a, const char *text, struct path_pattern *out) __attribute__((warn_unused_result));
const char *pattern_read_rule(struct arena *a, const char *text, struct inner_rule *out) __attribute__((warn_unused_result));
const char *pattern_read_origin(struct arena *a, const char *text, struct origin_conf *out) __attribute__((warn_unused_result));

/* Fills what the URL says of a listener. */
const char *pattern_read_listener(struct arena *a, const char *text, struct listener *out) __attribute__((warn_unused_result));

#endif

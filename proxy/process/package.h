/*
 * package - what a worker needs to know besides its sockets: the configuration as -T prints it, and what it may not read or
 * ask for itself. The parent writes it into a sealed memfd, so a worker neither changes it nor sees it change.
 */
#ifndef PROXY_PROCESS_PACKAGE_H
#define PROXY_PROCESS_PACKAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "conf/snapshot.h"
#include "proxy/exchange/resolve.h"
#include "proxy/http/material.h"

enum package_part {
	PACKAGE_CONFIGURATION,  /* text */
	PACKAGE_RESOLV_CONF,    /* text */
	PACKAGE_HOSTS,          /* text */
	PACKAGE_OWN_ADDRESSES,  /* struct endpoint each */
	PACKAGE_LISTENER_SLOTS, /* uint8_t for each listener */
	PACKAGE_ROUTE_SLOTS,    /* uint32_t for each route */
	PACKAGE_FILES,          /* the files that the configuration names: see package_material() */
	PACKAGE_PARTS
};

struct package {
	struct {
		const void *bytes; /* texts are terminated; aligned for their elements */
		size_t len;        /* bytes, without the terminator */
	} parts[PACKAGE_PARTS];
	struct material material; /* views of PACKAGE_FILES */
	void *mapping; /* NULL where the parts belong to somebody else */
	size_t mapped;
};

/* Writes a memfd that cannot be changed any more: close-on-exec, the caller's to close. Reads resolv_conf of the settings and the
 * hosts file (missing files are empty texts) and the interfaces' addresses; the configuration's numbers of listeners and routes are
 * those of the snapshot. `files` may hold keys: no copy of them stays behind but the memfd. Returns the descriptor, or -1 with errno. */
int package_write(const struct snapshot *conf, const struct material *files);

/* Maps what package_write() wrote; fd may be closed afterwards. Everything in it is checked but the texts. Returns 0, or -1 if it is
 * no package. */
int package_read(struct package *p, int fd) __attribute__((warn_unused_result));
void package_close(struct package *p);

/* The configuration in it as a snapshot in its place (see snapshot_place()), or NULL with the first error's text in `error`. */
struct snapshot *package_load(const struct package *p, char *error, size_t room);

/* The files in it by their paths; they live as long as the package, in this place. Not part of a core dump. */
const struct material *package_material(const struct package *p);

/* The texts of it that the resolver wants; they live as long as the package. */
struct resolve_files package_files(const struct package *p);

#endif

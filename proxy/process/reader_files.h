/*
 * reader_files - the provisioning files of a configuration, as the parent has them: open descriptors, which it passes to the reader and never
 * reads from.
 *
 * They must be the process's own or root's, nothing to the world, and not to be written by their group.
 */
#ifndef PROXY_PROCESS_READER_FILES_H
#define PROXY_PROCESS_READER_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "conf/snapshot.h"

struct reader_files {
	size_t count; /* 0: nothing is read */
	struct reader_file {
		const struct context_set *set; /* the snapshot's */
		int fd;
		struct stat seen; /* as it was opened */
	} files[CONF_CONTEXTS_MAX];
};

/* Whether a route of it reads. */
bool reader_files_are_wanted(const struct snapshot *conf);

/* Opens those of the contexts that a route reads with; the snapshot is to outlive *f. Everything that is wrong goes to `errors`, a line each:
 * "NAME:LINE: contexts.X.keys: text", name being the configuration's. Returns 0, or -1 if anything was: *f is empty then. */
int reader_files_open(struct reader_files *f, const char *name, const struct snapshot *conf, FILE *errors) __attribute__((warn_unused_result));

/* Gives all of them to a reader, and has it prepare them as a generation. Returns 0, or -1 with errno. */
int reader_files_send(const struct reader_files *f, int control, uint32_t generation);

/* One that was written to since it was opened, or NULL: what is in it now was never put in force. */
const char *reader_files_changed(const struct reader_files *f);

/* Empties *f. */
void reader_files_close(struct reader_files *f);

#endif

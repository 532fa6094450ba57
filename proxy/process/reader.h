/*
 * reader - the process that opens OSCORE messages (oscore-reader), as the parent sees it: started when a configuration reads, given the provisioning
 * files and a pair to each worker, replaced when it dies, ended when nothing is read any more.
 *
 * The descriptors of the files in force stay here, for a successor; the parent itself never reads from them.
 */
#ifndef PROXY_PROCESS_READER_H
#define PROXY_PROCESS_READER_H

#include "proxy/process/parent.h"

/* Makes what any reader needs. Returns 0, or -1 with the reason in the log. */
int reader_create(struct parent *p);
/* Ends whoever is left, and gives everything back. */
void reader_destroy(struct parent *p);

/* Opens the files of the configuration that the gateway starts with. Returns 0, or -1 with every reason in the log. */
int reader_first(struct parent *p, const struct snapshot *conf);
/* Starts a reader, if that configuration reads. Told of by parent_reader_settled(); what fails is in the log. Returns 0, or -1 if it could not. */
int reader_begin(struct parent *p);

/* Gives a worker that has just been told of its start a pair to the reader, if there is one that serves. */
void reader_introduce(struct parent *p, struct place *place);

/* Has the contexts of a new configuration prepared, by a reader that is started for it if need be: reload_reader_answered() and
 * reload_reader_failed() tell of it. Returns 0, or -1 with every reason in the log. */
int reader_prepare(struct parent *p, const struct snapshot *next);
/* Whether what was asked for by the last reader_prepare() is done, if there was anything. */
bool reader_has_prepared(const struct parent *p);
/* Puts it in force. Before the workers are told: what they ask from then on is for it. */
void reader_commit(struct parent *p);
/* Forgets it; without one, nothing. */
void reader_abort(struct parent *p);

/* Whether it is on its way into force: a reload is to wait. */
bool reader_is_starting(const struct parent *p);
/* Whether it serves, or none is wanted. */
bool reader_is_settled(const struct parent *p);

void reader_use_log(struct parent *p);
/* A process has ended; it may be a reader. */
void reader_reap(struct parent *p, pid_t pid, int status);
/* Has it end, which takes its time: reader_is_gone(). */
void reader_leave(struct parent *p);
bool reader_is_gone(const struct parent *p);
void reader_kill(struct parent *p);

#endif

/*
 * reload - a new configuration, in the parent: checked, prepared by every worker and by the reader, then in force in all of them. Whatever goes
 * wrong before that leaves everything as it was, with every reason in the log.
 *
 * A worker that dies on the way stops the attempt; it is made again when its successor is ready.
 */
#ifndef PROXY_PROCESS_RELOAD_H
#define PROXY_PROCESS_RELOAD_H

#include "proxy/process/parent.h"

/* Gives the configuration that the gateway starts with its numbers, opens its listeners and writes its package. Returns 0, or -1 with
 * the reason in the log. */
int reload_first(struct parent *p, struct snapshot *conf);

/* Reads the file and begins. While an attempt is under way: once more afterwards. */
void reload_begin(struct parent *p);

void reload_worker_said(struct parent *p, struct place *place, const struct channel_message *m);
/* Call it after the worker's place was emptied. */
void reload_worker_ended(struct parent *p, struct place *place);
/* A worker has become ready, or the reader has, or is given up for a while: what had to wait for it begins. */
void reload_go_on(struct parent *p);

/* The reader has prepared an attempt's contexts; it cannot; it has ended before it could, `again`: its successor is to be asked. */
void reload_reader_answered(struct parent *p);
void reload_reader_failed(struct parent *p);
void reload_reader_ended(struct parent *p, bool again);

void reload_close(struct parent *p);

#endif

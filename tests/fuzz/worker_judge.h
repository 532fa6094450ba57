/*
 * worker_judge - what must hold of everything a worker sends, and of what is left of it in the end.
 *
 * Every request that is taken gets one answer, under its token; a copy of it gets the same bytes. What must not be done twice
 * goes out under one Message ID. No Message ID is used again too early, nothing reacts to an ACK or RST, nobody gets what he
 * did not ask for. In the end nothing remains but established observations.
 */
#ifndef TESTS_FUZZ_WORKER_JUDGE_H
#define TESTS_FUZZ_WORKER_JUDGE_H

#include "tests/fuzz/worker_model.h"

/* A client's request is about to be delivered; has_record: the worker knows it as a copy. */
void judge_request(unsigned who, const struct msg_view *m, bool has_record);

/* The client's connection has ended: nothing that he asked over it is answered any more. */
void judge_gone(unsigned who);

/* What the worker sends, before it is put into the log (kept there as long as the model lasts). */
void judge_client_message(struct model_message *s);
void judge_origin_message(const struct model_message *s);

/* All time has passed. */
void judge_end(void);
void judge_forget(void);

#endif

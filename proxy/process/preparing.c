#include "proxy/process/preparing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOWEST_PRIORITY = 19 };

struct preparing {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	int done_fd;
	bool started, end;
	int asked_fd;         /* -1: nothing is asked */
	uint32_t asked;       /* generation */
	bool is_done;         /* `done` is to be taken */
	struct prepared done;
};

static void prepare(struct prepared *out, uint32_t generation, int fd)
{
	out->generation = generation;
	out->conf = NULL;
	out->error[0] = '\0';
	if (package_read(&out->package, fd) < 0)
		snprintf(out->error, sizeof out->error, "the package is damaged");
	else
		out->conf = package_load(&out->package, out->error, sizeof out->error);
	close(fd);
}

static void *run(void *arg)
{
	struct preparing *t = arg;
	static const uint64_t one = 1;

	prctl(PR_SET_NAME, "preparing", 0, 0, 0);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOWEST_PRIORITY);
	pthread_mutex_lock(&t->lock);
	t->started = true;
	pthread_cond_signal(&t->changed);
	while (!t->end) {
		uint32_t generation = t->asked;
		struct prepared p;
		int fd = t->asked_fd;

		if (fd < 0 || t->is_done) {
			pthread_cond_wait(&t->changed, &t->lock);
			continue;
		}
		t->asked_fd = -1;
		pthread_mutex_unlock(&t->lock);
		prepare(&p, generation, fd);
		pthread_mutex_lock(&t->lock);
		t->done = p;
		t->is_done = true;
		if (write(t->done_fd, &one, sizeof one) < 0)
			break; /* cannot be: nobody counts so far */
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct preparing *preparing_create(void)
{
	struct preparing *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->asked_fd = -1;
	t->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	if (t->done_fd >= 0 && pthread_create(&t->thread, NULL, run, t) == 0) {
		/* What it does first is not allowed once the worker is confined. */
		pthread_mutex_lock(&t->lock);
		while (!t->started)
			pthread_cond_wait(&t->changed, &t->lock);
		pthread_mutex_unlock(&t->lock);
		return t;
	}
	if (t->done_fd >= 0)
		close(t->done_fd);
	free(t);
	return NULL;
}

int preparing_fd(const struct preparing *t)
{
	return t->done_fd;
}

void preparing_begin(struct preparing *t, uint32_t generation, int fd)
{
	pthread_mutex_lock(&t->lock);
	if (t->asked_fd >= 0)
		close(t->asked_fd);
	t->asked_fd = fd;
	t->asked = generation;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

bool preparing_take(struct preparing *t, struct prepared *out)
{
	uint64_t count;
	bool is_done;

	pthread_mutex_lock(&t->lock);
	is_done = t->is_done;
	if (is_done)
		*out = t->done;
	t->is_done = false;
	if (read(t->done_fd, &count, sizeof count) < 0)
		count = 0; /* asked without a call */
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return is_done;
}

void prepared_release(struct prepared *p)
{
	snapshot_release(p->conf);
	package_close(&p->package);
	p->conf = NULL;
}

void preparing_destroy(struct preparing *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->end = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	if (t->asked_fd >= 0)
		close(t->asked_fd);
	if (t->is_done)
		prepared_release(&t->done);
	close(t->done_fd);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	free(t);
}

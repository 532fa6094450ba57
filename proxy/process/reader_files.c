#include "proxy/process/reader_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oscore/reader/control.h"

bool reader_files_are_wanted(const struct snapshot *conf)
{
	for (size_t i = 0; i < conf->route_count; i++)
		if (conf->routes[i].read != NULL)
			return true;
	return false;
}

static bool is_wanted(const struct snapshot *conf, const struct context_set *set)
{
	for (size_t i = 0; i < conf->route_count; i++)
		if (conf->routes[i].read != NULL && conf->routes[i].read->contexts == set)
			return true;
	return false;
}

/* Returns why a file may not be used, or NULL. */
static const char *what_is_wrong(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is no file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "holds keys and belongs to another user";
	if ((st->st_mode & S_IRWXO) != 0)
		return "holds keys and is open to everybody: chmod o= it";
	if ((st->st_mode & S_IWGRP) != 0)
		return "holds keys and its group may write to it: chmod g-w it";
	return st->st_size == 0 ? "is empty" : NULL;
}

/* Returns what is wrong, or NULL. */
static const char *open_one(struct reader_file *f)
{
	const char *wrong;

	/* What is not a file must not make us wait for a writer. */
	f->fd = open(f->set->keys, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return strerror(errno);
	wrong = fstat(f->fd, &f->seen) < 0 ? strerror(errno) : what_is_wrong(&f->seen);
	if (wrong != NULL)
		close(f->fd);
	return wrong;
}

int reader_files_open(struct reader_files *f, const char *name, const struct snapshot *conf, FILE *errors)
{
	bool failed = false;

	f->count = 0;
	for (size_t i = 0; i < conf->context_count; i++) {
		struct reader_file one = { .set = &conf->contexts[i] };
		const char *wrong;

		if (!is_wanted(conf, one.set))
			continue;
		wrong = open_one(&one);
		if (wrong == NULL) {
			f->files[f->count++] = one;
			continue;
		}
		fprintf(errors, "%s:%u: contexts.%s.keys: %s: %s\n", name, one.set->line, one.set->name, one.set->keys, wrong);
		failed = true;
	}
	if (failed)
		reader_files_close(f);
	return failed ? -1 : 0;
}

int reader_files_send(const struct reader_files *f, int control, uint32_t generation)
{
	struct reader_message m = { .word = READER_SET, .generation = generation };

	for (size_t i = 0; i < f->count; i++) {
		const struct context_set *set = f->files[i].set;
		size_t len = strlen(set->keys);

		m.set = set->id;
		m.max_failures = set->max_failures;
		/* For errors; of a path that is too long the end tells more. */
		memset(m.text, 0, sizeof m.text);
		memcpy(m.text, set->keys + (len < sizeof m.text ? 0 : len - (sizeof m.text - 1)), len < sizeof m.text ? len : sizeof m.text - 1);
		/* A reader that had it before has read it to its end. */
		if (lseek(f->files[i].fd, 0, SEEK_SET) < 0 || reader_control_send(control, &m, f->files[i].fd) < 0)
			return -1;
	}
	m = (struct reader_message){ .word = READER_PREPARE, .generation = generation };
	return reader_control_send(control, &m, -1);
}

const char *reader_files_changed(const struct reader_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct stat *was = &f->files[i].seen;
		struct stat now;

		if (fstat(f->files[i].fd, &now) < 0 || now.st_size != was->st_size || now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
			now.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
			return f->files[i].set->keys;
	}
	return NULL;
}

void reader_files_close(struct reader_files *f)
{
	while (f->count > 0)
		close(f->files[--f->count].fd);
}

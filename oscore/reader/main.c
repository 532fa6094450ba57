/*
 * oscore-reader - holds the keys of OSCORE contexts and opens messages for the workers of oscore-proxy; started by its parent alone.
 *
 * It has its end of the control pair as descriptor READER_CONTROL_FD and is told everything over it (control.h): files of keys, the workers' ends,
 * where the log goes. Before anything comes it has shut itself in (confine.h). It ends when the parent's end does.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "oscore/reader/answers.h"
#include "oscore/reader/confine.h"
#include "oscore/reader/control.h"
#include "oscore/reader/prepare.h"
#include "oscore/reader/vault.h"

enum {
	EVENTS = ANSWERS_WORKERS_MAX + 1,
	CONTROL_EVENT = ANSWERS_WORKERS_MAX, /* data of the control end in the loop: no worker's number */
	MESSAGES = 64,                       /* of the parent in a turn */
	STACK_WIPED = 128 * 1024,
};

static struct opener *opener;
static struct table *table;
static int loop = -1, log_fd = -1;

/* What calls have left of keys in memory that is free now. */
static void __attribute__((noinline)) wipe_stack(void)
{
	unsigned char below[STACK_WIPED];

	explicit_bzero(below, sizeof below);
}

static void put_in_force(struct table *next)
{
	struct table *before = table;

	table_take_over(next, before);
	table = next;
	opener_use(opener, table);
	table_free(before);
}

static void commit(uint32_t generation)
{
	struct table *next = prepare_take(generation);

	if (next == NULL) {
		log_warning("contexts of generation %u were not prepared: those in force stay", (unsigned)generation);
		return;
	}
	put_in_force(next);
	log_info("%zu contexts are in force", table_context_count(table));
}

static void take_log(int fd)
{
	log_reopen(fd);
	if (log_fd >= 0)
		close(log_fd);
	log_fd = fd;
}

/* Returns 0, or -1 if there is no going on. */
static int obey(const struct reader_message *m, int fd)
{
	int status = 0;

	switch ((enum reader_word)m->word) {
	case READER_SET:
		prepare_add(m, fd);
		break;
	case READER_PREPARE:
		status = prepare_answer(m->generation, READER_CONTROL_FD);
		break;
	case READER_COMMIT:
		commit(m->generation);
		break;
	case READER_ABORT:
		prepare_abort();
		break;
	case READER_WORKER:
		if (answers_take_worker(loop, m->number, fd) < 0)
			log_error("the end of worker %llu could not be taken", (unsigned long long)m->number);
		return 0;
	case READER_LOG:
		take_log(fd);
		return 0;
	case READER_READY:
	case READER_PREPARED:
	case READER_FAILED:
	case READER_WORDS:
		return -1;
	}
	wipe_stack();
	return status;
}

/* Returns 0, 1 if the parent is gone, or -1 if it cannot be understood. */
static int control_turn(void)
{
	struct reader_message m = { .word = READER_WORDS };
	int fd, got = 1;

	for (int i = 0; i < MESSAGES && (got = reader_control_receive(READER_CONTROL_FD, true, &m, &fd)) == 1; i++)
		if (obey(&m, fd) < 0)
			return -1;
	if (got >= 0)
		return 0;
	return errno == 0 ? 1 : -1;
}

static int start(char *missing, size_t size)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = CONTROL_EVENT };

	/* no configuration of OpenSSL: it could name code to be loaded */
	if (vault_open() < 0 || OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		return -1;
	/* now: a C library that makes random bytes itself prepares at the first, by calls that are denied once it is confined */
	random_start();
	table_start();
	opener = opener_new();
	table = table_new();
	if (opener == NULL || table == NULL || table_index(table) < 0)
		return -1;
	opener_use(opener, table);
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, READER_CONTROL_FD, &event) < 0)
		return -1;
	if (confine_enter(READER_CONTROL_FD, missing, size) < 0)
		return -1;
	if (vault_unlocked() != 0)
		confine_missing(missing, size, "memory is not locked", strerror(vault_unlocked()));
	return 0;
}

/* Serves until the parent is gone. Returns as control_turn(). */
static int serve(void)
{
	struct epoll_event events[EVENTS];
	bool told = vault_unlocked() != 0;

	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, -1), status = 0;

		/* the parent first: what it has told before a question came counts for that question */
		for (int i = 0; i < n && status == 0; i++)
			if (events[i].data.u64 == CONTROL_EVENT)
				status = control_turn();
		if (status != 0)
			return status;
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 != CONTROL_EVENT)
				answers_turn(opener, events[i].data.u64);
		if (!told && vault_unlocked() != 0)
			log_warning("memory for keys could not be locked: %s", strerror(vault_unlocked()));
		told = vault_unlocked() != 0;
	}
}

static void finish(void)
{
	prepare_abort();
	table_free(table);
	opener_free(opener);
}

int main(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct reader_message ready = { .word = READER_READY };
	int status;

	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	log_name("reader");
	/* they are the parent's to handle */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	if (confine_begin(READER_CONTROL_FD) < 0 || start(ready.text, sizeof ready.text) < 0) {
		log_error("cannot start: %s", strerror(errno));
		finish();
		return 1;
	}
	if (ready.text[0] != '\0')
		log_warning("%s", ready.text);
	if (reader_control_send(READER_CONTROL_FD, &ready, -1) < 0) {
		finish();
		return 1;
	}
	status = serve();
	if (status < 0)
		log_error("the parent cannot be understood: %s", strerror(errno));
	answers_report();
	finish();
	return status < 0;
}

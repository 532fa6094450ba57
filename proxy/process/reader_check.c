#include "proxy/process/reader_check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "oscore/reader/control.h"
#include "proxy/process/reader_files.h"
#include "proxy/process/reader_start.h"

enum { PREPARING_TAKES_MS = 10000, GENERATION = 1 };

/* The next message. Returns 1, or -1 with errno: 0 if the reader has ended, ETIMEDOUT. */
static int wait_for_message(int control, uint64_t until, struct reader_message *m)
{
	struct pollfd wait = { control, POLLIN, 0 };
	int n, fd;

	while ((n = reader_control_receive(control, false, m, &fd)) == 0) {
		clock_update();
		if (clock_now() >= until || poll(&wait, 1, (int)((until - clock_now()) / CLOCK_MS) + 1) < 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return n;
}

/* Returns 0, or -1 with all reasons written. */
static int ask(int control, const struct reader_files *files, FILE *errors)
{
	struct reader_message m = { .word = READER_READY };
	uint64_t until;

	clock_update();
	until = clock_now() + PREPARING_TAKES_MS * CLOCK_MS;
	if (reader_files_send(files, control, GENERATION) < 0)
		goto failed;
	while (m.word != READER_PREPARED) {
		if (wait_for_message(control, until, &m) < 0)
			goto failed;
		if (m.word != READER_FAILED)
			continue;
		fprintf(errors, "%s\n", m.text);
		if (!m.more)
			return -1;
	}
	return 0;
failed:
	fprintf(errors, "the reader does not look at its files: %s\n", errno != 0 ? strerror(errno) : "it has ended");
	return -1;
}

static int start_and_ask(const struct snapshot *conf, const struct reader_files *files, FILE *errors)
{
	struct privileges_user user;
	bool has_user = geteuid() == 0 && *conf->settings.reader_user != '\0' && privileges_find_user(conf->settings.reader_user, &user) == 0;
	int program = reader_program_open(), control = -1, status = -1;
	pid_t pid = 0;

	if (program < 0) {
		fprintf(errors, "cannot find oscore-reader in the folder of this program: %s\n", strerror(errno));
		return -1;
	}
	control = reader_start(program, STDERR_FILENO, has_user ? &user : NULL, &pid);
	if (control < 0) {
		fprintf(errors, "cannot start the reader: %s\n", strerror(errno));
		goto out;
	}
	status = ask(control, files, errors);
	close(control);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
out:
	close(program);
	return status;
}

int reader_check(const char *name, const struct snapshot *conf, FILE *errors)
{
	static struct reader_files files;
	int status = reader_files_open(&files, name, conf, errors);

	if (status == 0 && files.count > 0)
		status = start_and_ask(conf, &files, errors);
	reader_files_close(&files);
	return status;
}

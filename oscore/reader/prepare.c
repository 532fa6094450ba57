#include "oscore/reader/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oscore/reader/vault.h"

static uint32_t generation;
static struct table *next;      /* NULL: nothing is being prepared, or there is no memory for it */
static bool begun, is_ready;    /* all its sets have come and are sound */
static char errors[PREPARE_ERRORS_MAX][READER_TEXT_MAX];
static unsigned error_count;

static void keep_error(void *arg, const char *text)
{
	(void)arg;
	if (error_count < PREPARE_ERRORS_MAX)
		snprintf(errors[error_count++], sizeof errors[0], "%s", text);
}

static void keep_error_of(const struct reader_message *m, const char *why)
{
	char text[READER_TEXT_MAX];

	snprintf(text, sizeof text, "%.400s: %s", m->text, why);
	keep_error(NULL, text);
}

void prepare_abort(void)
{
	table_free(next);
	next = NULL;
	begun = is_ready = false;
	error_count = 0;
}

static void begin(uint32_t number)
{
	if (begun && generation == number)
		return;
	prepare_abort();
	begun = true;
	generation = number;
	next = table_new();
	if (next == NULL)
		keep_error(NULL, "out of memory");
}

/* How much room the text wants: of a file what it says, and a byte to see its end. */
static size_t room_for(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	/* where it is read up to is shared with all who have it */
	if (end <= 0 || lseek(fd, 0, SEEK_SET) < 0)
		return 64 * 1024;
	return end < PREPARE_FILE_MAX ? (size_t)end + 1 : PREPARE_FILE_MAX;
}

/* Reads a whole file into the vault. Returns the text with its length, or NULL with the reason. */
static char *text_read(int fd, size_t *len, const char **why)
{
	size_t room = room_for(fd);
	char *text = vault_new(room), *more;

	*len = 0;
	*why = "out of memory";
	while (text != NULL) {
		ssize_t n = read(fd, text + *len, room - *len);

		if (n == 0)
			return text;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*why = strerror(errno);
			break;
		}
		*len += (size_t)n;
		if (*len < room)
			continue;
		if (room >= PREPARE_FILE_MAX) {
			*why = "is too large for a file of keys";
			break;
		}
		more = vault_new(room * 2);
		if (more != NULL)
			memcpy(more, text, *len);
		vault_free(text);
		text = more;
		room *= 2;
	}
	vault_free(text);
	return NULL;
}

static void file_add(const struct reader_message *m, const char *text, size_t len)
{
	const struct table_set set = { m->set, m->max_failures };
	const struct keys_errors reports = { .name = m->text, .report = keep_error };
	void *memory = vault_new(keys_file_size(text, len));
	struct keys_file *file;

	if (memory == NULL) {
		keep_error_of(m, "out of memory");
		return;
	}
	file = keys_file_parse(memory, text, len, &reports);
	if (file != NULL && next != NULL && table_add(next, &set, file) == 0)
		return;
	if (file != NULL)
		keep_error_of(m, "out of memory");
	keys_file_wipe(file);
	vault_free(memory);
}

void prepare_add(const struct reader_message *m, int fd)
{
	const char *why;
	size_t len;
	char *text;

	begin(m->generation);
	is_ready = false;
	text = text_read(fd, &len, &why);
	close(fd);
	if (text == NULL) {
		keep_error_of(m, why);
		return;
	}
	file_add(m, text, len);
	vault_free(text);
}

int prepare_answer(uint32_t number, int control)
{
	struct reader_message m = { .word = READER_PREPARED, .generation = number };

	begin(number);
	if (error_count == 0 && table_index(next) < 0)
		keep_error(NULL, "out of memory");
	if (error_count == 0) {
		is_ready = true;
		return reader_control_send(control, &m, -1);
	}
	m.word = READER_FAILED;
	for (unsigned i = 0; i < error_count; i++) {
		m.more = i + 1 < error_count;
		memcpy(m.text, errors[i], sizeof m.text);
		if (reader_control_send(control, &m, -1) < 0)
			return -1;
	}
	prepare_abort();
	return 0;
}

struct table *prepare_take(uint32_t number)
{
	struct table *t = next;

	if (!begun || !is_ready || generation != number)
		return NULL;
	next = NULL;
	prepare_abort();
	return t;
}

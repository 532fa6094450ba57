/*
 * oscore-keys - derives what a gateway may have of OSCORE security contexts from their Master Secrets, on a machine that may have these,
 * and writes it as a provisioning file. It reads them from a file or from standard input, and never takes one from its command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tools/group_derive.h"
#include "tools/keys_input.h"
#include "tools/keys_print.h"

enum { INPUT_MAX = 4 << 20, FAILED = 1, USAGE = 2 };

static const char usage_text[] =
	"usage: oscore-keys [-o FILE] [-s ID] [-p PROFILE] [FILE]\n"
	"  FILE                      contexts and groups with their Master Secrets; standard input if it is not given, or is -\n"
	"  -o, --output FILE         write there, with mode 600, instead of to standard output; it must not exist\n"
	"  -s, --only-sender ID      the key of this sender alone (in hexadecimal, - is the empty ID): its direction can be read\n"
	"  -p, --profile PROFILE     of groups: verify-only, read-responses or read-both (the default)\n"
	"  -V, --version             -h, --help\n";

struct run {
	FILE *out;
	bool one_sender;
	struct oscore_id only; /* its ID */
	enum group_profile profile;
	size_t matches;        /* of a sender by that ID */
};

static void tell(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static bool wanted(struct run *r, const struct oscore_id *id)
{
	bool match = !r->one_sender || oscore_id_equal(id, r->only.bytes, r->only.len);

	r->matches += match;
	return match;
}

static void derive_context(struct run *r, const struct keys_input *b, struct keys_lines *l)
{
	const struct oscore_parameters p = {
		.aead = b->aead, .hkdf = b->group.hkdf, .master = &b->master, .salt = b->salt, .salt_len = b->salt_len,
		.sender_id = b->senders[0].bytes, .sender_id_len = b->senders[0].len,
		.recipient_id = b->senders[1].bytes, .recipient_id_len = b->senders[1].len,
		.id_context = b->has_id_context ? b->id_context : NULL, .id_context_len = b->id_context_len,
	};
	struct keys_context c = { 0 };

	if (oscore_derive_context(&c.context, &p) < 0) {
		keys_lines_error(l, b->line, "the keys cannot be derived: an ID is longer than the nonce has room for, or OpenSSL failed");
	} else {
		snprintf(c.name, sizeof c.name, "%s", b->name);
		c.sender_has_key = wanted(r, &c.context.sender.id);
		c.recipient_has_key = wanted(r, &c.context.recipient.id);
		keys_print_context(r->out, &c);
	}
	explicit_bzero(&c, sizeof c);
}

/* Nothing that is signed names the server that a request is meant for: whoever passes it on can lead it to another of them (the draft's 13.9). */
static void warn_of_servers(const struct keys_input *b)
{
	size_t servers = 0;

	for (size_t i = 0; i < b->group.member_count; i++)
		servers += b->is_server[i];
	if (servers > 1)
		fprintf(stderr, "warning: group %s has %zu servers, and a request to one can be led to another on its way: give each a group of its own\n",
			b->name, servers);
}

static void derive_group(struct run *r, struct keys_input *b, struct keys_lines *l)
{
	bool read[OSCORE_GROUP_MEMBERS_MAX];

	if (group_derive(&b->group, &b->master, b->salt, b->salt_len) < 0) {
		keys_lines_error(l, b->line, "the keys cannot be derived: OpenSSL failed");
		return;
	}
	warn_of_servers(b);
	group_restrict(&b->group, r->profile, b->is_server);
	for (size_t i = 0; i < b->group.member_count; i++)
		read[i] = wanted(r, &b->group.members[i].id);
	if (r->one_sender)
		group_restrict(&b->group, GROUP_READ_RESPONSES, read);
	keys_print_group(r->out, b->name, &b->group);
}

static void derive(void *arg, struct keys_input *block, struct keys_lines *l)
{
	if (block->is_group)
		derive_group(arg, block, l);
	else
		derive_context(arg, block, l);
}

/* Returns the input's length, or 0 after saying why there is none. */
static size_t input_read(const char *path, char *text)
{
	bool standard = path == NULL || strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = -1;

	while (fd >= 0 && len < INPUT_MAX && (n = read(fd, text + len, INPUT_MAX - len)) > 0)
		len += (size_t)n;
	if (n < 0 || len == 0 || len == INPUT_MAX) {
		fprintf(stderr, "oscore-keys: %s: %s\n", standard ? "standard input" : path,
			n < 0 ? strerror(errno) : len == 0 ? "is empty" : "is too long");
		len = 0;
	}
	if (!standard && fd >= 0)
		close(fd);
	return len;
}

/* What is to be written must be a file that the reader takes. Returns 0, or -1 after every reason was told. */
static int output_check(const char *text, size_t len, const char *name)
{
	const struct keys_errors errors = { name, tell, NULL };
	void *memory = calloc(1, keys_file_size(text, len));
	struct keys_file *f;

	if (memory == NULL) {
		fprintf(stderr, "oscore-keys: out of memory\n");
		return -1;
	}
	f = keys_file_parse(memory, text, len, &errors);
	keys_file_wipe(f);
	free(memory);
	return f != NULL ? 0 : -1;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A file that is not whole is taken away. Returns 0, or -1 after saying why. */
static int output_write(const char *path, const char *text, size_t len)
{
	int fd = path == NULL ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int failed;

	if (fd < 0) {
		fprintf(stderr, "oscore-keys: %s: %s\n", path, strerror(errno));
		return -1;
	}
	failed = write_all(fd, text, len);
	if (path != NULL)
		failed = failed < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 || close(fd) < 0 ? -1 : 0;
	if (failed < 0) {
		fprintf(stderr, "oscore-keys: %s: %s\n", path == NULL ? "standard output" : path, strerror(errno));
		if (path != NULL)
			unlink(path);
	}
	return failed;
}

static int run(struct run *r, const char *from, const char *to)
{
	const struct keys_errors errors = { from == NULL ? "-" : from, tell, NULL };
	char *input = calloc(1, INPUT_MAX), *output = NULL;
	struct keys_input *block = calloc(1, sizeof *block);
	size_t input_len, output_len = 0;
	int status = FAILED;

	if (input == NULL || block == NULL || (r->out = open_memstream(&output, &output_len)) == NULL) {
		fprintf(stderr, "oscore-keys: out of memory\n");
		goto out;
	}
	input_len = input_read(from, input);
	if (input_len == 0)
		goto out;
	fputs("# Made by oscore-keys. Who has a sender's key can read what it sends; of a context, not of a group, also write it.\n", r->out);
	if (keys_input_read(input, input_len, &errors, block, derive, r) > 0)
		goto out;
	if (r->one_sender && r->matches == 0) {
		fprintf(stderr, "oscore-keys: nobody has the ID of --only-sender\n");
		goto out;
	}
	if (fflush(r->out) == 0 && output_check(output, output_len, to == NULL ? "the output" : to) == 0 &&
	    output_write(to, output, output_len) == 0)
		status = 0;
out:
	if (r->out != NULL)
		fclose(r->out);
	if (output != NULL)
		explicit_bzero(output, output_len);
	if (input != NULL)
		explicit_bzero(input, INPUT_MAX);
	free(output);
	free(input);
	free(block);
	return status;
}

/* The ID of a command line; IDs are no secret. Returns 0 or -1. */
static int id_argument(struct oscore_id *id, const char *text)
{
	size_t len = strcmp(text, "-") == 0 ? 0 : strlen(text);

	if (len % 2 != 0 || len / 2 > OSCORE_ID_MAX)
		return -1;
	for (size_t i = 0; i < len; i += 2) {
		int high = byte_hex(text[i]), low = byte_hex(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		id->bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	id->len = (uint8_t)(len / 2);
	return 0;
}

static int profile_argument(enum group_profile *profile, const char *text)
{
	static const char *const names[] = {
		[GROUP_VERIFY_ONLY] = "verify-only", [GROUP_READ_RESPONSES] = "read-responses", [GROUP_READ_BOTH] = "read-both",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i]) == 0) {
			*profile = (enum group_profile)i;
			return 0;
		}
	}
	return -1;
}

static int usage(FILE *out, int status)
{
	fputs(usage_text, out);
	return status;
}

static int bad_argument(const char *text, const char *what)
{
	fprintf(stderr, "oscore-keys: \"%s\" %s\n", text, what);
	return usage(stderr, USAGE);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' }, { "only-sender", required_argument, NULL, 's' },
		{ "profile", required_argument, NULL, 'p' }, { "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }, { 0 }
	};
	struct run r = { .profile = GROUP_READ_BOTH };
	const char *to = NULL;
	int option;

	/* nobody looks into it, and no core of it is kept */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return FAILED;
	while ((option = getopt_long(argc, argv, "o:s:p:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			to = optarg;
			break;
		case 's':
			r.one_sender = true;
			if (id_argument(&r.only, optarg) < 0)
				return bad_argument(optarg, "is no ID in hexadecimal");
			break;
		case 'p':
			if (profile_argument(&r.profile, optarg) < 0)
				return bad_argument(optarg, "is no profile");
			break;
		case 'V':
			puts("oscore-keys " OSCORE_PROXY_VERSION);
			return 0;
		default:
			return usage(option == 'h' ? stdout : stderr, option == 'h' ? 0 : USAGE);
		}
	}
	return argc - optind > 1 ? usage(stderr, USAGE) : run(&r, argv[optind], to);
}

/*
 * opening - how many messages a second oscore-reader opens, beside a bare loop of OpenSSL over the same ciphertexts.
 *
 * The bare loop has nonce, AAD and key of each message at hand, and for each calls EVP_DecryptInit_ex with key and nonce. The reader gets questions
 * as a worker sends them, in packets, with several packets under way; it parses, finds the context, looks at the Partial IV, opens, and tells code
 * and path. Rounds alternate, every message is new to the reader. Both run on the processors that this program is started on, its asking half on the
 * others if there are any. Ends with "open_ratio=...": the median over the rounds.
 *
 *   opening [ROUNDS [MESSAGES]]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "oscore/opening.h"
#include "oscore/reader/control.h"
#include "sealed.h"
#include "tools/seal.h"

enum {
	CONTEXTS = 64, BATCH = 16, UNDER_WAY = 16, /* packets */
	ROUNDS = 9, ROUNDS_MAX = 99, MESSAGES = 64000,
	LOOKS = 1000,
	SEALED_MAX = 96, PACKET_MAX = 4096,
	FIELDS = FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH),
};

/* A message, as both halves need it. */
struct message {
	unsigned context;
	struct oscore_request request;
	uint8_t option_len, payload_len, aad_len;
	uint8_t option[16], payload[SEALED_MAX], nonce[OSCORE_NONCE_MAX], aad[OSCORE_AAD_MAX];
};

struct packet {
	size_t len;
	unsigned questions;
	uint8_t bytes[PACKET_MAX];
};

static struct oscore_context contexts[CONTEXTS];
static uint64_t sequences[CONTEXTS];
static struct message *messages;
static struct packet *packets;
static size_t message_count, packet_count;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "opening: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of a round: by the clock, and by the processor time of who opens. */
struct speed {
	clockid_t clock;
	double rate, used; /* messages a second; seconds of processor for each. While it runs: when it began. */
};

static struct speed speed_begin(clockid_t clock)
{
	return (struct speed){ clock, now(CLOCK_MONOTONIC), now(clock) };
}

static void speed_end(struct speed *s)
{
	s->rate = (double)message_count / (now(CLOCK_MONOTONIC) - s->rate);
	s->used = (now(s->clock) - s->used) / (double)message_count;
}

/* ---- messages ---- */

static void message_make(struct message *m, unsigned context)
{
	const struct oscore_context *c = &contexts[context];
	uint8_t inner[SEALED_MESSAGE_MAX];
	size_t len = sealed_inner(inner, true, 0);
	struct oscore_option option;
	struct sealed s;

	if (seal_request(&s, &m->request, c, sequences[context]++, inner, len) < 0 || s.payload_len > SEALED_MAX || s.option_len > sizeof m->option)
		fail("sealing");
	m->context = context;
	m->option_len = (uint8_t)s.option_len;
	memcpy(m->option, s.option, s.option_len);
	m->payload_len = (uint8_t)s.payload_len;
	memcpy(m->payload, s.payload, s.payload_len);
	if (oscore_option_parse(&option, m->option, m->option_len, 0) < 0)
		fail("option");
	oscore_nonce_write(m->nonce, c, &c->sender.id, option.piv, option.piv_len);
	m->aad_len = (uint8_t)oscore_aad_write(m->aad, c->aead, &m->request);
}

static void messages_make(void)
{
	struct writer w;

	for (size_t i = 0; i < message_count; i++)
		message_make(&messages[i], (unsigned)(i % CONTEXTS));
	for (size_t i = 0; i < message_count; i++) {
		struct packet *p = &packets[i / BATCH];
		struct message *m = &messages[i];
		const struct opening_question q = { .id = i, .set = opening_set_id("load"), .fields = FIELDS, .option = m->option,
			.option_len = m->option_len, .payload = m->payload, .payload_len = m->payload_len };

		if (i % BATCH == 0) {
			writer_init(&w, p->bytes, sizeof p->bytes);
			p->questions = 0;
		}
		if (opening_question_write(&w, &q) < 0)
			fail("packet");
		p->questions++;
		p->len = writer_length(&w);
	}
}

/* ---- the bare loop ---- */

static struct speed bare_round(void)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, contexts[0].aead->cipher, NULL);
	const int tag_len = contexts[0].aead->tag_len;
	uint8_t plain[SEALED_MAX];
	struct speed speed;
	int n;

	if (ctx == NULL || cipher == NULL || EVP_DecryptInit_ex(ctx, cipher, NULL, NULL, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, contexts[0].aead->nonce_len, NULL) != 1)
		fail("OpenSSL");
	speed = speed_begin(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < message_count; i++) {
		struct message *m = &messages[i];
		int len = m->payload_len - tag_len;

		if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_len, m->payload + len) != 1 ||
		    EVP_DecryptInit_ex(ctx, NULL, NULL, contexts[m->context].sender.key.bytes, m->nonce) != 1 ||
		    EVP_DecryptUpdate(ctx, NULL, &n, NULL, len) != 1 || EVP_DecryptUpdate(ctx, NULL, &n, m->aad, m->aad_len) != 1 ||
		    EVP_DecryptUpdate(ctx, plain, &n, m->payload, len) != 1)
			fail("a message does not open");
	}
	speed_end(&speed);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return speed;
}

/* ---- the reader ---- */

static void tell(int control, const struct reader_message *m, int fd)
{
	if (reader_control_send(control, m, fd) < 0)
		fail("to the reader");
}

static void hear(int control, enum reader_word word)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	struct reader_message m = { .word = READER_WORDS };
	int fd;

	if (poll(&p, 1, 10000) != 1 || reader_control_receive(control, false, &m, &fd) != 1 || m.word != word) {
		fprintf(stderr, "opening: the reader says %u instead of %u: %s\n", (unsigned)m.word, (unsigned)word, m.text);
		exit(1);
	}
}

static pid_t reader_start(int control)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 32);
	pid_t child;
	char *folder;

	if (len < 0)
		fail("own path");
	path[len] = '\0';
	folder = strrchr(path, '/');
	strcpy(folder, "/../oscore-reader");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child > 0)
		return child;
	if (control != READER_CONTROL_FD)
		dup2(control, READER_CONTROL_FD);
	else
		fcntl(control, F_SETFD, 0);
	execl(path, path, (char *)NULL);
	fail(path);
}

/* Starts it, with the keys and an end for questions, which is returned. */
static int reader_begin(int *control, pid_t *child)
{
	const struct reader_message set = { .word = READER_SET, .generation = 1, .set = opening_set_id("load"), .max_failures = 64, .text = "load.keys" };
	int ends[2], questions[2], keys = memfd_create("keys", MFD_CLOEXEC);
	FILE *out = keys < 0 ? NULL : fdopen(dup(keys), "w");

	if (out == NULL || reader_control_open(ends) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, questions) < 0)
		fail("socket pairs");
	sealed_print_keys(out, CONTEXTS);
	fclose(out);
	lseek(keys, 0, SEEK_SET);
	*child = reader_start(ends[1]);
	close(ends[1]);
	*control = ends[0];
	hear(*control, READER_READY);
	tell(*control, &set, keys);
	tell(*control, &(struct reader_message){ .word = READER_PREPARE, .generation = 1 }, -1);
	hear(*control, READER_PREPARED);
	tell(*control, &(struct reader_message){ .word = READER_COMMIT, .generation = 1 }, -1);
	tell(*control, &(struct reader_message){ .word = READER_WORKER, .number = 0 }, questions[1]);
	close(questions[1]);
	close(keys);
	return questions[0];
}

static unsigned answers_take(const uint8_t *bytes, size_t len)
{
	static struct opening_answer a;
	struct reader r;
	unsigned count = 0;
	int more;

	reader_init(&r, bytes, len);
	while ((more = opening_answer_read(&r, &a)) == 1) {
		if (a.verdict != OPENING_OPENED || a.seen || a.inner.code != CODE_POST || a.inner.path_count != 1) {
			fprintf(stderr, "opening: question %" PRIu64 ": verdict %u\n", a.id, (unsigned)a.verdict);
			exit(1);
		}
		count++;
	}
	if (more < 0)
		fail("an answer is not understood");
	return count;
}

/* Takes a packet of answers. Like a worker that has much to do it looks before it waits: who sleeps has to be woken by the reader. */
static unsigned answers_wait(int end)
{
	static uint8_t bytes[OPENING_PACKET_MAX];
	struct pollfd p = { .fd = end, .events = POLLIN };

	for (int looks = 0;; looks++) {
		ssize_t n = read(end, bytes, sizeof bytes);

		if (n > 0)
			return answers_take(bytes, (size_t)n);
		if (n == 0 || errno != EAGAIN)
			fail("the reader is gone");
		if (looks >= LOOKS && poll(&p, 1, 10000) != 1)
			fail("no answer");
	}
}

static struct speed reader_round(int end, clockid_t clock)
{
	size_t sent = 0, asked = 0, answered = 0;
	struct speed speed = speed_begin(clock);

	while (answered < message_count) {
		while (sent < packet_count && asked - answered < UNDER_WAY * BATCH) {
			ssize_t n = write(end, packets[sent].bytes, packets[sent].len);

			if (n < 0 && errno != EAGAIN)
				fail("asking");
			if (n < 0)
				break;
			asked += packets[sent++].questions;
		}
		answered += answers_wait(end);
	}
	speed_end(&speed);
	return speed;
}

/* ---- all ---- */

/* The asking half goes where the reader does not run, if there is such a place. */
static void move_away(const cpu_set_t *own)
{
	cpu_set_t others;

	CPU_ZERO(&others);
	for (int i = 0; i < sysconf(_SC_NPROCESSORS_CONF); i++)
		if (!CPU_ISSET(i, own))
			CPU_SET(i, &others);
	if (CPU_COUNT(&others) > 0)
		sched_setaffinity(0, sizeof others, &others);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double ratios[ROUNDS_MAX];
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : ROUNDS, control, end, status;
	clockid_t clock;
	cpu_set_t own;
	pid_t child;

	message_count = argc > 2 ? strtoul(argv[2], NULL, 10) : MESSAGES;
	packet_count = (message_count + BATCH - 1) / BATCH;
	messages = calloc(message_count, sizeof *messages);
	packets = calloc(packet_count, sizeof *packets);
	if (rounds < 1 || rounds > ROUNDS_MAX || messages == NULL || packets == NULL || sched_getaffinity(0, sizeof own, &own) < 0)
		fail("start");
	for (unsigned i = 0; i < CONTEXTS; i++)
		sealed_context(&contexts[i], i, false);
	end = reader_begin(&control, &child);
	if (clock_getcpuclockid(child, &clock) != 0)
		fail("clock of the reader");
	for (int i = 0; i < rounds; i++) {
		struct speed bare, reader;

		messages_make();
		sched_setaffinity(0, sizeof own, &own);
		bare = bare_round();
		move_away(&own);
		reader = reader_round(end, clock);
		ratios[i] = reader.rate / bare.rate;
		printf("round %d: bare %.0f/s (%.3f us of processor), reader %.0f/s (%.3f us), ratio %.3f\n", i + 1, bare.rate, bare.used * 1e6,
			reader.rate, reader.used * 1e6, ratios[i]);
	}
	qsort(ratios, (size_t)rounds, sizeof ratios[0], compare);
	close(control);
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("the reader did not end well");
	printf("open_ratio=%.3f\n", ratios[rounds / 2]);
	return 0;
}

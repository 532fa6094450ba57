#include "proxy/process/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "proxy/edge/tls.h"
#include "proxy/http/credentials.h"

enum { WHY_MAX = 512, KB = 1024 };

static const struct {
	bool secret;
	size_t max; /* bytes */
} kinds[CONF_FILE_KINDS] = {
	[CONF_FILE_CERTIFICATE] = { false, 256 * KB },
	[CONF_FILE_KEY] = { true, 64 * KB },
	[CONF_FILE_CLIENT_CA] = { false, 4096 * KB },
	[CONF_FILE_PSK] = { true, MATERIAL_FILE_MAX },
	[CONF_FILE_CREDENTIALS] = { true, MATERIAL_FILE_MAX },
	[CONF_FILE_AUTHORITIES] = { false, 4096 * KB },
};

/* What errors are told of. */
struct report {
	const char *name;
	FILE *errors;
	bool failed;
};

static void complain(struct report *r, const struct conf_file *at, const char *text)
{
	fprintf(r->errors, "%s:%u: %s: %s\n", r->name, at->line, at->setting, text);
	r->failed = true;
}

/* ---- one file ---- */

/* Returns why a file may not be used, or NULL. */
static const char *what_is_wrong(const struct stat *st, enum conf_file_kind kind)
{
	if (!S_ISREG(st->st_mode))
		return "is no file";
	if (kinds[kind].secret && st->st_uid != 0 && st->st_uid != geteuid())
		return "holds secrets and belongs to another user";
	if (kinds[kind].secret && (st->st_mode & S_IRWXO) != 0)
		return "holds secrets and is open to everybody: chmod o= it";
	if (st->st_size == 0)
		return "is empty";
	if ((uint64_t)st->st_size > kinds[kind].max)
		return "is too long";
	return NULL;
}

/* Up to len bytes. Returns how many, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len && (n = read(fd, bytes + got, len - got)) != 0) {
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)got;
}

static void drop(uint8_t *bytes, size_t len)
{
	if (bytes != NULL)
		explicit_bzero(bytes, len);
	free(bytes);
}

/* Returns why it cannot be had, or NULL. */
static const char *take(struct files *f, int fd, const struct conf_file *at)
{
	struct stat st;
	const char *wrong = fstat(fd, &st) < 0 ? strerror(errno) : what_is_wrong(&st, at->kind);
	uint8_t *bytes;
	size_t size;
	ssize_t len;

	if (wrong != NULL || material_find(&f->material, at->path) != NULL)
		return wrong;
	size = (size_t)st.st_size + 1;
	bytes = malloc(size);
	if (bytes == NULL)
		return "not enough memory";
	len = read_all(fd, bytes, size);
	if (len == st.st_size) {
		bytes[len] = '\0';
		if (material_add(&f->material, at->path, bytes, (size_t)len) == 0)
			return NULL;
	}
	drop(bytes, size);
	return len < 0 ? strerror(errno) : "changes while it is read";
}

static void read_one(struct files *f, const struct conf_file *at, struct report *r)
{
	/* What is not a file must not make us wait for a writer. */
	int fd = open(at->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *wrong = fd < 0 ? strerror(errno) : take(f, fd, at);
	char text[WHY_MAX];

	if (fd >= 0)
		close(fd);
	if (wrong == NULL)
		return;
	snprintf(text, sizeof text, "%s: %s", at->path, wrong);
	complain(r, at, text);
}

/* ---- what they mean ---- */

/* By the same code that the workers will use. The setting that is told of is the one whose file the reason begins with. */
static void check_listener(const struct files *f, const struct snapshot *conf, const struct listener *l, struct report *r)
{
	char why[WHY_MAX];
	SSL_CTX *c = tls_server_new(&conf->settings, l, &f->material, why, sizeof why);
	const struct conf_file *told = NULL;

	SSL_CTX_free(c);
	for (size_t i = 0; i < conf->file_count && c == NULL; i++) {
		const struct conf_file *at = &conf->files[i];

		if (at->listener == l && (told == NULL || strncmp(why, at->path, strlen(at->path)) == 0))
			told = at;
	}
	if (told != NULL)
		complain(r, told, why);
}

static void check_authorities(const struct files *f, const struct conf_file *at, struct report *r)
{
	char why[WHY_MAX];
	SSL_CTX *c = tls_client_new(at->path, &f->material, why, sizeof why);

	if (c == NULL)
		complain(r, at, why);
	SSL_CTX_free(c);
}

/* The setting of a file for CoAP origins that a reason begins with; else the last of them. NULL if there is none. */
static const struct conf_file *find_upstream(const struct snapshot *conf, const char *why)
{
	const struct conf_file *told = NULL;

	for (size_t i = 0; i < conf->file_count; i++) {
		const struct conf_file *at = &conf->files[i];

		if (at->listener != NULL || at->kind == CONF_FILE_CREDENTIALS)
			continue;
		told = at;
		if (strncmp(why, at->path, strlen(at->path)) == 0)
			break;
	}
	return told;
}

static void check_identities(const SSL_CTX *c, const struct snapshot *conf, struct report *r)
{
	const struct conf_file *told = find_upstream(conf, conf->settings.upstream_psk_file);
	char why[WHY_MAX];

	for (const struct route *at = conf->routes; at < conf->routes + conf->route_count && told != NULL; at++) {
		if (at->origin_identity[0] == '\0' || tls_has_identity(c, at->origin_identity))
			continue;
		snprintf(why, sizeof why, "%.200s: has no key of the identity %s, which routes.%s.origin-identity names", told->path, at->origin_identity,
			at->name);
		complain(r, told, why);
	}
}

static void check_upstream(const struct files *f, const struct snapshot *conf, struct report *r)
{
	char why[WHY_MAX] = "";
	SSL_CTX *c = tls_coap_client_new(&conf->settings, &f->material, why, sizeof why);
	const struct conf_file *told = find_upstream(conf, why);

	if (c != NULL)
		check_identities(c, conf, r);
	else if (told != NULL)
		complain(r, told, why);
	SSL_CTX_free(c);
}

static void check_credentials(const struct files *f, const struct conf_file *at, struct report *r)
{
	const struct material_file *file = material_find(&f->material, at->path);
	char why[WHY_MAX], text[WHY_MAX];
	struct credentials *c = credentials_parse((const char *)file->bytes, file->len, why, sizeof why);

	if (c == NULL) {
		snprintf(text, sizeof text, "%s:%.120s", at->path, why);
		complain(r, at, text);
	}
	credentials_free(c);
}

static void check(const struct files *f, const struct snapshot *conf, struct report *r)
{
	const struct listener *before = NULL;

	for (size_t i = 0; i < conf->file_count; i++) {
		const struct conf_file *at = &conf->files[i];

		if (at->listener != NULL && at->listener != before)
			check_listener(f, conf, at->listener, r);
		before = at->listener;
		if (at->kind == CONF_FILE_AUTHORITIES)
			check_authorities(f, at, r);
		if (at->kind == CONF_FILE_CREDENTIALS)
			check_credentials(f, at, r);
	}
	if (conf->asks_secured)
		check_upstream(f, conf, r);
}

/* ---- all ---- */

int files_read(struct files *f, const char *name, const struct snapshot *conf, FILE *errors)
{
	struct report r = { name, errors, false };

	*f = (struct files){ .material = { .count = 0 } };
	for (size_t i = 0; i < conf->file_count; i++)
		read_one(f, &conf->files[i], &r);
	/* What the rest means cannot be told where one is missing. */
	if (!r.failed)
		check(f, conf, &r);
	return r.failed ? -1 : 0;
}

void files_wipe(struct files *f)
{
	for (size_t i = 0; i < f->material.count; i++) {
		union {
			const uint8_t *given;
			uint8_t *own;
		} bytes = { .given = f->material.files[i].bytes };

		drop(bytes.own, f->material.files[i].len);
	}
	f->material.count = 0;
}

#include "proxy/exchange/resolve_files.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum {
	ZONES_MAX = 64,      /* names of interfaces looked up in one file */
	ZONE_DIGITS = 10,    /* of the number that takes the place of one */
	HOST_NAME_BYTES = 256,
	DOMAIN_LINE = HOST_NAME_BYTES + 16
};

/* Reads up to size bytes. Returns how many, 0 if there is nothing to be read. */
static size_t bytes_read(const char *path, char *bytes, size_t size)
{
	/* what is not a file must not make us wait for a writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t got = 0;

	if (fd < 0) {
		if (errno != ENOENT)
			log_warning("%s: %s", path, strerror(errno));
		return 0;
	}
	while (len < size && (got = read(fd, bytes + len, size - len)) != 0) {
		if (got > 0)
			len += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	if (got < 0) {
		log_warning("%s: %s", path, strerror(errno));
		len = 0;
	}
	close(fd);
	return len;
}

/* The bytes of a file behind `before`; a file that is too long loses what follows its last whole line. */
static char *file_read(const char *path, const char *before, size_t *len)
{
	size_t begin = strlen(before);
	char *text = malloc(begin + RESOLVE_FILE_MAX + 1), *fitting;

	if (text == NULL)
		return NULL;
	memcpy(text, before, begin);
	*len = bytes_read(path, text + begin, RESOLVE_FILE_MAX + 1);
	if (*len > RESOLVE_FILE_MAX) {
		log_warning("%s is longer than %d bytes: the rest is left out", path, RESOLVE_FILE_MAX);
		*len = RESOLVE_FILE_MAX;
		while (*len > 0 && text[begin + *len - 1] != '\n')
			(*len)--;
	}
	*len += begin;
	fitting = realloc(text, *len + 1);
	if (fitting != NULL)
		text = fitting;
	return text;
}

static bool ends_zone(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ']' || c == '#';
}

/* Copies a zone, as a number if it is the name of an interface. Returns how many bytes of `from` it was. */
static size_t zone_write(const char *from, size_t left, char **to)
{
	char name[IF_NAMESIZE];
	unsigned number = 0;
	size_t len = 0;

	while (len < left && !ends_zone(from[len]))
		len++;
	if (len > 0 && len < sizeof(name)) {
		memcpy(name, from, len);
		name[len] = '\0';
		number = if_nametoindex(name);
	}
	if (number != 0) {
		*to += snprintf(*to, ZONE_DIGITS + 1, "%u", number);
	} else {
		memcpy(*to, from, len);
		*to += len;
	}
	return len;
}

/* Takes a text and gives one with numbers in place of zones. Returns NULL, and the text is freed, without memory. */
static char *zones_resolve(char *text, size_t *len)
{
	char *out, *to;
	unsigned zones = 0;

	if (memchr(text, '%', *len) == NULL)
		return text;
	to = out = malloc(*len + ZONES_MAX * ZONE_DIGITS + 1);
	for (size_t at = 0; out != NULL && at < *len;) {
		*to++ = text[at++];
		if (text[at - 1] == '%' && zones++ < ZONES_MAX)
			at += zone_write(text + at, *len - at, &to);
	}
	free(text);
	if (out != NULL)
		*len = (size_t)(to - out);
	return out;
}

/* "domain NAME\n" if the name of this host has one, else nothing. */
static void domain_write(char out[DOMAIN_LINE])
{
	char name[HOST_NAME_BYTES];
	const char *dot;

	out[0] = '\0';
	if (gethostname(name, sizeof(name)) != 0)
		return;
	name[sizeof(name) - 1] = '\0';
	dot = strchr(name, '.');
	if (dot != NULL && dot[1] != '\0')
		snprintf(out, DOMAIN_LINE, "domain %s\n", dot + 1);
}

int resolve_files_read(const char *resolv_conf_path, const char *hosts_path, struct resolve_files_text *out)
{
	char domain[DOMAIN_LINE];
	struct resolve_files *files = &out->files;

	memset(out, 0, sizeof(*out));
	domain_write(domain);
	out->resolv_conf = file_read(resolv_conf_path, domain, &files->resolv_conf_len);
	out->hosts = file_read(hosts_path, "", &files->hosts_len);
	if (out->resolv_conf != NULL)
		out->resolv_conf = zones_resolve(out->resolv_conf, &files->resolv_conf_len);
	if (out->hosts != NULL)
		out->hosts = zones_resolve(out->hosts, &files->hosts_len);
	if (out->resolv_conf == NULL || out->hosts == NULL) {
		resolve_files_free(out);
		return -1;
	}
	files->resolv_conf = out->resolv_conf;
	files->hosts = out->hosts;
	return 0;
}

void resolve_files_free(struct resolve_files_text *text)
{
	free(text->resolv_conf);
	free(text->hosts);
	memset(text, 0, sizeof(*text));
}

/* objects: TLS_OBJS proxy/process/files.o proxy/http/credentials.o translate/http_message.o proxy/http/material.o CONF_OBJS base/bytes.o base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o translate/map_template.o tests/unit/certificates.o */
/* The files that a configuration names: what the parent takes, what it refuses, and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/process/files.h"
#include "tests/unit/certificates.h"

static struct made_certificate authority, gateway, other;
static char folder[] = "/var/tmp/test-files-XXXXXX";
static const char psk[] = "meter:000102030405060708090a0b0c0d0e0f\n", credentials[] =
	"basic alice 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n";

static int begin_all(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&other, "other.example", NULL, false, &authority, CERTIFICATE_GOOD_DAYS);
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int end_all(void **state)
{
	static const char *const names[] = { "gw.pem", "gw.key", "ca.pem", "psk", "credentials", "origins.pem", "pipe", "other.key" };
	char path[64];

	(void)state;
	certificate_free(&authority);
	certificate_free(&gateway);
	certificate_free(&other);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static const char *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const void *bytes, size_t len, mode_t mode)
{
	int fd;

	unlink(path_of(name));
	fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void put_text(const char *name, const char *text, mode_t mode)
{
	put(name, text, strlen(text), mode);
}

static void put_all(void)
{
	put_text("gw.pem", gateway.certificate_pem, 0644);
	put_text("gw.key", gateway.key_pem, 0600);
	put_text("ca.pem", authority.certificate_pem, 0644);
	put_text("psk", psk, 0640);
	put_text("credentials", credentials, 0600);
	put_text("origins.pem", authority.certificate_pem, 0644);
}

/* The configuration that names them all; @ is the folder. Lines count in what is told of them. */
static const char all_of_them[] =
	"listeners: {\n"
	"  web: { url = \"https://127.0.0.1:8443\";\n"
	"    certificate = \"@/gw.pem\";\n"
	"    key = \"@/gw.key\";\n"
	"    client-ca = \"@/ca.pem\";\n"
	"    psk-file = \"@/psk\"; };\n"
	"  again: { url = \"https://127.0.0.1:8444\"; certificate = \"@/gw.pem\"; key = \"@/gw.key\"; };\n"
	"  coap: { url = \"coap://127.0.0.1:5683\"; };\n"
	"};\n"
	"routes: { out: { from = [\"coap\"]; to = [\"https://app.example\"]; }; };\n"
	"http: {\n"
	"  credentials = \"@/credentials\";\n"
	"  ca = \"@/origins.pem\"; };\n";

static struct snapshot *load(const char *with_signs)
{
	char text[2048];
	struct snapshot *s;
	size_t len = 0;

	for (const char *at = with_signs; *at != '\0'; at++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%.*s", *at == '@' ? (int)strlen(folder) : 1, *at == '@' ? folder : at);
	s = conf_load_text(text, "text", stderr);
	assert_non_null(s);
	return s;
}

/* Returns what was told, with the folder's name left out; *f is filled. */
static char *read_into(struct files *f, const struct snapshot *s, int expected)
{
	char *told = NULL, *at;
	size_t size = 0;
	FILE *errors = open_memstream(&told, &size);

	assert_int_equal(files_read(f, "proxy.conf", s, errors), expected);
	fclose(errors);
	while ((at = strstr(told, folder)) != NULL)
		memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
	return told;
}

static void assert_told(const char *expected)
{
	static struct files f;
	struct snapshot *s = load(all_of_them);
	char *told = read_into(&f, s, expected[0] != '\0' ? -1 : 0);

	assert_string_equal(told, expected);
	free(told);
	files_wipe(&f);
	snapshot_release(s);
}

static void test_every_file_is_taken_once(void **state)
{
	static const char *const names[] = { "gw.pem", "gw.key", "ca.pem", "psk", "credentials", "origins.pem" };
	const char *const texts[] = { gateway.certificate_pem, gateway.key_pem, authority.certificate_pem, psk, credentials,
		authority.certificate_pem };
	static struct files f;
	struct snapshot *s;
	char *told;

	(void)state;
	put_all();
	s = load(all_of_them);
	assert_int_equal(s->file_count, 8);
	told = read_into(&f, s, 0);
	assert_string_equal(told, "");
	assert_int_equal(f.material.count, 6);
	for (size_t i = 0; i < 6; i++) {
		const struct material_file *found = material_find(&f.material, path_of(names[i]));

		assert_non_null(found);
		assert_int_equal(found->len, strlen(texts[i]));
		assert_string_equal((const char *)found->bytes, texts[i]);
	}
	assert_null(material_find(&f.material, ""));
	assert_null(material_find(&f.material, path_of("other")));
	files_wipe(&f);
	assert_int_equal(f.material.count, 0);
	free(told);
	snapshot_release(s);
}

/* The authorities of origins alone are not read where no origin has one: their default may not be there. */
static void test_what_nobody_wants_is_not_read(void **state)
{
	static struct files f;
	struct snapshot *s = load("listeners: { coap: { url = \"coap://127.0.0.1:5683\"; }; };\n"
		"routes: { out: { to = [\"http://app.example\"]; }; };\nhttp: { ca = \"@/nothing\"; };\n");
	char *told = read_into(&f, s, 0);

	(void)state;
	assert_string_equal(told, "");
	assert_int_equal(f.material.count, 0);
	free(told);
	snapshot_release(s);
}

static void test_what_cannot_be_read_is_told_all_at_once(void **state)
{
	(void)state;
	put_all();
	unlink(path_of("gw.key"));
	unlink(path_of("origins.pem"));
	put_text("psk", "", 0600);
	assert_told("proxy.conf:4: listeners.web.key: /gw.key: No such file or directory\n"
		"proxy.conf:6: listeners.web.psk-file: /psk: is empty\n"
		"proxy.conf:7: listeners.again.key: /gw.key: No such file or directory\n"
		"proxy.conf:13: http.ca: /origins.pem: No such file or directory\n");
}

static void test_secrets_are_kept_from_the_world(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *told; /* "": it is good */
	} cases[] = {
		{ "gw.pem", 0666, "" }, { "ca.pem", 0644, "" }, { "gw.key", 0660, "" }, { "gw.key", 0400, "" },
		{ "gw.key", 0604, "proxy.conf:4: listeners.web.key: /gw.key: holds secrets and is open to everybody: chmod o= it\n"
			"proxy.conf:7: listeners.again.key: /gw.key: holds secrets and is open to everybody: chmod o= it\n" },
		{ "psk", 0602, "proxy.conf:6: listeners.web.psk-file: /psk: holds secrets and is open to everybody: chmod o= it\n" },
		{ "credentials", 0644, "proxy.conf:12: http.credentials: /credentials: holds secrets and is open to everybody: chmod o= it\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_all();
		assert_int_equal(chmod(path_of(cases[i].name), cases[i].mode), 0);
		assert_told(cases[i].told);
	}
	put_all();
	if (chown(path_of("psk"), 12345, (gid_t)-1) == 0) /* only root can */
		assert_told("proxy.conf:6: listeners.web.psk-file: /psk: holds secrets and belongs to another user\n");
}

/* Also one that a setting without secrets names too. */
static void test_a_key_in_an_open_file_is_refused(void **state)
{
	static struct files f;
	char *both = joined(gateway.certificate_pem, gateway.key_pem), *told;
	struct snapshot *s = load("listeners: {\n  web: { url = \"https://127.0.0.1:8443\";\n    certificate = \"@/gw.pem\";\n"
		"    key = \"@/gw.pem\"; };\n};\n");

	(void)state;
	put_text("gw.pem", both, 0644);
	told = read_into(&f, s, -1);
	assert_string_equal(told, "proxy.conf:4: listeners.web.key: /gw.pem: holds secrets and is open to everybody: chmod o= it\n");
	free(told);
	files_wipe(&f);
	put_text("gw.pem", both, 0600);
	told = read_into(&f, s, 0);
	assert_string_equal(told, "");
	assert_int_equal(f.material.count, 1);
	files_wipe(&f);
	free(told);
	free(both);
	snapshot_release(s);
}

static void test_what_is_no_file_is_refused(void **state)
{
	(void)state;
	put_all();
	unlink(path_of("gw.pem"));
	assert_int_equal(mkfifo(path_of("gw.pem"), 0600), 0); /* and nobody waits for a writer */
	assert_told("proxy.conf:3: listeners.web.certificate: /gw.pem: is no file\n"
		"proxy.conf:7: listeners.again.certificate: /gw.pem: is no file\n");
	unlink(path_of("gw.pem"));
	assert_int_equal(mkdir(path_of("gw.pem"), 0700), 0);
	assert_told("proxy.conf:3: listeners.web.certificate: /gw.pem: is no file\n"
		"proxy.conf:7: listeners.again.certificate: /gw.pem: is no file\n");
	rmdir(path_of("gw.pem"));
}

static void test_a_file_has_a_longest_length(void **state)
{
	char *much = malloc(64 * 1024 + 1);
	size_t used = strlen(gateway.key_pem);

	(void)state;
	memset(much, '\n', 64 * 1024 + 1);
	memcpy(much, gateway.key_pem, used);
	put_all();
	put("gw.key", much, 64 * 1024, 0600);
	assert_told("");
	put("gw.key", much, 64 * 1024 + 1, 0600);
	assert_told("proxy.conf:4: listeners.web.key: /gw.key: is too long\nproxy.conf:7: listeners.again.key: /gw.key: is too long\n");
	free(much);
}

/* By the code that the workers use; told at the setting whose file it is. */
static void test_what_the_files_mean_is_looked_at(void **state)
{
	const struct {
		const char *name, *text, *told;
	} cases[] = {
		{ "gw.key", other.key_pem, "proxy.conf:4: listeners.web.key: /gw.key: is not the certificate's private key, unencrypted in PEM "
			"(key values mismatch)\nproxy.conf:7: listeners.again.key: /gw.key: is not the certificate's private key, unencrypted in PEM "
			"(key values mismatch)\n" },
		{ "ca.pem", "text\n", "proxy.conf:5: listeners.web.client-ca: /ca.pem: is not one to 1024 certificates in PEM\n" },
		{ "psk", "a:b\n", "proxy.conf:6: listeners.web.psk-file: /psk:1: the key is not 16 to 64 bytes in hexadecimal\n" },
		{ "origins.pem", "text\n", "proxy.conf:13: http.ca: /origins.pem: is not one to 1024 certificates in PEM\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_all();
		put_text(cases[i].name, cases[i].text, 0600);
		assert_told(cases[i].told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file_is_taken_once),
		cmocka_unit_test(test_what_nobody_wants_is_not_read),
		cmocka_unit_test(test_what_cannot_be_read_is_told_all_at_once),
		cmocka_unit_test(test_secrets_are_kept_from_the_world),
		cmocka_unit_test(test_a_key_in_an_open_file_is_refused),
		cmocka_unit_test(test_what_is_no_file_is_refused),
		cmocka_unit_test(test_a_file_has_a_longest_length),
		cmocka_unit_test(test_what_the_files_mean_is_looked_at),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}

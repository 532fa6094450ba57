/* objects: TLS_OBJS proxy/process/files.o proxy/http/credentials.o translate/http_message.o proxy/http/material.o CONF_OBJS base/bytes.o base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o translate/map_template.o tests/unit/certificates.o coap/option.o */
/* The files that a configuration names: what the parent takes, what it refuses, and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
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
	static const char *const names[] = { "gw.pem", "gw.key", "ca.pem", "psk", "credentials", "origins.pem", "pipe", "other.key", "other.pem", "public.pem" };
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

static void assert_told_of(const char *configuration, const char *expected)
{
	static struct files f;
	struct snapshot *s = load(configuration);
	char *told = read_into(&f, s, expected[0] != '\0' ? -1 : 0);

	assert_string_equal(told, expected);
	free(told);
	files_wipe(&f);
	snapshot_release(s);
}

static void assert_told(const char *expected)
{
	assert_told_of(all_of_them, expected);
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

/* ---- CoAP ---- */

static const char of_coap[] =
	"listeners: {\n"
	"  meters: { url = \"coaps://127.0.0.1\"; psk-file = \"@/psk\"; certificate = \"@/gw.pem\"; key = \"@/gw.key\";\n"
	"    certificates = [\"@/other.pem @/other.key\"]; };\n"
	"  plain: { url = \"coap+tcp://127.0.0.1\"; };\n"
	"  named: { url = \"coaps+tcp://127.0.0.1\"; psk-file = \"@/psk\"; };\n"
	"};\n"
	"routes: { out: { to = [\"coaps://192.0.2.1\"]; origin-identity = \"meter\"; }; };\n"
	"upstream: {\n"
	"  psk-file = \"@/psk\";\n"
	"  certificate = \"@/gw.pem\";\n"
	"  key = \"@/gw.key\";\n"
	"  ca = \"@/origins.pem\"; };\n";

static void put_all_of_coap(void)
{
	put_all();
	put_text("other.pem", other.certificate_pem, 0644);
	put_text("other.key", other.key_pem, 0600);
}

static void test_files_of_coap_are_looked_at(void **state)
{
	static const char no_key[] = "is not the certificate's private key, unencrypted in PEM (key values mismatch)\n";
	const struct {
		const char *name, *text, *told[2]; /* and what no_key says after each, where there is another */
	} cases[] = {
		{ "psk", "meter:0001\n", { "proxy.conf:2: listeners.meters.psk-file: /psk:1: the key is not 16 to 64 bytes in hexadecimal\n"
			"proxy.conf:5: listeners.named.psk-file: /psk:1: the key is not 16 to 64 bytes in hexadecimal\n"
			"proxy.conf:9: upstream.psk-file: /psk:1: the key is not 16 to 64 bytes in hexadecimal\n", NULL } },
		{ "psk", "meters:000102030405060708090a0b0c0d0e0f\n",
			{ "proxy.conf:9: upstream.psk-file: /psk: has no key of the identity meter, which routes.out.origin-identity names\n", NULL } },
		{ "gw.key", other.key_pem, { "proxy.conf:2: listeners.meters.key: /gw.key: ", "proxy.conf:11: upstream.key: /gw.key: " } },
		{ "other.key", gateway.key_pem, { "proxy.conf:3: listeners.meters.certificates: /other.key: ", "" } },
		{ "other.pem", "text\n", { "proxy.conf:3: listeners.meters.certificates: /other.pem: is not one to 17 certificates in PEM that can be used\n",
			NULL } },
		{ "origins.pem", "text\n", { "proxy.conf:12: upstream.ca: /origins.pem: is not one to 1024 certificates in PEM\n"
			"proxy.conf:12: upstream.ca: /origins.pem: is not one to 1024 certificates in PEM\n", NULL } },
	};
	char told[600];

	(void)state;
	put_all_of_coap();
	assert_told_of(of_coap, "");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool twice = cases[i].told[1] != NULL && cases[i].told[1][0] != '\0';

		put_all_of_coap();
		put_text(cases[i].name, cases[i].text, 0600);
		snprintf(told, sizeof told, "%s%s%s%s", cases[i].told[0], cases[i].told[1] != NULL ? no_key : "", twice ? cases[i].told[1] : "",
			twice ? no_key : "");
		assert_told_of(of_coap, told);
	}
	put_all_of_coap();
	assert_int_equal(chmod(path_of("other.key"), 0644), 0);
	assert_told_of(of_coap, "proxy.conf:3: listeners.meters.certificates: /other.key: holds secrets and is open to everybody: chmod o= it\n");
}

/* Those who vouch for https origins do for CoAP origins too, where nothing else is said, and where they are verified at all. */
static void test_who_vouches_for_coap_origins(void **state)
{
	static const char by_identity[] = "listeners: { a: { url = \"coap://127.0.0.1\"; }; };\n"
		"routes: { r: { to = [\"coaps+tcp://192.0.2.1\"]; origin-identity = \"meter\"; }; };\n"
		"upstream: { psk-file = \"@/psk\"; }; http: { ca = \"@/nothing\"; };\n",
		by_certificate[] = "listeners: { a: { url = \"coap://127.0.0.1\"; }; };\n"
		"routes: { r: { forward-to = [\"coaps+ws://*\"]; }; };\n"
		"http: { ca = \"@/nothing\"; };\n",
		by_nobody[] = "listeners: { a: { url = \"coap://127.0.0.1\"; }; };\n"
		"routes: { r: { forward-to = [\"coap+ws://*\", \"coap+tcp://*\"]; }; };\n"
		"upstream: { psk-file = \"@/nothing\"; ca = \"@/nothing\"; }; http: { ca = \"@/nothing\"; };\n";

	(void)state;
	put_all();
	assert_told_of(by_identity, "");
	assert_told_of(by_nobody, "");
	assert_told_of(by_certificate, "proxy.conf:3: http.ca: /nothing: No such file or directory\n");
}

/* A raw public key stands where a certificate would. */
static void test_a_raw_public_key_wants_a_library_that_has_them(void **state)
{
	static const char bare[] = "listeners: {\n  a: { url = \"coaps://127.0.0.1\"; certificate = \"@/public.pem\"; key = \"@/gw.key\"; };\n};\n",
		named[] = "listeners: {\n  a: { url = \"coaps://127.0.0.1\"; certificate = \"@/gw.pem\"; key = \"@/gw.key\";\n"
		"    certificates = \"@/public.pem @/gw.key\"; };\n};\n",
		shown[] = "listeners: { a: { url = \"coap://127.0.0.1\"; }; };\nroutes: { r: { to = \"coaps://192.0.2.1\"; }; };\n"
		"upstream: { certificate = \"@/public.pem\"; key = \"@/gw.key\"; ca = \"@/ca.pem\"; };\n";
	char *text = NULL, told[200];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	put_all();
	assert_int_equal(PEM_write_PUBKEY(out, gateway.key), 1);
	fclose(out);
	put_text("public.pem", text, 0644);
	free(text);
	snprintf(told, sizeof told, "proxy.conf:2: listeners.a.certificate: /public.pem: holds a raw public key, for which OpenSSL 3.2 is needed; "
		"this is %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
	assert_told_of(bare, OpenSSL_version_num() < 0x30200000 ? told : "");
	assert_told_of(named, "proxy.conf:3: listeners.a.certificates: /public.pem: holds a raw public key, which is for no name\n");
	assert_told_of(shown, "proxy.conf:3: upstream.certificate: /public.pem: holds a raw public key, which is for listeners alone\n");
	put_text("gw.key", other.key_pem, 0600);
	assert_told_of(bare, "proxy.conf:2: listeners.a.key: /gw.key: is not the public key's private key, unencrypted in PEM\n");
}

/* Suites that the library does not know, or that the security level forbids, are told of where the context would be. */
static void test_suites_that_are_none(void **state)
{
	(void)state;
	put_all();
	assert_told_of("listeners: {\n  a: { url = \"coaps+tcp://127.0.0.1\"; psk-file = \"@/psk\"; };\n};\ntransports: { ciphers = \"NO-SUCH-SUITE\"; };\n",
		"proxy.conf:2: listeners.a.psk-file: transports.ciphers: has no suite that is known here and allowed by security-level (no cipher match)\n");
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
		cmocka_unit_test(test_files_of_coap_are_looked_at),
		cmocka_unit_test(test_who_vouches_for_coap_origins),
		cmocka_unit_test(test_a_raw_public_key_wants_a_library_that_has_them),
		cmocka_unit_test(test_suites_that_are_none),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}

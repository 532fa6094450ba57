/* objects: proxy/http/credentials.o translate/http_message.o base/bytes.o */
/* The file of tokens and passwords, and the Authorization fields that are checked by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "proxy/http/credentials.h"
#include "tests/unit/covers.h"
#include "tests/unit/heads.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { FILE_ROOM = 8192 };

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* Adds a line "KIND NAME HASH", the hash being that of `secret`. */
static void add_line(char file[FILE_ROOM], const char *kind, const char *name, const char *secret)
{
	uint8_t digest[32];
	size_t len = strlen(file);

	assert_int_equal(EVP_Digest(secret, strlen(secret), digest, NULL, EVP_sha256(), NULL), 1);
	len += (size_t)snprintf(file + len, FILE_ROOM - len, "%s %s ", kind, name);
	for (size_t i = 0; i < sizeof digest; i++)
		len += (size_t)snprintf(file + len, FILE_ROOM - len, "%02x", digest[i]);
	snprintf(file + len, FILE_ROOM - len, "\n");
}

static struct credentials *read_file(const char *text)
{
	char error[200] = "";
	struct credentials *c = credentials_parse(text, strlen(text), error, sizeof error);

	if (c == NULL)
		fail_msg("%s", error);
	return c;
}

static struct credentials *four(void)
{
	char file[FILE_ROOM] = "# names\n\n";

	add_line(file, "bearer", "alice", "token-a");
	add_line(file, "basic", "bob", "pass:word");
	add_line(file, "bearer", "carol", "token-c");
	add_line(file, "basic", "alice", "");
	return read_file(file);
}

/* "Basic " and user:password in base64. */
static const char *basic(char field[512], const char *pair, size_t len)
{
	size_t head = (size_t)sprintf(field, "Basic ");

	EVP_EncodeBlock((unsigned char *)field + head, (const unsigned char *)pair, (int)len);
	return field;
}

static void is_proved(const struct credentials *c, const char *field, const char *name)
{
	struct credential_proof proof = { .used = false };
	const char *proved = credentials_check(c, text_of(field), &proof);

	if ((proved == NULL) != (name == NULL) || (name != NULL && strcmp(name, proved) != 0))
		fail_msg("%s proves %s", field, proved != NULL ? proved : "nobody");
	assert_int_equal(proof.used, name != NULL);
	if (name != NULL)
		assert_true(credentials_hold(c, name, &proof));
	if (name != NULL)
		assert_false(credentials_hold(c, "mallory", &proof));
}

static void tokens(void **state)
{
	static const struct { const char *field, *name; } rows[] = {
		{ "Bearer token-a", "alice" }, { "bearer token-c", "carol" }, { "BEARER \t token-a", "alice" }, { "Bearer token-a ", "alice" },
		{ "Bearer token-b", NULL }, { "Bearer", NULL }, { "Bearer ", NULL }, { "", NULL }, { " ", NULL }, { "token-a", NULL },
		{ "Bearer token-a token-a", NULL }, { "Bearertoken-a", NULL }, { "Bearer Token-a", NULL }, { "Bearer token-", NULL },
		{ "Bearer token-aa", NULL }, { "Bearer pass:word", NULL }, { "Digest token-a", NULL }, { "Bearer,token-a", NULL },
	};
	struct credentials *c = four();

	(void)state;
	covers("C8075-10-2");
	for (size_t i = 0; i < COUNT(rows); i++)
		is_proved(c, rows[i].field, rows[i].name);
	credentials_free(c);
}

static void passwords(void **state)
{
	static const struct { const char *pair; size_t len; const char *name; } rows[] = {
		{ "bob:pass:word", 13, "bob" }, { "alice:", 6, "alice" }, { "bob:pass", 8, NULL }, { "bob:", 4, NULL }, { "bob", 3, NULL },
		{ ":", 1, NULL }, { ":pass:word", 10, NULL }, { "carol:token-c", 13, NULL }, { "Bob:pass:word", 13, NULL },
		{ "bob\0x:pass:word", 15, NULL }, { "bob:pass:word\0", 14, NULL }, { "alice:\0", 7, NULL }, { "bob:pass:word\n", 14, NULL },
	};
	static const char *const unsound[] = {
		"Basic", "Basic ", "Basic Ym9iOnBhc3M6d29yZA", "Basic Ym9iOnBhc3M6d29yZA=", "Basic ====", "Basic =", "Basic Ym9i OnBhc3M6d29yZA==",
		"Basic Ym9iOnBhc3M6d29y*A==", "Basic Ym9iOnBhc3M6d29yZA==Ym9i", "Basic Ym9iOnBhc3M6d29yZA==----", "Basic \xff\xff\xff\xff",
	};
	struct credentials *c = four();
	char field[512];

	(void)state;
	covers("C8075-10-2");
	for (size_t i = 0; i < COUNT(rows); i++)
		is_proved(c, basic(field, rows[i].pair, rows[i].len), rows[i].name);
	is_proved(c, "basic Ym9iOnBhc3M6d29yZA==", "bob");
	for (size_t i = 0; i < COUNT(unsound); i++)
		is_proved(c, unsound[i], NULL);
	credentials_free(c);
}

/* Secrets longer than any that is looked at: refused, at the exact lengths of the buffers too. */
static void long_secrets(void **state)
{
	static const size_t lengths[] = { 1020, 1024, 1028, 1364, 1365, 1366, 1368, 1372, 4095, 4096, 4097, 9000 };
	struct credentials *c = four();
	char *field = malloc(9100);

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		memcpy(field, "Basic ", 6);
		memset(field + 6, 'A', lengths[i]);
		field[6 + lengths[i]] = '\0';
		is_proved(c, field, NULL);
		memset(field + 6, '/', lengths[i]);
		is_proved(c, field, NULL);
		memcpy(field, "Bearer", 6);
		field[6] = ' ';
		is_proved(c, field, NULL);
	}
	free(field);
	credentials_free(c);
}

/* A proof holds by the file that is then in force, or not. */
static void proofs(void **state)
{
	static const struct { const char *kind, *name, *secret; bool token, password; } rows[] = {
		{ "bearer", "alice", "token-a", true, false }, { "bearer", "other", "token-a", false, false },
		{ "bearer", "alice", "token-b", false, false },
		{ "basic", "bob", "pass:word", false, true }, { "basic", "bob", "other", false, false }, { "basic", "rob", "pass:word", false, false },
		{ "basic", "alice", "token-a", false, false }, { "bearer", "bob", "pass:word", false, false },
	};
	struct credentials *c = four();
	struct credential_proof token, password;
	char field[512];

	(void)state;
	covers("C8075-10-2");
	assert_string_equal(credentials_check(c, text_of("Bearer token-a"), &token), "alice");
	assert_string_equal(credentials_check(c, text_of(basic(field, "bob:pass:word", 13)), &password), "bob");
	credentials_free(c);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char file[FILE_ROOM] = "";

		add_line(file, rows[i].kind, rows[i].name, rows[i].secret);
		c = read_file(file);
		assert_int_equal(credentials_hold(c, "alice", &token), rows[i].token);
		assert_int_equal(credentials_hold(c, "bob", &password), rows[i].password);
		credentials_free(c);
	}
	c = read_file("");
	assert_false(credentials_hold(c, "alice", &token) || credentials_hold(c, "bob", &password));
	credentials_free(c);
}

static void is_refused(const char *text, size_t len, const char *why)
{
	char error[200] = "";
	struct credentials *c = credentials_parse(text, len, error, sizeof error);

	if (c != NULL || strstr(error, why) == NULL)
		fail_msg("%.*s: %s", (int)len, text, c != NULL ? "is taken" : error);
}

static void files(void **state)
{
	static const struct { const char *head; int digits; const char *tail, *why; } rows[] = {
		{ "token a ", 64, "", "neither bearer nor basic" }, { "Bearer a ", 64, "", "neither bearer nor basic" },
		{ "bearer ", 64, "", "no SHA-256" },
		{ "bearer", 0, "", "no name" }, { "bearer a", 0, "", "no SHA-256" }, { "bearer a 0", 64, "", "no SHA-256" },
		{ "bearer a ", 63, "", "no SHA-256" }, { "bearer a ", 63, "g", "no SHA-256" }, { "bearer a ", 64, " x", "more than three words" },
		{ "basic a:b ", 64, "", "no name" }, { "bearer a\x01 ", 64, "", "no name" }, { "bearer \xc3\xa9 ", 64, "", "no name" },
		{ "basic \x7f ", 64, "", "no name" },
	};
	char text[400], longest[CREDENTIAL_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof text, "# first\r\n\r\n%s%.*s%s", rows[i].head, rows[i].digits, zeros, rows[i].tail);
		is_refused(text, strlen(text), "3: ");
		is_refused(text, strlen(text), rows[i].why);
	}
	memset(longest, 'n', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	snprintf(text, sizeof text, "bearer %s %s", longest, zeros);
	is_refused(text, strlen(text), "1: has no name");
	snprintf(text, sizeof text, "bearer %s %s", longest + 1, zeros);
	credentials_free(read_file(text));
}

static void twins(void **state)
{
	char text[600];

	(void)state;
	/* whose it is could not be told */
	snprintf(text, sizeof text, "bearer a %s\nbearer b %s\n", zeros, zeros);
	is_refused(text, strlen(text), "twice");
	snprintf(text, sizeof text, "basic a %s\nbasic a 1%.63s\n", zeros, zeros);
	is_refused(text, strlen(text), "twice");
	/* a name may have a token and a password, and two people one password */
	snprintf(text, sizeof text, "basic a %s\nbasic b %s\nbearer a %s", zeros, zeros, zeros);
	credentials_free(read_file(text));
}

static void forms_of_a_file(void **state)
{
	char file[FILE_ROOM] = "", hash[80];
	struct credentials *c;

	(void)state;
	/* neither the end of the last line nor capitals nor blanks matter; a NUL is no end */
	add_line(file, "bearer", "alice", "token-a");
	memcpy(hash, file + strlen("bearer alice "), 64);
	hash[64] = '\0';
	for (char *at = hash; *at != '\0'; at++)
		*at = (char)(*at >= 'a' && *at <= 'f' ? *at - 32 : *at);
	snprintf(file, sizeof file, "  #x\n \t bearer\talice  %s\t\r\n   \r\n#", hash);
	c = read_file(file);
	is_proved(c, "Bearer token-a", "alice");
	credentials_free(c);
	snprintf(file, sizeof file, "bearer a%cb %s", 0, zeros);
	is_refused(file, strlen("bearer a") + 3 + 64, "no name");
	c = read_file("");
	is_proved(c, "Bearer token-a", NULL);
	credentials_free(c);
	credentials_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens), cmocka_unit_test(passwords), cmocka_unit_test(long_secrets), cmocka_unit_test(proofs),
		cmocka_unit_test(files), cmocka_unit_test(twins), cmocka_unit_test(forms_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

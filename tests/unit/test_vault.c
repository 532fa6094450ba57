/* objects: oscore/reader/vault.o */
/* libs: -lcrypto */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "oscore/reader/vault.h"

static bool is_zero(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Of every size: zero, aligned, apart from all others; what is freed is zero at once, and used again. */
static void test_what_is_freed_is_wiped(void **state)
{
	unsigned char *before = NULL;
	size_t extent;

	(void)state;
	for (size_t size = 0; size < 5000; size += size < 600 ? 1 : 97) {
		unsigned char *p = vault_new(size), *other = vault_new(size);

		assert_non_null(p);
		assert_non_null(other);
		assert_true(vault_holds(p) && vault_holds(other));
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		assert_true(is_zero(p, size) && is_zero(other, size));
		memset(p, 0xa5, size);
		assert_true(is_zero(other, size));
		memset(other, 0x5a, size);
		vault_free(other);
		assert_true(is_zero(other, size));
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0xa5);
		vault_free(p);
		assert_true(is_zero(p, size));
		before = p;
	}
	extent = vault_extent();
	for (int i = 0; i < 100; i++) {
		vault_free(vault_new(4900));
		assert_true(vault_extent() - extent < 8192);
	}
	assert_true(vault_holds(before));
	vault_free(NULL);
}

static void test_what_does_not_fit_is_refused(void **state)
{
	void *large[64];
	size_t count = 0;

	(void)state;
	assert_null(vault_new(SIZE_MAX));
	assert_null(vault_new(VAULT_SIZE));
	assert_null(vault_new_array(SIZE_MAX / 2, 4));
	assert_null(vault_new_array(VAULT_SIZE, 2));
	while (count < 64 && (large[count] = vault_new(VAULT_SIZE / 16)) != NULL)
		count++;
	assert_in_range(count, 8, 16);
	while (count > 0)
		vault_free(large[--count]);
	assert_non_null(large[0] = vault_new(VAULT_SIZE / 16));
	vault_free(large[0]);
}

static void test_openssl_keeps_everything_there(void **state)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned char key[16] = { 1 };
	void *grown;

	(void)state;
	assert_true(vault_holds(c));
	assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL), 1);
	EVP_CIPHER_CTX_free(c);
	grown = OPENSSL_malloc(10);
	memcpy(grown, "0123456789", 10);
	grown = OPENSSL_realloc(grown, 100000);
	assert_memory_equal(grown, "0123456789", 10);
	grown = OPENSSL_realloc(grown, 5);
	assert_memory_equal(grown, "01234", 5);
	assert_null(OPENSSL_realloc(grown, 0));
}

/* /proc/self/smaps: nothing of the mapping would be dumped. */
static void test_it_is_in_no_core_dump(void **state)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool inside = false, seen = false, is_excluded = false;
	void *p = vault_new(10);

	(void)state;
	assert_non_null(maps);
	if (getenv("TEST_EMULATED") != NULL) { /* what there is to read is not of the same addresses */
		fclose(maps);
		vault_free(p);
		return;
	}
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
			seen = seen || inside;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			is_excluded = strstr(line, " dd") != NULL;
		}
	}
	fclose(maps);
	assert_true(seen);
	assert_true(is_excluded);
	vault_free(p);
}

static int open_vault(void **state)
{
	(void)state;
	return vault_open();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_freed_is_wiped),
		cmocka_unit_test(test_openssl_keeps_everything_there),
		cmocka_unit_test(test_it_is_in_no_core_dump),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, open_vault, NULL);
}

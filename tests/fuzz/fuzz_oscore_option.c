/* objects: oscore/option.o base/hash.o base/random.o base/log.o base/clock.o */
/* measures: oscore/option.c */
/*
 * The first byte says whether the group flag is known, the rest is the value. What is taken apart must, put together
 * again, give the same bytes: nothing was skipped, nothing read twice, and no two values mean the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "oscore/option.h"
#include "tests/fuzz/fuzz.h"

static void check(bool true_here)
{
	if (!true_here)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hash_key key = { 1, 2 };
	uint8_t again[OSCORE_OPTION_MAX];
	struct oscore_option o;
	struct writer w;

	if (size == 0)
		return 0;
	if (oscore_option_parse(&o, data + 1, size - 1, data[0] & 1 ? OSCORE_FLAG_GROUP : 0) < 0)
		return 0;
	writer_init(&w, again, sizeof again);
	if (o.flags != 0)
		writer_u8(&w, o.flags);
	writer_bytes(&w, o.piv, o.piv_len);
	if (o.kid_context != NULL) {
		writer_u8(&w, o.kid_context_len);
		writer_bytes(&w, o.kid_context, o.kid_context_len);
	}
	writer_bytes(&w, o.kid, o.kid_len);
	check(!w.failed && writer_length(&w) == size - 1);
	check(size == 1 || memcmp(again, data + 1, size - 1) == 0);
	check(oscore_option_fits_request(&o) == (o.piv != NULL && (o.flags & OSCORE_FLAG_KID) != 0));
	check(oscore_option_sequence(&o) >> 40 == 0);
	(void)oscore_option_kid_hash(&o, &key);
	return 0;
}

#include "tools/demo_context.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "oscore/derive.h"

enum { WINDOW = 64, YEAR_2020 = 1577836800 };

void demo_context_init(struct oscore_context *c, bool device)
{
	static const struct oscore_master_key master = {
		16, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }
	};
	static const uint8_t salt[] = { 0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40 };
	static const uint8_t device_id[] = { 1 };
	const struct oscore_parameters p = {
		.aead = OSCORE_AES_CCM_16_64_128, .hkdf = OSCORE_HKDF_SHA256, .master = &master,
		.salt = salt, .salt_len = sizeof salt,
		.sender_id = device_id, .sender_id_len = device ? sizeof device_id : 0,
		.recipient_id = device_id, .recipient_id_len = device ? 0 : sizeof device_id,
	};

	if (oscore_derive_context(c, &p) < 0) {
		fprintf(stderr, "oscore-demo: the security context cannot be derived\n");
		exit(1);
	}
}

uint64_t demo_context_sequence(void)
{
	uint32_t microseconds;
	int64_t seconds = clock_wall(&microseconds);

	return (uint64_t)(seconds - YEAR_2020) * 1000 + microseconds / 1000;
}

void demo_window_init(struct demo_window *w, uint64_t highest)
{
	w->highest = highest;
	w->taken = UINT64_MAX;
}

bool demo_window_accepts(const struct demo_window *w, uint64_t sequence)
{
	if (sequence > w->highest)
		return true;
	if (w->highest - sequence >= WINDOW)
		return false;
	return (w->taken >> (w->highest - sequence) & 1) == 0;
}

void demo_window_take(struct demo_window *w, uint64_t sequence)
{
	if (sequence > w->highest) {
		uint64_t step = sequence - w->highest;

		w->taken = step >= WINDOW ? 0 : w->taken << step;
		w->highest = sequence;
	}
	w->taken |= 1ull << (w->highest - sequence);
}

/*
 * value - single values of the configuration between text and field: numbers with units, port ranges.
 *
 * A reader returns NULL, or what is wrong, as the end of a sentence that begins with the value.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stddef.h>
#include <stdint.h>

enum { VALUE_TEXT_MAX = 32 };

/* "500ms", "30s", "10min", "24h" to microseconds: us, ms, s, min, h, d. */
const char *value_read_duration(const char *text, uint64_t *us) __attribute__((warn_unused_result));
/* "64kB", "4MiB", "512B" to bytes: B; kB, MB, GB of powers of 1000; KiB, MiB, GiB of powers of 1024. */
const char *value_read_size(const char *text, uint64_t *bytes) __attribute__((warn_unused_result));
/* "1.5" to 150: at most two decimals. */
const char *value_read_factor(const char *text, uint64_t *hundredths) __attribute__((warn_unused_result));
/* "any", "5683" or "5683-5690"; any is 0, 0. */
const char *value_read_ports(const char *text, uint32_t *lo, uint32_t *hi) __attribute__((warn_unused_result));

/* The same back, with the largest unit that divides the value. Always terminated; return out. */
const char *value_write_duration(uint64_t us, char out[VALUE_TEXT_MAX]);
const char *value_write_size(uint64_t bytes, char out[VALUE_TEXT_MAX]);
const char *value_write_factor(uint64_t hundredths, char out[VALUE_TEXT_MAX]);
const char *value_write_ports(uint32_t lo, uint32_t hi, char out[VALUE_TEXT_MAX]);

/* Puts v into an unsigned field of 1, 2, 4 or 8 bytes, and gets it out again. v must fit. */
void value_store(void *field, size_t width, uint64_t v);
uint64_t value_fetch(const void *field, size_t width);

#endif

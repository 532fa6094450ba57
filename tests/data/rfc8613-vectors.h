/*
 * The test vectors of RFC 8613, Appendix C, and the examples of its sections 5.4 and 6.3, as hex. NULL is absent, "" is
 * present and empty.
 */
#ifndef TESTS_DATA_RFC8613_VECTORS_H
#define TESTS_DATA_RFC8613_VECTORS_H

#include <stddef.h>

struct vector_context {
	const char *id;
	const char *master_secret, *master_salt, *sender_id, *recipient_id, *id_context;
	const char *sender_info, *recipient_info, *iv_info;
	const char *sender_key, *recipient_key, *common_iv;
	const char *sender_nonce, *recipient_nonce; /* of Partial IV 0 */
};

static const struct vector_context vector_contexts[] = {
	{
		"C.1.1",
		"0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340", "", "01", NULL,
		"8540f60a634b657910", "854101f60a634b657910", "8540f60a6249560d",
		"f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710", "4622d4dd6d944168eefb54987c",
		"4622d4dd6d944168eefb54987c", "4722d4dd6d944169eefb54987c",
	},
	{
		"C.1.2",
		"0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340", "01", "", NULL,
		"854101f60a634b657910", "8540f60a634b657910", "8540f60a6249560d",
		"ffb14e093c94c9cac9471648b4f98710", "f0910ed7295e6ad4b54fc793154302ff", "4622d4dd6d944168eefb54987c",
		"4722d4dd6d944169eefb54987c", "4622d4dd6d944168eefb54987c",
	},
	{
		"C.2.1",
		"0102030405060708090a0b0c0d0e0f10", "", "00", "01", NULL,
		"854100f60a634b657910", "854101f60a634b657910", "8540f60a6249560d",
		"321b26943253c7ffb6003b0b64d74041", "e57b5635815177cd679ab4bcec9d7dda", "be35ae297d2dace910c52e99f9",
		"bf35ae297d2dace910c52e99f9", "bf35ae297d2dace810c52e99f9",
	},
	{
		"C.2.2",
		"0102030405060708090a0b0c0d0e0f10", "", "01", "00", NULL,
		"854101f60a634b657910", "854100f60a634b657910", "8540f60a6249560d",
		"e57b5635815177cd679ab4bcec9d7dda", "321b26943253c7ffb6003b0b64d74041", "be35ae297d2dace910c52e99f9",
		"bf35ae297d2dace810c52e99f9", "bf35ae297d2dace910c52e99f9",
	},
	{
		"C.3.1",
		"0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340", "", "01", "37cbf3210017a2d3",
		"85404837cbf3210017a2d30a634b657910", "8541014837cbf3210017a2d30a634b657910", "85404837cbf3210017a2d30a6249560d",
		"af2a1300a5e95788b356336eeecd2b92", "e39a0c7c77b43f03b4b39ab9a268699f", "2ca58fb85ff1b81c0b7181b85e",
		"2ca58fb85ff1b81c0b7181b85e", "2da58fb85ff1b81d0b7181b85e",
	},
	{
		"C.3.2",
		"0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340", "01", "", "37cbf3210017a2d3",
		"8541014837cbf3210017a2d30a634b657910", "85404837cbf3210017a2d30a634b657910", "85404837cbf3210017a2d30a6249560d",
		"e39a0c7c77b43f03b4b39ab9a268699f", "af2a1300a5e95788b356336eeecd2b92", "2ca58fb85ff1b81c0b7181b85e",
		"2da58fb85ff1b81d0b7181b85e", "2ca58fb85ff1b81c0b7181b85e",
	},
};

struct vector_message {
	const char *id, *context;
	const char *in_reply_to; /* NULL: a request */
	unsigned sequence;
	const char *unprotected;
	const char *piv, *kid, *kid_context;
	const char *aad, *plaintext, *nonce;
	const char *option, *ciphertext, *protected_bytes;
};

static const struct vector_message vector_messages[] = {
	{
		"C.4", "C.1.1", NULL, 20,
		"44015d1f00003974396c6f63616c686f737483747631",
		"14", "", NULL,
		"8368456e63727970743040488501810a40411440", "01b3747631", "4622d4dd6d944168eefb549868",
		"0914", "612f1092f1776f1c1668b3825e",
		"44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e",
	},
	{
		"C.5", "C.2.1", NULL, 20,
		"440171c30000b932396c6f63616c686f737483747631",
		"14", "00", NULL,
		"8368456e63727970743040498501810a4100411440", "01b3747631", "bf35ae297d2dace910c52e99ed",
		"091400", "4ed339a5a379b0b8bc731fffb0",
		"440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
	},
	{
		"C.6", "C.3.1", NULL, 20,
		"44012f8eef9bbf7a396c6f63616c686f737483747631",
		"14", "", "37cbf3210017a2d3",
		"8368456e63727970743040488501810a40411440", "01b3747631", "2ca58fb85ff1b81c0b7181b84a",
		"19140837cbf3210017a2d3", "72cd7273fd331ac45cffbe55c3",
		"44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
	},
	{
		"C.7", "C.1.2", "C.4", 0,
		"64455d1f00003974ff48656c6c6f20576f726c6421",
		NULL, NULL, NULL,
		"8368456e63727970743040488501810a40411440", "45ff48656c6c6f20576f726c6421", "4622d4dd6d944168eefb549868",
		"", "dbaad1e9a7e7b2a813d3c31524378303cdafae119106",
		"64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106",
	},
	{
		"C.8", "C.1.2", "C.4", 0,
		"64455d1f00003974ff48656c6c6f20576f726c6421",
		"00", NULL, NULL,
		"8368456e63727970743040488501810a40411440", "45ff48656c6c6f20576f726c6421", "4722d4dd6d944169eefb54987c",
		"0100", "4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
		"64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
	},
};

/* RFC 8613 5.4 */
static const struct {
	const char *request_kid, *request_piv, *aad;
} vector_aad = { "00", "25", "8368456e63727970743040498501810a4100412540" };

/* RFC 8613 6.3 */
static const struct vector_option {
	const char *id, *option, *piv, *kid_context, *kid;
} vector_options[] = {
	{ "6.3-1", "090525", "05", NULL, "25" },
	{ "6.3-2", "0900", "00", NULL, "" },
	{ "6.3-3", "19050544616c656b", "05", "44616c656b", "" },
	{ "6.3-4", "", NULL, NULL, NULL },
	{ "6.3-5", "0107", "07", NULL, NULL },
};

#endif

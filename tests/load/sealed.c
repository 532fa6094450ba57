#include "sealed.h"

#include <stdlib.h>
#include <string.h>

#include "coap/message.h"
#include "oscore/derive.h"

enum { REQUEST_PAYLOAD = 29 };

static const uint8_t device_id[] = { 0xdd };

static void kid_write(uint8_t kid[2], unsigned number)
{
	kid[0] = (uint8_t)(number >> 8);
	kid[1] = (uint8_t)number;
}

void sealed_context(struct oscore_context *c, unsigned number, bool as_device)
{
	uint8_t kid[2];
	/* a secret for each pair: the devices have one ID in all contexts (RFC 8613 3.3) */
	struct oscore_master_key master = { 18, "load, not secret" };
	struct oscore_parameters p = { .aead = OSCORE_AES_CCM_16_64_128, .hkdf = OSCORE_HKDF_SHA256, .master = &master };

	kid_write(kid, number);
	kid_write(master.bytes + 16, number);
	p.sender_id = as_device ? device_id : kid;
	p.sender_id_len = as_device ? sizeof device_id : sizeof kid;
	p.recipient_id = as_device ? kid : device_id;
	p.recipient_id_len = as_device ? sizeof kid : sizeof device_id;
	if (oscore_derive_context(c, &p) == 0)
		return;
	fputs("load: cannot derive a context\n", stderr);
	exit(1);
}

int sealed_client(const uint8_t *kid, size_t len)
{
	return kid != NULL && len == 2 ? kid[0] << 8 | kid[1] : -1;
}

size_t sealed_inner(uint8_t out[SEALED_MESSAGE_MAX], bool request, size_t payload_len)
{
	size_t at = 4;

	memset(out, 0, SEALED_MESSAGE_MAX);
	out[0] = 0x40;
	out[1] = request ? CODE_POST : CODE_CHANGED;
	if (request) {
		payload_len = REQUEST_PAYLOAD;
		out[at++] = 0xb1;
		out[at++] = 't';
	}
	out[at++] = 0xff;
	memset(out + at, 'x', payload_len);
	return at + payload_len;
}

static void print_hex(FILE *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void print_side(FILE *out, const struct oscore_side *side, size_t key_len)
{
	fputs("\tsender ", out);
	print_hex(out, side->id.bytes, side->id.len);
	fputc(' ', out);
	print_hex(out, side->key.bytes, key_len);
	fputc('\n', out);
}

void sealed_print_keys(FILE *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct oscore_context c;

		sealed_context(&c, i, false);
		fprintf(out, "context client-%u\n\talgorithm AES-CCM-16-64-128\n\tcommon-iv ", i);
		print_hex(out, c.common_iv, c.aead->nonce_len);
		fputc('\n', out);
		print_side(out, &c.sender, c.aead->key_len);
		print_side(out, &c.recipient, c.aead->key_len);
	}
}

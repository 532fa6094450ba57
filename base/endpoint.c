#include "base/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum { MAPPED_BITS = 96, LITERAL_MAX = INET6_ADDRSTRLEN + 1 + IF_NAMESIZE };

static bool addr_is_ipv4(const uint8_t addr[16])
{
	return memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool endpoint_is_ipv4(const struct endpoint *e)
{
	return addr_is_ipv4(e->addr);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void endpoint_from_sockaddr(struct endpoint *e, const struct sockaddr *sa)
{
	memset(e, 0, sizeof(*e));
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(e->addr, mapped_prefix, sizeof(mapped_prefix));
		memcpy(e->addr + 12, &in.sin_addr, 4);
		e->port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(e->addr, &in6.sin6_addr, 16);
		e->port = ntohs(in6.sin6_port);
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			e->scope = in6.sin6_scope_id;
	}
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, int family, struct sockaddr_storage *out)
{
	if (family == AF_INET) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};

		memcpy(&in.sin_addr, e->addr + 12, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port), .sin6_scope_id = e->scope};

	memcpy(&in6.sin6_addr, e->addr, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Of the interface or the link (RFC 4291 2.7). */
static bool is_group_of_link(const struct endpoint *e)
{
	unsigned reach = e->addr[1] & 0x0f;

	return e->addr[0] == 0xff && (reach == 1 || reach == 2);
}

/* The interface index of a zone, which is a name or a number; 0 if there is no such interface. */
static unsigned zone_parse(const char *zone)
{
	char name[IF_NAMESIZE];
	unsigned index = if_nametoindex(zone);

	if (index != 0 || zone[0] < '1' || zone[0] > '9')
		return index;
	for (const char *at = zone; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || index > 100000000)
			return 0;
		index = index * 10 + (unsigned)(*at - '0');
	}
	return if_indextoname(index, name) ? index : 0;
}

/* As inet_pton() reads one, which wants a terminated copy: four numbers up to 255, without leading zeros. */
static bool ipv4_parse(uint8_t addr[4], const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	for (unsigned i = 0; i < 4; i++) {
		const char *begin = at;
		unsigned number = 0;

		while (at < end && *at >= '0' && *at <= '9' && number <= 255)
			number = number * 10 + (unsigned)(*at++ - '0');
		if (at == begin || number > 255 || (*begin == '0' && at - begin > 1))
			return false;
		if (i < 3 && (at == end || *at++ != '.'))
			return false;
		addr[i] = (uint8_t)number;
	}
	return at == end;
}

int endpoint_parse_literal(struct endpoint *e, const char *text, size_t len, bool zone_allowed)
{
	char copy[LITERAL_MAX];

	memset(e, 0, sizeof(*e));
	if (ipv4_parse(e->addr + 12, text, len)) {
		memcpy(e->addr, mapped_prefix, sizeof(mapped_prefix));
		return 0;
	}
	memset(e, 0, sizeof(*e));
	if (len == 0 || len >= sizeof(copy) || memchr(text, ':', len) == NULL || memchr(text, '\0', len))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';

	char *zone = strchr(copy, '%');

	if (zone)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, copy, e->addr) != 1)
		return -1;
	if (!zone)
		return 0;
	/* a zone on any other address would be lost without a word */
	if (!zone_allowed || endpoint_is_ipv4(e) || !(endpoint_is_link_local(e) || is_group_of_link(e)))
		return -1;
	e->scope = zone_parse(zone);
	return e->scope != 0 ? 0 : -1;
}

static const char *address_write(const uint8_t addr[16], char *out, socklen_t size)
{
	if (addr_is_ipv4(addr))
		return inet_ntop(AF_INET, addr + 12, out, size);
	return inet_ntop(AF_INET6, addr, out, size);
}

const char *endpoint_format_address(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX])
{
	address_write(e->addr, buf, ENDPOINT_TEXT_MAX);
	if (e->scope != 0) {
		char name[IF_NAMESIZE];
		size_t at = strlen(buf);

		if (if_indextoname(e->scope, name))
			snprintf(buf + at, ENDPOINT_TEXT_MAX - at, "%%%s", name);
		else
			snprintf(buf + at, ENDPOINT_TEXT_MAX - at, "%%%u", e->scope);
	}
	return buf;
}

const char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX])
{
	bool v6 = !endpoint_is_ipv4(e);

	endpoint_format_address(e, buf + v6);
	if (v6)
		buf[0] = '[';

	size_t at = strlen(buf);

	snprintf(buf + at, ENDPOINT_TEXT_MAX - at, v6 ? "]:%u" : ":%u", e->port);
	return buf;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	static const uint8_t one[16] = {[15] = 1};

	if (endpoint_is_ipv4(e))
		return e->addr[12] == 127;
	return memcmp(e->addr, one, 16) == 0;
}

bool endpoint_is_multicast(const struct endpoint *e)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (endpoint_is_ipv4(e))
		return (e->addr[12] & 0xf0) == 0xe0 || memcmp(e->addr + 12, broadcast, 4) == 0;
	return e->addr[0] == 0xff;
}

bool endpoint_is_link_local(const struct endpoint *e)
{
	if (endpoint_is_ipv4(e))
		return e->addr[12] == 169 && e->addr[13] == 254;
	return e->addr[0] == 0xfe && (e->addr[1] & 0xc0) == 0x80;
}

bool endpoint_is_unspecified(const struct endpoint *e)
{
	static const uint8_t none[16];

	if (endpoint_is_ipv4(e))
		return e->addr[12] == 0;
	return memcmp(e->addr, none, 16) == 0;
}

/* A prefix length in plain decimal, at most `max`; -1 if it is not one. */
static int bits_parse(const char *text, int max)
{
	int bits = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		bits = bits * 10 + (*text - '0');
		if (bits > max)
			return -1;
	}
	return bits;
}

int network_parse(struct network *n, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct endpoint e;

	if (endpoint_parse_literal(&e, text, len, false))
		return -1;

	bool dotted = memchr(text, ':', len) == NULL;
	int bits = slash ? bits_parse(slash + 1, dotted ? 32 : 128) : -1;

	if (slash && bits < 0)
		return -1;
	if (!slash)
		bits = 128;
	else if (dotted)
		bits += MAPPED_BITS;
	/* bits behind the prefix say nothing: one network has one form */
	for (int i = 0; i < 16; i++) {
		int kept = bits - 8 * i;

		if (kept <= 0)
			e.addr[i] = 0;
		else if (kept < 8)
			e.addr[i] &= (uint8_t)(0xff << (8 - kept));
	}
	memcpy(n->addr, e.addr, 16);
	n->bits = (uint8_t)bits;
	return 0;
}

bool network_contains(const struct network *n, const struct endpoint *e)
{
	unsigned whole = n->bits / 8u, rest = n->bits % 8u;

	if (n->bits < MAPPED_BITS && endpoint_is_ipv4(e))
		return false; /* "::/0" is every IPv6 address; IPv4 has "0.0.0.0/0" */
	if (memcmp(n->addr, e->addr, whole) != 0)
		return false;
	return rest == 0 || ((n->addr[whole] ^ e->addr[whole]) & (uint8_t)(0xff << (8 - rest))) == 0;
}

const char *network_format(const struct network *n, char buf[ENDPOINT_TEXT_MAX])
{
	bool v4 = n->bits >= MAPPED_BITS && addr_is_ipv4(n->addr);

	address_write(n->addr, buf, ENDPOINT_TEXT_MAX);

	size_t at = strlen(buf);

	snprintf(buf + at, ENDPOINT_TEXT_MAX - at, "/%d", v4 ? n->bits - MAPPED_BITS : n->bits);
	return buf;
}

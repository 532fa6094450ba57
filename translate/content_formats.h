/*
 * content_formats - the registry of CoAP Content-Formats as data, and its look-ups (RFC 7252 12.3, IANA "CoAP Content-Formats").
 *
 * A Content-Format stands for a media type with its parameters and one content coding together (RFC 8075 6.1). The ranges that stand for
 * none (1542-1543, 64998-64999, 65000-65535) have no row, nor has what nobody registered.
 */
#ifndef TRANSLATE_CONTENT_FORMATS_H
#define TRANSLATE_CONTENT_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

/* By type, then parameters, then coding; so all rows of a type lie together. Several parameters of one row are sorted by name. */
#define CONTENT_FORMATS_TABLE(X) \
	X(   19, "application/ace+cbor",                           "", NONE)                                                       \
	X(  261, "application/ace-groupcomm+cbor",                 "", NONE)                                                       \
	X(  262, "application/ace-trl+cbor",                       "", NONE)                                                       \
	X(  290, "application/aif+cbor",                           "", NONE)                                                       \
	X(  292, "application/aif+cbor",                           ";toid=CRI-local-part", NONE)                                   \
	X(  297, "application/aif+cbor",                           ";toid=oscore-gname;tperm=oscore-gperm", NONE)                  \
	X(  291, "application/aif+json",                           "", NONE)                                                       \
	X(  298, "application/aif+json",                           ";toid=oscore-gname;tperm=oscore-gperm", NONE)                  \
	X(   60, "application/cbor",                               "", NONE)                                                       \
	X(11060, "application/cbor",                               "", DEFLATE)                                                    \
	X(   63, "application/cbor-seq",                           "", NONE)                                                       \
	X(10571, "application/ce+cbor",                            "", NONE)                                                       \
	X(10573, "application/ce+cbor",                            ";profile=2.16.840.1.113741.1.16.1", NONE)                      \
	X(   65, "application/cid-edhoc+cbor-seq",                 "", NONE)                                                       \
	X(  273, "application/cmw+cbor",                           "", NONE)                                                       \
	X(  275, "application/cmw+cose",                           "", NONE)                                                       \
	X(  274, "application/cmw+json",                           "", NONE)                                                       \
	X(  276, "application/cmw+jws",                            "", NONE)                                                       \
	X(  269, "application/coap-eap",                           "", NONE)                                                       \
	X(  256, "application/coap-group+json",                    "", NONE)                                                       \
	X(  257, "application/concise-problem-details+cbor",       "", NONE)                                                       \
	X(   96, "application/cose",                               ";cose-type=\"cose-encrypt\"", NONE)                            \
	X(   16, "application/cose",                               ";cose-type=\"cose-encrypt0\"", NONE)                           \
	X(   97, "application/cose",                               ";cose-type=\"cose-mac\"", NONE)                                \
	X(   17, "application/cose",                               ";cose-type=\"cose-mac0\"", NONE)                               \
	X(   98, "application/cose",                               ";cose-type=\"cose-sign\"", NONE)                               \
	X(   18, "application/cose",                               ";cose-type=\"cose-sign1\"", NONE)                              \
	X(  101, "application/cose-key",                           "", NONE)                                                       \
	X(  102, "application/cose-key-set",                       "", NONE)                                                       \
	X(  285, "application/csrattrs",                           "", NONE)                                                       \
	X(   61, "application/cwt",                                "", NONE)                                                       \
	X(  553, "application/dns-message",                        "", NONE)                                                       \
	X(  271, "application/dots+cbor",                          "", NONE)                                                       \
	X(  263, "application/eat+cwt",                            "", NONE)                                                       \
	X(10004, "application/eat+cwt",                            ";eat_profile=\"tag:psacertified.org,2019:psa#legacy\"", NONE)  \
	X(10003, "application/eat+cwt",                            ";eat_profile=\"tag:psacertified.org,2023:psa#tfm\"", NONE)     \
	X(10005, "application/eat+cwt",                            ";eat_profile=2.16.840.1.113741.1.16.1", NONE)                  \
	X(  264, "application/eat+jwt",                            "", NONE)                                                       \
	X(  265, "application/eat-bun+cbor",                       "", NONE)                                                       \
	X(  266, "application/eat-bun+json",                       "", NONE)                                                       \
	X(  267, "application/eat-ucs+cbor",                       "", NONE)                                                       \
	X(  268, "application/eat-ucs+json",                       "", NONE)                                                       \
	X(   64, "application/edhoc+cbor-seq",                     "", NONE)                                                       \
	X(   47, "application/exi",                                "", NONE)                                                       \
	X(10002, "application/javascript",                         "", NONE)                                                       \
	X(   50, "application/json",                               "", NONE)                                                       \
	X(11050, "application/json",                               "", DEFLATE)                                                    \
	X(12050, "application/json",                               "", ZSTD)                                                       \
	X(   51, "application/json-patch+json",                    "", NONE)                                                       \
	X(  294, "application/kb+cwt",                             "", NONE)                                                       \
	X(   40, "application/link-format",                        "", NONE)                                                       \
	X(  295, "application/measured-component+cbor",            "", NONE)                                                       \
	X(  296, "application/measured-component+json",            "", NONE)                                                       \
	X(   52, "application/merge-patch+json",                   "", NONE)                                                       \
	X(  272, "application/missing-blocks+cbor-seq",            "", NONE)                                                       \
	X(   62, "application/multipart-core",                     "", NONE)                                                       \
	X(   42, "application/octet-stream",                       "", NONE)                                                       \
	X(10001, "application/oscore",                             "", NONE)                                                       \
	X(  286, "application/pkcs10",                             "", NONE)                                                       \
	X(  281, "application/pkcs7-mime",                         ";smime-type=certs-only", NONE)                                 \
	X(  280, "application/pkcs7-mime",                         ";smime-type=server-generated-key", NONE)                       \
	X(  284, "application/pkcs8",                              "", NONE)                                                       \
	X(  287, "application/pkix-cert",                          "", NONE)                                                       \
	X(  259, "application/pkixcmp",                            "", NONE)                                                       \
	X(  278, "application/scitt-receipt+cose",                 "", NONE)                                                       \
	X(  277, "application/scitt-statement+cose",               "", NONE)                                                       \
	X(  293, "application/sd-cwt",                             "", NONE)                                                       \
	X(  434, "application/sdf+json",                           "", NONE)                                                       \
	X(  112, "application/senml+cbor",                         "", NONE)                                                       \
	X(  110, "application/senml+json",                         "", NONE)                                                       \
	X(  310, "application/senml+xml",                          "", NONE)                                                       \
	X(  322, "application/senml-etch+cbor",                    "", NONE)                                                       \
	X(  320, "application/senml-etch+json",                    "", NONE)                                                       \
	X(  114, "application/senml-exi",                          "", NONE)                                                       \
	X(  113, "application/sensml+cbor",                        "", NONE)                                                       \
	X(  111, "application/sensml+json",                        "", NONE)                                                       \
	X(  311, "application/sensml+xml",                         "", NONE)                                                       \
	X(  115, "application/sensml-exi",                         "", NONE)                                                       \
	X(  279, "application/statuslist+cwt",                     "", NONE)                                                       \
	X(  270, "application/suit-report+cose",                   "", NONE)                                                       \
	X(  258, "application/swid+cbor",                          "", NONE)                                                       \
	X(10007, "application/syslog-msg",                         "", NONE)                                                       \
	X(  432, "application/td+json",                            "", NONE)                                                       \
	X(  433, "application/tm+json",                            "", NONE)                                                       \
	X(10570, "application/toc+cbor",                           "", NONE)                                                       \
	X(10572, "application/toc+cbor",                           ";profile=2.16.840.1.113741.1.16.1", NONE)                      \
	X(  601, "application/uccs+cbor",                          "", NONE)                                                       \
	X(20001, "application/vnd.as207960.vas.config+jer",        "", NONE)                                                       \
	X(20002, "application/vnd.as207960.vas.config+uper",       "", NONE)                                                       \
	X(20003, "application/vnd.as207960.vas.tap+jer",           "", NONE)                                                       \
	X(20004, "application/vnd.as207960.vas.tap+uper",          "", NONE)                                                       \
	X(10000, "application/vnd.ocf+cbor",                       "", NONE)                                                       \
	X(11544, "application/vnd.oma.lwm2m+cbor",                 "", NONE)                                                       \
	X(11543, "application/vnd.oma.lwm2m+json",                 "", NONE)                                                       \
	X(11542, "application/vnd.oma.lwm2m+tlv",                  "", NONE)                                                       \
	X(10006, "application/vnd.oms.cellular-cose-content+cbor", "", NONE)                                                       \
	X(  836, "application/voucher+cose",                       "", NONE)                                                       \
	X(   41, "application/xml",                                "", NONE)                                                       \
	X(12041, "application/xml",                                "", ZSTD)                                                       \
	X(  340, "application/yang-data+cbor",                     "", NONE)                                                       \
	X(  341, "application/yang-data+cbor",                     ";id=name", NONE)                                               \
	X(  140, "application/yang-data+cbor",                     ";id=sid", NONE)                                                \
	X(  260, "application/yang-sid+json",                      "", NONE)                                                       \
	X(   21, "image/gif",                                      "", NONE)                                                       \
	X(   22, "image/jpeg",                                     "", NONE)                                                       \
	X(   23, "image/png",                                      "", NONE)                                                       \
	X(30000, "image/svg+xml",                                  "", NONE)                                                       \
	X(20000, "text/css",                                       "", NONE)                                                       \
	X(    0, "text/plain",                                     ";charset=utf-8", NONE)                                         \
	X(12000, "text/plain",                                     ";charset=utf-8", ZSTD)

/* The content codings that are part of a Content-Format (RFC 9110 8.4.1). */
#define CONTENT_CODINGS_TABLE(X) \
	X(NONE, "identity")       \
	X(DEFLATE, "deflate")     \
	X(ZSTD, "zstd")

enum content_coding {
#define X(name, text) CODING_##name,
	CONTENT_CODINGS_TABLE(X)
#undef X
	CODING_COUNT
};

enum { FORMAT_TEXT_PLAIN = 0, FORMAT_OCTET_STREAM = 42, FORMAT_OSCORE = 10001, FORMAT_MAX = 65535 };

struct content_format {
	uint16_t id;
	uint8_t coding;         /* enum content_coding */
	const char *type;       /* "application/cose", in lower case */
	const char *parameters; /* ";cose-type=\"cose-sign\"", or "" */
};

/* The row of a Content-Format, or NULL. */
const struct content_format *content_format_row(uint32_t id);

/* How many rows have this type ("Type/SubType", in any case); *first is the first of them. */
size_t content_formats_of_type(struct http_text type, const struct content_format **first);

/* True if `parameters` (";name=value;...") are those of the row: all of them and no others, in any order, quoted or not. A charset is
 * compared without regard to case (RFC 9110 8.3.2), other values as they are. */
bool content_format_has_parameters(const struct content_format *row, struct http_text parameters);

/* The row of type, parameters and coding, or NULL. */
const struct content_format *content_format_find(struct http_text type, struct http_text parameters, enum content_coding coding);

/* True if a value behind a parameter's "=" (escapes still in it) is this word. */
bool content_value_is(struct http_text value, struct http_text word, bool any_case);

/* The name of a coding in HTTP, or the coding of a name in any case: -1 if no Content-Format has it. */
const char *content_coding_name(enum content_coding coding);
int content_coding_parse(struct http_text name);

#endif

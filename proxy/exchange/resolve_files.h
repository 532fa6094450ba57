/*
 * resolve_files - reads resolv.conf and the hosts file into texts, in the process that may open files; the one that
 * resolves gets the texts.
 */
#ifndef PROXY_EXCHANGE_RESOLVE_FILES_H
#define PROXY_EXCHANGE_RESOLVE_FILES_H

#include "proxy/exchange/resolve.h"

enum { RESOLVE_FILE_MAX = 1 << 20 }; /* bytes read of one file; of a longer one the lines that fit, with a warning */
#define RESOLVE_HOSTS_PATH "/etc/hosts"

struct resolve_files_text {
	char *resolv_conf, *hosts; /* not terminated */
	struct resolve_files files; /* the same, as the resolver borrows them */
};

/* Reads both files. One that is missing is empty; so is one that cannot be read, with a warning. What only the system can
 * tell is made plain: zones ("fe80::1%eth0") become the numbers of interfaces, and if the name of this host has a domain,
 * "domain NAME" stands before what is in resolv.conf, as what counts unless the file says otherwise. Returns 0 and
 * *out to be freed by resolve_files_free(), or -1 without memory and with nothing to free. */
int resolve_files_read(const char *resolv_conf_path, const char *hosts_path, struct resolve_files_text *out)
	__attribute__((warn_unused_result));
void resolve_files_free(struct resolve_files_text *text);

#endif

/*
 * main - the command line.
 */
#include <coap3/coap.h>
#include <event2/event.h>
#include <getopt.h>
#include <libconfig.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/snapshot.h"
#include "coap/option.h"
#include "proxy/decide/explain.h"
#include "proxy/decide/outgoing.h"
#include "proxy/edge/own_addresses.h"
#include "proxy/process/files.h"
#include "proxy/process/parent.h"
#include "proxy/process/reader_check.h"
#include "proxy/process/worker.h"

static const char default_path[] = "/etc/oscore-proxy.conf";

static void print_usage(FILE *out)
{
	fputs("usage: oscore-proxy [-c FILE] [-t | -T | -E REQUEST]\n"
	      "  -c FILE     the configuration (default /etc/oscore-proxy.conf)\n"
	      "  -t          check it: print every error as file:line: text\n"
	      "  -T          print it as it is in force, every setting with its value\n"
	      "  -E REQUEST  tell which route takes a request, and why, for example\n"
	      "              'GET coap://h/p from 10.0.0.7:5683 via coap oscore'\n"
	      "  -V          print the version and those of the libraries\n"
	      "  --help      print this\n", out);
}

static void print_version(void)
{
	printf("oscore-proxy %s\nlibcoap %s\nlibevent %s\nlibconfig %d.%d.%d\n%s\n", OSCORE_PROXY_VERSION,
		coap_package_version(), event_get_version(), LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR, LIBCONFIG_VER_REVISION,
		OpenSSL_version(OPENSSL_VERSION));
}

enum { OPTION_HELP = 256, OPTION_MANUAL, OPTION_STEER };

static const struct option long_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, 'V' },
	{ "print-manual", no_argument, NULL, OPTION_MANUAL },
	{ "steer", required_argument, NULL, OPTION_STEER },
	{ NULL, 0, NULL, 0 },
};

struct command {
	const char *path, *explain, *steer;
	char mode; /* 0 run, else t, T, E */
};

/* Returns -1 to go on, or an exit status. */
static int read_arguments(int argc, char **argv, struct command *c)
{
	int o;

	while ((o = getopt_long(argc, argv, "c:tTE:V", long_options, NULL)) != -1) {
		switch (o) {
		case 'c':
			c->path = optarg;
			break;
		case 'E':
			c->explain = optarg;
			c->mode = 'E';
			break;
		case 't':
		case 'T':
			c->mode = (char)o;
			break;
		case 'V':
			print_version();
			return 0;
		case OPTION_HELP:
			print_usage(stdout);
			return 0;
		case OPTION_MANUAL:
			conf_print_manual(stdout);
			return 0;
		case OPTION_STEER:
			c->steer = optarg;
			break;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	print_usage(stderr);
	return 2;
}

/* The options of a request as they would leave, in the order of their numbers. */
static void show_options(FILE *out, const struct explained *what)
{
	uint8_t bytes[2 * MSG_DATAGRAM_MAX];
	char text[4 * URI_HOST_MAX];
	struct outer_plan plan;
	struct msg_writer w;
	struct msg_view m;
	uint8_t hop_limit;
	size_t len;

	if (outgoing_plan(&plan, what->route, what->to, what->message, what->request, what->target, false, &hop_limit) < 0)
		return;
	msg_begin(&w, bytes, sizeof bytes, MSG_CON, what->message->code, 0, NULL, 0);
	outer_write(&w, what->message, &plan);
	len = msg_end(&w);
	if (len == 0 || msg_parse_datagram(&m, bytes, len) != MSG_OK)
		return;
	for (unsigned i = 0; i < m.option_count; i++) {
		const struct msg_option *o = &m.options[i];
		const struct opt_row *row = opt_row(o->number);
		uint32_t value;

		fprintf(out, "  option %u %s: ", o->number, row != NULL ? row->name : "");
		if (row != NULL && row->format == OPT_UINT && msg_uint(o, &value) == 0)
			fprintf(out, "%u\n", value);
		else
			fprintf(out, "%s\n", log_quote(text, sizeof text, o->value, o->len));
	}
}

static int explain(const struct snapshot *conf, const char *text)
{
	struct endpoint *addresses;
	size_t count = own_addresses_read(&addresses);
	const struct policy_own own = { addresses, count };
	int result = explain_request(conf, text, stdout, &own, show_options);

	free(addresses);
	return result == ERR_NONE ? 0 : 1;
}

/* Also what a start would find wrong in the files that the configuration names. */
static int test(const char *path, const struct snapshot *conf)
{
	static struct files files;
	int status = files_read(&files, path, conf, stderr);

	files_wipe(&files);
	if (reader_check(path, conf, stderr) < 0 || status < 0)
		return 1;
	printf("%s: %zu listeners, %zu routes: good\n", path, conf->listener_count, conf->route_count);
	return 0;
}

int main(int argc, char **argv)
{
	struct command c = { .path = default_path };
	struct snapshot *conf;
	int status;

	/* How the parent starts a worker; no option of the manual. */
	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker_run();
	status = read_arguments(argc, argv, &c);
	if (status >= 0)
		return status;
	conf = conf_load_file(c.path, stderr);
	if (conf == NULL)
		return 1;
	log_open(STDERR_FILENO, conf->settings.log_level);
	switch (c.mode) {
	case 't':
		status = test(c.path, conf);
		break;
	case 'T':
		snapshot_print(conf, stdout);
		status = 0;
		break;
	case 'E':
		status = explain(conf, c.explain);
		break;
	default:
		status = parent_run(conf, c.path, c.steer);
	}
	snapshot_release(conf);
	return status;
}

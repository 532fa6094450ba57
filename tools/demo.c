/*
 * oscore-demo - a device and a client to see the gateway work with: what leaves one is what reaches the other.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "coap/uri.h"
#include "tools/demo_client.h"
#include "tools/demo_device.h"

static const char usage_text[] =
	"usage: oscore-demo device [--bind ADDRESS:PORT] [--trace]\n"
	"           answers GET /temperature and /.well-known/core, plain or under OSCORE (127.0.0.1:5700)\n"
	"       oscore-demo get [--proxy ADDRESS:PORT] [--proxy-uri] [--oscore] [--trace] URI\n"
	"           asks for URI, through a proxy by Proxy-Scheme and Uri-Host, or by Proxy-Uri\n"
	"Both use the security context of RFC 8613 C.1, which is public: for demonstrations only.\n"
	"--trace prints every message with its options and payload in hex.\n";

static int usage(FILE *out, int status)
{
	fputs(usage_text, out);
	return status;
}

/* Parses "ADDRESS:PORT" ("[::1]:5683"); without a port it is 5683. Returns 0, or -1 after saying so. */
static int endpoint_argument(struct endpoint *e, const char *text)
{
	struct uri u = { 0 };

	if (uri_parse_authority(&u, text, strlen(text)) != URI_OK ||
	    endpoint_parse_literal(e, u.host.at, u.host.len, true) < 0) {
		fprintf(stderr, "oscore-demo: %s: not ADDRESS:PORT\n", text);
		return -1;
	}
	e->port = u.port != 0 ? u.port : 5683;
	return 0;
}

static int device_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bind", required_argument, NULL, 'b' }, { "trace", no_argument, NULL, 't' }, { 0 }
	};
	struct endpoint bind_to;
	bool trace = false;
	int option;

	if (endpoint_argument(&bind_to, "127.0.0.1:5700") < 0)
		return 2;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'b' && endpoint_argument(&bind_to, optarg) < 0)
			return 2;
		if (option == 't')
			trace = true;
		if (option == '?')
			return usage(stderr, 2);
	}
	return optind == argc ? demo_device_run(&bind_to, trace) : usage(stderr, 2);
}

static int get_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "proxy", required_argument, NULL, 'p' }, { "proxy-uri", no_argument, NULL, 'u' },
		{ "oscore", no_argument, NULL, 'o' }, { "trace", no_argument, NULL, 't' }, { 0 }
	};
	struct demo_request r = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			r.has_proxy = true;
			if (endpoint_argument(&r.proxy, optarg) < 0)
				return 2;
			break;
		case 'u':
			r.proxy_uri = true;
			break;
		case 'o':
			r.oscore = true;
			break;
		case 't':
			r.trace = true;
			break;
		default:
			return usage(stderr, 2);
		}
	}
	if (optind != argc - 1 || (r.proxy_uri && !r.has_proxy))
		return usage(stderr, 2);
	r.uri = argv[optind];
	return demo_client_run(&r);
}

int main(int argc, char **argv)
{
	random_start();
	clock_update();
	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "device") == 0)
		return device_command(argc - 1, argv + 1);
	if (strcmp(argv[1], "get") == 0)
		return get_command(argc - 1, argv + 1);
	return usage(stderr, 2);
}

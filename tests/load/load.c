/*
 * load - CoAP load on loopback, over UDP, TCP or DTLS.
 *
 * As it stands it keeps CLIENTS x WINDOW requests under way, over a fleet of DEVICES origins in turn (127.1.0.1,
 * 127.1.0.2, ...), checks each answer (token, Message ID, class, the payload our origin sends), and prints the rate, the
 * latency, what went wrong and, for the processes named by -P, the CPU time for each answered request. A confirmable
 * request without acknowledgement is sent again after 2, 4, 8 and 16 s. No endpoint uses a Message ID twice in a run, so a
 * proxy that knows duplicates is measured fairly; a run that would have to stops and says so. Runs that follow each other
 * within EXCHANGE_LIFETIME (247 s) should have other source addresses (-b).
 *
 *   load [-n] [-o] [-d] [-c CLIENTS] [-w WINDOW] [-f DEVICES] [-t SECONDS] [-a] [-b NUMBER] [-r RATE] [-P PID]... PROXY_PORT ORIGIN_PORT
 *     -n  non-confirmable requests
 *     -o  requests shaped like OSCORE: POST, option 9, 40 opaque bytes, Proxy-Scheme, Uri-Host, Uri-Port; else GET with Proxy-Uri
 *     -s  the same with requests that are protected in truth, each client with a context of its own (sealed.h), made before anything is measured;
 *         --sequence N: their Partial IVs begin there (0), and the result says how many of each context it had;
 *         a 5.xx is no fault then: it is counted as refused
 *     -d  no proxy options: straight to PROXY_PORT (-d -o: shaped like OSCORE, without them)
 *     -c  client endpoints (64)       -w  requests under way for each (1)       -f  device addresses (256; 1 is a hot origin)
 *     -a  each client has a source address of its own (else they differ in ports), up to 127.255.x.y
 *     -b  source addresses begin at 127.2.0.0 + NUMBER (default: 0 with -a; the kernel's choice without)
 *     -P  watch this process; repeatable
 *     --drain SECONDS  wait so long at the end for what is under way, sending it again as needed (1)
 *     --carrier NAME   udp (as it stands), tcp (requests that are due together leave in one write) or dtls (1.2, with a pre-shared key:
 *                      load_dtls.h); connections and sessions are open before anything is measured
 *     --scheme NAME    of the origins that are asked for (coap)
 *     -r RATE          all clients together send no more than so many requests a second
 *
 *   load --fill N     sends N requests that the proxy refuses (use -d), each a new pair of endpoint and Message ID
 *   load --hold N     one request for each client, then, told by a line on standard input, N more; keeps them under way
 *                     until the next line. Says when the proxy has acknowledged all. Needs an origin that is silent.
 *   load --keys       prints the provisioning file of the contexts of -c clients, by which a gateway can read what -s sends (ports are not used)
 *   load -F           flood: -c ENDPOINTS (100000) sources send -r RATE datagrams a second (20000) for -t seconds, and
 *                     never read an answer
 */
#include "load.h"
#include "sealed.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { OPTION_FILL = 256, OPTION_HOLD, OPTION_DRAIN, OPTION_CARRIER, OPTION_SCHEME, OPTION_SEQUENCE, OPTION_KEYS };

static const char usage[] =
	"usage: load [-n] [-o | -s [--sequence N]] [-d] [-c CLIENTS] [-w WINDOW] [-f DEVICES] [-t SECONDS] [-a] [-b NUMBER] [-P PID]...\n"
	"            [--carrier udp|tcp|dtls] [--scheme NAME] [--drain SECONDS] [--fill N | --hold N | --keys | -F] [-r RATE] PROXY_PORT ORIGIN_PORT\n";

static const struct option long_options[] = {
	{ "fill", required_argument, NULL, OPTION_FILL },
	{ "hold", required_argument, NULL, OPTION_HOLD },
	{ "drain", required_argument, NULL, OPTION_DRAIN },
	{ "carrier", required_argument, NULL, OPTION_CARRIER },
	{ "scheme", required_argument, NULL, OPTION_SCHEME },
	{ "sequence", required_argument, NULL, OPTION_SEQUENCE },
	{ "keys", no_argument, NULL, OPTION_KEYS },
	{ NULL, 0, NULL, 0 },
};

static int (*mode)(const struct load_options *) = load_loop_run;

static bool carrier_take(struct load_options *o, const char *name)
{
	static const char *const names[] = { [LOAD_UDP] = "udp", [LOAD_TCP] = "tcp", [LOAD_DTLS] = "dtls" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], name) == 0) {
			o->carrier = (enum load_carrier)i;
			return true;
		}
	}
	return false;
}

static bool option_take(struct load_options *o, int letter)
{
	switch (letter) {
	case 'n': o->confirmable = false; break;
	case 'o': o->oscore = true; break;
	case 's': o->oscore = o->sealed = true; break;
	case 'd': o->direct = true; break;
	case 'a': o->own_address = true; break;
	case 'F': mode = load_flood_run; break;
	case 'b': o->source = (unsigned)atoi(optarg); break;
	case 'c': o->clients = (unsigned)atoi(optarg); break;
	case 'w': o->window = (unsigned)atoi(optarg); break;
	case 'f': o->devices = (unsigned)atoi(optarg); break;
	case 't': o->seconds = atof(optarg); break;
	case 'r': o->rate = atof(optarg); break;
	case OPTION_DRAIN: o->drain = atof(optarg); break;
	case OPTION_CARRIER: return carrier_take(o, optarg);
	case OPTION_SCHEME: o->scheme = optarg; break;
	case OPTION_SEQUENCE: o->sequence = strtoull(optarg, NULL, 10); break;
	case OPTION_KEYS: mode = load_keys_run; break;
	case OPTION_FILL: mode = load_fill_run; o->count = strtoull(optarg, NULL, 10); break;
	case OPTION_HOLD: mode = load_hold_run; o->count = strtoull(optarg, NULL, 10); break;
	case 'P':
		if (o->pid_count == LOAD_PIDS_MAX)
			return false;
		o->pids[o->pid_count++] = atoi(optarg);
		break;
	default: return false;
	}
	return true;
}

static bool options_complete(struct load_options *o, char **ports, int count)
{
	if (count != 2 || atoi(ports[0]) < 1 || atoi(ports[0]) > 65535 || atoi(ports[1]) < 1 || atoi(ports[1]) > 65535)
		return false;
	o->proxy_port = (uint16_t)atoi(ports[0]);
	o->origin_port = (uint16_t)atoi(ports[1]);
	if (mode == load_flood_run) {
		o->clients = o->clients ? o->clients : 100000;
		o->rate = o->rate > 0 ? o->rate : 20000;
		return o->clients <= 10000000 && o->devices >= 1 && o->devices <= LOAD_DEVICES_MAX;
	}
	o->clients = o->clients ? o->clients : 64;
	if (mode == load_hold_run && o->count > 0)
		o->window = (unsigned)(1 + (o->count + o->clients - 1) / o->clients);
	if ((o->carrier != LOAD_UDP || o->sealed) && mode != load_loop_run)
		return false;
	if ((o->sealed || mode == load_keys_run) && o->clients > SEALED_CONTEXTS_MAX)
		return false;
	return strlen(o->scheme) <= LOAD_SCHEME_MAX && o->clients <= LOAD_CLIENTS_MAX &&
		o->window >= 1 && o->window <= LOAD_WINDOW_MAX && o->devices >= 1 &&
		o->devices <= LOAD_DEVICES_MAX && o->seconds > 0 && o->seconds <= 3600;
}

int main(int argc, char **argv)
{
	struct load_options o = { .scheme = "coap", .confirmable = true, .window = 1, .devices = 256, .seconds = 3, .drain = 1 };
	struct rlimit files;
	int letter;

	while ((letter = getopt_long(argc, argv, "nosdaFb:c:w:f:t:r:P:", long_options, NULL)) != -1) {
		if (!option_take(&o, letter)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!options_complete(&o, argv + optind, argc - optind)) {
		fputs(usage, stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return mode(&o);
}

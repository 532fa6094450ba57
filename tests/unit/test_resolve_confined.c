/* objects: proxy/exchange/resolve.o proxy/exchange/resolve_dns.o proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o tests/unit/name_server.o tests/unit/resolve_world.o */
/* libs: -levent_core -levent_extra */
/* A resolver in a process that can open no file. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/resolve_world.h"

/* From here on whoever opens a file is killed. */
static void files_forbid(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __NR_open
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_uname, 0, 1), /* the name of the host is a matter of files too */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 1), /* so are the names of interfaces */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void confined(void)
{
	static const char hosts[] = "fe80::2%1 zoned\nfe80::2%lo named\n";
	struct settings settings = { .dns_cache = 10, .dns_timeout = 3000 * MS, .resolv_conf = (char *)(uintptr_t)"resolv.conf" };
	struct world w = { .base = event_base_new() };
	char text[256];
	struct asker a = { 0 };
	struct resolve_files files;

	w.port = name_server_open(&w.server, w.base);
	w.other_port = name_server_open(&w.other, w.base);
	w.settings = settings;
	files_forbid();
	snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\nnameserver fe80::1%%1\nnameserver fe80::1%%lo\n", w.port);
	files = (struct resolve_files){ text, strlen(text), hosts, strlen(hosts) };
	w.resolver = resolver_create(w.base, &settings, &files);
	assert_non_null(w.resolver);
	assert_int_equal(ask(&w, &a, "zoned"), RESOLVE_OK);
	assert_int_equal(a.addresses[0].scope, 1);
	assert_int_equal(ask_and_wait(&w, &a, "named"), RESOLVE_FAILED);
	world_update(&w, w.other_port, "search lab.example\n", hosts_text);
	assert_int_equal(ask_and_wait(&w, &a, "both.example"), RESOLVE_OK);
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_OK);
	resolver_destroy(w.resolver);
	event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void test_no_file_is_opened(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		confined();
		_exit(7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_file_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

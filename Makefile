# oscore-proxy. `make run` and `make check` are all a newcomer needs; `make help` lists the rest.
#
# B is the build folder. Other flavours build the same rules into another folder: see `check-sanitizers` and `fuzz`.

B         ?= build
ifeq ($(origin CC),default)
CC        := gcc
endif
PREFIX    ?= /usr/local
DESTDIR   ?=
VERSION   := 0.1.0
PKGS      := libevent_core libevent_extra libevent_openssl libcoap-3-notls libconfig libssl libcrypto libseccomp libcap

CFLAGS    ?= -O2 -g
# Control flow protection by what the compiler builds for; a machine that has none yet only sets up.
TARGET    := $(shell $(CC) -dumpmachine 2>/dev/null)
HARDEN    := -fPIE -fstack-protector-strong $(if $(findstring x86_64,$(TARGET)),-fcf-protection) \
             $(if $(findstring aarch64,$(TARGET)),-mbranch-protection=standard)
FORTIFY   ?= -D_FORTIFY_SOURCE=2
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wformat=2 \
             -Wimplicit-fallthrough $(WERROR)
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(FORTIFY) -DOSCORE_PROXY_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS   = -std=c11 $(CFLAGS) $(SANITIZE) $(HARDEN) $(WARN) $(PKG_CFLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)

# pkg-config is asked only once it is there: the set-up targets must work on a bare machine. Of wslay it knows nothing.
PKG_CONFIG   ?= pkg-config
PKG_CFLAGS    = $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
LIBS          = $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lwslay
# What runs a program that was built for another machine, see `check-cross`.
EMULATOR     ?=

# llhttp is a library in Debian 13. In Debian 12 it is C source (node-llhttp), which is made a library here; what its STRICT_MODE
# asks for, later releases do anyway. It stands among the libraries of every program, and those that call it take it in.
ifeq ($(shell $(PKG_CONFIG) --exists libllhttp 2>/dev/null && echo yes),yes)
PKGS          += libllhttp
else
LLHTTP_SOURCE := /usr/share/llhttp
LLHTTP        := $B/obj/llhttp/libllhttp.a
PKG_CFLAGS    += -isystem /usr/share/include/llhttp
LIBS          += $(LLHTTP)
endif

# ---- what each binary is made of --------------------------------------------------------------------------------------
BASE_OBJS := base/buffers.o base/bytes.o base/endpoint.o base/errors.o base/hash.o base/landlock.o base/log.o base/log_file.o base/packets.o base/peer_counts.o base/ring.o base/slab.o base/wheel.o
COAP_OBJS := coap/link_format.o coap/message.o coap/option.o coap/signal.o coap/stream.o coap/uri.o
CONF_OBJS := conf/arena.o conf/check.o conf/check_http.o conf/check_listeners.o conf/check_reading.o conf/check_sessions.o conf/files.o conf/fixed.o conf/grammar.o conf/manual.o conf/members.o conf/pattern.o \
             conf/print.o conf/read.o conf/snapshot.o conf/tree.o conf/value.o conf/words.o oscore/opening.o
TRANSLATE_OBJS := translate/outer.o translate/http_message.o translate/map_template.o translate/link_hc.o \
                  translate/content_formats.o translate/event_stream.o translate/map_media.o translate/map_method.o translate/map_status.o \
                  translate/map_oscore.o translate/map_etag.o translate/map_freshness.o \
                  translate/map_request.o translate/map_request_http.o translate/map_response.o translate/map_response_http.o
GROUP_OBJS := oscore/group.o oscore/group_aad.o oscore/group_cipher.o oscore/group_open.o oscore/group_verify.o
# what a worker does on routes that read
READING_OBJS := oscore/opening.o proxy/decide/inner.o proxy/exchange/forward_read.o proxy/exchange/read_metrics.o proxy/exchange/reader_link.o \
                proxy/exchange/reading.o proxy/exchange/reading_gate.o proxy/exchange/reading_gather.o proxy/exchange/reading_tell.o
CORE_OBJS := $(TRANSLATE_OBJS) oscore/option.o \
             proxy/edge/traits.o proxy/decide/route.o proxy/decide/http_route.o proxy/decide/links.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/outgoing.o \
             proxy/exchange/message_ids.o proxy/exchange/congestion.o proxy/exchange/duplicates.o proxy/exchange/duplicates_map.o \
             proxy/exchange/resolve.o proxy/exchange/resolve_dns.o proxy/exchange/resolve_texts.o \
             proxy/exchange/metrics.o proxy/exchange/house.o proxy/exchange/house_sessions.o proxy/exchange/client.o proxy/exchange/origin.o \
             proxy/exchange/ports.o proxy/exchange/delivery.o proxy/exchange/reachability.o \
             proxy/exchange/exchange.o proxy/exchange/receive.o proxy/exchange/requester.o proxy/exchange/forward.o proxy/exchange/forward_find.o proxy/exchange/sessions.o proxy/exchange/return_path.o proxy/exchange/forward_decide.o proxy/exchange/transmit.o proxy/exchange/respond.o \
             proxy/exchange/upstream.o proxy/exchange/observe.o proxy/exchange/local.o proxy/exchange/proxy.o \
             proxy/exchange/group.o proxy/exchange/hold_back.o proxy/exchange/refusal_log.o proxy/exchange/access_log.o proxy/exchange/feed.o proxy/exchange/feed_line.o proxy/exchange/feed_lines.o proxy/exchange/crossing.o \
             proxy/exchange/crossing_rings.o proxy/exchange/renew.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o \
             proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o \
             proxy/exchange/hop.o proxy/exchange/reblock.o proxy/exchange/held.o \
             proxy/exchange/errand.o proxy/exchange/errand_table.o proxy/exchange/errand_upload.o proxy/exchange/errand_answer.o $(READING_OBJS)
# connections and what is read of them, under whatever requests mean
HTTP_SERVER_OBJS := proxy/http/lines.o proxy/http/framing.o proxy/http/parse.o proxy/http/proxy_protocol.o \
                    proxy/http/server.o proxy/http/connection.o proxy/http/reading.o proxy/http/answer.o
HTTP_OBJS  := $(HTTP_SERVER_OBJS) \
              proxy/http/request.o proxy/http/reply.o proxy/http/events.o proxy/http/poll.o proxy/http/access.o proxy/http/cors.o \
              proxy/http/credentials.o proxy/http/identity.o proxy/http/local.o proxy/http/upgrade.o
STREAM_OBJS := proxy/edge/stream_link.o proxy/edge/stream_reading.o proxy/edge/stream_signals.o proxy/edge/stream_socket.o proxy/edge/stream_time.o
TLS_OBJS := proxy/edge/tls.o proxy/edge/tls_context.o proxy/edge/tls_parts.o proxy/edge/tls_pem.o proxy/edge/tls_names.o proxy/edge/tls_psk.o \
            proxy/edge/tls_clients.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o
DTLS_OBJS := proxy/edge/dtls.o proxy/edge/dtls_bio.o proxy/edge/dtls_client.o proxy/edge/dtls_context.o proxy/edge/dtls_keys.o \
             proxy/edge/dtls_record.o proxy/edge/dtls_server.o proxy/edge/dtls_sessions.o proxy/edge/dtls_step.o
PROXY_OBJS := $(BASE_OBJS) $(COAP_OBJS) $(CONF_OBJS) proxy/decide/explain.o proxy/decide/explain_hop.o proxy/decide/explain_http.o proxy/decide/explain_read.o $(CORE_OBJS) $(HTTP_OBJS) \
             proxy/edge/edge.o proxy/edge/accepting.o proxy/edge/udp.o proxy/edge/sockets.o proxy/edge/own_addresses.o proxy/edge/has_route.o \
             proxy/edge/streams.o proxy/edge/stream_pool.o proxy/edge/stream_table.o $(STREAM_OBJS) \
             $(TLS_OBJS) $(DTLS_OBJS) proxy/http/material.o \
             proxy/edge/websocket.o proxy/edge/websocket_handshake.o \
             proxy/http/client.o proxy/http/client_link.o proxy/http/origin.o \
             proxy/process/parent.o proxy/process/child.o proxy/process/workers.o proxy/process/reload.o proxy/process/reader.o proxy/process/reader_start.o proxy/process/reader_files.o \
             proxy/process/reader_check.o oscore/reader/control.o proxy/process/groups.o proxy/process/route_slots.o proxy/process/feeds.o proxy/process/route_counts.o \
             proxy/process/worker.o proxy/process/worker_start.o proxy/process/worker_reload.o proxy/process/worker_reader.o proxy/process/preparing.o \
             proxy/process/channel.o proxy/process/package.o proxy/process/files.o proxy/process/privileges.o proxy/process/sandbox.o \
             proxy/process/notify.o proxy/process/activation.o proxy/exchange/resolve_files.o proxy/main.o
DEMO_OBJS := $(BASE_OBJS) $(COAP_OBJS) base/clock.o base/random.o \
             oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o tools/seal.o tools/demo.o tools/demo_client.o tools/demo_context.o \
             tools/demo_device.o tools/demo_trace.o

# What reads a provisioning file, and what oscore-keys, which writes one, has besides.
KEYS_FILE_OBJS := oscore/keys_file.o oscore/keys_blocks.o oscore/keys_settings.o oscore/keys_lines.o oscore/names.o oscore/group.o oscore/context.o
OSCORE_KEYS_OBJS := $(KEYS_FILE_OBJS) oscore/derive.o tools/group_derive.o tools/keys_input.o tools/keys_print.o tools/oscore_keys.o
# What opens messages for the gateway, in a process of its own: it holds keys, and nothing that could seal, derive one or reach anybody.
READER_PART_OBJS := $(sort $(KEYS_FILE_OBJS) $(GROUP_OBJS) oscore/option.o oscore/unseal.o oscore/inner.o oscore/replay.o oscore/opening.o \
                oscore/reader/vault.o oscore/reader/table.o oscore/reader/bodies.o oscore/reader/open.o oscore/reader/prepare.o oscore/reader/answers.o \
                oscore/reader/control.o oscore/reader/confine.o coap/message.o coap/option.o base/hash.o base/landlock.o base/log.o base/packets.o base/random.o)
READER_OBJS := $(READER_PART_OBJS) base/clock.o oscore/reader/main.o
READER_LIBS  = $(shell $(PKG_CONFIG) --libs libcrypto libseccomp libcoap-3-notls 2>/dev/null)

# The product reads the real clock; the test build differs in these objects alone.
PRODUCT_ONLY := base/clock.o base/random.o proxy/edge/datagrams.o proxy/process/steer_none.o
TEST_ONLY    := base/clock_steered.o base/random.o proxy/edge/datagrams_faulty.o proxy/process/steer.o proxy/process/steer_worker.o proxy/process/steer_try.o

PROGRAMS := $B/oscore-proxy $B/oscore-reader $B/oscore-demo $B/oscore-keys
LOAD     := $B/load/relay $B/load/origin $B/load/load $B/load/handshakes $B/load/opening
UNIT     := $(patsubst tests/unit/%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))
SIM      := $(patsubst tests/sim/%.c,$B/unit/%,$(wildcard tests/sim/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help print-objects print-reader-objects setup test-setup run check check-sanitizers check-cross check-differential lint fuzz fuzz-smoke fuzz-report bench bench-house bench-http bench-transports bench-read conformance install \
        uninstall clean programs tests

all: setup
	@$(MAKE) --no-print-directory programs

programs: $(PROGRAMS) $B/docs/oscore-proxy.conf.5
tests: programs $B/test/oscore-proxy $B/test/oscore-reader $B/test/uri-tool $B/test/group-peer $(UNIT) $(SIM) $(LOAD)

help:
	@echo 'make run               install what is missing, build, show one plain and one OSCORE request through the gateway'
	@echo 'make check             install what the tests need, build, run every test'
	@echo 'make                   build only                    make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make bench             cost and latency beside the ceiling and libcoap (BENCH=quick for a short one)'
	@echo 'make bench-house       several workers beside one, reload and start with 10,000 routes'
	@echo 'make bench-http        HTTP to CoAP beside nginx from HTTP to HTTP; memory of idle connections'
	@echo 'make bench-transports  TCP and DTLS beside UDP, libcoap and bare OpenSSL; memory of idle sessions'
	@echo 'make bench-read        gates and taps beside pass-through, the reader beside bare OpenSSL, and a reader that stands still'
	@echo 'make check-sanitizers  all tests under ASan and UBSan    make lint         gcc and clang with warnings as errors'
	@echo 'make check-differential  100,000 messages each that two other implementations protect, opened by the reader'
	@echo 'make check-cross       arm64 and armhf: cross-built, unit tests and vectors under qemu'
	@echo 'make fuzz-smoke        each fuzz target for 60 s         make fuzz-report  line coverage of the fuzz corpora'
	@echo 'make conformance       which requirement lines the last `make check` covered'

print-objects:
	@echo $(PROXY_OBJS) $(PRODUCT_ONLY)
print-reader-objects:
	@echo $(READER_OBJS)

setup:
	@sh tools/setup.sh

test-setup: setup
	@sh tests/setup.sh

run: setup
	@$(MAKE) --no-print-directory programs
	@sh tools/run.sh

check: test-setup
	@$(MAKE) --no-print-directory -j2 tests
	@B=$B sh tests/run.sh

# ---- objects ----------------------------------------------------------------------------------------------------------
$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $V,,@echo "$(CC) $<" &&) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

ifdef LLHTTP
$B/obj/llhttp/%.o: $(LLHTTP_SOURCE)/%.c
	@mkdir -p $(@D)
	$(if $V,,@echo "$(CC) $<" &&) $(CC) -std=c11 $(CFLAGS) $(SANITIZE) $(HARDEN) $(FORTIFY) -DLLHTTP_STRICT_MODE=1 $(PKG_CFLAGS) -w -c -o $@ $<
$(LLHTTP): $(addprefix $B/obj/llhttp/,api.o http.o llhttp.o)
	@$(shell $(CC) -print-prog-name=ar) rcs $@ $^
endif

-include $(shell find $B/obj -name '*.d' 2>/dev/null)

obj = $(addprefix $B/obj/,$(1))
LINK = @mkdir -p $(@D) && echo "link $@" && $(CC) $(ALL_LDFLAGS) -o $@

$B/oscore-proxy: $(call obj,$(PROXY_OBJS) $(PRODUCT_ONLY)) | $(LLHTTP)
	$(LINK) $^ $(LIBS)
$B/test/oscore-proxy: $(call obj,$(PROXY_OBJS) $(TEST_ONLY)) | $(LLHTTP)
	$(LINK) $^ $(LIBS)
# The gateway looks for it in its own folder.
$B/test/oscore-reader: $B/oscore-reader
	@mkdir -p $(@D) && cp $< $@
$B/oscore-reader: $(call obj,$(READER_OBJS))
	$(LINK) $^ $(READER_LIBS)
$B/oscore-demo: $(call obj,$(DEMO_OBJS)) | $(LLHTTP)
	$(LINK) $^ $(LIBS)
$B/oscore-keys: $(call obj,$(OSCORE_KEYS_OBJS))
	$(LINK) $^ -lcrypto
# What seals, built like the rest of the load: not for sanitizers.
SEALED := tests/load/sealed.c tests/load/sealed.h tools/seal.c oscore/option.c oscore/context.c oscore/derive.c base/hash.c base/random.c base/log.c base/clock.c
$B/load/load: $(wildcard tests/load/load*.c tests/load/load*.h) $(SEALED)
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -o $@ $(filter %.c,$^) -lssl -lcrypto
$B/load/origin: $(wildcard tests/load/origin*.c) tests/load/origin.h $(SEALED)
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -o $@ $(filter %.c,$^) -lcrypto
$B/load/handshakes: tests/load/handshakes.c tests/load/load_dtls.c tests/load/load_dtls.h
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE -Wall -Wextra -o $@ $(filter %.c,$^) -lssl -lcrypto
$B/load/opening: tests/load/opening.c oscore/opening.c oscore/opening.h oscore/reader/control.c oscore/reader/control.h base/packets.c base/packets.h $(SEALED) coap/message.c coap/option.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -o $@ $(filter %.c,$^) $(READER_LIBS)
$B/load/%: tests/load/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE -Wall -Wextra -o $@ $<

# A unit test names the objects it links in its first line: /* objects: base/bytes.o BASE_OBJS ... */ (a name of a list above is that
# list) and further libraries in a
# second one: /* libs: -levent_core */
objects_of = $(sort $(foreach word,$(shell sed -n '1,3s|.*/\* objects:\(.*\)\*/.*|\1|p' $(1)),$(if $(filter %_OBJS,$(word)),$($(word)),$(word))))
libs_of    = $(shell sed -n '1,3s|.*/\* libs:\(.*\)\*/.*|\1|p' $(1))

define unit_rule
$B/unit/$(notdir $(basename $(1))): $(1) $(wildcard tests/unit/*.h) $$(call obj,$$(call objects_of,$(1))) | $$(LLHTTP)
	@mkdir -p $$(@D) && echo "unit $$@"
	@$$(CC) $$(ALL_CPPFLAGS) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $(1) $$(call obj,$$(call objects_of,$(1))) \
		-lcmocka $$(LIBS) $$(call libs_of,$(1))
endef
$(foreach t,$(wildcard tests/unit/test_*.c tests/sim/test_*.c),$(eval $(call unit_rule,$(t))))

# What tests ask about URIs.
URI_TOOL := tests/interop/uri_tool.c
$B/test/uri-tool: $(URI_TOOL) $(call obj,$(call objects_of,$(URI_TOOL))) | $(LLHTTP)
	@mkdir -p $(@D) && echo "link $@"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# A member of a Group OSCORE group, for those that test against it.
GROUP_PEER := tests/interop/group_peer.c
$B/test/group-peer: $(GROUP_PEER) $(call obj,$(call objects_of,$(GROUP_PEER))) | $(LLHTTP)
	@mkdir -p $(@D) && echo "link $@"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

define fuzz_rule
$B/fuzz/$(notdir $(basename $(1))): $(1) $(wildcard tests/fuzz/*.h) $$(call obj,$$(call objects_of,$(1))) | $$(LLHTTP)
	@mkdir -p $$(@D) && echo "fuzz $$@"
	@$$(CC) $$(ALL_CPPFLAGS) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) $$(FUZZ_MAIN) -o $$@ $(1) $$(call obj,$$(call objects_of,$(1))) \
		$$(LIBS) $$(call libs_of,$(1))
endef
$(foreach t,$(wildcard tests/fuzz/fuzz_*.c),$(eval $(call fuzz_rule,$(t))))

fuzz-programs: $(FUZZ)

$B/docs/oscore-proxy.conf.5: docs/oscore-proxy.conf.5.in $B/oscore-proxy
	@mkdir -p $(@D)
	@$(EMULATOR) $B/oscore-proxy --print-manual > $@.options
	@sed -e '/@OPTIONS@/{' -e 'r $@.options' -e 'd' -e '}' -e 's/@VERSION@/$(VERSION)/' $< > $@
	@rm -f $@.options

# ---- flavours ---------------------------------------------------------------------------------------------------------
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# The functional tests run once here, with three workers: a third of what is asked stays in one, the rest crosses.
check-sanitizers: test-setup
	@$(MAKE) --no-print-directory -j2 B=build/asan CFLAGS='-O1 -g' FORTIFY= SANITIZE='$(SAN_FLAGS)' tests
	@B=build/asan SUITES='unit workers network interop' sh tests/run.sh

# The native program is what the cross-built ones are compared with.
check-cross: setup
	@$(MAKE) --no-print-directory -j2 programs
	@B=$B sh tests/cross.sh

# `make check` has fewer of the slower one.
check-differential: test-setup
	@$(MAKE) --no-print-directory -j2 programs
	@B=$B DIFFERENTIAL_CALIFORNIUM=100000 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/interop/test_oscore_differential.py

fuzz: test-setup
	@$(MAKE) --no-print-directory -j2 B=build/fuzzing CC=clang CFLAGS='-O1 -g' FORTIFY= \
		SANITIZE='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined' FUZZ_MAIN=-fsanitize=fuzzer fuzz-programs

fuzz-smoke: fuzz
	@B=build/fuzzing sh tests/fuzz/run.sh smoke $(or $(SECONDS_EACH),60)

fuzz-report: test-setup
	@$(MAKE) --no-print-directory -j2 B=build/fuzzcov CC=clang CFLAGS='-O1 -g' FORTIFY= \
		SANITIZE='-fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping' FUZZ_MAIN=-fsanitize=fuzzer fuzz-programs
	@B=build/fuzzcov sh tests/fuzz/report.sh

lint: test-setup
	@sh tests/lint.sh

bench: test-setup
	@$(MAKE) --no-print-directory -j2 programs $(LOAD)
	@python3 tests/load/bench.py $(if $(filter quick,$(BENCH)),--quick)

bench-house: test-setup
	@$(MAKE) --no-print-directory -j2 programs $(LOAD)
	@python3 tests/load/bench_house.py $(if $(filter quick,$(BENCH)),--quick)

bench-http: test-setup
	@sh tools/setup.sh bench
	@$(MAKE) --no-print-directory -j2 programs $(LOAD)
	@python3 tests/load/bench_http.py $(if $(filter quick,$(BENCH)),--quick)

bench-transports: test-setup
	@$(MAKE) --no-print-directory -j2 programs $(LOAD)
	@python3 tests/load/bench_transports.py $(if $(filter quick,$(BENCH)),--quick)

bench-read: test-setup
	@$(MAKE) --no-print-directory -j2 programs $(LOAD)
	@python3 tests/load/bench_read.py $(if $(filter quick,$(BENCH)),--quick)

conformance:
	@python3 tests/conformance/report.py

# ---- install ----------------------------------------------------------------------------------------------------------
# Where systemd looks for units and users of /usr and /usr/local; for another PREFIX name its folders of /etc.
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
DOCDIR       = $(PREFIX)/share/doc/oscore-proxy

install: programs
	install -d $(addprefix $(DESTDIR),$(PREFIX)/sbin $(PREFIX)/bin $(PREFIX)/share/man/man8 $(PREFIX)/share/man/man5 $(PREFIX)/share/man/man1 $(DOCDIR) $(UNITDIR) $(SYSUSERSDIR))
	install -m 755 $B/oscore-proxy $B/oscore-reader $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $B/oscore-keys $(DESTDIR)$(PREFIX)/bin/oscore-keys
	install -m 644 docs/oscore-keys.1 $(DESTDIR)$(PREFIX)/share/man/man1/oscore-keys.1
	install -m 644 docs/oscore-proxy.8 docs/oscore-reader.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 $B/docs/oscore-proxy.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/oscore-proxy.conf.5
	install -m 644 README.md LICENSE SECURITY.md docs/OPERATING.md docs/DESIGN.md proxy.conf.example deploy/oscore-proxy.socket $(DESTDIR)$(DOCDIR)/
	install -m 644 deploy/oscore-proxy.service $(DESTDIR)$(UNITDIR)/oscore-proxy.service
	sed -i 's|/usr/local/sbin/|$(PREFIX)/sbin/|' $(DESTDIR)$(UNITDIR)/oscore-proxy.service
	install -m 644 deploy/oscore-proxy.sysusers $(DESTDIR)$(SYSUSERSDIR)/oscore-proxy.conf

# The user and what the administrator wrote (configuration, drop-ins, logs) stay.
uninstall:
	rm -f $(addprefix $(DESTDIR),$(PREFIX)/bin/oscore-keys $(PREFIX)/share/man/man1/oscore-keys.1 $(PREFIX)/sbin/oscore-proxy $(PREFIX)/sbin/oscore-reader $(PREFIX)/share/man/man8/oscore-proxy.8 $(PREFIX)/share/man/man8/oscore-reader.8 \
		$(PREFIX)/share/man/man5/oscore-proxy.conf.5 $(UNITDIR)/oscore-proxy.service $(SYSUSERSDIR)/oscore-proxy.conf)
	rm -rf $(DESTDIR)$(DOCDIR)

clean:
	rm -rf build

.SECONDARY:

# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
#
# The front door. Each target installs what it is missing (Debian packages), configures a build
# directory of its own under build/ and says what it does. Meson does the work: see HACKING.md.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
ARGS ?=
FUZZ_SECONDS ?= 60

# What the programs and the demo are built from and run with.
BUILD_PACKAGES := meson ninja-build pkg-config gcc libc6-dev nbdkit nbdkit-plugin-dev libnbd-dev \
    libnbd-bin libgnutls28-dev gnutls-bin libjansson-dev libxxhash-dev libzstd-dev libcmocka-dev \
    libmicrohttpd-dev libcurl4-gnutls-dev libsqlite3-dev libyaml-dev libexpat1-dev e2fsprogs
TEST_PACKAGES := clang clang-format libclang-rt-14-dev python3-libnbd python3-pytest qemu-utils \
    xfsprogs btrfs-progs fuse3 nbd-client spin etcd-server fence-agents openipmi ipmitool
TORTURE_PACKAGES := fio
BENCH_PACKAGES := fio rsync qemu-utils qemu-system-common qemu-block-extra python3-libnbd linux-perf

DEV := -Ddeveloper=true
ASAN := $(DEV) -Db_sanitize=address,undefined -Db_lundef=false
RELEASE := -Dbuildtype=release -Dtests=false
C_FILES = find src tests $(wildcard bench) -name '*.[ch]' -print0

.PHONY: help demo test full full-extra torture mutation bench fuzz check-format format install-deps \
    install-deps-build install-deps-test install-deps-torture install-deps-bench clean

help:
	@echo 'godwit: replication, failover and failback between two sites'
	@echo
	@echo '  make demo [ARGS=...]      two sites on this machine: fail over, and come home'
	@echo '  make test                 build with sanitizers and run every quick test'
	@echo '  make full                 ... and again with clang, ThreadSanitizer and -fanalyzer'
	@echo '  make torture [MINUTES=n]  the long tests: many seeds, many kills; n minutes in all. Without:'
	@echo '                            half an hour, and then the searches that take hours'
	@echo '  make mutation [ARGS=...]  put deliberate faults into the engine: does a test catch each?'
	@echo '  make bench [ARGS=...]     measure side by side with peers'
	@echo '  make fuzz [FUZZ_SECONDS=60]  fuzz every decoder for so long each'
	@echo '  make check-format         is the source as clang-format wants it?   (make format)'
	@echo '  make install-deps         install the Debian packages that are missing'
	@echo '  make clean                remove build/'

install-deps: install-deps-build install-deps-test install-deps-torture install-deps-bench
install-deps-build:
	@.ci/need $(BUILD_PACKAGES)
install-deps-test: install-deps-build
	@.ci/need $(TEST_PACKAGES)
install-deps-torture: install-deps-test
	@.ci/need $(TORTURE_PACKAGES)
install-deps-bench: install-deps-build
	@.ci/need $(BENCH_PACKAGES)

demo: install-deps-build
	@.ci/suite build/release $(RELEASE)
	@build/release/src/cli/godwit demo $(ARGS)

# The summary runs also when a test fails, and the worse of both is the result.
test: install-deps-test
	@.ci/suite build/test $(ASAN) -- --no-suite torture; r=$$?; \
	    .ci/summary build/test || r=1; exit $$r

full: install-deps-test
	@.ci/suite build/test $(ASAN) -- --no-suite torture; r=$$?; .ci/summary build/test || r=1; \
	    exit $$r
	@rm -f build/{clang,tsan}/meson-logs/testlog.json
	@$(MAKE) full-extra; r=$$?; \
	    .ci/summary gcc-asan-ubsan=build/test clang=build/clang tsan=build/tsan || r=1; exit $$r

# clang without sanitizers also tests the hardened, optimised programs as they are shipped.
# ThreadSanitizer wants addresses where it knows them; not every container lets it have that.
full-extra: install-deps-test
	@echo '== gcc -fanalyzer'
	@.ci/suite build/analyzer $(DEV) -Dtests=false -Dc_args=-fanalyzer
	@echo '== clang'
	@CC=clang .ci/suite build/clang $(DEV) -Dbuildtype=release -- --no-suite torture
	@echo '== ThreadSanitizer'
	@fixed=; setarch -R true 2>/dev/null && fixed='setarch -R'; \
	    TEST_WRAPPER="$$fixed" .ci/suite build/tsan $(DEV) -Db_sanitize=thread -Db_lundef=false \
	    -- --suite unit

# Three programs go on for as long as they are told; one after the other, a third of the time each. The
# others of the suite end when they are through.
TORTURE_TIMED := sim_torture scenario_random torture_kills
torture: install-deps-torture
	@minutes='$(MINUTES)'; GODWIT_TORTURE=1 \
	    GODWIT_TORTURE_MINUTES=$$(awk "BEGIN { print $${minutes:-30} / 3 }") \
	    .ci/suite build/test $(ASAN) -- --num-processes 1 --suite torture \
	    $${minutes:+$(TORTURE_TIMED)}; r=$$?; .ci/summary build/test || r=1; exit $$r

mutation: install-deps-test
	@tests/mutation/check $(ARGS)

bench: install-deps-bench
	@.ci/suite build/release $(RELEASE) -Dbench=true
	@bench/run $(ARGS)

# New inputs are collected under build/; those worth keeping are copied to tests/fuzz/corpus by hand.
fuzz: install-deps-test
	@CC=clang .ci/suite build/fuzz $(ASAN) -Dfuzz=true
	@set -e; for f in $$(find build/fuzz/tests/fuzz -name 'fuzz_*' -type f -executable); do \
	    n=$$(basename $$f); echo "== $$n"; mkdir -p build/fuzz/corpus/$$n; \
	    seeds=tests/fuzz/corpus/$$n; [ -d $$seeds ] || seeds=; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/fuzz/$$n- \
	        build/fuzz/corpus/$$n $$seeds; \
	done

check-format: install-deps-test
	@$(C_FILES) | xargs -0 clang-format --dry-run -Werror && echo 'format: fine'
format: install-deps-test
	@$(C_FILES) | xargs -0 clang-format -i

clean:
	rm -rf build

# Unit tests: tests/unit mirrors userspace/ and bpf/; each test_*.c is one cmocka program.
UNIT_SRC := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)

$(B)/tests/unit/%: tests/unit/%.c $(B)/libegret.a $(EMBED_H)
	$(call say,TEST,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I. -Ibpf $(CFLAGS) -Wno-null-dereference -MMD -MP -o $@ $< $(B)/libegret.a $(LDFLAGS) $(LDLIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_BIN) ## build and run the unit tests (quiet ones: the log of a failed one is shown)
	$(Q)n=0; bad=0; for t in $^; do $$t >$$t.log 2>&1 || { cat $$t.log; echo "failed: $$t" >&2; bad=1; }; \
		n=$$((n + $$(grep -ac '^\[       OK' $$t.log || true))); done; \
		echo "  UNIT     $$n passed in $(words $^) programs ($(B))"; exit $$bad

# Everything, each stage in a make of its own: packages that the first one installs change its flags.
.PHONY: test
test:
	$(Q)tools/deps.sh
	$(Q)$(MAKE) check
	$(Q)$(MAKE) WERROR=1 all unit helpers
	$(Q)$(MAKE) CC=$(CLANG) WERROR=1 B=build/clang all
	$(Q)$(MAKE) SAN=address,undefined all unit helpers
	$(Q)$(MAKE) fuzz-replay
	$(Q)$(MAKE) pytest
	$(Q)$(MAKE) san-pytest ARGS="$(SAN_SHORT)"

# Every test makes its own namespaces and cgroups and mostly waits for something: two a CPU go together.
PYTEST_JOBS ?= $(shell echo $$((2 * $$(nproc))))
# What pytest must not skip here; on a machine that lacks one, say EGRET_REQUIRE= and see why.
EGRET_REQUIRE ?= root,bpf,cgroup2,netns,npm
.PHONY: pytest
pytest: all helpers $(B)/npm/.stamp ## run the tests that drive processes (ARGS="-k name")
	$(Q)env -u NODE_EXTRA_CA_CERTS EGRET_REQUIRE=$(EGRET_REQUIRE) $(PYTEST) -p no:cacheprovider -q -n $(PYTEST_JOBS) -m "not heavy" \
		tests $(ARGS)

# The whole of it once more with ASan and UBSan in every process of egret; `test` does the part where
# the input is most hostile.
SAN_SHORT := tests/fault tests/integration/test_smuggling.py tests/integration/test_streams.py \
	tests/integration/test_denials.py tests/integration/test_reload.py
.PHONY: san san-pytest
san:
	$(Q)tools/deps.sh
	$(Q)$(MAKE) SAN=address,undefined all unit helpers
	$(Q)$(MAKE) san-pytest ARGS="$(or $(ARGS),tests)"
san-pytest: $(B)/npm/.stamp
	$(Q)env -u NODE_EXTRA_CA_CERTS EGRET_BUILD=build/san EGRET_REQUIRE=$(EGRET_REQUIRE) $(PYTEST) -p no:cacheprovider -q \
		-n $(PYTEST_JOBS) -m "not heavy" $(ARGS)

valgrind: $(UNIT_BIN)
	$(Q)tests/valgrind.sh $(B)

# The long forms of tests/soak and tests/fault.
soak: all helpers
	$(Q)env -u NODE_EXTRA_CA_CERTS EGRET_REQUIRE=root $(PYTEST) -p no:cacheprovider -q -s -m heavy tests/soak tests/fault $(ARGS)

# Whole agents as workloads, at the versions of their package.json: large, so not part of `test`.
$(B)/agents/.stamp: tests/clients/agents/package.json
	$(call say,NPM,$(@D)) mkdir -p $(@D)
	$(Q)cp $< $(@D)
	$(Q)cd $(@D) && npm install --no-package-lock --no-audit --no-fund --loglevel=error >npm.log 2>&1 || { cat npm.log; exit 1; }
	$(Q)touch $@
agents: all helpers $(B)/agents/.stamp
	$(Q)env -u NODE_EXTRA_CA_CERTS EGRET_REQUIRE=root $(PYTEST) -p no:cacheprovider -q -m heavy tests/clients/agents $(ARGS)

# Helpers that pytest drives: tests/lib/NAME.c becomes a program of its own.
$(B)/tests/lib/%: tests/lib/%.c $(B)/libegret.a
	$(call say,CC,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libegret.a $(LDFLAGS) $(LDLIBS)

# The real SDKs that tests and demo run as workloads, at the versions of tests/package-lock.json.
$(B)/npm/.stamp: tests/package.json tests/package-lock.json
	$(call say,NPM,$(@D)) mkdir -p $(@D)
	$(Q)cp tests/package.json tests/package-lock.json $(@D)
	$(Q)cd $(@D) && npm ci --no-audit --no-fund --loglevel=error >npm.log 2>&1 || { cat npm.log; exit 1; }
	$(Q)touch $@

# The attacks of tests/bypass, one program.
BYPASS_SRC := $(wildcard tests/bypass/attack*.c)
$(B)/tests/bypass/attack: $(BYPASS_SRC) tests/bypass/attack.h
	$(call say,CC,$(@D)) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-null-dereference -o $@ $(BYPASS_SRC) $(LDFLAGS)

.PHONY: helpers
helpers: $(B)/tests/bypass/attack $(patsubst tests/lib/%.c,$(B)/tests/lib/%,$(wildcard tests/lib/*.c))

demo:
	$(Q)tools/deps.sh
	$(Q)$(MAKE) all build/npm/.stamp
	$(Q)tools/users.sh
	$(Q)tools/demo.sh

# Programs of the benchmark, and the benchmark: no assertion on time, a table to read.
BENCH_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench/*.c))
$(B)/tests/bench/%: tests/bench/%.c
	$(call say,CC,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS) $(LDLIBS)
bench:
	$(Q)tools/deps.sh
	$(Q)$(MAKE) all helpers $(BENCH_BIN)
	$(Q)/usr/bin/python3 tests/bench/bench.py

# Fuzzers: tests/fuzz/fuzz_NAME.c beside its corpus tests/fuzz/corpus/NAME/, in a tree of their own
# (build/fuzz: clang, coverage, sanitizers). New inputs are kept below build/fuzz/corpus/.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SECONDS ?= 60
FUZZ_MAKE = $(MAKE) CC=$(CLANG) SAN=fuzzer-no-link,address,undefined B=build/fuzz

$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/libegret.a $(EMBED_H)
	$(call say,FUZZ,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Ibpf $(CFLAGS) -MMD -MP -o $@ $< $(B)/libegret.a $(LDFLAGS) -fsanitize=fuzzer $(LDLIBS)

.PHONY: fuzz fuzz-replay fuzz-bins
fuzz-bins: $(FUZZ_BIN)
fuzz-replay: ## run every fuzz target over its corpus, once
	$(Q)$(FUZZ_MAKE) fuzz-bins
	$(Q)for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do \
		build/fuzz/tests/fuzz/fuzz_$$f -runs=0 tests/fuzz/corpus/$$f >build/fuzz/$$f.log 2>&1 || \
			{ cat build/fuzz/$$f.log; exit 1; }; done
fuzz:
	$(Q)$(FUZZ_MAKE) fuzz-bins
	$(Q)for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do mkdir -p build/fuzz/corpus/$$f; echo "  FUZZ     $$f"; \
		build/fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=build/fuzz/ build/fuzz/corpus/$$f tests/fuzz/corpus/$$f; done

-include $(UNIT_BIN:=.d) $(FUZZ_BIN:=.d) $(wildcard $(B)/tests/lib/*.d)

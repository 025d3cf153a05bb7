# Unit tests: tests/unit mirrors userspace/ and bpf/; each test_*.c is one cmocka program.
UNIT_SRC := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)

$(B)/tests/unit/%: tests/unit/%.c $(B)/libegret.a $(EMBED_H)
	$(call say,TEST,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I. -Ibpf $(CFLAGS) -MMD -MP -o $@ $< $(B)/libegret.a $(LDFLAGS) $(LDLIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_BIN) ## build and run the unit tests
	$(Q)for t in $^; do $$t || exit 1; done

# Helpers that pytest drives: tests/lib/NAME.c becomes a program of its own.
$(B)/tests/lib/%: tests/lib/%.c $(B)/libegret.a
	$(call say,CC,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libegret.a $(LDFLAGS) $(LDLIBS)

# Fuzzers: tests/fuzz/fuzz_NAME.c beside its corpus tests/fuzz/corpus/NAME/.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_SECONDS ?= 60

-include $(UNIT_BIN:=.d) $(wildcard $(B)/tests/lib/*.d)

.PHONY: deps
deps: ## install the packages that are missing (tools/packages.txt)
	$(Q)tools/deps.sh

C_FILES = $(shell git ls-files '*.c' '*.h')
format:
	$(Q)clang-format -i $(C_FILES)

# Each check proves first that it finds what it is for. BPF's headers need the kernel's types first:
# their build is their check.
CHECKS_PY := $(wildcard tools/check-*.py)
CHECKS_SH := $(wildcard tools/check-*.sh)
check: $(CHECKS_PY:tools/check-%.py=check-%) check-headers check-format check-cppcheck check-shell

.PHONY: $(CHECKS_PY:tools/check-%.py=check-%) check-headers check-format check-cppcheck check-shell
$(CHECKS_PY:tools/check-%.py=check-%): check-%:
	$(call say,CHECK,$*)
	$(Q)tools/check-$*.py --self-test
	$(Q)tools/check-$*.py

check-headers: $(BPF_SKEL) $(EMBED_H)
	$(call say,CHECK,headers)
	$(Q)tools/check-headers.sh --self-test
	$(Q)CC="$(CC)" CPPFLAGS="$(CPPFLAGS) -I." CFLAGS="-std=gnu17 $(WARN)" \
		tools/check-headers.sh $(shell git ls-files 'headers/*.h' 'userspace/*.h')

check-format:
	$(call say,CHECK,format)
	$(Q)tools/check-format.sh --self-test
	$(Q)tools/check-format.sh $(C_FILES)

check-cppcheck:
	$(call say,CHECK,cppcheck)
	$(Q)tools/check-cppcheck.sh --self-test
	$(Q)tools/check-cppcheck.sh $(shell git ls-files 'userspace/*.c')

check-shell:
	$(call say,CHECK,shell)
	$(Q)shellcheck $(shell git ls-files '*.sh' .ci/run)

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
	$(Q)shellcheck -S warning $(shell git ls-files '*.sh' .ci/run)

# ---- documents made from the tables ----

MAN := $(patsubst tools/man/%.in,$(B)/man/%,$(wildcard tools/man/*.in))
COMPLETION := $(B)/completion/egret
all: $(MAN) $(COMPLETION)

$(B)/man/%: tools/man/%.in tools/assemble.sh $(B)/egret $(B)/egretd
	$(call say,MAN,$@) mkdir -p $(@D)
	$(Q)tools/assemble.sh $< COMMANDS="$(B)/egret help --man" REASONS="$(B)/egret help --reasons" \
		KEYS="$(B)/egretd --print man | sed 's/\([.:]\) \([A-Z0-9]\)/\1\n\2/g'" > $@
	$(Q)! command -v mandoc >/dev/null || mandoc -T lint -W warning $@

$(COMPLETION): tools/completion/egret.bash.in tools/assemble.sh $(B)/egret
	$(call say,BASH,$@) mkdir -p $(@D)
	$(Q)tools/assemble.sh $< TABLES="$(B)/egret help --completion" > $@

# ---- what is installed, each MODE:SOURCE:PLACE below PREFIX; uninstall removes these and no others.
# Units and man pages name files by their place. ----

to = $(foreach f,$(2),644:$(f):$(1)/$(notdir $(f)))
INSTALL := 755:$(B)/egret:bin/egret 755:$(B)/egretd:sbin/egretd \
	$(call to,share/egret,policy/providers.json policy/default.json) \
	$(call to,share/egret/schema,$(wildcard policy/schema/*.json)) \
	$(call to,share/doc/egret/examples,$(wildcard policy/examples/*.json) policy/egret.json) \
	$(call to,share/doc/egret,README.md ARCHITECTURE.md LICENSE) \
	$(call to,share/man/man5,$(filter %.5,$(MAN))) $(call to,share/man/man8,$(filter %.8,$(MAN))) \
	$(call to,share/bash-completion/completions,$(COMPLETION)) \
	$(call to,lib/systemd/system,$(wildcard tools/systemd/*.service tools/systemd/*.socket)) \
	$(foreach f,$(wildcard tools/systemd/*.sysusers),644:$(f):lib/sysusers.d/$(basename $(notdir $(f))).conf)
OWN_DIRS := share/egret/schema share/egret share/doc/egret/examples share/doc/egret

install: $(foreach row,$(INSTALL),$(word 2,$(subst :, ,$(row))))
	$(Q)for row in $(INSTALL); do IFS=: read -r mode source place <<<"$$row"; \
		install -D -m "$$mode" "$$source" "$(DESTDIR)$(PREFIX)/$$place"; \
		case $$place in lib/systemd/* | share/man/*) \
			sed -i 's|/usr/local/|$(PREFIX)/|g' "$(DESTDIR)$(PREFIX)/$$place" ;; esac; done
	@echo "  installed in $(DESTDIR)$(PREFIX): see egret(8), and \`egret check\` once egretd runs"

uninstall:
	$(Q)for row in $(INSTALL); do rm -f "$(DESTDIR)$(PREFIX)/$${row##*:}"; done
	$(Q)for dir in $(OWN_DIRS); do rmdir "$(DESTDIR)$(PREFIX)/$$dir" 2>/dev/null || :; done

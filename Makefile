# egret: one non-recursive makefile; each folder's build.mk adds what it has. Output goes to build/.
#   make help   lists the targets          V=1   shows the commands
#   SAN=address,undefined   builds with sanitizers into build/san/

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
SAN ?=
B := build$(if $(SAN),/san)
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PYTEST ?= /usr/bin/python3 -m pytest
PKGS := openssl libbpf libcares yajl jansson sqlite3 libseccomp libcap-ng libmnl

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla -Walloca -Wformat=2 -Wcast-qual \
	-Wnull-dereference -Wimplicit-fallthrough -Wdate-time -Werror=incompatible-pointer-types \
	-Werror=return-type $(if $(WERROR),-Werror)
IS_GCC := $(shell $(CC) --version 2>/dev/null | grep -qi 'gcc\|free software foundation' && echo y)
ifeq ($(IS_GCC),y)
WARN += -Wformat-signedness -Wlogical-op -Wduplicated-cond
HARDEN_CC := -ftrivial-auto-var-init=zero
# The two programs are optimized as wholes (2 % of a request's CPU); what else links the objects, and
# there is a hundred of that, takes their code as it is.
LTO := $(if $(SAN),,-flto=auto)
endif
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE $(HARDEN_CC) \
	$(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
OPT ?= -O2 -g
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
CPPFLAGS += -D_GNU_SOURCE -DEGRET_VERSION='"$(VERSION)"' -Iheaders -Iuserspace -I$(B)/gen \
	-I/usr/share/include/llhttp
CFLAGS += -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections $(SANFLAGS) $(if $(LTO),-fno-lto)
LTO_CC := $(if $(LTO),$(LTO) -ffat-lto-objects)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lev -lelf -lm

say = @printf '  %-8s %s\n' $(1) $(2);

all: ## build egretd and egret into build/
check: ## formatting of names, layers, banned calls, headers, docs
test: ## install what is missing, build, run every test
demo: ## install what is missing, build, show an unmodified SDK governed
agents: ## whole agents as workloads: Claude Code, Codex, opencode (1.2 GB from npm)
san: ## units and processes with address and undefined-behaviour sanitizers (10 minutes)
valgrind: ## unit programs under memcheck (5 minutes)
soak: ## kill processes a hundred times under load, upgrade twenty times, thousands of requests of every kind
bench: ## measure beside nginx, haproxy and a bare relay
fuzz: ## run every fuzz target (FUZZ_SECONDS=60 each)
format: ## reformat the C sources with clang-format
install: ## install under DESTDIR and PREFIX
uninstall: ## remove what install put there

include userspace/build.mk bpf/build.mk policy/build.mk tools/build.mk tests/build.mk

.PHONY: all check test demo bench soak agents san valgrind fuzz format install uninstall help clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

clean: ## remove build/
	rm -rf build

# libegret.a holds everything but the programs' main files, for them and for unit tests: each links
# what it uses of it.
LIB_DIRS := base event proto provider policy quota identity vault tls upstream dataplane audit control proxy daemon
LIB_SRC := $(filter-out userspace/daemon/main.c,$(foreach d,$(LIB_DIRS),$(wildcard userspace/$(d)/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/llhttp/api.o $(B)/llhttp/http.o $(B)/llhttp/llhttp.o
EGRETD_OBJ := $(B)/userspace/daemon/main.o
EGRET_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard userspace/cli/*.c))

all: $(B)/egretd $(B)/egret

$(B)/userspace/%.o: userspace/%.c
	$(call say,CC,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LTO_CC) -ffunction-sections -MMD -MP -c $< -o $@

# llhttp comes as C sources in Debian's node-llhttp; its table for strict parsing is chosen here.
$(B)/llhttp/%.o: /usr/share/llhttp/%.c
	$(call say,CC,$<) mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DLLHTTP_STRICT_MODE=1 -std=gnu17 $(OPT) $(HARDEN) $(SANFLAGS) \
		$(LTO_CC) -ffunction-sections -c $< -o $@

# Sources that include generated headers must wait for them.
$(patsubst %.c,$(B)/%.o,$(wildcard userspace/dataplane/*.c userspace/daemon/*.c userspace/cli/*.c)): \
	| $(B)/gen/egret.skel.h $(B)/gen/embed_default.h $(B)/gen/embed_providers.h

$(B)/libegret.a: $(LIB_OBJ)
	$(call say,AR,$@) rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/egretd $(B)/egret: LDFLAGS := $(filter-out -fno-lto,$(LDFLAGS)) $(LTO)

$(B)/egretd: $(EGRETD_OBJ) $(B)/libegret.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The command line needs few of the libraries: it must not load OpenSSL, for one.
$(B)/egret: $(EGRET_OBJ) $(B)/libegret.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

-include $(LIB_OBJ:.o=.d) $(EGRETD_OBJ:.o=.d) $(EGRET_OBJ:.o=.d)

# Data files that programs embed: build/gen/embed_NAME.h defines `static const char embed_NAME[]`.
EMBED := $(wildcard policy/*.json)
EMBED_H := $(EMBED:policy/%.json=$(B)/gen/embed_%.h)

$(B)/gen/embed_%.h: policy/%.json tools/embed.sh
	$(call say,EMBED,$<) mkdir -p $(@D)
	$(Q)tools/embed.sh $< $* > $@

# The programs embed them; sources that include one wait for it.
$(patsubst %.c,$(B)/%.o,$(wildcard userspace/daemon/*.c userspace/cli/*.c)): | $(EMBED_H)

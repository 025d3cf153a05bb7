# The BPF programs: one object a hook, linked into one, and its skeleton. All under build/bpf.
BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.o)
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
BPF_CFLAGS := -std=gnu11 -target bpf -O2 -g -Wall -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-Iheaders -Ibpf -I$(B)/gen -I/usr/include/$(shell uname -m)-linux-gnu

$(B)/gen/vmlinux.h:
	$(call say,BTF,$@) mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@

$(B)/bpf/%.o: bpf/%.bpf.c $(B)/gen/vmlinux.h
	$(call say,BPF,$<) mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/bpf/egret.bpf.o: $(BPF_OBJ)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/gen/egret.skel.h: $(B)/bpf/egret.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name egret_bpf > $@

-include $(BPF_OBJ:.o=.d)

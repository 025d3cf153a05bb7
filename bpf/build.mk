# The BPF programs: a file a hook, one object and its skeleton; the flow iterator has a
# skeleton of its own. All under build/.
BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
BPF_CFLAGS := -std=gnu11 -target bpf -O2 -g -Wall -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-I. -Iheaders -Ibpf -I$(B)/gen -I/usr/include/$(shell uname -m)-linux-gnu
BPF_SKEL := $(B)/gen/egret.skel.h $(B)/gen/flows.skel.h

$(B)/gen/vmlinux.h:
	$(call say,BTF,$@) mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@

# One translation unit: libbpf 1.1 cannot link objects that share an extern kernel function.
$(B)/bpf/egret.c: $(BPF_SRC) bpf/build.mk
	$(Q)mkdir -p $(@D)
	$(Q)printf '#include "%s"\n' $(BPF_SRC) > $@

$(B)/bpf/egret.bpf.o: $(B)/bpf/egret.c $(B)/gen/vmlinux.h
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/bpf/flows.bpf.o: bpf/iter/flows.bpf.c $(B)/gen/vmlinux.h
	$(call say,BPF,$@) mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/gen/egret.skel.h: $(B)/bpf/egret.bpf.o
	$(call say,SKEL,$@)
	$(Q)(echo "#pragma GCC system_header"; $(BPFTOOL) gen skeleton $< name egret_bpf) > $@

$(B)/gen/flows.skel.h: $(B)/bpf/flows.bpf.o
	$(call say,SKEL,$@)
	$(Q)(echo "#pragma GCC system_header"; $(BPFTOOL) gen skeleton $< name flows_bpf) > $@

# The dataplane includes both skeletons; a change of a program rebuilds what embeds it.
$(patsubst %.c,$(B)/%.o,$(wildcard userspace/dataplane/*.c)): | $(BPF_SKEL)

-include $(B)/bpf/egret.bpf.d $(B)/bpf/flows.bpf.d

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is calling: fills a zeroed struct eg_flow from the current task. The record lives on the
 * stack of its hook, never in a per-CPU scratch map: cgroup programs can be preempted by another
 * connect(), which would overwrite the identity half-way.
 */
#pragma once

#include "egret/abi.h"

static __always_inline void identity_exe(struct task_struct *task, struct eg_flow *f)
{
	struct mm_struct *mm = task->mm;
	struct file *exe;

	if (!mm)
		return;
	exe = mm->exe_file;
	if (!exe)
		return;
	f->exe_ino = exe->f_inode->i_ino;
	f->exe_dev = exe->f_inode->i_sb->s_dev;
	f->exe_gen = exe->f_inode->i_generation;
}

/* Global, as identity_socket(): the verifier walks it once, and each field of a kernel struct costs
 * it a search. */
__noinline int identity_task(struct eg_flow *f)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 pid = bpf_get_current_pid_tgid(), uid = bpf_get_current_uid_gid();

	if (!f) /* the verifier does not know its callers */
		return 0;
	f->tgid = pid >> 32;
	f->tid = (__u32)pid;
	f->uid = (__u32)uid;
	f->gid = uid >> 32;
	f->cgroup = bpf_get_current_cgroup_id();
	f->ancestor[0] = bpf_get_current_ancestor_cgroup_id(1);
	f->ancestor[1] = bpf_get_current_ancestor_cgroup_id(2);
	f->ancestor[2] = bpf_get_current_ancestor_cgroup_id(3);
	f->ancestor[3] = bpf_get_current_ancestor_cgroup_id(4);
	f->start_ns = task->group_leader->start_boottime;
	f->time_ns = bpf_ktime_get_ns();
	if (task->flags & PF_KTHREAD)
		f->flags |= EG_FLOW_KTHREAD;
	identity_exe(task, f);
	if (bpf_get_current_comm(f->comm, sizeof(f->comm)))
		f->comm[0] = 0; /* for people only: not worth a refusal */
	return 0;
}

/* The socket's side: cgroup of its creator, cookies, what was asked for. */
__noinline int identity_socket(struct bpf_sock_addr *ctx, struct eg_flow *f)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);

	if (!f)
		return 0;
	f->sk_cgroup = kern->sk->sk_cgrp_data.cgroup->kn->id;
	if (f->sk_cgroup != f->cgroup)
		f->flags |= EG_FLOW_CGROUP_DIFFERS;
	f->cookie = bpf_get_socket_cookie(ctx);
	f->netns = bpf_get_netns_cookie(ctx);
	f->proto = ctx->protocol;
	return 0;
}

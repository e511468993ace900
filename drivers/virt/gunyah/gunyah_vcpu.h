/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_VCPU_H
#define __GUNYAH_VCPU_H

#include <linux/gunyah_vm_mgr.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/types.h>
#include <linux/wait.h>

/* What a vCPU has done, in the order of gh_vcpu_stat_names[] */
enum gh_vcpu_stat {
	GH_VCPU_STAT_ENTRIES,
	GH_VCPU_STAT_MMIO_READ,
	GH_VCPU_STAT_MMIO_WRITE,
	GH_VCPU_STAT_MMIO_KERNEL,
	GH_VCPU_STAT_WAIT,
	GH_VCPU_STAT_BUSY,
	GH_VCPU_STAT_STATUS,
	GH_VCPU_STAT_INTERRUPTED,
	GH_VCPU_NR_STATS,
};

/**
 * struct gh_vcpu - A vCPU
 * @kref: held by the function instance and by the vCPU file
 * @ghvm: the VM; the vCPU file holds a reference
 * @ticket: asks for the hypervisor's vCPU
 * @id: which of the VM's vCPUs it is
 * @run_lock: held by the one thread that runs the vCPU, and to change @rsc
 * @rsc: the hypervisor's vCPU, or NULL before the VM is started and after it
 *	 has ended; under @run_lock
 * @irq_wake: its wake-up interrupt has been set to wake the host
 * @stopping: @rsc is about to go: whoever holds @run_lock gives it up soon
 * @run: page that user space maps.  User space can write to all of it at any
 *	 time: nothing is decided on what has been read from it before.
 * @resume: argument of the next hypercall; not 0 only after an exit that user
 *	    space has replied to, until the hypervisor has taken the reply
 * @mmio_len: size in bytes of the access that user space emulates, or 0 if
 *	      there is none
 * @mmio_is_write: direction of that access
 * @broken: the hypervisor reported an access that can't be
 * @woken: the hypervisor has something to run since the last hypercall
 * @wq: where the thread waits for @woken, @stopping or the end of the VM
 * @exit_nb: wakes it at the end of the VM
 * @irq_name: name of the wake-up interrupt
 * @stats: what the vCPU has done, written under @run_lock
 *
 * The function instance lives until GH_VM_REMOVE_FUNCTION or the end of the
 * VM, the file until it is closed: either can be the last.
 */
struct gh_vcpu {
	struct kref kref;
	struct gh_vm *ghvm;
	struct gh_vm_resource_ticket ticket;
	u32 id;

	struct mutex run_lock; /* see struct gh_vcpu */
	struct gunyah_resource *rsc;
	bool irq_wake;
	bool stopping;

	struct gh_vcpu_run *run;
	u64 resume[3];
	u8 mmio_len;
	bool mmio_is_write;
	bool broken;

	bool woken;
	wait_queue_head_t wq;
	struct notifier_block exit_nb;
	char irq_name[24];
	u64 stats[GH_VCPU_NR_STATS];
};

#if IS_ENABLED(CONFIG_KUNIT)
struct gh_vcpu *gh_vcpu_alloc(struct gh_vm *ghvm, u32 id);
void gh_vcpu_free(struct kref *kref);
int gh_vcpu_run_locked(struct gh_vcpu *vcpu);
#endif

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O handlers: guest writes that the kernel takes before user space sees them.
 */

#include <linux/bsearch.h>
#include <linux/cleanup.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/srcu.h>

#include <kunit/visibility.h>

#include "vm_mgr.h"

/* As many as KVM has; the array of them fits into two pages. */
#define GH_VM_IO_HANDLERS_MAX	1000

/*
 * Sleepable for the sake of its grace periods: those that user space brings
 * about here disturb nobody but the vCPUs.
 */
DEFINE_STATIC_SRCU(gh_vm_io_srcu);

/*
 * Sorted by address, length and data.  A vCPU looks a write up under SRCU alone,
 * so the array is not changed but replaced.
 */
struct gh_vm_io_bus {
	struct rcu_head rcu;
	size_t n;
	struct gh_vm_io_handler *handlers[] __counted_by(n);
};

struct gh_vm_io_key {
	u64 addr;
	u32 len;
	u64 data;
};

/*
 * A handler that does not match data is alone at its address, so that any write
 * to there finds it.
 */
static int gh_vm_io_cmp(const void *_key, const void *_handler)
{
	const struct gh_vm_io_handler *handler = *(struct gh_vm_io_handler *const *)_handler;
	const struct gh_vm_io_key *key = _key;

	if (key->addr != handler->addr || !handler->datamatch)
		return cmp_int(key->addr, handler->addr);
	if (key->len != handler->len)
		return cmp_int(key->len, handler->len);
	return cmp_int(key->data, handler->data);
}

/**
 * gh_vm_mgr_mmio_write() - Let the I/O handlers of a VM have a guest's write
 * @ghvm: the VM
 * @addr: guest address
 * @len: size of the access in bytes: 1, 2, 4 or 8
 * @data: what was written; the bits above @len are 0
 *
 * Context: Process context.  Takes no lock, O(log n) in the number of handlers.
 * Return: true if a handler took the write.
 */
bool gh_vm_mgr_mmio_write(struct gh_vm *ghvm, u64 addr, u32 len, u64 data)
{
	const struct gh_vm_io_key key = { .addr = addr, .len = len, .data = data };
	struct gh_vm_io_handler **found;
	const struct gh_vm_io_bus *bus;

	guard(srcu)(&gh_vm_io_srcu);
	bus = srcu_dereference(ghvm->io_bus, &gh_vm_io_srcu);
	if (!bus)
		return false;

	found = bsearch(&key, bus->handlers, bus->n, sizeof(bus->handlers[0]),
			gh_vm_io_cmp);
	if (!found || ((*found)->len && (*found)->len != len))
		return false;

	(*found)->ops->write(*found, data);
	return true;
}
EXPORT_SYMBOL_GPL(gh_vm_mgr_mmio_write);

/* Would a write to @b's address leave open which of the two takes it? */
static bool gh_vm_io_collides(const struct gh_vm_io_handler *a,
			      const struct gh_vm_io_handler *b)
{
	if (a->addr != b->addr)
		return false;
	if (!a->datamatch || !b->datamatch)
		return true;
	return a->len == b->len && a->data == b->data;
}

static void gh_vm_io_free_bus(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct gh_vm_io_bus, rcu));
}

/**
 * gh_vm_add_io_handler() - Take writes of a guest
 * @ghvm: the VM
 * @handler: what to take; lives until gh_vm_remove_io_handler()
 *
 * Any number of handlers can be at one address if each of them matches data of
 * its own.
 *
 * Context: Process context.
 * Return: 0, -EEXIST if a handler for the same writes is there already, -EINVAL
 *	   for a bad length, a range that wraps, or data to match without a
 *	   length or beyond it, -ENOSPC if the VM has too many, or -ENOMEM.
 */
int gh_vm_add_io_handler(struct gh_vm *ghvm, struct gh_vm_io_handler *handler)
{
	const struct gh_vm_io_key key = {
		.addr = handler->addr,
		.len = handler->len,
		.data = handler->data,
	};
	struct gh_vm_io_bus *bus, *old;
	size_t n, at;
	u64 end;

	if (handler->len && (!is_power_of_2(handler->len) || handler->len > 8))
		return -EINVAL;
	if (check_add_overflow(handler->addr, max(handler->len, 1) - 1, &end))
		return -EINVAL;
	if (handler->datamatch &&
	    (!handler->len || (handler->len < 8 && handler->data >> (8 * handler->len))))
		return -EINVAL;

	guard(mutex)(&ghvm->io_lock);
	old = rcu_dereference_protected(ghvm->io_bus, lockdep_is_held(&ghvm->io_lock));
	n = old ? old->n : 0;

	if (n == GH_VM_IO_HANDLERS_MAX)
		return -ENOSPC;

	for (at = 0; at < n; at++)
		if (gh_vm_io_collides(old->handlers[at], handler))
			return -EEXIST;

	bus = kzalloc_flex(*bus, handlers, n + 1, GFP_KERNEL_ACCOUNT);
	if (!bus)
		return -ENOMEM;

	bus->n = n + 1;
	for (at = 0; at < n && gh_vm_io_cmp(&key, &old->handlers[at]) > 0; at++)
		bus->handlers[at] = old->handlers[at];
	bus->handlers[at] = handler;
	for (; at < n; at++)
		bus->handlers[at + 1] = old->handlers[at];

	rcu_assign_pointer(ghvm->io_bus, bus);
	if (old)
		call_srcu(&gh_vm_io_srcu, &old->rcu, gh_vm_io_free_bus);
	return 0;
}
EXPORT_SYMBOL_GPL(gh_vm_add_io_handler);

/**
 * gh_vm_remove_io_handler() - Undo gh_vm_add_io_handler()
 * @ghvm: the VM
 * @handler: is not called any more when this returns
 *
 * Context: Process context; waits until no vCPU is in an I/O handler.
 */
void gh_vm_remove_io_handler(struct gh_vm *ghvm, struct gh_vm_io_handler *handler)
{
	struct gh_vm_io_bus *bus, *old;
	size_t i, at;

	scoped_guard(mutex, &ghvm->io_lock) {
		old = rcu_dereference_protected(ghvm->io_bus,
						lockdep_is_held(&ghvm->io_lock));
		/* At the end of the VM all went at once */
		if (!old)
			return;
		for (at = 0; at < old->n && old->handlers[at] != handler; at++)
			;
		if (WARN_ON_ONCE(at == old->n))
			return;

		/* There is no way back from here, and it is two pages at most. */
		bus = kzalloc_flex(*bus, handlers, old->n - 1,
				   GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
		bus->n = old->n - 1;
		for (i = 0; i < at; i++)
			bus->handlers[i] = old->handlers[i];
		for (; i < bus->n; i++)
			bus->handlers[i] = old->handlers[i + 1];
		rcu_assign_pointer(ghvm->io_bus, bus);
	}
	synchronize_srcu_expedited(&gh_vm_io_srcu);
	kfree(old);
}
EXPORT_SYMBOL_GPL(gh_vm_remove_io_handler);

void gh_vm_io_init(struct gh_vm *ghvm)
{
	mutex_init(&ghvm->io_lock);
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_io_init);

/*
 * At the end of the VM: all handlers are gone at once.  There is no vCPU any
 * more, since each has a reference to the VM.
 */
void gh_vm_io_free(struct gh_vm *ghvm)
{
	kfree(rcu_replace_pointer(ghvm->io_bus, NULL, true));
}
EXPORT_SYMBOL_IF_KUNIT(gh_vm_io_free);

/* Before the module goes; KUnit tests have handlers also without a VM manager */
void gh_vm_io_exit(void)
{
	srcu_barrier(&gh_vm_io_srcu);
}

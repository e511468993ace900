// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that rings a doorbell, which interrupts the guest.
 */

#define pr_fmt(fmt) "gunyah: " fmt

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/gunyah.h>
#include <linux/gunyah_vm_mgr.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/* Any flag would do. A guest that asks its doorbell for flags knows this one. */
#define GH_IRQFD_BELL_FLAG	BIT_ULL(32)

/**
 * struct gh_irqfd - An irqfd
 * @ticket: asks for the doorbell
 * @label: label of the doorbell
 * @level: the guest takes the interrupt as level-triggered
 * @ctx: the eventfd; the irqfd has a reference
 * @wq: wait queue of the eventfd
 * @wait: entry of @wq
 * @lock: protects what follows; taken with the lock of the wait queue held
 * @rsc: the doorbell, or NULL before the VM is started and after it has ended
 * @pending: the eventfd was signalled while there was no doorbell
 * @error: why the doorbell that is there can't be used, or 0
 *
 * Lives from GH_VM_ADD_FUNCTION to GH_VM_REMOVE_FUNCTION or the end of the VM,
 * as the function instance does; nothing else ends it. It is out of the wait
 * queue before it is freed, and a signal is dealt with under the lock of the
 * wait queue, so there is none on its way then. The wait queue is a part of
 * @ctx, and so there for as long as the irqfd is: that the eventfd is closed is
 * no event. Its file may be gone then, but a part of the kernel that has a
 * reference, a vhost worker for example, can signal it still.
 */
struct gh_irqfd {
	struct gh_vm_resource_ticket ticket;
	u32 label;
	bool level;
	struct eventfd_ctx *ctx;
	wait_queue_head_t *wq;
	wait_queue_entry_t wait;

	spinlock_t lock; /* see above */
	struct gunyah_resource *rsc;
	bool pending;
	int error;
};

/* How an irqfd gets into a wait queue that only poll can reach */
struct gh_irqfd_poll {
	poll_table table;
	struct gh_irqfd *irqfd;
	int ret;
};

static void gh_irqfd_ring_locked(struct gh_irqfd *irqfd)
{
	enum gh_error gh_error;

	lockdep_assert_held(&irqfd->lock);

	if (!irqfd->rsc) {
		irqfd->pending = true;
		return;
	}

	irqfd->pending = false;
	gh_error = gh_hypercall_bell_send(irqfd->rsc->capid, GH_IRQFD_BELL_FLAG);
	if (gh_error)
		pr_err_ratelimited("VM %u: doorbell %u can't be rung: error %d\n",
				   irqfd->rsc->vmid, irqfd->label, gh_error);
}

static void gh_irqfd_ring(struct gh_irqfd *irqfd)
{
	guard(spinlock_irqsave)(&irqfd->lock);
	gh_irqfd_ring_locked(irqfd);
}

/* Called with the lock of the wait queue held and interrupts disabled */
static int gh_irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct gh_irqfd *irqfd = container_of(wait, struct gh_irqfd, wait);
	u64 count;

	if (!(key_to_poll(key) & EPOLLIN))
		return 0;

	/* Nobody reads the eventfd, and a full counter blocks who writes to it */
	eventfd_ctx_do_read(irqfd->ctx, &count);
	gh_irqfd_ring(irqfd);
	return 1;
}

static void gh_irqfd_enqueue(struct file *file, wait_queue_head_t *wq, poll_table *table)
{
	struct gh_irqfd_poll *poll = container_of(table, struct gh_irqfd_poll, table);

	poll->irqfd->wq = wq;
	poll->ret = add_wait_queue_priority_exclusive(wq, &poll->irqfd->wait);
}

static int gh_irqfd_listen(struct gh_irqfd *irqfd, struct file *file)
{
	struct gh_irqfd_poll poll = { .irqfd = irqfd };
	__poll_t events;
	u64 count;

	init_waitqueue_func_entry(&irqfd->wait, gh_irqfd_wakeup);
	init_poll_funcptr(&poll.table, gh_irqfd_enqueue);

	events = vfs_poll(file, &poll.table);
	if (poll.ret)
		return poll.ret;

	scoped_guard(spinlock_irq, &irqfd->wq->lock) {
		/* Signalled before, when nobody listened */
		if (events & EPOLLIN) {
			eventfd_ctx_do_read(irqfd->ctx, &count);
			gh_irqfd_ring(irqfd);
		}

		/*
		 * Whoever waited for room has it now, maybe since another
		 * signal came.  As in eventfd_read(): who is woken must not
		 * signal it, here and now.
		 */
		current->in_eventfd = 1;
		wake_up_locked_poll(irqfd->wq, EPOLLOUT);
		current->in_eventfd = 0;
	}
	return 0;
}

/*
 * A guest that takes the interrupt as level-triggered gets it again and again
 * for as long as a flag is set, so the doorbell has to clear what it is sent.
 */
static int gh_irqfd_set_level(struct gh_irqfd *irqfd, const struct gunyah_resource *rsc)
{
	enum gh_error gh_error;

	gh_error = gh_hypercall_bell_set_mask(rsc->capid, GH_IRQFD_BELL_FLAG, U64_MAX);
	switch (gh_error) {
	case GH_ERROR_OK:
		return 0;
	case GH_ERROR_CSPACE_INSUF_RIGHTS:
		pr_err_ratelimited("VM %u: doorbell %u can't be level-triggered: its node lacks source-can-clear\n",
				   rsc->vmid, irqfd->label);
		return -EACCES;
	default:
		pr_err_ratelimited("VM %u: doorbell %u can't be level-triggered: error %d\n",
				   rsc->vmid, irqfd->label, gh_error);
		return -EIO;
	}
}

static int gh_irqfd_populate(struct gh_vm_resource_ticket *ticket,
			     struct gunyah_resource *rsc)
{
	struct gh_irqfd *irqfd = container_of(ticket, struct gh_irqfd, ticket);
	int ret = irqfd->level ? gh_irqfd_set_level(irqfd, rsc) : 0;

	guard(spinlock_irq)(&irqfd->lock);
	irqfd->error = ret;
	/* Not an error for GH_VM_START: a deployed VMM misspells the property */
	if (ret)
		return 1;

	irqfd->rsc = rsc;
	if (irqfd->pending)
		gh_irqfd_ring_locked(irqfd);
	return 0;
}

static void gh_irqfd_unpopulate(struct gh_vm_resource_ticket *ticket,
				struct gunyah_resource *rsc)
{
	struct gh_irqfd *irqfd = container_of(ticket, struct gh_irqfd, ticket);

	scoped_guard(spinlock_irq, &irqfd->lock)
		irqfd->rsc = NULL;

	/* The next irqfd of this doorbell may be another kind */
	if (irqfd->level)
		gh_hypercall_bell_set_mask(rsc->capid, U64_MAX, 0);
}

static void gh_irqfd_free(struct gh_irqfd *irqfd)
{
	if (IS_ERR_OR_NULL(irqfd))
		return;

	eventfd_ctx_put(irqfd->ctx);
	kfree(irqfd);
}

DEFINE_FREE(gh_irqfd, struct gh_irqfd *, gh_irqfd_free(_T))

static struct gh_irqfd *gh_irqfd_alloc(const struct gh_fn_irqfd_arg *arg, struct file *file)
{
	struct gh_irqfd *irqfd __free(kfree) = kzalloc_obj(*irqfd, GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return ERR_PTR(-ENOMEM);

	irqfd->ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->ctx))
		return ERR_CAST(irqfd->ctx);

	spin_lock_init(&irqfd->lock);
	irqfd->label = arg->label;
	irqfd->level = arg->flags & GH_IRQFD_LEVEL;
	irqfd->ticket.type = GUNYAH_RESOURCE_TYPE_BELL_TX;
	irqfd->ticket.label = arg->label;
	irqfd->ticket.owner = THIS_MODULE;
	irqfd->ticket.populate = gh_irqfd_populate;
	irqfd->ticket.unpopulate = gh_irqfd_unpopulate;
	return_ptr(irqfd);
}

static long gh_irqfd_bind(struct gh_vm_function_instance *f)
{
	const struct gh_fn_irqfd_arg *arg = f->argp;
	int ret;

	if (!gh_hypervisor_has_feature(GH_FEATURE_DOORBELL))
		return -EOPNOTSUPP;

	if (arg->flags & ~GH_IRQFD_LEVEL || arg->padding)
		return -EINVAL;

	CLASS(fd, file)(arg->fd);
	if (fd_empty(file))
		return -EBADF;

	struct gh_irqfd *irqfd __free(gh_irqfd) = gh_irqfd_alloc(arg, fd_file(file));

	if (IS_ERR(irqfd))
		return PTR_ERR(irqfd);

	ret = gh_vm_add_resource_ticket(f->ghvm, &irqfd->ticket);
	if (ret)
		return ret;

	/* Only a doorbell that is there already can be refused now */
	scoped_guard(spinlock_irq, &irqfd->lock)
		ret = irqfd->error;
	if (!ret)
		ret = gh_irqfd_listen(irqfd, fd_file(file));
	if (ret) {
		gh_vm_remove_resource_ticket(f->ghvm, &irqfd->ticket);
		return ret;
	}

	f->data = no_free_ptr(irqfd);
	return 0;
}

static void gh_irqfd_unbind(struct gh_vm_function_instance *f)
{
	struct gh_irqfd *irqfd = f->data;

	/* The counter has been reset by each signal: there is nothing to wake writers for */
	remove_wait_queue(irqfd->wq, &irqfd->wait);
	gh_vm_remove_resource_ticket(f->ghvm, &irqfd->ticket);
	gh_irqfd_free(irqfd);
}

/* By label alone: deployed VMMs have nothing else in the argument. */
static bool gh_irqfd_compare(const struct gh_vm_function_instance *f, const void *arg)
{
	const struct gh_fn_irqfd_arg *mine = f->argp, *other = arg;

	return mine->label == other->label;
}

static const struct gh_vm_function_type gh_irqfd_function = {
	.type = GH_FN_IRQFD,
	.owner = THIS_MODULE,
	.bind = gh_irqfd_bind,
	.unbind = gh_irqfd_unbind,
	.compare = gh_irqfd_compare,
};

DECLARE_GUNYAH_VM_FUNCTION_INIT(gh_irqfd_function);

static_assert(GH_FN_IRQFD == 2);
MODULE_ALIAS_GUNYAH_VM_FUNCTION(2);
MODULE_DESCRIPTION("Gunyah irqfds");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest's write that signals an eventfd, and goes no further.
 */

#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/gunyah_vm_mgr.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/slab.h>

/**
 * struct gh_ioeventfd - An ioeventfd
 * @handler: which writes it takes
 * @ctx: the eventfd; the ioeventfd has a reference
 *
 * Lives from GH_VM_ADD_FUNCTION to GH_VM_REMOVE_FUNCTION or the end of the VM,
 * as the function instance does.  No vCPU is in @handler once that is removed.
 */
struct gh_ioeventfd {
	struct gh_vm_io_handler handler;
	struct eventfd_ctx *ctx;
};

static void gh_ioeventfd_write(struct gh_vm_io_handler *handler, u64 data)
{
	struct gh_ioeventfd *ioeventfd = container_of(handler, struct gh_ioeventfd, handler);

	eventfd_signal(ioeventfd->ctx);
}

static const struct gh_vm_io_handler_ops gh_ioeventfd_ops = {
	.write = gh_ioeventfd_write,
};

static long gh_ioeventfd_bind(struct gh_vm_function_instance *f)
{
	const struct gh_fn_ioeventfd_arg *arg = f->argp;
	int ret;

	/* Which lengths there are is up to the I/O handlers, as far as they fit */
	if (arg->flags & ~GH_IOEVENTFD_DATAMATCH || arg->padding || arg->len > U8_MAX)
		return -EINVAL;

	struct gh_ioeventfd *ioeventfd __free(kfree) =
		kzalloc_obj(*ioeventfd, GFP_KERNEL_ACCOUNT);

	if (!ioeventfd)
		return -ENOMEM;

	ioeventfd->ctx = eventfd_ctx_fdget(arg->fd);
	if (IS_ERR(ioeventfd->ctx))
		return PTR_ERR(ioeventfd->ctx);

	ioeventfd->handler.addr = arg->addr;
	ioeventfd->handler.len = arg->len;
	ioeventfd->handler.ops = &gh_ioeventfd_ops;
	if (arg->flags & GH_IOEVENTFD_DATAMATCH) {
		ioeventfd->handler.datamatch = true;
		ioeventfd->handler.data = arg->datamatch;
	}

	ret = gh_vm_add_io_handler(f->ghvm, &ioeventfd->handler);
	if (ret) {
		eventfd_ctx_put(ioeventfd->ctx);
		return ret;
	}

	f->data = no_free_ptr(ioeventfd);
	return 0;
}

static void gh_ioeventfd_unbind(struct gh_vm_function_instance *f)
{
	struct gh_ioeventfd *ioeventfd = f->data;

	gh_vm_remove_io_handler(f->ghvm, &ioeventfd->handler);
	eventfd_ctx_put(ioeventfd->ctx);
	kfree(ioeventfd);
}

/*
 * Many can be at one address if each matches data of its own, and an argument
 * that says so means exactly one of them.  Deployed VMMs give the address and
 * nothing else, and mean whatever is there.
 */
static bool gh_ioeventfd_compare(const struct gh_vm_function_instance *f, const void *arg)
{
	const struct gh_fn_ioeventfd_arg *mine = f->argp, *other = arg;

	if (mine->addr != other->addr)
		return false;
	if (!(other->flags & GH_IOEVENTFD_DATAMATCH))
		return true;

	return mine->flags & GH_IOEVENTFD_DATAMATCH && mine->len == other->len &&
	       mine->datamatch == other->datamatch;
}

static const struct gh_vm_function_type gh_ioeventfd_function = {
	.type = GH_FN_IOEVENTFD,
	.owner = THIS_MODULE,
	.bind = gh_ioeventfd_bind,
	.unbind = gh_ioeventfd_unbind,
	.compare = gh_ioeventfd_compare,
};

DECLARE_GUNYAH_VM_FUNCTION_INIT(gh_ioeventfd_function);

static_assert(GH_FN_IOEVENTFD == 3);
MODULE_ALIAS_GUNYAH_VM_FUNCTION(3);
MODULE_DESCRIPTION("Gunyah ioeventfds");
MODULE_LICENSE("GPL");

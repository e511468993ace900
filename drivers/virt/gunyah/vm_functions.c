// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions: what user space adds to a VM, provided by modules of their own.
 */

#include <linux/cleanup.h>
#include <linux/kmod.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "vm_mgr.h"

/*
 * Each takes kernel memory, some of it not accounted to anybody, and time when
 * the VM is started.
 */
#define GH_VM_FUNCTIONS_MAX	4096

/* The functions that user space can name; only their modules are loaded. */
static const struct gh_vm_function_name {
	const char *name;
	u32 type;
	u32 arg_size;
} gh_vm_function_names[] = {
	{ "vcpu", GH_FN_VCPU, sizeof(struct gh_fn_vcpu_arg) },
	{ "irqfd", GH_FN_IRQFD, sizeof(struct gh_fn_irqfd_arg) },
	{ "ioeventfd", GH_FN_IOEVENTFD, sizeof(struct gh_fn_ioeventfd_arg) },
};

/* Types whose module is there, by their number */
static DEFINE_XARRAY(gh_vm_function_types);
static DEFINE_MUTEX(gh_vm_function_types_lock);

/**
 * gh_vm_function_register() - Offer a type of function
 * @fn: the type; lives until gh_vm_function_unregister()
 *
 * Context: Process context.
 * Return: 0, -EBUSY if there is one of its number already, or -ENOMEM.
 */
int gh_vm_function_register(const struct gh_vm_function_type *fn)
{
	return xa_insert(&gh_vm_function_types, fn->type, (void *)fn, GFP_KERNEL);
}
EXPORT_SYMBOL_GPL(gh_vm_function_register);

/**
 * gh_vm_function_unregister() - Undo gh_vm_function_register()
 * @fn: a type of which there is no instance: each of them holds a reference to
 *	the type's module
 *
 * Context: Process context.
 */
void gh_vm_function_unregister(const struct gh_vm_function_type *fn)
{
	guard(mutex)(&gh_vm_function_types_lock);
	xa_erase(&gh_vm_function_types, fn->type);
}
EXPORT_SYMBOL_GPL(gh_vm_function_unregister);

/* The type with a reference to its module, or NULL */
static const struct gh_vm_function_type *gh_vm_function_type_tryget(u32 type)
{
	const struct gh_vm_function_type *fn;

	guard(mutex)(&gh_vm_function_types_lock);
	fn = xa_load(&gh_vm_function_types, type);
	return fn && try_module_get(fn->owner) ? fn : NULL;
}

static const struct gh_vm_function_type *gh_vm_function_type_get(u32 type)
{
	const struct gh_vm_function_type *fn;

	fn = gh_vm_function_type_tryget(type);
	if (fn)
		return fn;

	request_module("ghfunc:%u", type);
	return gh_vm_function_type_tryget(type);
}

static const struct gh_vm_function_name *gh_vm_function_by_type(u32 type)
{
	for (int i = 0; i < ARRAY_SIZE(gh_vm_function_names); i++)
		if (gh_vm_function_names[i].type == type)
			return &gh_vm_function_names[i];
	return NULL;
}

static const struct gh_vm_function_name *gh_vm_function_by_name(const char *name)
{
	for (int i = 0; i < ARRAY_SIZE(gh_vm_function_names); i++)
		if (!strcmp(gh_vm_function_names[i].name, name))
			return &gh_vm_function_names[i];
	return NULL;
}

static long gh_vm_bind_function(struct gh_vm *ghvm, struct gh_vm_function_instance *f)
{
	long ret;

	ACQUIRE(mutex_kill, lock)(&ghvm->fn_lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	if (ghvm->nr_functions == GH_VM_FUNCTIONS_MAX)
		return -ENOSPC;

	ret = f->fn->bind(f);
	if (ret < 0)
		return ret;

	list_add_tail(&f->list, &ghvm->functions);
	ghvm->nr_functions++;
	return ret;
}

static long gh_vm_do_add_function(struct gh_vm *ghvm, u32 type, const void *arg,
				  size_t arg_size)
{
	const struct gh_vm_function_type *fn;
	long ret;

	struct gh_vm_function_instance *f __free(kfree) =
		kzalloc_obj(*f, GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;

	void *argp __free(kfree) = kmemdup(arg, arg_size, GFP_KERNEL_ACCOUNT);
	if (!argp)
		return -ENOMEM;

	fn = gh_vm_function_type_get(type);
	if (!fn)
		return -ENOENT;

	f->fn = fn;
	f->ghvm = ghvm;
	f->argp = argp;

	ret = gh_vm_bind_function(ghvm, f);
	if (ret < 0) {
		module_put(fn->owner);
		return ret;
	}

	retain_and_null_ptr(argp);
	retain_and_null_ptr(f);
	return ret;
}

/**
 * gh_vm_add_function_by_name() - GH_VM_ADD_FUNCTION
 * @ghvm: the VM
 * @argp: struct gh_vm_function of user space
 *
 * Context: Process context.  Takes ghvm->fn_lock.
 * Return: what the function's bind returns, or -ENOENT if there is no such
 *	   function, -ENOSPC if the VM has too many, -EINVAL if the name is not
 *	   terminated or what is behind the argument is not 0, -EFAULT,
 *	   -ENOMEM or -EINTR.
 */
long gh_vm_add_function_by_name(struct gh_vm *ghvm, const void __user *argp)
{
	const struct gh_vm_function_name *name;

	struct gh_vm_function *function __free(kfree) =
		memdup_user(argp, sizeof(*function));
	if (IS_ERR(function))
		return PTR_ERR(function);

	if (strnlen(function->name, sizeof(function->name)) == sizeof(function->name))
		return -EINVAL;

	name = gh_vm_function_by_name(function->name);
	if (!name)
		return -ENOENT;

	if (memchr_inv(function->data + name->arg_size, 0,
		       sizeof(function->data) - name->arg_size))
		return -EINVAL;

	return gh_vm_do_add_function(ghvm, name->type, function->data, name->arg_size);
}

/* The argument that @desc points to, of the size that its type has */
static void *gh_vm_function_arg(const struct gh_fn_desc *desc)
{
	const struct gh_vm_function_name *name = gh_vm_function_by_type(desc->type);

	if (!name)
		return ERR_PTR(-ENOENT);
	if (desc->arg_size != name->arg_size)
		return ERR_PTR(-EINVAL);

	return memdup_user(u64_to_user_ptr(desc->arg), desc->arg_size);
}

/**
 * gh_vm_add_function() - GH_VM_ADD_FUNCTION_DESC
 * @ghvm: the VM
 * @desc: the function
 *
 * Context: Process context.  Takes ghvm->fn_lock.
 * Return: what the function's bind returns, or -ENOENT if there is no such
 *	   function, -ENOSPC if the VM has too many, -EINVAL if its argument has
 *	   another size, -EFAULT, -ENOMEM or -EINTR.
 */
long gh_vm_add_function(struct gh_vm *ghvm, const struct gh_fn_desc *desc)
{
	void *arg __free(kfree) = gh_vm_function_arg(desc);

	if (IS_ERR(arg))
		return PTR_ERR(arg);

	return gh_vm_do_add_function(ghvm, desc->type, arg, desc->arg_size);
}

static void gh_vm_unbind_function(struct gh_vm *ghvm, struct gh_vm_function_instance *f)
{
	const struct gh_vm_function_type *fn = f->fn;

	list_del(&f->list);
	ghvm->nr_functions--;
	fn->unbind(f);
	kfree(f->argp);
	kfree(f);
	module_put(fn->owner);
}

/**
 * gh_vm_remove_function() - GH_VM_REMOVE_FUNCTION
 * @ghvm: the VM
 * @desc: the function; what of its argument has to be the same as when it was
 *	  added is up to its type
 *
 * Context: Process context.  Takes ghvm->fn_lock.
 * Return: 0, -ENOENT if the VM has no such function, -EINVAL if its argument
 *	   has another size, -EFAULT, -ENOMEM or -EINTR.
 */
long gh_vm_remove_function(struct gh_vm *ghvm, const struct gh_fn_desc *desc)
{
	void *arg __free(kfree) = gh_vm_function_arg(desc);
	struct gh_vm_function_instance *f;
	int ret;

	if (IS_ERR(arg))
		return PTR_ERR(arg);

	ACQUIRE(mutex_kill, lock)(&ghvm->fn_lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	list_for_each_entry(f, &ghvm->functions, list) {
		if (f->fn->type == desc->type && f->fn->compare(f, arg)) {
			gh_vm_unbind_function(ghvm, f);
			return 0;
		}
	}
	return -ENOENT;
}

void gh_vm_functions_init(struct gh_vm *ghvm)
{
	mutex_init(&ghvm->fn_lock);
	INIT_LIST_HEAD(&ghvm->functions);
}

/* At the end of the VM */
void gh_vm_remove_functions(struct gh_vm *ghvm)
{
	struct gh_vm_function_instance *f, *tmp;

	guard(mutex)(&ghvm->fn_lock);
	list_for_each_entry_safe(f, tmp, &ghvm->functions, list)
		gh_vm_unbind_function(ghvm, f);
}

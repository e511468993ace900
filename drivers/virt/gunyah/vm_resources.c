// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resources: what the hypervisor gives the host for a VM, and who wants it.
 */

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/gunyah.h>
#include <linux/irqdomain.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/of_irq.h>
#include <linux/pm_wakeup.h>
#include <linux/slab.h>
#include <dt-bindings/interrupt-controller/arm-gic.h>

#include "vm_mgr.h"

/* What the GIC architecture calls SPIs; the binding counts them from 0 */
#define GIC_SPI_BASE		32
#define GIC_SPI_END		1020

static DEFINE_MUTEX(gh_resource_irq_lock);

/*
 * A hypervisor's interrupt of the host becomes a Linux one.  One that has a
 * mapping is somebody else's, and must not be disposed of with the VM.
 */
static int gh_resource_map_irq(struct device *dev, u32 virq)
{
	struct device_node *parent __free(device_node) =
		of_irq_find_parent(dev->of_node);
	struct irq_fwspec fwspec = {
		.fwnode = of_fwnode_handle(parent),
		.param_count = 3,
		.param = { GIC_SPI, virq - GIC_SPI_BASE, IRQ_TYPE_EDGE_RISING },
	};
	struct irq_domain *domain;
	unsigned int irq;

	if (!parent)
		return -ENODEV;
	if (virq < GIC_SPI_BASE || virq >= GIC_SPI_END)
		return -EIO;

	/* The domain that irq_create_fwspec_mapping() takes: others may match, too */
	domain = irq_find_matching_fwspec(&fwspec, DOMAIN_BUS_WIRED);
	if (!domain)
		domain = irq_find_matching_fwspec(&fwspec, DOMAIN_BUS_ANY);
	if (!domain)
		return -ENODEV;

	/* What one VM finds free another one must not take meanwhile */
	guard(mutex)(&gh_resource_irq_lock);
	if (irq_find_mapping(domain, virq))
		return -EBUSY;

	irq = irq_create_fwspec_mapping(&fwspec);
	return irq ? irq : -EIO;
}

static void gh_resource_free(struct gunyah_resource *rsc)
{
	if (rsc->irq)
		irq_dispose_mapping(rsc->irq);
	kfree(rsc);
}

static struct gunyah_resource *
gh_resource_alloc(struct device *dev, u16 vmid, const struct gh_rm_hyp_resource *entry)
{
	u32 virq = le32_to_cpu(entry->virq);
	struct gunyah_resource *rsc;
	int irq;

	rsc = kzalloc_obj(*rsc, GFP_KERNEL_ACCOUNT);
	if (!rsc)
		return ERR_PTR(-ENOMEM);

	rsc->type = entry->type;
	rsc->vmid = vmid;
	rsc->label = le32_to_cpu(entry->resource_label);
	rsc->capid = le64_to_cpu(entry->cap_id);

	/* 0 is no interrupt, and so is all ones: a vCPU that others schedule */
	if (virq && virq != U32_MAX) {
		irq = gh_resource_map_irq(dev, virq);
		if (irq < 0) {
			dev_err_ratelimited(dev, "VM %u: resource type %u label %u has a bad virq %u: %d\n",
					    vmid, rsc->type, rsc->label, virq, irq);
			kfree(rsc);
			return ERR_PTR(irq);
		}
		rsc->irq = irq;
		rsc->may_wakeup = device_may_wakeup(dev);
	}

	return rsc;
}

static bool gh_ticket_wants(const struct gh_vm_resource_ticket *ticket,
			    const struct gunyah_resource *rsc)
{
	return ticket->type == rsc->type && ticket->label == rsc->label;
}

static int gh_ticket_populate(struct gh_vm_resource_ticket *ticket,
			      struct gunyah_resource *rsc)
{
	int ret;

	if (ticket->rsc || !gh_ticket_wants(ticket, rsc))
		return 0;

	ret = ticket->populate(ticket, rsc);
	if (!ret)
		ticket->rsc = rsc;
	return min(ret, 0);
}

static void gh_ticket_unpopulate(struct gh_vm_resource_ticket *ticket)
{
	if (!ticket->rsc)
		return;
	ticket->unpopulate(ticket, ticket->rsc);
	ticket->rsc = NULL;
}

/**
 * gh_vm_add_resource_ticket() - Ask for a resource of a VM
 * @ghvm: the VM
 * @ticket: what is wanted; populated at once if the resource is there
 *
 * Context: Process context.  Takes ghvm->resource_lock.
 * Return: 0, -EEXIST if somebody else has asked for it, -ENODEV if the module
 *	   is going away, or why the resource that is there could not be taken.
 */
int gh_vm_add_resource_ticket(struct gh_vm *ghvm,
			      struct gh_vm_resource_ticket *ticket)
{
	struct gh_vm_resource_ticket *other;
	struct gunyah_resource *rsc;
	int ret;

	guard(mutex)(&ghvm->resource_lock);
	list_for_each_entry(other, &ghvm->tickets, list)
		if (other->type == ticket->type && other->label == ticket->label)
			return -EEXIST;

	if (!try_module_get(ticket->owner))
		return -ENODEV;

	ticket->rsc = NULL;
	list_for_each_entry(rsc, &ghvm->resources, list) {
		ret = gh_ticket_populate(ticket, rsc);
		if (ret) {
			module_put(ticket->owner);
			return ret;
		}
	}
	list_add_tail(&ticket->list, &ghvm->tickets);
	return 0;
}
EXPORT_SYMBOL_GPL(gh_vm_add_resource_ticket);

/**
 * gh_vm_remove_resource_ticket() - Undo gh_vm_add_resource_ticket()
 * @ghvm: the VM
 * @ticket: unpopulated, and not used any more, when this returns
 *
 * Context: Process context.  Takes ghvm->resource_lock.
 */
void gh_vm_remove_resource_ticket(struct gh_vm *ghvm,
				  struct gh_vm_resource_ticket *ticket)
{
	scoped_guard(mutex, &ghvm->resource_lock) {
		gh_ticket_unpopulate(ticket);
		list_del(&ticket->list);
	}
	module_put(ticket->owner);
}
EXPORT_SYMBOL_GPL(gh_vm_remove_resource_ticket);

/*
 * The resource manager has checked n_entries against the size of its reply.
 * After an error the caller tears the VM down, which removes what was added.
 */
int gh_vm_add_resources(struct gh_vm *ghvm,
			const struct gh_rm_hyp_resources *resources)
{
	struct gh_vm_resource_ticket *ticket;
	struct gunyah_resource *rsc;
	u32 i;
	int ret;

	guard(mutex)(&ghvm->resource_lock);
	for (i = 0; i < le32_to_cpu(resources->n_entries); i++) {
		rsc = gh_resource_alloc(gh_rm_device(ghvm->rm), ghvm->vmid,
					&resources->entries[i]);
		if (IS_ERR(rsc))
			return PTR_ERR(rsc);

		list_add_tail(&rsc->list, &ghvm->resources);
		list_for_each_entry(ticket, &ghvm->tickets, list) {
			ret = gh_ticket_populate(ticket, rsc);
			if (ret)
				return ret;
		}
	}
	return 0;
}

void gh_vm_resources_init(struct gh_vm *ghvm)
{
	mutex_init(&ghvm->resource_lock);
	INIT_LIST_HEAD(&ghvm->resources);
	INIT_LIST_HEAD(&ghvm->tickets);
}

/* Tickets stay, unpopulated: their owners remove them. */
void gh_vm_remove_resources(struct gh_vm *ghvm)
{
	struct gh_vm_resource_ticket *ticket;
	struct gunyah_resource *rsc, *tmp;

	guard(mutex)(&ghvm->resource_lock);
	list_for_each_entry(ticket, &ghvm->tickets, list)
		gh_ticket_unpopulate(ticket);
	list_for_each_entry_safe(rsc, tmp, &ghvm->resources, list) {
		list_del(&rsc->list);
		gh_resource_free(rsc);
	}
}

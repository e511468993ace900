// SPDX-License-Identifier: GPL-2.0-only
/*
 * Qualcomm platforms: the secure world keeps track of who may access memory,
 * too, and knows VMs by numbers of its own.
 */

#define pr_fmt(fmt) "gunyah_qcom: " fmt

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/firmware/qcom/qcom_scm.h>
#include <linux/gunyah.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "gunyah_platform_hooks.h"
#include "gunyah_qcom.h"
#include "rsc_mgr.h"

/* Up to here the secure world knows the VM by the resource manager's number. */
#define GH_QCOM_VMID_LAST	0x3f
/* All VMs above that are one to it. */
#define GH_QCOM_VMID_OTHERS	0x3a

/* The rights are those of the secure world. */
static_assert(GH_RM_ACL_R == QCOM_SCM_PERM_READ);
static_assert(GH_RM_ACL_W == QCOM_SCM_PERM_WRITE);
static_assert(GH_RM_ACL_X == QCOM_SCM_PERM_EXEC);

/*
 * @owners is not changed: what qcom_scm_assign_mem() makes of it is an int, and
 * thus wrong for VMIDs above 30.
 */
VISIBLE_IF_KUNIT int gh_qcom_assign_mem(phys_addr_t addr, size_t size, u64 owners,
					const struct qcom_scm_vmperm *perms,
					unsigned int n_perms)
{
	KUNIT_STATIC_STUB_REDIRECT(gh_qcom_assign_mem, addr, size, owners, perms, n_perms);

	if (!qcom_scm_is_available())
		return -ENODEV;

	return qcom_scm_assign_mem(addr, size, &owners, perms, n_perms);
}
EXPORT_SYMBOL_IF_KUNIT(gh_qcom_assign_mem);

/* Any other number may be one that the secure world has returned, and no errno */
static int gh_qcom_remap_error(int error)
{
	switch (error) {
	case 0:
	case -EBUSY:
	case -ENODEV:
	case -ENOMEM:
		return error;
	default:
		return -EIO;
	}
}

static unsigned int gh_qcom_vmid(u16 vmid)
{
	return vmid <= GH_QCOM_VMID_LAST ? vmid : GH_QCOM_VMID_OTHERS;
}

static int gh_qcom_assign_entry(const struct gh_rm_mem_entry *entry, u64 owners,
				const struct qcom_scm_vmperm *perms, unsigned int n_perms)
{
	u64 addr = le64_to_cpu(entry->phys_addr), size = le64_to_cpu(entry->size);
	int ret;

	ret = gh_qcom_assign_mem(addr, size, owners, perms, n_perms);
	if (ret)
		pr_err_ratelimited("can't assign %#llx bytes at %#llx from VMs %#llx to VM %d: %d\n",
				   size, addr, owners, perms[0].vmid, ret);
	return gh_qcom_remap_error(ret);
}

/* VMs that differ to the resource manager may be one here */
static unsigned int gh_qcom_add_vm(struct qcom_scm_vmperm *perms, unsigned int n,
				   u16 vmid, u8 rights)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (perms[i].vmid == gh_qcom_vmid(vmid))
			break;

	perms[i].vmid = gh_qcom_vmid(vmid);
	perms[i].perm |= rights;
	return max(n, i + 1);
}

VISIBLE_IF_KUNIT int gh_qcom_pre_mem(struct gh_rm_mem_parcel *parcel)
{
	u64 owners = BIT_ULL(gh_qcom_vmid(parcel->host_vmid));
	unsigned int n_perms = 0;
	size_t i;
	int ret;

	struct qcom_scm_vmperm *perms __free(kfree) =
		kzalloc_objs(*perms, parcel->n_acl_entries);

	if (!perms)
		return -ENOMEM;

	for (i = 0; i < parcel->n_acl_entries; i++)
		n_perms = gh_qcom_add_vm(perms, n_perms,
					 le16_to_cpu(parcel->acl_entries[i].vmid),
					 parcel->acl_entries[i].perms);

	while (parcel->n_assigned < parcel->n_mem_entries) {
		ret = gh_qcom_assign_entry(&parcel->mem_entries[parcel->n_assigned], owners,
					   perms, n_perms);
		if (ret)
			return ret;
		parcel->n_assigned++;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_qcom_pre_mem);

VISIBLE_IF_KUNIT int gh_qcom_post_mem_reclaim(struct gh_rm_mem_parcel *parcel)
{
	const struct qcom_scm_vmperm host = {
		.vmid = gh_qcom_vmid(parcel->host_vmid),
		.perm = QCOM_SCM_PERM_RWX,
	};
	u64 owners = 0;
	size_t i;
	int ret;

	for (i = 0; i < parcel->n_acl_entries; i++)
		owners |= BIT_ULL(gh_qcom_vmid(le16_to_cpu(parcel->acl_entries[i].vmid)));

	while (parcel->n_assigned) {
		ret = gh_qcom_assign_entry(&parcel->mem_entries[parcel->n_assigned - 1], owners,
					   &host, 1);
		if (ret)
			return ret;
		parcel->n_assigned--;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gh_qcom_post_mem_reclaim);

static const struct gh_rm_platform_ops gh_qcom_ops = {
	.pre_mem = gh_qcom_pre_mem,
	.post_mem_reclaim = gh_qcom_post_mem_reclaim,
};

static const struct of_device_id gh_qcom_of_match[] __initconst = {
	{ .compatible = "qcom,scm" },
	{}
};

/*
 * The driver of the secure world may come up later, but the machine has one, so
 * no memory may be lent without it.
 */
static int __init gh_qcom_init(void)
{
	if (!gh_is_gunyah())
		return 0;

	struct device_node *scm __free(device_node) =
		of_find_matching_node(NULL, gh_qcom_of_match);

	return scm ? gh_rm_platform_register(&gh_qcom_ops) : 0;
}
subsys_initcall(gh_qcom_init);

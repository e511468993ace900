/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __GUNYAH_QCOM_H
#define __GUNYAH_QCOM_H

#include <linux/types.h>

#if IS_ENABLED(CONFIG_KUNIT)
struct gh_rm_mem_parcel;
struct qcom_scm_vmperm;

int gh_qcom_assign_mem(phys_addr_t addr, size_t size, u64 owners,
		       const struct qcom_scm_vmperm *perms, unsigned int n_perms);
int gh_qcom_pre_mem(struct gh_rm_mem_parcel *parcel);
int gh_qcom_post_mem_reclaim(struct gh_rm_mem_parcel *parcel);
#endif

#endif

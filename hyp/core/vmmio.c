// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's accesses that miss stage 2: to its GIC, to the window that the
 * host emulates, or an abort for the guest.  Newer firmware asks the host before
 * it aborts.
 */
#include "core.h"

#define PSTATE_MODE	0x1full
#define PSTATE_EL1H	0x5ull
#define VECTOR_SYNC	0x200ull
#define VECTOR_SIZE	0x80ull

/*
 * The value is taken as it comes, as the real hypervisor does (ABI.md B.4):
 * not masked to the size of the access, so the host has to.
 */
void vmmio_complete(struct vcpu *v, u64 val)
{
	if (v->state == VCPU_MMIO_READ) {
		u64 sign = BIT(v->mmio.size * 8 - 1);

		if (v->mmio.sign_extend)
			val = (val ^ sign) - sign;
		if (!v->mmio.is_64bit)
			val = (u32)val;
		set_reg(&v->ctx, v->mmio.rt, val);
	}
	v->state = VCPU_RUNNABLE;
	v->ctx.pc += 4;
}

static bool inside(u64 ipa, u64 size, u64 base, u64 length)
{
	return ipa >= base && length >= size && ipa - base <= length - size;
}

/* The guest's interrupt controller never reaches the host. */
static bool gic_access(struct vcpu *v, u64 ipa, bool write)
{
	struct guest *g = v->guest;
	u64 val = get_reg(&v->ctx, v->mmio.rt);
	u32 size = v->mmio.size;
	u32 off;

	if (inside(ipa, size, g->gic.gicd_base, VGIC_GICD_SIZE)) {
		off = (u32)(ipa - g->gic.gicd_base);
		if (write)
			vgic_gicd_write(&g->vgic, off, size, val);
		else
			val = vgic_gicd_read(&g->vgic, off, size);
	} else if (inside(ipa, size, g->gic.gicr_base,
			  g->nr_vcpus * VGIC_GICR_SIZE)) {
		off = (u32)(ipa - g->gic.gicr_base);
		if (write)
			vgic_gicr_write(&g->vgic, off, size, val);
		else
			val = vgic_gicr_read(&g->vgic, off, size);
	} else {
		return false;
	}
	vmmio_complete(v, val);
	return true;
}

/* An abort in the vector of aborts would repeat for ever. */
static void abort_guest(struct vcpu *v, u64 esr, u64 far)
{
	u64 vector = read_sysreg(vbar_el1) + VECTOR_SYNC;

	if ((v->ctx.pstate & PSTATE_MODE) == PSTATE_EL1H &&
	    (v->ctx.pc & ~(VECTOR_SIZE - 1)) == vector) {
		v->state = VCPU_FAULT;
		guest_ends(v->guest, GUEST_EXIT_FAULT, 0, 0);
		return;
	}
	inject_abort(&v->ctx, esr, far);
}

/* Where nothing is mapped or emulated */
static void page_fault(struct vcpu *v, u64 esr)
{
	if (!rm_firmware_is_new()) {
		abort_guest(v, esr, read_sysreg(far_el2));
		return;
	}
	v->fault.esr = esr;
	v->fault.far = read_sysreg(far_el2);
	v->data[0] = fault_ipa();
	v->data[1] = ESR_EC(esr) == EC_DABT_LOW && ABORT_WNR(ESR_ISS(esr));
	v->state = VCPU_PAGE_FAULT;
}

/* The host had the choice; the guest's registers are live again. */
void guest_abort_decided(struct vcpu *v)
{
	if (v->fault.inject)
		abort_guest(v, v->fault.esr, v->fault.far);
	v->fault.inject = false;
}

void guest_abort(struct vcpu *v, u64 esr)
{
	struct guest *g = v->guest;
	u64 iss = ESR_ISS(esr), ipa = fault_ipa();
	bool write = ABORT_WNR(iss);

	if (ABORT_FSC_TYPE(iss) != FSC_TRANSLATION) {
		abort_guest(v, esr, read_sysreg(far_el2));
		return;
	}
	if (ESR_EC(esr) != EC_DABT_LOW || ABORT_S1PTW(iss) || !ABORT_ISV(iss)) {
		page_fault(v, esr);
		return;
	}

	v->mmio.rt = (u8)ABORT_SRT(iss);
	v->mmio.size = (u8)ABORT_SIZE(iss);
	v->mmio.sign_extend = ABORT_SSE(iss);
	v->mmio.is_64bit = ABORT_SF(iss);
	v->state = write ? VCPU_MMIO_WRITE : VCPU_MMIO_READ;
	if (gic_access(v, ipa, write))
		return;
	if (!inside(ipa, v->mmio.size, g->vmmio_base, g->vmmio_size)) {
		v->state = VCPU_RUNNABLE;
		page_fault(v, esr);
		return;
	}
	v->data[0] = ipa;
	v->data[1] = v->mmio.size;
	v->data[2] = write ? get_reg(&v->ctx, v->mmio.rt) : 0;
}

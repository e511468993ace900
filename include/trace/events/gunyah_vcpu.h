/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gunyah_vcpu

#if !defined(_TRACE_GUNYAH_VCPU_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_GUNYAH_VCPU_H

#include <linux/tracepoint.h>

#define gh_trace_show_vcpu_state(state)					\
	__print_symbolic(state,						\
			 { 0, "READY" }, { 1, "EXPECTS_WAKEUP" },	\
			 { 2, "POWERED_OFF" }, { 3, "BLOCKED" },	\
			 { 4, "MMIO_READ" }, { 5, "MMIO_WRITE" },	\
			 { 6, "FAULT" }, { 0x100, "PSCI_SYSTEM_RESET" })

TRACE_EVENT(gh_vcpu_enter,
	    TP_PROTO(u16 vmid, u32 vcpu, u64 resume),

	    TP_ARGS(vmid, vcpu, resume),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(u32, vcpu)
			     __field(u64, resume)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->vcpu = vcpu;
			   __entry->resume = resume;
	    ),

	    TP_printk("vmid=%u vcpu=%u resume=%#llx",
		      __entry->vmid, __entry->vcpu, __entry->resume)
);

/* The state and its data mean nothing if the hypercall failed */
TRACE_EVENT(gh_vcpu_exit,
	    TP_PROTO(u16 vmid, u32 vcpu, int gh_error, u64 state, const u64 *data),

	    TP_ARGS(vmid, vcpu, gh_error, state, data),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(u32, vcpu)
			     __field(int, gh_error)
			     __field(u64, state)
			     __array(u64, data, 3)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->vcpu = vcpu;
			   __entry->gh_error = gh_error;
			   __entry->state = state;
			   memcpy(__entry->data, data, sizeof(__entry->data));
	    ),

	    TP_printk("vmid=%u vcpu=%u error=%d state=%llu (%s) data=%#llx,%#llx,%#llx",
		      __entry->vmid, __entry->vcpu, __entry->gh_error, __entry->state,
		      gh_trace_show_vcpu_state(__entry->state),
		      __entry->data[0], __entry->data[1], __entry->data[2])
);

#endif

#include <trace/define_trace.h>

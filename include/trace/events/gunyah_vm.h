/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gunyah_vm

#if !defined(_TRACE_GUNYAH_VM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_GUNYAH_VM_H

#include <linux/tracepoint.h>

#define gh_trace_show_vm_status(status)					\
	__print_symbolic(status,					\
			 { 0, "NO_STATE" }, { 1, "INIT" },		\
			 { 2, "READY" }, { 3, "RUNNING" },		\
			 { 4, "PAUSED" }, { 5, "LOAD" },		\
			 { 6, "AUTH" }, { 8, "INIT_FAILED" },		\
			 { 9, "EXITED" }, { 10, "RESETTING" },		\
			 { 11, "RESET" })

/* A VMID is 65535 for as long as the VM has none. */

TRACE_EVENT(gh_vm_start,
	    TP_PROTO(u16 vmid, int ret),

	    TP_ARGS(vmid, ret),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(int, ret)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->ret = ret;
	    ),

	    TP_printk("vmid=%u ret=%d", __entry->vmid, __entry->ret)
);

TRACE_EVENT(gh_vm_status,
	    TP_PROTO(u16 vmid, u8 status),

	    TP_ARGS(vmid, status),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(u8, status)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->status = status;
	    ),

	    TP_printk("vmid=%u status=%u (%s)", __entry->vmid, __entry->status,
		      gh_trace_show_vm_status(__entry->status))
);

TRACE_EVENT(gh_vm_exited,
	    TP_PROTO(u16 vmid, u16 type, u32 reason_size),

	    TP_ARGS(vmid, type, reason_size),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(u16, type)
			     __field(u32, reason_size)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->type = type;
			   __entry->reason_size = reason_size;
	    ),

	    TP_printk("vmid=%u type=%u reason_size=%u",
		      __entry->vmid, __entry->type, __entry->reason_size)
);

TRACE_EVENT(gh_vm_teardown,
	    TP_PROTO(u16 vmid, bool clean),

	    TP_ARGS(vmid, clean),

	    TP_STRUCT__entry(__field(u16, vmid)
			     __field(bool, clean)
	    ),

	    TP_fast_assign(__entry->vmid = vmid;
			   __entry->clean = clean;
	    ),

	    TP_printk("vmid=%u%s", __entry->vmid, __entry->clean ? "" : " lost")
);

DECLARE_EVENT_CLASS(gh_vm_mem,
		    TP_PROTO(u16 vmid, u64 guest_addr, u64 size, size_t n_entries,
			     u32 mem_handle, int ret),

		    TP_ARGS(vmid, guest_addr, size, n_entries, mem_handle, ret),

		    TP_STRUCT__entry(__field(u16, vmid)
				     __field(u64, guest_addr)
				     __field(u64, size)
				     __field(size_t, n_entries)
				     __field(u32, mem_handle)
				     __field(int, ret)
		    ),

		    TP_fast_assign(__entry->vmid = vmid;
				   __entry->guest_addr = guest_addr;
				   __entry->size = size;
				   __entry->n_entries = n_entries;
				   __entry->mem_handle = mem_handle;
				   __entry->ret = ret;
		    ),

		    TP_printk("vmid=%u guest_addr=%#llx size=%#llx entries=%zu handle=%#x ret=%d",
			      __entry->vmid, __entry->guest_addr, __entry->size,
			      __entry->n_entries, __entry->mem_handle, __entry->ret)
);

#define DEFINE_GH_VM_MEM_EVENT(name)						\
	DEFINE_EVENT(gh_vm_mem, name,						\
		     TP_PROTO(u16 vmid, u64 guest_addr, u64 size,		\
			      size_t n_entries, u32 mem_handle, int ret),	\
		     TP_ARGS(vmid, guest_addr, size, n_entries, mem_handle, ret))

DEFINE_GH_VM_MEM_EVENT(gh_vm_mem_lend);
DEFINE_GH_VM_MEM_EVENT(gh_vm_mem_share);
DEFINE_GH_VM_MEM_EVENT(gh_vm_mem_reclaim);

#endif

#include <trace/define_trace.h>

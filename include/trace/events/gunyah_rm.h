/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gunyah_rm

#if !defined(_TRACE_GUNYAH_RM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_GUNYAH_RM_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(gh_rm_message,
		    TP_PROTO(u32 message_id, u16 seq, size_t size),

		    TP_ARGS(message_id, seq, size),

		    TP_STRUCT__entry(__field(u32, message_id)
				     __field(u16, seq)
				     __field(size_t, size)
		    ),

		    TP_fast_assign(__entry->message_id = message_id;
				   __entry->seq = seq;
				   __entry->size = size;
		    ),

		    TP_printk("message_id=%08x seq=%u size=%zu",
			      __entry->message_id, __entry->seq, __entry->size)
);

DEFINE_EVENT(gh_rm_message, gh_rm_request,
	     TP_PROTO(u32 message_id, u16 seq, size_t size),
	     TP_ARGS(message_id, seq, size)
);

DEFINE_EVENT(gh_rm_message, gh_rm_notification,
	     TP_PROTO(u32 message_id, u16 seq, size_t size),
	     TP_ARGS(message_id, seq, size)
);

TRACE_EVENT(gh_rm_reply,
	    TP_PROTO(u32 message_id, u16 seq, u32 rm_error, size_t size),

	    TP_ARGS(message_id, seq, rm_error, size),

	    TP_STRUCT__entry(__field(u32, message_id)
			     __field(u16, seq)
			     __field(u32, rm_error)
			     __field(size_t, size)
	    ),

	    TP_fast_assign(__entry->message_id = message_id;
			   __entry->seq = seq;
			   __entry->rm_error = rm_error;
			   __entry->size = size;
	    ),

	    TP_printk("message_id=%08x seq=%u rm_error=%#x size=%zu",
		      __entry->message_id, __entry->seq, __entry->rm_error,
		      __entry->size)
);

#endif

#include <trace/define_trace.h>

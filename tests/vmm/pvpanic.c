// SPDX-License-Identifier: GPL-2.0-only
/*
 * A register to which Linux writes when it panics. Without it a panic would look
 * like a reboot, or like a guest that hangs.
 */
#include <misc/pvpanic.h>

#include "vmm.h"

/* What can be reported */
static uint64_t read_events(struct mmio_device *mmio, uint64_t offset, unsigned int len)
{
	(void)mmio;
	(void)len;
	return offset ? 0 : PVPANIC_PANICKED;
}

static void write_event(struct mmio_device *mmio, uint64_t offset, unsigned int len,
			uint64_t value)
{
	(void)mmio;
	(void)len;
	if (!offset && value & PVPANIC_PANICKED)
		finish(EXIT_GUEST_CRASHED, "the guest's kernel panicked");
}

void pvpanic_create(void)
{
	static struct mmio_device pvpanic = {
		.name = "pvpanic",
		.base = PVPANIC_BASE,
		.size = PVPANIC_SIZE,
		.read = read_events,
		.write = write_event,
	};

	mmio_add(&pvpanic);
}

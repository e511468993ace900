// SPDX-License-Identifier: GPL-2.0-only
/* plat.h without a machine. */
#include "test.h"

u64 fake_now = 1000000;
u32 fake_virqs[HOST_VIRQ_COUNT];
bool fake_host_mapped[RAM_PAGES];
struct guest *fake_guests[64];
size_t fake_allocated;
u32 fake_stop_polls = 2;
size_t fake_fail_size;
u32 fake_fail_map;
bool fake_verbose;
jmp_buf fake_violation_jump;
bool fake_expect_violation;
char fake_violation[256];

static u8 *ram;
static struct {
	const char *name;
	const char *value;
} options[8];

void fake_option(const char *name, const char *value)
{
	for (u32 i = 0; i < 8; i++) {
		if (options[i].name && strcmp(options[i].name, name))
			continue;
		options[i].name = name;
		options[i].value = value;
		return;
	}
	abort();
}

const char *plat_option(const char *name)
{
	for (u32 i = 0; i < 8; i++)
		if (options[i].name && !strcmp(options[i].name, name))
			return options[i].value;
	return NULL;
}

void plat_log(const char *fmt, ...)
{
	va_list args;

	if (!fake_verbose)
		return;
	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

void plat_violation(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(fake_violation, sizeof(fake_violation), fmt, args);
	va_end(args);
	if (fake_expect_violation)
		longjmp(fake_violation_jump, 1);
	printf("# violation: %s\n", fake_violation);
	exit(1);
}

void plat_panic(const char *fmt, ...)
{
	va_list args;

	printf("# panic: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

u64 plat_now_us(void)
{
	return fake_now;
}

static u64 random_state = 42;

void fake_boot_random(void)
{
	const char *seed = plat_option("seed");

	if (seed)
		random_state = (strtoul(seed, NULL, 0) + 1) * 0x9e3779b97f4a7c15UL;
}

u64 plat_random(void)
{
	random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
	return random_state ^ random_state >> 29;
}

void *plat_alloc(size_t size)
{
	void *p;

	if (fake_fail_size && size >= fake_fail_size)
		return NULL;
	p = calloc(1, size);
	if (p)
		fake_allocated++;
	return p;
}

void plat_free(void *p)
{
	if (p)
		fake_allocated--;
	free(p);
}

/* --- the host's memory ------------------------------------------------------- */

bool plat_host_ram(u64 ipa, u64 size)
{
	return ipa >= RAM_BASE && ipa < RAM_BASE + RAM_SIZE &&
	       size <= RAM_BASE + RAM_SIZE - ipa;
}

static void set_mapped(u64 ipa, u64 size, bool mapped)
{
	if (!plat_host_ram(ipa, size) || ipa % HYP_PAGE_SIZE || size % HYP_PAGE_SIZE)
		abort();
	for (u64 p = (ipa - RAM_BASE) / HYP_PAGE_SIZE; size; size -= HYP_PAGE_SIZE, p++) {
		/* twice is a mistake of the caller */
		if (fake_host_mapped[p] == mapped)
			abort();
		fake_host_mapped[p] = mapped;
	}
}

void plat_host_unmap(u64 ipa, u64 size)
{
	set_mapped(ipa, size, false);
}

void plat_host_map(u64 ipa, u64 size)
{
	set_mapped(ipa, size, true);
}

void *plat_mem(u64 pa)
{
	if (!ram) {
		ram = malloc(RAM_SIZE);
		memset(fake_host_mapped, true, sizeof(fake_host_mapped));
	}
	if (!plat_host_ram(pa, 1))
		abort();
	return ram + (pa - RAM_BASE);
}

void plat_flush(u64 pa, u64 size)
{
	if (!plat_host_ram(pa, size))
		abort();
}

void plat_host_virq_raise(u32 intid)
{
	if (intid < HOST_VIRQ_BASE || intid >= HOST_VIRQ_BASE + HOST_VIRQ_COUNT)
		abort();
	fake_virqs[intid - HOST_VIRQ_BASE]++;
}

/* --- guests ---------------------------------------------------------------------- */

struct guest *guest_create(u16 vmid, const struct guest_gic *gic)
{
	for (u32 i = 0; i < 64; i++) {
		if (fake_guests[i])
			continue;
		fake_guests[i] = plat_alloc(sizeof(struct guest));
		if (!fake_guests[i])
			return NULL;
		fake_guests[i]->vmid = vmid;
		fake_guests[i]->gic = *gic;
		return fake_guests[i];
	}
	return NULL;
}

struct vcpu *guest_add_vcpu(struct guest *g, u32 label, u32 wakeup_virq,
			    bool on_at_start)
{
	struct vcpu *v = &g->vcpu[g->n_vcpus++];

	*v = (struct vcpu){ label, wakeup_virq, on_at_start };
	return v;
}

bool guest_map(struct guest *g, u64 ipa, u64 pa, u64 size, u32 rights)
{
	for (u32 i = 0; i < g->n_maps; i++)
		if (ipa < g->map[i].ipa + g->map[i].size && g->map[i].ipa < ipa + size)
			abort();
	if (g->n_maps == 4096 || (fake_fail_map && !--fake_fail_map))
		return false;
	g->map[g->n_maps++] = (struct mapping){ ipa, pa, size, rights };
	return true;
}

void guest_unmap(struct guest *g, u64 ipa, u64 size)
{
	for (u32 i = 0; i < g->n_maps; i++) {
		if (g->map[i].ipa != ipa || g->map[i].size != size)
			continue;
		g->map[i] = g->map[--g->n_maps];
		return;
	}
	abort();
}

void guest_set_vmmio(struct guest *g, u64 base, u64 size)
{
	g->vmmio_base = base;
	g->vmmio_size = size;
}

bool guest_set_boot_reg(struct guest *g, u32 set, u32 index, u64 value)
{
	if (set > 2 || index > 30)
		return false;
	g->boot[set][index] = value;
	return true;
}

void guest_start(struct guest *g, u64 entry, u64 arg)
{
	g->started = true;
	g->entry = entry;
	g->arg = arg;
}

void guest_kill(struct guest *g)
{
	g->killed = true;
	g->polls = 0;
}

bool guest_stopped(struct guest *g)
{
	return g->killed && g->polls++ >= fake_stop_polls;
}

void guest_destroy(struct guest *g)
{
	/* Only after it has stopped, and with nothing but the info page left. */
	if (!g->killed || g->polls <= fake_stop_polls || g->n_maps > 1)
		abort();
	for (u32 i = 0; i < 64; i++)
		if (fake_guests[i] == g)
			fake_guests[i] = NULL;
	plat_free(g);
}

void guest_virq_level(struct guest *g, u32 intid, bool high)
{
	g->level[intid] = high;
}

void guest_virq_pulse(struct guest *g, u32 intid)
{
	g->pulses[intid]++;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stage-2 translation: the host's, which is the identity minus what it lent,
 * and one per guest.  4 KiB granule, starting at level 1.
 */
#include <string.h>

#include "core.h"

#define PTE_VALID	BIT(0)
#define PTE_TABLE	BIT(1)		/* levels 1 and 2; a page at level 3 */
#define PTE_NORMAL	(0xfull << 2)
#define PTE_INNER	(3ull << 8)
#define PTE_AF		BIT(10)
#define PTE_ADDR	0x0000fffffffff000ull

#define LEVEL_SHIFT(level)	(12 + 9 * (3 - (level)))

#define VTCR_RES1	BIT(31)
#define VTCR_SL0_1	(1ull << 6)
#define VTCR_WB		(1ull << 8 | 1ull << 10 | 3ull << 12)

#define HOST_IPA_BITS	40
#define HOST_VMID	1u
#define DEVICES_LOW	0x40000000ull	/* QEMU's virt: devices below ... */
#define DEVICES_HIGH	0x4000000000ull	/* ... and from 256 GiB */

/* Two concatenated tables: 1 TiB */
static u64 host_root[1024] __attribute__((aligned(8192)));
struct stage2 host_s2;

static u64 vtcr(u32 ipa_bits)
{
	u64 parange = read_sysreg(id_aa64mmfr0_el1) & 0xf;
	u64 ps = MIN(parange, 5ull);

	return VTCR_RES1 | ps << 16 | VTCR_WB | VTCR_SL0_1 | (64 - ipa_bits);
}

static void set_root(struct stage2 *s2, u64 *root, u32 ipa_bits, u32 vmid)
{
	s2->root = root;
	s2->ipa_bits = ipa_bits;
	s2->vtcr = vtcr(ipa_bits);
	s2->vttbr = (u64)vmid << 48 | (u64)root;
}

/* TLB maintenance works on the current VMID: borrow it. */
static u64 borrow(const struct stage2 *s2)
{
	u64 vttbr = read_sysreg(vttbr_el2);

	dsb(ishst);
	if (vttbr != s2->vttbr) {
		write_sysreg(vttbr_el2, s2->vttbr);
		isb();
	}
	return vttbr;
}

static void give_back(const struct stage2 *s2, u64 vttbr)
{
	dsb(ish);
	isb();
	if (vttbr != s2->vttbr) {
		write_sysreg(vttbr_el2, vttbr);
		isb();
	}
}

static void flush_tlb(const struct stage2 *s2)
{
	u64 vttbr = borrow(s2);

	asm volatile("tlbi vmalls12e1is" : : : "memory");
	give_back(s2, vttbr);
}

static void flush_tlb_ipa(const struct stage2 *s2, u64 ipa)
{
	u64 vttbr = borrow(s2);

	asm volatile("tlbi ipas2e1is, %0" : : "r" (ipa >> 12) : "memory");
	dsb(ish);
	asm volatile("tlbi vmalle1is" : : : "memory");
	give_back(s2, vttbr);
}

static u64 *entry_at(const struct stage2 *s2, u64 *table, u32 level, u64 ipa)
{
	u64 bits = level == 1 ? s2->ipa_bits - 30 : 9;

	return table + (ipa >> LEVEL_SHIFT(level) & (BIT(bits) - 1));
}

static bool is_table(u64 pte, u32 level)
{
	return level < 3 && (pte & (PTE_VALID | PTE_TABLE)) ==
			    (PTE_VALID | PTE_TABLE);
}

static u64 *table_of(u64 pte)
{
	return (u64 *)(pte & PTE_ADDR);
}

static u64 leaf(u64 pa, u64 attrs, u32 level)
{
	return pa | attrs | PTE_VALID | (level == 3 ? PTE_TABLE : 0);
}

/*
 * The next table below *pte, made when there is none.  A block is replaced by
 * a table that says the same, break before make: another CPU of the host may
 * fault meanwhile, finds the page mapped again and retries.
 */
static u64 *descend(const struct stage2 *s2, u64 *pte, u32 level, u64 ipa)
{
	u64 old = *pte;
	u64 *table;

	if (is_table(old, level))
		return table_of(old);
	table = page_alloc();
	if (!table)
		return NULL;
	if (old & PTE_VALID) {
		u64 attrs = old & ~(PTE_ADDR | PTE_VALID | PTE_TABLE);

		for (u64 i = 0; i < 512; i++)
			table[i] = leaf((old & PTE_ADDR) +
					(i << LEVEL_SHIFT(level + 1)),
					attrs, level + 1);
		*pte = 0;
		flush_tlb_ipa(s2, ipa);
	}
	dsb(ishst);
	*pte = (u64)table | PTE_VALID | PTE_TABLE;
	return table;
}

bool stage2_map(struct stage2 *s2, u64 ipa, u64 pa, u64 size, u64 rights)
{
	u64 attrs = rights | PTE_NORMAL | PTE_INNER | PTE_AF;
	u64 end = ipa + size;

	while (ipa < end) {
		u64 *table = s2->root;
		u64 *pte, step;
		u32 level;

		for (level = 1; ; level++) {
			pte = entry_at(s2, table, level, ipa);
			step = BIT(LEVEL_SHIFT(level));
			if (!((ipa | pa) & (step - 1)) && end - ipa >= step &&
			    !is_table(*pte, level))
				break;
			table = descend(s2, pte, level, ipa);
			if (!table)
				return false;
		}
		if (*pte & PTE_VALID) {
			*pte = 0;
			flush_tlb_ipa(s2, ipa);
		}
		*pte = leaf(pa, attrs, level);
		ipa += step;
		pa += step;
	}
	dsb(ishst);
	isb();
	return true;
}

void stage2_unmap(struct stage2 *s2, u64 ipa, u64 size)
{
	u64 end = ipa + size;

	while (ipa < end) {
		u64 *table = s2->root;
		u64 *pte, step;
		u32 level;

		for (level = 1; ; level++) {
			pte = entry_at(s2, table, level, ipa);
			step = BIT(LEVEL_SHIFT(level));
			if (!(*pte & PTE_VALID))
				break;
			if (!is_table(*pte, level) && !(ipa & (step - 1)) &&
			    end - ipa >= step) {
				*pte = 0;
				break;
			}
			table = descend(s2, pte, level, ipa);
			if (!table)
				plat_panic("no page left to split a block at %#lx",
					   ipa);
		}
		ipa = (ipa & ~(step - 1)) + step;
	}
	flush_tlb(s2);
}

bool stage2_mapped(const struct stage2 *s2, u64 ipa)
{
	u64 *table = s2->root;

	if (ipa >> s2->ipa_bits)
		return false;
	for (u32 level = 1; ; level++) {
		u64 pte = *entry_at(s2, table, level, ipa);

		if (!is_table(pte, level))
			return pte & PTE_VALID;
		table = table_of(pte);
	}
}

bool stage2_create(struct stage2 *s2, u32 ipa_bits, u32 vmid)
{
	u64 *root = page_alloc();

	if (!root)
		return false;
	set_root(s2, root, ipa_bits, vmid);
	flush_tlb(s2);
	return true;
}

static void free_tables(u64 *table, u32 level)
{
	for (u32 i = 0; i < 512; i++) {
		if (is_table(table[i], level))
			free_tables(table_of(table[i]), level + 1);
	}
	page_free(table);
}

void stage2_destroy(struct stage2 *s2)
{
	flush_tlb(s2);
	free_tables(s2->root, 1);
	s2->root = NULL;
}

/* --- the host -------------------------------------------------------------- */

static void host_map(u64 base, u64 size)
{
	if (!stage2_map(&host_s2, base, base, size, S2_RWX))
		plat_panic("no page left to map %#lx at %#lx for the host", size,
			   base);
}

void stage2_init_host(void)
{
	u64 end;

	set_root(&host_s2, host_root, HOST_IPA_BITS, HOST_VMID);
	host_map(0, DEVICES_LOW);
	host_map(DEVICES_HIGH, BIT(HOST_IPA_BITS) - DEVICES_HIGH);
	for (u32 i = 0; i < machine.nr_ram; i++)
		host_map(machine.ram[i].base, machine.ram[i].size);

	/* The distributor and the SGI frames are filtered. */
	stage2_unmap(&host_s2, machine.gicd, VGIC_GICD_SIZE);
	end = machine.gicr + nr_pcpus * VGIC_GICR_SIZE;
	for (u64 frame = machine.gicr; frame < end; frame += VGIC_GICR_SIZE)
		stage2_unmap(&host_s2, frame + 0x10000, 0x10000);
}

bool plat_host_ram(u64 ipa, u64 size)
{
	for (u32 i = 0; i < machine.nr_ram; i++) {
		u64 base = machine.ram[i].base, ram_size = machine.ram[i].size;

		if (ipa >= base && size <= ram_size &&
		    ipa - base <= ram_size - size)
			return true;
	}
	return false;
}

void plat_host_unmap(u64 ipa, u64 size)
{
	stage2_unmap(&host_s2, ipa, size);
}

void plat_host_map(u64 ipa, u64 size)
{
	host_map(ipa, size);
}

void *plat_mem(u64 pa)
{
	return (void *)pa;
}

void plat_flush(u64 pa, u64 size)
{
	u64 line = 4ull << (read_sysreg(ctr_el0) >> 16 & 0xf);

	for (u64 p = pa & ~(line - 1); p < pa + size; p += line)
		asm volatile("dc civac, %0" : : "r" (p) : "memory");
	dsb(sy);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's capability space.
 *
 * A capability's raw value is its table number in bits 15:8 and its slot in
 * bits 7:0; not every slot number exists, so not every small value is in range.
 * The id that the host sees is base + raw * multiplier, with an odd multiplier
 * of 16 bits and a base that differ in each boot.
 */
#include "objects.h"

#define TABLES		16u
#define SLOTS		64u
#define RAW_MAX		(TABLES << 8)

struct cap {
	enum cap_type type;
	u32 rights;
	u64 error;			/* of lookups, ERR_OK when active */
	void *object;
};

static struct cap caps[TABLES][SLOTS];
static u64 id_base;
static u64 id_multiplier = 1;
static u32 used;

/* Ids from here on are never handed out. */
#define ID_LIMIT	0xffffff0000000000UL

void cspace_init(bool from_zero, u64 base, u64 multiplier)
{
	id_base = 0;
	id_multiplier = 1;
	if (!from_zero) {
		id_multiplier = (multiplier & 0xffff) | 1;
		id_base = base;
		if (id_base >= ID_LIMIT - RAW_MAX * id_multiplier)
			id_base >>= 1;
	}
	for (u32 t = 0; t < TABLES; t++)
		for (u32 s = 0; s < SLOTS; s++)
			caps[t][s] = (struct cap){ 0 };
	used = 0;
}

u32 cap_count(void)
{
	return used;
}

static struct cap *cap_at(u64 capid)
{
	u64 raw = (capid - id_base) / id_multiplier;

	if (capid < id_base || (capid - id_base) % id_multiplier)
		return NULL;
	if ((raw >> 8) >= TABLES || (raw & 0xff) >= SLOTS)
		return NULL;
	return &caps[raw >> 8][raw & 0xff];
}

bool cap_create(enum cap_type type, u32 rights, void *object, u64 *capid)
{
	for (u32 t = 0; t < TABLES; t++) {
		for (u32 s = 0; s < SLOTS; s++) {
			if (caps[t][s].type != CAP_NONE)
				continue;
			caps[t][s] = (struct cap){
				.type = type,
				.rights = rights,
				.object = object,
			};
			used++;
			*capid = id_base + (((u64)t << 8) | s) * id_multiplier;
			return true;
		}
	}
	return false;
}

static struct cap *existing_cap(u64 capid)
{
	struct cap *cap = cap_at(capid);

	if (!cap || cap->type == CAP_NONE)
		plat_panic("capability 0x%lx does not exist", capid);
	return cap;
}

void cap_disable(u64 capid, u64 error)
{
	struct cap *cap = existing_cap(capid);

	cap->error = error;
	cap->object = NULL;
}

void cap_delete(u64 capid)
{
	*existing_cap(capid) = (struct cap){ 0 };
	used--;
}

u64 cap_lookup(u64 capid, enum cap_type type, u32 rights, void **object)
{
	struct cap *cap = cap_at(capid);

	if (!cap)
		return ERR_ARGUMENT_INVALID;
	if (cap->type == CAP_NONE)
		return ERR_CAP_NULL;
	if (cap->error == ERR_CAP_REVOKED)
		return ERR_CAP_REVOKED;
	if (cap->type != type)
		return ERR_CAP_WRONG_TYPE;
	if ((cap->rights & rights) != rights)
		return ERR_CAP_RIGHTS;
	if (cap->error)
		return cap->error;
	*object = cap->object;
	return ERR_OK;
}

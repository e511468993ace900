#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetch, apply, build and boot, in that order: what "make boot" does.

set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${HYPVM:-}" ] && [ ! -f "$HYPVM" ]; then
	echo "error: boot: HYPVM=$HYPVM is not there; it is the hypvm.elf of the real hypervisor's QEMU build" >&2
	exit 1
fi

if [ -n "${IMAGE:-}" ]; then
	CONFIG=image
elif [ -n "${MODULES:-}" ]; then
	echo "error: boot: MODULES=$MODULES is of no use without IMAGE=" >&2
	exit 1
fi

scripts/deps boot
scripts/fetch
scripts/apply
case ${1:-boot} in
shell | guest* | console)
	scripts/busybox
	# The kernel of the guest
	[ "${CONFIG:-plain}" = plain ] || scripts/build plain
	;;
esac
scripts/build "${CONFIG:-plain}"
exec scripts/boot "${1:-boot}" "${CONFIG:-plain}"

# SPDX-License-Identifier: GPL-2.0-only
#
# The front door.  Every target is a script or two; "make help" lists them.

# The scripts take these from the environment, however they were given.
export BUILD LINUX LINUX_REF KERNEL HYPVM CONFIG TREE BASE VERBOSE CPUS MEM
export IMAGE MODULES SIGNOFF VERSION OLD
CONFIG ?= plain

MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 24
	@echo
	@sed -nE 's/^#: (.*)/  \1/p' Makefile

.PHONY: boot
boot: ## build everything, run a guest in a host in QEMU, verdict (HYPVM=, CONFIG=)
	@scripts/apply-build-boot.sh boot

.PHONY: guest
guest: ## boot Linux as a guest, check it from the inside (CPUS=, MEM=, INTERACTIVE=1, HYPVM=)
	@scripts/apply-build-boot.sh $(if $(INTERACTIVE),console,guest)

.PHONY: shell
shell: ## a shell in the hosting Linux, VMMs in /gunyah and /guest (HYPVM=, CONFIG=)
	@scripts/apply-build-boot.sh shell

.PHONY: selftest
selftest: ## the kselftests in QEMU; with CONFIG=debug KUnit, too (HYPVM=, IMAGE=)
	@scripts/apply-build-boot.sh selftest

.PHONY: tree
tree: ## build/linux: the pinned kernel, then one commit for each patch
	@scripts/deps boot
	@scripts/fetch
	@scripts/apply

.PHONY: refresh
refresh: ## patches/, series and the end-state folders from build/linux (TREE=, BASE=)
	@scripts/refresh

.PHONY: check
check: ## every check CI makes, KTAP, the last line counts
	@scripts/check

.PHONY: check-fast
check-fast: ## series, checkpatch, scripts, native tests, boot, plain selftests: before each commit
	@scripts/check fast

.PHONY: check-full
check-full: ## all of them: page sizes, clang, coccicheck, htmldocs, the next kernel
	@scripts/check full

.PHONY: mbox
mbox: ## what would be sent to the lists, SIGNOFF="Name <address>" (VERSION=N, LINUX=)
	@scripts/mbox

.PHONY: range-diff
range-diff: ## what changed in the series since OLD=, a commit or tag of this repository
	@scripts/range-diff

.PHONY: clean
clean: ## remove what was built; keep the downloads, the tree and the compiler cache
	@scripts/clean

.PHONY: distclean
distclean: ## remove build/ altogether
	@scripts/clean all

#: CONFIG=debug         the kernel with KASAN, lockdep, KUnit, fault injection
#: CONFIG=modular       the kernel with the drivers as modules
#: IMAGE=FILE           an arm64 Image with the series in place of ours, for selftest,
#: MODULES=DIR          and its modules, as make modules_install put them there
#: HYPVM=FILE           boot under the real hypervisor's QEMU build (hypvm.elf)
#: LINUX=DIR            your own git tree instead of the pinned tarball, at
#: LINUX_REF=REF        this commit (default: the tag of the pinned version)
#: KERNEL=VERSION       another kernel of scripts/kernel.pin
#: BUILD=DIR            everything generated goes there instead of build/
#: CPUS=N MEM=SIZE      of the Linux guest: 1 to 8, and MiB with an M
#: INTERACTIVE=1        make guest: the guest's console on this terminal
#: VERBOSE=1            the whole console on the screen

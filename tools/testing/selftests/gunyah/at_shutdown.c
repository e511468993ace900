// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that are there when the host shuts down. Returns once they run, and stays
 * in the background: shut down then, and look at the last lines on the console.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gh_faults.h"

/* It takes a while to stop them all, and the first one can tell meanwhile */
#define VMS	6
/* Where that can be asked for: so long for the last one alone */
#define LAST_STOP_MS	2000

static void die(const char *what)
{
	printf("shutdown: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* The last moments of the host */
static void watch(struct gh_test_vm *vms, struct gh_test_vm *late)
{
	int fd;

	while ((fd = ioctl(late->gunyah, GH_CREATE_VM, 0)) >= 0) {
		close(fd);
		usleep(1000);
	}
	if (errno != ESHUTDOWN)
		die("GH_CREATE_VM");
	if (!ioctl(late->vm, GH_VM_START) || errno != ESHUTDOWN)
		die("GH_VM_START");
	printf("shutdown: no VM can be made or started any more\n");

	while (!gh_can_read(vms[0].host))
		;
	if (gh_vcpu_run(&vms[0], 0) || vms[0].run[0]->exit_reason != GH_VCPU_EXIT_STATUS)
		die("GH_VCPU_RUN");
	printf("shutdown: a VM was stopped, and its memory is back\n");
	fflush(stdout);
	for (;;)
		pause();
}

int main(void)
{
	struct gh_test_vm vms[VMS], late;
	const char *why_not = gh_why_not();
	int ready[2], i;
	uint64_t value;
	char byte = 0;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (why_not) {
		printf("shutdown: %s\n", why_not);
		return 4;
	}
	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		close(ready[1]);
		return read(ready[0], &byte, 1) != 1;
	}

	for (i = 0; i < VMS; i++)
		if (gh_vm_boot(&vms[i], 1) ||
		    gh_execute(&vms[i], 0, GUEST_SLEEP, 1000, 0, 0, &value))
			die("booting VMs");
	if (gh_vm_prepare(&late, 1))
		die("preparing a VM");
	if (!gh_faults_open())
		gh_fault(GH_FAULT_DELAY, GH_NTH(VMS - 1, GH_RM_VM_STOP), LAST_STOP_MS);
	if (write(ready[1], &byte, 1) != 1)
		die("write");
	watch(vms, &late);
}

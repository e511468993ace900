#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""terminal.py COMMAND...

Run a command that gives the console of a Linux guest, at a terminal of its own, and
be the person there: ask the guest how many CPUs it has, interrupt it, leave. The
command has to end with status 0 and the terminal has to be as it was.
"""
import fcntl
import os
import pty
import select
import signal
import sys
import termios
import time

# It may have something to build first.
START_SECONDS = 900
SECONDS = 120

seen = b''
mark = 0
status = None


def fail(why):
    """Whatever runs there ends when its terminal does."""
    print(f'\nterminal: {why}')
    if status is None:
        os.killpg(pid, signal.SIGHUP)
    sys.exit(1)


def take(seconds):
    """What is said within this time, and the status once it is there."""
    global seen, status
    if select.select([keyboard], [], [], seconds)[0]:
        text = os.read(keyboard, 4096)
        seen += text
        sys.stdout.write(text.decode(errors='replace').replace('\r', ''))
        sys.stdout.flush()
    if status is None:
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)


def wait(text, seconds=SECONDS):
    """... for this text, behind what was waited for before."""
    global mark
    end = time.monotonic() + seconds
    while text not in seen[mark:]:
        if status is not None:
            take(0.5)
            if text not in seen[mark:]:
                fail(f'ended with status {status}, without {text!r}')
            break
        if time.monotonic() > end:
            fail(f'no {text!r} within {seconds} s')
        take(0.2)
    mark = seen.index(text, mark) + len(text)


def enter(keys):
    os.write(keyboard, keys)


keyboard, terminal = pty.openpty()
before = termios.tcgetattr(terminal)
pid = os.fork()
if not pid:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2:
        os.dup2(terminal, fd)
    os.execvp(sys.argv[1], sys.argv[1:])

wait(b'guest# ', START_SECONDS)
# The echo does not have the answer in it.
enter(b'echo $(nproc) CPUs\r')
wait(b'2 CPUs\r')
wait(b'guest# ')
enter(b'sleep 1000\r')
wait(b'sleep 1000\r')
time.sleep(1)
enter(b'\x03')
wait(b'guest# ')
enter(b'exit\r')
wait(b'the guest powered off')
end = time.monotonic() + SECONDS
while status is None and time.monotonic() < end:
    take(0.2)
if status != 0:
    fail(f'status {status}')
if termios.tcgetattr(terminal) != before:
    fail('the terminal is not as it was')
print('\nterminal: typed, interrupted and left: status 0, the terminal is as it was')

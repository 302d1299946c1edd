"""Runs a command and reports what it took: `python launch.py FD PROGRAM ARGUMENT…`.

A process of its own, and a small one: Linux counts the memory of the process that starts a command
into the command's largest resident size (`ru_maxrss` of getrusage(2) survives `execve`). A
benchmark that holds a trail would report its own size.

Imports nothing of ours, so that it stays small.
"""

from __future__ import annotations

import json
import os
import sys


def main(report: int, command: list[str]) -> int:
    """Write `{"cpu": seconds, "peak_mb": MB}` to a file descriptor. Returns the exit code; of a
    command that a signal ended, its negative number."""
    os.set_inheritable(report, False)
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    peak = used.ru_maxrss / 1024
    took = {"cpu": used.ru_utime + used.ru_stime, "peak_mb": peak}
    took["code"] = os.waitstatus_to_exitcode(status)
    os.write(report, json.dumps(took).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

"""Adds to a number in a file, which a lock of fcntl guards.

Arguments: the file, how often."""

import fcntl
import os
import sys

file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for _ in range(int(sys.argv[2])):
    fcntl.lockf(file, fcntl.LOCK_EX)
    number = int(os.pread(file, 20, 0) or b"0")
    os.pwrite(file, b"%d" % (number + 1), 0)
    fcntl.lockf(file, fcntl.LOCK_UN)

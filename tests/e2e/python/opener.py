"""Opens a file and does with it what each line says; answers `done` or the name of the error.

Arguments: the file, and flags such as O_CREAT beside O_RDWR."""

import errno
import os
import sys

path, *flags = sys.argv[1:]
file = os.open(path, os.O_RDWR | sum(getattr(os, flag) for flag in flags))


def copy(source):
    """Copies a whole file, as cp does."""
    source = os.open(source, os.O_RDONLY)
    while os.copy_file_range(source, file, 1 << 62):
        pass


calls = {
    "write": lambda text: os.write(file, text.encode()),
    "sync": lambda _: os.fsync(file),
    "truncate": lambda size: os.ftruncate(file, int(size)),
    "copy": copy,
}
print("open", flush=True)
for line in sys.stdin:
    call, _, argument = line.rstrip("\n").partition(" ")
    try:
        calls[call](argument)
        print("done", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)

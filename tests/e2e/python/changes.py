"""Tries each call that changes something in a folder, and prints how each of them ends.

In the folder are `file`, `folder/below` and the empty directory `empty`."""

import errno
import os
import sys

os.chdir(sys.argv[1])
calls = {
    "truncate": lambda: os.truncate("file", 2),
    "chmod": lambda: os.chmod("file", 0o600),
    "chmod of a directory": lambda: os.chmod("empty", 0o700),
    "utime": lambda: os.utime("file", (1, 1)),
    "chown": lambda: os.chown("file", 12, 34),
    "setxattr": lambda: os.setxattr("file", "user.color", b"blue"),
    "mkdir": lambda: os.mkdir("new"),
    "rmdir": lambda: os.rmdir("empty"),
    "unlink": lambda: os.unlink("file"),
    "unlink of the only file": lambda: os.unlink("folder/below"),
    "rename": lambda: os.rename("file", "other"),
    "rename of a directory": lambda: os.rename("folder", "other"),
    "symlink": lambda: os.symlink("file", "link"),
    "mkfifo": lambda: os.mkfifo("pipe"),
}
for name, call in calls.items():
    try:
        call()
        print(name, "done", sep=": ")
    except OSError as error:
        print(name, errno.errorcode[error.errno], sep=": ")

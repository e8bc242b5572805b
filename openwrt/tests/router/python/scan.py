"""Which TCP ports of an address answer. usage: scan.py ADDRESS FIRST LAST"""

import errno
import selectors
import socket
import sys
import time

address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family, _, _, _, where = socket.getaddrinfo(address, 1, type=socket.SOCK_STREAM)[0]
AT_ONCE, PATIENCE = 256, 3.0

waiting, ports, found = selectors.DefaultSelector(), iter(range(first, last + 1)), []
pending = {}


def begin():
    for port in ports:
        probe = socket.socket(family, socket.SOCK_STREAM)
        probe.setblocking(False)
        result = probe.connect_ex((where[0], port, *where[2:]))
        if result == errno.EINPROGRESS:
            waiting.register(probe, selectors.EVENT_WRITE, port)
            pending[probe] = time.monotonic() + PATIENCE
            return True
        if result == 0:
            found.append(port)
        probe.close()
    return False


def end(probe):
    waiting.unregister(probe)
    del pending[probe]
    probe.close()


while True:
    while len(pending) < AT_ONCE and begin():
        pass
    if not pending:
        break
    for key, _ in waiting.select(0.5):
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            found.append(key.data)
        end(key.fileobj)
    now = time.monotonic()
    for probe in [probe for probe, until in pending.items() if until < now]:
        end(probe)
print(*sorted(found))

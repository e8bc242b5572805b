"""The nodes' network of virtual machines, without rights: a switch that is a thread of this process, and behind one of its
ports the way to this machine, which is qemu's own.

A switch, not a hub: qemu's way out takes every packet that it sees for one that leaves the network."""

import socket
import subprocess
import threading

# This machine, as nodes see it. Not the router, whose connections begin with the client's address.
HOST = "10.77.0.2"
PORTS = (22, 443, 9001)


class Network:
    """What the nodes with these addresses are connected by. Ports of theirs are ports of loopback here."""

    def __init__(self, addresses):
        self.ports = {(address, port): free_port() for address in addresses for port in PORTS}
        # By address, and for the way out: the switch's socket, and the port of what is plugged in.
        self.sockets, self.far, self.places = {}, {}, {}
        for name in [*addresses, HOST]:
            self.sockets[name] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sockets[name].bind(("127.0.0.1", 0))
            self.far[name] = free_port()
            threading.Thread(target=self.forward, args=[name], daemon=True).start()
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{local}-{address}:{port}" for (address, port), local in self.ports.items()
        )
        self.way = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none"]
            + ["-netdev", f"user,id=way,net=10.77.0.0/24,host={HOST},dns=10.77.0.3{forwards}"]
            + ["-netdev", f"{self.plug(HOST)},id=switch"]
            + ["-netdev", "hubport,id=to-way,hubid=0,netdev=way", "-netdev", "hubport,id=to-switch,hubid=0,netdev=switch"],
            stdin=subprocess.DEVNULL,
        )

    def plug(self, name):
        """The network card of a machine, as qemu is told of it."""
        end = lambda side, port: f"{side}.type=inet,{side}.host=127.0.0.1,{side}.port={port}"
        near = self.sockets[name].getsockname()[1]
        return f"dgram,{end('local', self.far[name])},{end('remote', near)}"

    def forward(self, name):
        """Passes on what comes in at one port: to where its receiver was seen, or everywhere."""
        while True:
            frame = self.sockets[name].recv(1 << 16)
            receiver, sender = frame[:6], frame[6:12]
            self.places[sender] = name
            to = [self.places[receiver]] if receiver in self.places else [other for other in self.far if other != name]
            for other in to:
                self.sockets[other].sendto(frame, ("127.0.0.1", self.far[other]))

    def close(self):
        self.way.kill()
        self.way.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

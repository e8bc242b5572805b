"""A node in a virtual machine: UEFI, no KVM needed."""

import os
import re
import shutil
import signal
import subprocess
import time

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
SSD_BYTES = 32 << 30


class Machine:
    """A node with the disk `image` and an SSD. What it writes stays in `folder`, over kill and start; what is there
    already is taken as it is."""

    def __init__(self, folder, image, network, mac, address, key):
        self.folder, self.network, self.mac, self.address, self.key = folder, network, mac, address, key
        self.disk = os.path.join(folder, "disk.img")
        self.ssd = os.path.join(folder, "ssd.img")
        self.variables = os.path.join(folder, "variables.fd")
        self.starts, self.process = 0, None
        if not os.path.exists(folder):
            os.makedirs(folder)
            subprocess.run(["cp", "--sparse=always", image, self.disk], check=True)
            shutil.copy(VARIABLES, self.variables)
            with open(self.ssd, "wb") as file:
                file.truncate(SSD_BYTES)

    def port(self, port):
        """Where a port of its is on this machine."""
        return self.network.ports[self.address, port]

    def start(self):
        """Switches it on. Its console goes to a file for each start."""
        self.starts += 1
        self.console = os.path.join(self.folder, f"console-{self.starts}.log")
        # qemu makes it anew, but not at once.
        open(self.console, "w").close()
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048"]
            + ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
            + ["-drive", f"if=pflash,format=raw,file={self.variables}"]
            + ["-drive", f"file={self.disk},format=raw,if=none,id=system"]
            + ["-device", "virtio-blk-pci,drive=system,bootindex=0"]
            + ["-drive", f"file={self.ssd},format=raw,if=none,id=ssd"]
            + ["-device", "virtio-blk-pci,drive=ssd,serial=SSD-0001"]
            + ["-netdev", f"{self.network.plug(self.address)},id=port"]
            + ["-device", f"virtio-net-pci,netdev=port,mac={self.mac}", "-device", "i6300esb"]
            + ["-display", "none", "-monitor", "none", "-serial", f"file:{self.console}"],
            stdin=subprocess.DEVNULL,
        )

    def cut_power(self):
        """What it had not made durable is lost."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def text(self):
        """All that its console showed since it was switched on."""
        try:
            with open(self.console, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, pattern, seconds, after=0):
        """Waits until the console shows it, and returns where it ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.compile(pattern).search(self.text(), after)
            if found:
                return found.end()
            if self.process.poll() is not None:
                raise AssertionError(f"the machine ended before {pattern!r}")
            time.sleep(0.5)
        raise AssertionError(f"no {pattern!r} within {seconds} s; the console's end:\n{self.text()[-3000:]}")

    def ssh_words(self, key=None):
        """What a command follows that is run on the node, by an operator or with another key."""
        return (
            ["ssh", "-i", key or self.key, "-p", str(self.port(22)), "-o", "StrictHostKeyChecking=no"]
            + ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
            + ["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "root@127.0.0.1"]
        )

    def ssh(self, command, seconds=120, check=True, key=None):
        """Runs a command on the node as an operator."""
        done = subprocess.run(
            [*self.ssh_words(key), command], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: exit code {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def wait_for_ssh(self, command, seconds):
        """Repeats a command until it succeeds."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.ssh(command)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                if time.monotonic() > end:
                    raise AssertionError(f"{command} did not succeed within {seconds} s: {error}") from error
                time.sleep(2)

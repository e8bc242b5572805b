"""The operator of the rack, with `rack` and the system's `ssh`, for whom only the nodes' addresses lead elsewhere: to ports
of this machine."""

import os
import re
import shutil
import subprocess

import images


class Operator:
    """`alone` is a rack.toml of the first node alone, as the rack is until others have come in."""

    def __init__(self, programs, built, network):
        self.programs, self.rack_file, self.folder = programs, built.rack, os.path.dirname(built.rack)
        self.key = built.ssh_key
        self.alone = os.path.join(self.folder, "alone.toml")
        self.lead(network)
        with open(self.rack_file) as file:
            text = file.read()
        first, *others = re.findall(r"\[\[node\]\].*?\n\n", text, re.DOTALL)
        for other in others:
            text = text.replace(other, "")
        with open(self.alone, "w") as file:
            file.write(text)

    def lead(self, network):
        """Writes an `ssh` that finds the nodes."""
        config, program = os.path.join(self.folder, "ssh_config"), os.path.join(self.folder, "bin/ssh")
        with open(config, "w") as file:
            for (address, port), local in network.ports.items():
                if port == 22:
                    file.write(f"Host {address}\nHostName 127.0.0.1\nPort {local}\n")
            file.write(f"Host *\nIdentityFile {self.key}\nIdentitiesOnly yes\n")
        os.makedirs(os.path.dirname(program), exist_ok=True)
        with open(program, "w") as file:
            file.write(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        os.chmod(program, 0o755)

    def rack(self, *words):
        path = os.path.join(self.folder, "bin") + ":" + os.environ["PATH"]
        environment = os.environ | {"PATH": path, "RACK_FILE": self.rack_file, "RACK_IDENTITY": self.key}
        command = [os.path.join(self.programs, "rack"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def add_operator(self, name):
        """Writes another operator into `alone`, whose key is the answer."""
        key = images.key(self.folder, name)
        with open(key + ".pub") as file:
            self.change("[[operator]]", f'[[operator]]\nname = "{name}"\nssh = "{file.read().strip()}"\n\n[[operator]]', 1)
        return key

    def change(self, before, after, count=-1):
        """In `alone`."""
        with open(self.alone) as file:
            text = file.read()
        assert before in text, text
        with open(self.alone, "w") as file:
            file.write(text.replace(before, after, count))

"""The images and updates of the boot test: one image, and roots made of its own."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.realpath(os.path.join(HERE, "../.."))
MAC = "52:54:00:00:00:01"
ADDRESS = "10.77.0.11"


@dataclass
class Built:
    image: str
    ssh_key: str
    good: str
    bad: dict
    forged: str


def build(programs, folder):
    """Paths of manifests are relative to the folder."""
    ssh_key = os.path.join(folder, "ssh")
    if not os.path.exists(ssh_key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", ssh_key], check=True)
    rack = os.path.join(folder, "rack.toml")
    write_rack(rack, ssh_key + ".pub")
    image = os.path.join(folder, "hayrack_1_amd64.img")
    if not os.path.exists(image):
        environment = os.environ | {
            "VERSION": "1", "RACK": rack, "FOUND": "node-1", "COMPRESSION": "3",
            "UPDATE_KEY": os.path.join(folder, "update.key"),
        }
        subprocess.run([f"{REPOSITORY}/os-image/build/image", "amd64", programs, folder], env=environment, check=True)
    root = os.path.join(folder, "hayrack_1_amd64.squashfs")
    tool = os.path.join(programs, "node-image")
    sign = lambda root, name, key="update.key": manifest(tool, folder, root, name, key)
    without_init = changed(folder, root, "without-init", "rm -f sbin/init usr/sbin/init usr/lib/systemd/systemd")
    without_s3d = changed(
        folder, root, "without-s3d",
        "printf '#!/bin/sh\\nexit 1\\n' >usr/bin/s3d; sed -i 's/update trial/update trial --patience 60/' usr/lib/systemd/system/hayrack-trial.service",
    )
    return Built(
        image, ssh_key,
        good=sign(root, "2"),
        bad={"without init": sign(without_init, "3"), "whose s3d ends at once": sign(without_s3d, "4")},
        forged=sign(root, "5", "other.key"),
    )


def write_rack(path, public_key):
    """The repository's own rack, with this test's operator and the MACs of virtual machines."""
    with open(f"{REPOSITORY}/rack/rack.toml") as file:
        text = file.read()
    with open(public_key) as file:
        text = re.sub(r'ssh = "[^"]*"', f'ssh = "{file.read().strip()}"', text, count=1)
    text = re.sub(r'mac = "[^"]*:(\d\d)"', r'mac = "52:54:00:00:00:\1"', text)
    with open(path, "w") as file:
        file.write(text)


def changed(folder, root, name, command):
    """The root, after a command was run in it."""
    path = os.path.join(folder, f"{name}.squashfs")
    if not os.path.exists(path):
        tree = os.path.join(folder, "tree")
        shutil.rmtree(tree, ignore_errors=True)
        subprocess.run(["unsquashfs", "-q", "-n", "-d", tree, root], check=True)
        subprocess.run(["sh", "-c", command], cwd=tree, check=True)
        subprocess.run(["mksquashfs", tree, path, "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "1"], check=True)
        shutil.rmtree(tree)
    return path


def manifest(tool, folder, root, version, key):
    name = f"update-{version}.toml"
    with open(os.path.join(folder, name), "w") as file:
        arguments = ["manifest", root, "--version", version, "--arch", "amd64", "--key", os.path.join(folder, key)]
        subprocess.run([tool, *arguments], stdout=file, check=True)
    return name

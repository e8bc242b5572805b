"""The images and updates of the boot test: one image of `rack image`, and roots made of its own."""

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.realpath(os.path.join(HERE, "../.."))


@dataclass
class Built:
    rack: str
    image: str
    ssh_key: str
    certificate_key: str
    good: str
    bad: dict
    forged: str


def build(programs, folder):
    """Paths of manifests are relative to the folder."""
    ssh_key, certificate_key = key(folder, "ssh"), key(folder, "certificate")
    rack = os.path.join(folder, "rack.toml")
    if not built(folder, "img"):
        write_rack(rack, ssh_key + ".pub")
        build_image(programs, folder, rack, ssh_key, certificate_key)
    image, root = built(folder, "img")[0], built(folder, "squashfs")[0]
    tool = os.path.join(programs, "node-image")
    sign = lambda root, name, key="update.key": manifest(tool, folder, root, name, key)
    without_init = changed(folder, root, "without-init", "rm -f sbin/init usr/sbin/init usr/lib/systemd/systemd")
    without_s3d = changed(
        folder, root, "without-s3d",
        "printf '#!/bin/sh\\nexit 1\\n' >usr/bin/s3d; sed -i 's/update trial/update trial --patience 60/' usr/lib/systemd/system/hayrack-trial.service",
    )
    return Built(
        rack, image, ssh_key, certificate_key,
        good=sign(root, "2"),
        bad={"without init": sign(without_init, "3"), "whose s3d ends at once": sign(without_s3d, "4")},
        forged=sign(root, "5", "other.key"),
    )


def built(folder, kind):
    return glob.glob(os.path.join(folder, f"hayrack_*_amd64.{kind}"))


def key(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path


def build_image(programs, folder, rack, ssh_key, certificate_key):
    environment = os.environ | {"VERSION": "1", "COMPRESSION": "3", "RACK_FILE": rack, "RACK_IDENTITY": ssh_key}
    command = os.path.join(programs, "rack")
    with open(certificate_key) as file:
        subprocess.run([command, "secrets", "set", "certificate-key"], env=environment, stdin=file, check=True)
    words = ["--programs", programs, "--out", folder, "--scripts", f"{REPOSITORY}/os-image", "--found", "node-1"]
    subprocess.run([command, "image", *words], env=environment, check=True)


def write_rack(path, public_key):
    """The repository's own rack as one of PCs, with this test's operator, the MACs of virtual machines, and
    certificates that the router brings."""
    with open(f"{REPOSITORY}/rack/rack.toml") as file:
        text = file.read()
    with open(public_key) as file:
        text = re.sub(r'ssh = "[^"]*"', f'ssh = "{file.read().strip()}"', text, count=1)
    text = re.sub(r'mac = "[^"]*:(\d\d)"', r'mac = "52:54:00:00:00:\1"', text)
    text = text.replace('model = "pi5-8gb"', 'model = "odroid-h4-16gb"').replace('power = "poe"', 'power = "supply"')
    for line in ("[acme]", "email =", "directory =", 'dns = "dns_cf"'):
        text = text.replace(f"# {line}", line)
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

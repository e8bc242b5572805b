//! The disk of a Raspberry Pi, evaluated by the rules of its firmware: those of raspi-firmware, Debian's package of it, and of the
//! boards' own boot loaders. No board is needed for that; what only a board can show is in the README.

#![allow(clippy::unwrap_used)]

mod disk;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk::Disk;

/// The start of an arm64 kernel, as far as firmware looks at it.
fn kernel() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[56..60].copy_from_slice(b"ARMd");
    bytes
}

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) {
    let folder = path.parent().expect("it is in a folder");
    fs::create_dir_all(folder).expect("a folder can be made");
    fs::write(path, bytes).expect("a file can be written");
}

/// A root, as far as a disk is made from it: what the packages of kernel and firmware put there.
fn root(folder: &Path) -> PathBuf {
    let root = folder.join("build");
    for file in ["start4.elf", "fixup4.dat", "start.elf", "bootcode.bin"] {
        write(root.join("usr/lib/raspi-firmware").join(file), file);
    }
    let trees = root.join("usr/lib/modules/7.0-arm64/dtb/broadcom");
    for board in [
        "bcm2711-rpi-4-b",
        "bcm2711-rpi-cm4-io",
        "bcm2712-rpi-5-b",
        "bcm2712-d-rpi-5-b",
    ] {
        write(trees.join(format!("{board}.dtb")), board);
    }
    write(root.join("boot/vmlinuz"), kernel());
    write(root.join("boot/initrd"), "initrd");
    write(root.join("root.squashfs"), "root");
    let line = "# why\nroot=PARTLABEL=hayrack-root-@slot@ ro\nhayrack.slot=@slot@\n";
    write(root.join("cmdline"), line);
    root
}

fn run(script: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("build")
        .join(script);
    let mut command = Command::new(&script);
    command
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", "1790000000");
    let output = command.output().expect("the script can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", script.display());
}

/// A disk that was made of a root after `change`.
fn made(folder: &Path, change: impl FnOnce(&Path)) -> Disk {
    let root = root(folder);
    run("pi-firmware", &[&root]);
    change(&root.join("boot/firmware"));
    let (settings, admissions) = (folder.join("settings.toml"), folder.join("admissions"));
    fs::write(&settings, "").expect("a file can be written");
    fs::create_dir(&admissions).expect("a folder can be made");
    let image = folder.join("node.img");
    run(
        "disk",
        &[Path::new("pi"), &root, &settings, &admissions, &image],
    );
    Disk::open(&image)
}

#[test]
fn a_pi_starts_from_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = made(folder.path(), |_| {});
    assert_eq!(rules::faults(&disk), [""; 0]);
    // hayrack-update knows this very text, and changes two digits of it.
    let autoboot = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
    assert_eq!(disk.text("hayrack-boot", "autoboot.txt").unwrap(), autoboot);
    assert_eq!(disk.files("hayrack-boot-b"), [""; 0]);
}

#[test]
fn what_a_pi_would_not_start_from_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let disk = made(folder.path(), |firmware| {
        fs::write(firmware.join("vmlinuz"), vec![0; 4096]).unwrap();
        fs::remove_file(firmware.join("start4.elf")).unwrap();
        fs::remove_file(firmware.join("bcm2712-rpi-5-b.dtb")).unwrap();
        fs::write(
            firmware.join("config.txt"),
            "kernel=vmlinuz\ninitramfs none\n",
        )
        .unwrap();
    });
    let faults = rules::faults(&disk);
    let expected = [
        "arm_64bit=1",
        "upstream_kernel=1",
        "none",
        "vmlinuz is no arm64 kernel",
        "start4.elf",
        "bcm2712-rpi-5-b.dtb",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, part) in faults.iter().zip(expected) {
        assert!(fault.contains(part), "{fault}: {part}");
    }
}

/// `HAYRACK_PI_IMAGE` is an image that `make image ARCH=arm64` built.
#[test]
#[ignore = "`make image-test-arm64` runs it: it needs a whole image"]
fn a_pi_starts_from_a_whole_image() {
    let image = std::env::var_os("HAYRACK_PI_IMAGE").expect("HAYRACK_PI_IMAGE names an image");
    assert_eq!(rules::faults(&Disk::open(Path::new(&image))), [""; 0]);
}

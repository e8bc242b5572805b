//! What a Pi's firmware asks of a disk. Each fault is a sentence.

use crate::disk::Disk;

/// The types of partitions that the boot loaders of Pi 4 and 5 look into: EFI system, and Microsoft basic data.
const KINDS: [&str; 2] = [
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
];
/// The most that is read of autoboot.txt.
const AUTOBOOT: usize = 512;

/// What a model reads beside config.txt and what that names: its firmware, unless that is on the board, and its device
/// tree, by a name that the firmware makes of the board.
const MODELS: [(&str, &[&str]); 2] = [
    ("Pi 4", &["start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"]),
    ("Pi 5", &["bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"]),
];
/// What raspi-firmware writes into config.txt for a kernel of kernel.org on arm64.
const SETTINGS: [&str; 2] = ["arm_64bit=1", "upstream_kernel=1"];

/// Why a Pi would not start slot a of a disk, or not try slot b.
pub fn faults(disk: &Disk) -> Vec<String> {
    let mut faults = partitions(disk);
    faults.extend(autoboot(disk));
    faults.extend(config(disk));
    faults.extend(models(disk));
    faults.extend(command_line(disk));
    faults
}

fn partitions(disk: &Disk) -> Vec<String> {
    let boot = disk
        .partitions
        .iter()
        .filter(|partition| partition.name.starts_with("hayrack-boot"));
    let hidden = boot.filter(|partition| !KINDS.contains(&partition.kind.as_str()));
    hidden
        .map(|partition| format!("{} is of a type that is not looked into", partition.name))
        .collect()
}

/// The partition with autoboot.txt has to be the first FAT, and the numbers in it those of the slots.
fn autoboot(disk: &Disk) -> Vec<String> {
    let Some(text) = disk.text("hayrack-boot", "autoboot.txt") else {
        return vec!["hayrack-boot has no autoboot.txt".to_owned()];
    };
    let mut faults = Vec::new();
    if text.len() > AUTOBOOT {
        faults.push(format!("autoboot.txt is longer than {AUTOBOOT} bytes"));
    }
    if disk
        .partitions
        .first()
        .is_none_or(|first| first.name != "hayrack-boot")
    {
        faults.push("hayrack-boot is not the first partition".to_owned());
    }
    for (section, slot) in [("[all]", "hayrack-boot-a"), ("[tryboot]", "hayrack-boot-b")] {
        let lines = text.lines().skip_while(|line| *line != section).skip(1);
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        let number =
            lines.find_map(|line| line.strip_prefix("boot_partition=")?.parse::<usize>().ok());
        let named = number.and_then(|number| disk.partitions.get(number.checked_sub(1)?));
        if named.is_none_or(|named| named.name != slot) {
            faults.push(format!("{section} of autoboot.txt does not lead to {slot}"));
        }
    }
    faults
}

fn config(disk: &Disk) -> Vec<String> {
    let text = disk
        .text("hayrack-boot-a", "config.txt")
        .unwrap_or_default();
    let has = |wanted: &str| text.lines().any(|line| line == wanted);
    let missing = SETTINGS.iter().filter(|setting| !has(setting));
    let mut faults: Vec<String> = missing
        .map(|setting| format!("config.txt has no {setting}"))
        .collect();
    for name in ["initramfs ", "kernel="] {
        let file = text.lines().find_map(|line| line.strip_prefix(name));
        let Some(file) = file.and_then(|value| value.split(' ').next()) else {
            faults.push(format!("config.txt has no {name}"));
            continue;
        };
        match disk.bytes("hayrack-boot-a", file) {
            None => faults.push(format!("config.txt names {file}, which is not there")),
            Some(bytes) if name == "kernel=" && !is_kernel(&bytes) => {
                faults.push(format!("{file} is no arm64 kernel, or a packed one"));
            }
            Some(_) => {}
        }
    }
    faults
}

/// The firmware starts an Image as it is; one that unpacks itself under UEFI has another mark here.
fn is_kernel(bytes: &[u8]) -> bool {
    bytes.get(56..60) == Some(b"ARMd")
}

fn models(disk: &Disk) -> Vec<String> {
    let files = disk.files("hayrack-boot-a");
    let missing = MODELS.iter().flat_map(|(model, needed)| {
        let missing = needed
            .iter()
            .filter(|file| !files.iter().any(|own| own == *file));
        missing.map(move |file| format!("a {model} needs {file}"))
    });
    missing.collect()
}

fn command_line(disk: &Disk) -> Vec<String> {
    let text = disk
        .text("hayrack-boot-a", "cmdline.txt")
        .unwrap_or_default();
    let mut faults = Vec::new();
    if text.lines().count() != 1 {
        faults.push("cmdline.txt is not one line".to_owned());
    }
    let root = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("root=PARTLABEL="));
    if root.is_none_or(|root| {
        !disk
            .partitions
            .iter()
            .any(|partition| partition.name == root)
    }) {
        faults.push("cmdline.txt names no root that there is".to_owned());
    }
    faults
}

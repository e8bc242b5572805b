//! A volume grows under a file system that is mounted from it.

use hayrack_e2e::guest::Machine;

use crate::guest::Guest;

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn mounted_file_systems_grow_with_their_volumes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create small --size 256MiB");
    guest.run("volumed volume create other --size 512MiB");
    let answer = guest.run("volumed volume attach --json small /dev/nbd0");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
    assert_eq!(answer["device"], "/dev/nbd0");
    assert_eq!(answer["size"], 256 << 20);
    guest.run("volumed volume attach other /dev/nbd1");
    guest.run("mkfs.ext4 -q /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    guest.run("mkfs.xfs -q /dev/nbd1 && mount -t xfs /dev/nbd1 /mnt/xfs");
    refusals(&mut guest);

    guest.run("volumed volume grow small 1GiB && volumed volume grow other 2GiB");
    let size = |folder: &str| format!("$(df -k {folder} | awk 'NR == 2 {{ print $2 }}')");
    guest.wait_for(&format!("[ {} -gt 900000 ]", size("/mnt/ext4")));
    guest.wait_for(&format!("[ {} -gt 1900000 ]", size("/mnt/xfs")));
    // More than there was room for, and every byte of it.
    for folder in ["/mnt/ext4", "/mnt/xfs"] {
        guest.run(&format!(
            "dd if=/dev/urandom of=/tmp/random bs=1M count=64 2>/dev/null; \
             for n in 1 2 3 4 5 6 7 8 9; do cp /tmp/random {folder}/$n || exit 1; done; umount {folder}"
        ));
    }
    guest.run("mount -t ext4 /dev/nbd0 /mnt/ext4 && mount -t xfs /dev/nbd1 /mnt/xfs");
    guest.run("cmp /mnt/ext4/1 /mnt/ext4/9 && cmp /tmp/random /mnt/xfs/9");
    guest.run("umount /mnt/ext4 && e2fsck -fn /dev/nbd0");
    guest.run("umount /mnt/xfs && xfs_repair -n /dev/nbd1");

    // Whoever has a volume loses it to who insists.
    guest.run("volumed volume attach --take-over small /dev/nbd2");
    guest.wait_for("[ ! -e /sys/block/nbd0/pid ]");
    guest.run("e2fsck -fn /dev/nbd2");
    guest.run("volumed volume detach other && volumed volume detach /dev/nbd2");
    let volumes = guest.run("volumed volume list --json");
    assert!(volumes.contains("\"owner\": null"), "{volumes}");
    assert!(!volumes.contains("kernel:"), "{volumes}");
}

fn refusals(guest: &mut Guest) {
    let cases = [
        ("attach nosuch /dev/nbd2", 3, "no volume called nosuch"),
        (
            "attach other /dev/nbd0",
            4,
            "/dev/nbd0 has the volume small",
        ),
        ("attach small /dev/nbd2", 4, "is attached by"),
        ("attach small /dev/vda", 2, "/dev/nbd0, /dev/nbd1"),
        ("detach nosuch", 3, "nosuch is not attached"),
        ("detach small", 4, "unmount it first"),
    ];
    for (command, code, sentence) in cases {
        let (printed, status) = guest.try_run(&format!("volumed volume {command}"));
        assert_eq!(status, code, "{command}: {printed}");
        assert!(printed.contains(sentence), "{command}: {printed}");
    }
}

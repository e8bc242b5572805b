//! V9 in the kernel's hands: a device goes on under its token while nothing can be lost, and is freed with a
//! sentence once something may be, or somebody else has the volume.

use hayrack_e2e::guest::Machine;

use crate::guest::Guest;

/// What the kernel keeps of the attachment: volume, token and owner.
fn backend(guest: &mut Guest, device: &str) -> String {
    guest.run(&format!("cat /sys/block/{device}/backend"))
}

/// Writes a block past the page cache: it is answered, and not flushed.
fn write(guest: &mut Guest, device: &str) -> i32 {
    let dd = format!("dd if=/dev/urandom of=/dev/{device} bs=4096 count=1 oflag=direct");
    guest.try_run(&dd).1
}

/// Waits until a device serves nothing, for a reason that the kernel's log has.
fn wait_until_freed(guest: &mut Guest, device: &str, reason: &str) {
    guest.wait_for(&format!("[ ! -e /sys/block/{device}/pid ]"));
    guest.run(&format!(
        "dmesg | grep 'volume is lost to the device' | grep '/dev/{device}' | grep '{reason}'"
    ));
    assert_ne!(write(guest, device), 0, "{device} is written to");
}

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn a_device_keeps_its_volume_under_its_token_alone() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    let attach = |device: &str| format!("volumed volume attach --wait 100000 vol /dev/{device}");
    guest.run(&attach("nbd0"));
    the_token_outlives_the_daemon(&mut guest);
    what_may_be_lost_frees_the_device(&mut guest);
    guest.run(&attach("nbd0"));
    who_was_away_finds_another_owner(&mut guest);
}

fn the_token_outlives_the_daemon(guest: &mut Guest) {
    let before = backend(guest, "nbd0");
    let name = before
        .split('/')
        .nth(1)
        .expect("VOLUME#TOKEN is its second part");
    let export = guest.run("volumed volume export vol");
    assert!(
        export.contains(&name.replace('#', "%23")),
        "{before}: {export}"
    );
    for signal in ["KILL", "TERM"] {
        assert_eq!(write(guest, "nbd0"), 0);
        guest.signal(signal, "serve");
        assert_eq!(write(guest, "nbd0"), 0, "after {signal}");
    }
    assert_eq!(backend(guest, "nbd0"), before);
    assert_eq!(guest.run("volumed volume export vol"), export);
}

/// The disk's file system is mounted anew, as by a machine that lost its power: what was not flushed may be gone.
fn what_may_be_lost_frees_the_device(guest: &mut Guest) {
    assert_eq!(write(guest, "nbd0"), 0);
    guest.run("touch /tmp/stay-away");
    guest.signal("KILL", "serve");
    guest.wait_for("umount /data");
    guest.run("mount -t ext4 /dev/vda /data && rm /tmp/stay-away");
    wait_until_freed(guest, "nbd0", "may be lost");
}

/// Who connects the device again sleeps until the daemon is back and another device has the volume.
fn who_was_away_finds_another_owner(guest: &mut Guest) {
    assert_eq!(write(guest, "nbd0"), 0);
    guest.signal("STOP", "volume attach");
    guest.signal("KILL", "serve");
    guest.wait_for("volumed pool show");
    guest.run("volumed volume attach --take-over vol /dev/nbd1");
    guest.signal("CONT", "volume attach");
    wait_until_freed(guest, "nbd0", "does not have the volume vol any more");
    assert_eq!(write(guest, "nbd1"), 0);
    guest.run("volumed volume detach vol");
}

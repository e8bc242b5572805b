//! How a bucket is mounted and unmounted, by whom, and what of it while it is used.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use hayrack_e2e::binaries::binary;
use hayrack_e2e::clients::run;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::mount::{MntFlags, umount2};
use nix::unistd::geteuid;

use crate::operating::status;
use crate::others::soon;

#[test]
fn what_is_used_is_not_unmounted_and_what_is_taken_away_is_stored() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let mut file = File::create_new(at.path().join("file")).expect("a file can be made");
    file.write_all(b"bytes").expect("it can be written");
    assert_eq!(umount2(&at.path(), MntFlags::empty()), Err(Errno::EBUSY));
    file.write_all(b" and more").expect("it is still mounted");

    umount2(&at.path(), MntFlags::MNT_DETACH).expect("it can be taken away");
    assert!(!at.path().join("file").exists());
    file.write_all(b", and the rest")
        .expect("whoever has it open goes on");
    file.sync_all().expect("it can be stored");
    file.write_all(b".").expect("it can be written");
    drop(file);
    mounted.wait();
    let stored = rack.s3().get(&format!("{}/file", rack.bucket()));
    assert_eq!(stored.text(), "bytes and more, and the rest.");
}

#[test]
fn a_line_of_fstab_mounts_in_the_background() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let helper = at.staging().with_file_name("mount.fused");
    symlink(binary("fused"), &helper).expect("a link can be made");
    let source = format!("s3://{}", rack.var("HAYRACK_BUCKET"));
    let options = format!(
        "rw,_netdev,nofail,file_mode=600,staging={}",
        at.staging().display()
    );
    // As mount(8) calls it.
    run(Command::new(helper)
        .arg(&source)
        .arg(at.path())
        .args(["-o", &options])
        .envs(rack.env()));
    assert_eq!(
        rack.s3()
            .put(&format!("{}/file", rack.bucket()), "bytes")
            .status,
        200
    );
    let file = at.path().join("file");
    soon("it is there", || file.exists());
    let found = fs::metadata(&file).expect("it is there");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    fs::write(at.path().join("new"), "new").expect("it can be written");
    run(Command::new("umount").arg(at.path()));
    let stored = rack.s3().get(&format!("{}/new", rack.bucket()));
    assert_eq!(stored.text(), "new");
    soon("it ends", || status(&at, &["--json"]).trim() == "[]");
}

/// Mounts, uses it and unmounts, in a folder of one's own.
const AS_NOBODY: &str = "
    ./fused mount \"s3://$HAYRACK_BUCKET\" mnt --staging staging
    echo bytes > mnt/file
    test \"$(cat mnt/file)\" = bytes
    test \"$(stat -c %u mnt/file)\" = \"$(id -u)\"
    fusermount3 -u mnt";

/// The same, begun by root. Without udev, the device is for root alone: so it is another one, which
/// nobody else sees.
const AS_ROOT: &str = "
    mknod -m 666 device c 10 229
    mount --bind device /dev/fuse
    chown -R 65534:65534 .
    setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc \"$1\"";

#[test]
fn whoever_is_not_root_can_mount() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let folder = at.path();
    let folder = folder.parent().expect("it is in a folder");
    // What was built may be where nobody else can look.
    fs::copy(binary("fused"), folder.join("fused")).expect("it can be copied");
    let mut command = if geteuid().is_root() {
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-euc", AS_ROOT, "sh", AS_NOBODY]);
        unshare
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-euc", AS_NOBODY]);
        shell
    };
    run(command
        .envs(rack.env())
        .env("HOME", folder)
        .current_dir(folder));
    let stored = rack.s3().get(&format!("{}/file", rack.bucket()));
    assert_eq!(stored.text(), "bytes\n");
}

#[test]
fn what_an_object_cannot_do_is_refused() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = |name: &str| at.path().join(name);
    for name in ["a", "b"] {
        fs::write(path(name), name).expect("it can be written");
    }
    let rename = |flags| renameat2(AT_FDCWD, &path("a"), AT_FDCWD, &path("b"), flags);
    assert_eq!(rename(RenameFlags::RENAME_EXCHANGE), Err(Errno::EINVAL));
    assert_eq!(rename(RenameFlags::RENAME_NOREPLACE), Err(Errno::EEXIST));
    let linked = fs::hard_link(path("a"), path("c")).expect_err("an object has one key");
    assert_eq!(linked.raw_os_error(), Some(Errno::EPERM as i32));
    for name in ["a", "b"] {
        assert_eq!(
            fs::read_to_string(path(name)).expect("it is as it was"),
            name
        );
    }
    mounted.unmount();
}

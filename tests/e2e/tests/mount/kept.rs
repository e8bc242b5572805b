//! What an object keeps of a file: its name, and what is stored beside its bytes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use hayrack_e2e::clients::run;
use hayrack_e2e::http::{Request, percent_encode};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use nix::errno::Errno;

#[test]
fn every_key_has_a_name_and_what_is_new_has_a_plain_one() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let s3 = rack.s3();
    let keys = [
        ("blue", "%fused=blue"),
        ("blue/x", "blue/x"),
        ("a//b", "a/%fused-/b"),
        ("c/./d", "c/%fused-%2E/d"),
        ("%fused-x", "%fused-%25fused-x"),
        ("ü ?#&", "ü ?#&"),
    ];
    for (key, _) in keys {
        let path = percent_encode(key.as_bytes()).replace("%2F", "/");
        let put = s3.put(&format!("{}/{path}", rack.bucket()), key);
        assert_eq!(put.status, 200, "{key}");
    }
    let mounted = at.mount(&rack, &[]);
    for (key, name) in keys {
        let read = fs::read_to_string(at.path().join(name));
        assert_eq!(read.expect(name), key);
    }
    let entries = fs::read_dir(at.path()).expect("it can be listed");
    let names = entries.map(|it| it.expect("it can be listed").file_name());
    let mut names: Vec<_> = names.map(|it| it.into_string().expect("UTF-8")).collect();
    names.sort();
    let expected = [
        "%fused-%25fused-x",
        "%fused=blue",
        "a",
        "blue",
        "c",
        "ü ?#&",
    ];
    assert_eq!(names, expected);

    let refused = |name: &OsStr| {
        let made = fs::create_dir(at.path().join(name)).expect_err("it cannot be a key");
        Errno::from_raw(made.raw_os_error().expect("the kernel said it"))
    };
    assert_eq!(refused(OsStr::new("%fused-new")), Errno::EINVAL);
    assert_eq!(refused(OsStr::new("%fused=blue2")), Errno::EINVAL);
    assert_eq!(refused(OsStr::from_bytes(b"\xff")), Errno::EILSEQ);
    let mut deep = at.path();
    let long = "n".repeat(255);
    for _ in 0..4 {
        deep.push(&long);
        fs::create_dir(&deep).expect("it is short enough");
    }
    assert_eq!(refused(deep.join("more").as_os_str()), Errno::ENAMETOOLONG);
    mounted.unmount();
}

/// What is stored beside bytes: `set` stores it, `check` finds it.
const ATTRIBUTES: &str = r#"
import errno, os, socket, stat, sys
what, folder = sys.argv[1:]
os.chdir(folder)
def refused(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
if what == "set":
    open("file", "w").write("bytes")
    os.mkdir("folder")
    for name in "file", "folder":
        os.setxattr(name, "user.color", b"\0blue\xff")
        os.setxattr(name, "user.gone", b"gone")
        os.removexattr(name, "user.gone")
        os.chown(name, 12, 34)
        os.chmod(name, 0o1750)
        os.utime(name, ns=(1_000_000_001, 2_000_000_002))
    os.symlink("file", "link")
    os.mkfifo("pipe", 0o600)
    os.mknod("null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    socket.socket(socket.AF_UNIX).bind("socket")
    assert refused(lambda: os.setxattr("file", "user.long", b"x" * 800)) == "ENOSPC"
    refusal = refused(lambda: os.setxattr("file", "system.other", b"x"))
    assert refusal == errno.errorcode[errno.EOPNOTSUPP]
for name in "file", "folder":
    found = os.stat(name)
    assert os.listxattr(name) == ["user.color"]
    assert os.getxattr(name, "user.color") == b"\0blue\xff"
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (12, 34, 0o1750)
    assert (found.st_atime_ns, found.st_mtime_ns) == (1_000_000_001, 2_000_000_002)
assert os.readlink("link") == "file" and os.stat("link").st_uid == 12
kinds = {name: stat.S_IFMT(os.lstat(name).st_mode) for name in ("pipe", "null", "socket")}
assert kinds == {"pipe": stat.S_IFIFO, "null": stat.S_IFCHR, "socket": stat.S_IFSOCK}
assert os.lstat("null").st_rdev == os.makedev(1, 3)
"#;

#[test]
fn what_is_stored_beside_bytes_is_there_at_the_next_mount() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let python = |what: &str| {
        let mut python = Command::new("python3");
        run(python.args(["-c", ATTRIBUTES, what]).arg(at.path()));
    };
    let mounted = at.mount(&rack, &[]);
    python("set");
    mounted.unmount();
    let mounted = at.mount(&rack, &["--read-only"]);
    python("check");
    mounted.unmount();
    let head = Request::new("HEAD", format!("{}/file", rack.bucket()));
    let file = rack.s3().send(head);
    let metadata = |name: &str| {
        file.header(&format!("x-amz-meta-{name}"))
            .map(str::to_owned)
    };
    assert_eq!(metadata("uid").as_deref(), Some("12"));
    assert_eq!(metadata("mode"), Some((0o100_000 + 0o1750).to_string()));
    assert!(metadata("mtime").is_some_and(|it| it.starts_with('2')));
}

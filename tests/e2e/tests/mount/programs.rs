//! Programs that people run on file systems.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hayrack_e2e::clients::{self, assert_same, command, newest, plant};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;

use crate::tree::all;

/// Runs a command in a folder; answers what it printed.
fn run(folder: &Path, command: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("sh")
        .args(["-euc", command])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("a shell can be run");
    assert!(
        status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).expect("programs print text")
}

/// A small C project in a repository, and files of all kinds, made on a local file system.
fn sources(folder: &Path) {
    let project = folder.join("project");
    fs::create_dir(&project).expect("a folder can be made");
    for number in 0..30 {
        let source = format!("int f{number}(void) {{ return {number}; }}\n");
        fs::write(project.join(format!("f{number}.c")), source).expect("a file can be written");
    }
    fs::write(project.join("main.c"), "int main(void) { return 0; }\n").expect("it can be written");
    let makefile = "program: $(patsubst %.c,%.o,$(wildcard *.c))\n\tcc -o $@ $^\n";
    fs::write(project.join("Makefile"), makefile).expect("it can be written");
    run(
        &project,
        "git init -q && git add . && git -c user.name=n -c user.email=n@example.com commit -qm first",
    );
    let files = folder.join("files/below/deep");
    fs::create_dir_all(&files).expect("a folder can be made");
    for number in 0..100 {
        let name = format!("file {number}");
        fs::write(files.join(name), content(number, 1000)).expect("a file can be written");
    }
    fs::write(folder.join("files/big"), content(7, 20_000_000)).expect("a file can be written");
    run(
        folder,
        "ln -s big files/link; chmod 600 'files/below/deep/file 1'; chmod 755 'files/below/deep/file 2'
         touch -d '2001-02-03 04:05:06.789' 'files/below/deep/file 3'; mkdir files/empty",
    );
}

#[test]
fn programs_that_people_run_work_on_a_mounted_bucket() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let local = tempfile::tempdir().expect("a temporary folder can be made");
    sources(local.path());
    let from = local.path().display();
    let mounted = at.mount(&rack, &[]);
    let mnt = at.path();

    run(
        &mnt,
        &format!("git clone -q {from}/project cloned && git -C cloned fsck --full"),
    );
    run(&mnt.join("cloned"), "make -s && ./program");
    assert_eq!(run(&mnt.join("cloned"), "git status --short -uno"), "");

    run(&mnt, &format!("rsync -a {from}/files/ synced/"));
    let again = run(&mnt, &format!("rsync -ain {from}/files/ synced/"));
    assert_eq!(again, "", "the second time there is nothing to do");

    run(
        &mnt,
        &format!("tar cf files.tar -C {from} files && mkdir out && tar xf files.tar -C out"),
    );
    run(&mnt, &format!("cp -a {from}/files copied"));
    let expected = all(&local.path().join("files"));
    for tree in ["synced", "out/files", "copied"] {
        assert!(
            all(&mnt.join(tree)) == expected,
            "{tree} is not what it was made from"
        );
    }
    let found = run(&mnt, "find copied -type f | wc -l");
    assert_eq!(found.trim(), "101");
    let used = run(&mnt, "du -s --apparent-size copied | cut -f1");
    assert!(used.trim().parse::<u64>().expect("a number") >= 20_000_000 / 1024);

    database(&mnt);
    run(
        &mnt,
        "mv copied moved && rm -r moved out cloned && test ! -e moved",
    );
    mounted.unmount();
    let body = rack
        .s3()
        .get(&format!("{}/synced/below/deep/file%205", rack.bucket()))
        .body;
    assert!(body == content(5, 1000), "an SDK reads what was copied");
}

#[test]
fn a_tree_that_cp_copied_is_what_other_clients_find() {
    const FILES: usize = 600;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let local = tempfile::tempdir().expect("a temporary folder can be made");
    let (up, down) = (local.path().join("up"), local.path().join("down"));
    fs::create_dir(&up).expect("a folder can be made");
    plant(&up, FILES, 5);
    let mounted = at.mount(&rack, &[]);
    let copied = at.path().join("copied");
    let copy = format!("cp -a {} {}", up.display(), copied.display());
    run(&at.path(), &copy);
    let diff = format!("diff -r {} {}", up.display(), copied.display());
    run(local.path(), &diff);
    mounted.unmount();
    // Not what this machine remembers of it.
    let mounted = at.mount(&rack, &["--read-only"]);
    run(local.path(), &diff);
    mounted.unmount();

    let source = format!("s3://{}/copied", rack.var("HAYRACK_BUCKET"));
    let mut aws = command(&rack, &newest("aws"));
    aws.args(["s3", "cp", "--recursive", "--only-show-errors", &source]);
    clients::run(aws.arg(&down));
    assert_same(&up, &down);
}

/// SQLite, with its journal and with its log.
fn database(folder: &Path) {
    let script = "
import sqlite3
for mode in ('delete', 'wal'):
    database = sqlite3.connect('database')
    database.execute('pragma journal_mode=' + mode)
    database.execute('create table if not exists t (a, b)')
    for number in range(20):
        database.execute('insert into t values (?, ?)', (number, 'x' * 100))
        database.commit()
    assert database.execute('pragma integrity_check').fetchone() == ('ok',)
    database.close()
database = sqlite3.connect('database')
assert database.execute('select count(*) from t').fetchone() == (40,)
";
    let output = Command::new(newest("python3"))
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .expect("Python can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

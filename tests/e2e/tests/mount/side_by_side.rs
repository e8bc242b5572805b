//! Random operations, done on a mounted bucket, on a local file system and on a model in memory, side by
//! side: they have to answer the same and leave the same. `HAYRACK_SEED` repeats a run.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::{content, seed};
use nix::errno::Errno;
use nix::libc;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::model::{Model, Node};
use crate::tree::{all, seen};

const STEPS: usize = 1500;
/// Every so many steps everything is compared, and not only what a step touched.
const LOOKS: usize = 100;
/// The latest time that a step sets, in seconds since 1970: the clock is beyond it.
const LATEST_SET: i64 = 1_000_000_000;
const NAMES: [&str; 8] = ["a", "b", "c", "blue", "blue-x", "d", "%", "ü"];

/// What is done to a file system.
#[derive(Debug, Clone)]
enum Step {
    Write {
        path: String,
        at: u64,
        bytes: Vec<u8>,
        truncate: bool,
    },
    Append {
        path: String,
        bytes: Vec<u8>,
    },
    Exclusive {
        path: String,
    },
    Truncate {
        path: String,
        size: u64,
    },
    Read {
        path: String,
        at: u64,
        length: usize,
    },
    MakeDirectory {
        path: String,
    },
    RemoveDirectory {
        path: String,
    },
    Remove {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Link {
        path: String,
        target: String,
    },
    Permissions {
        path: String,
        mode: u32,
    },
    Times {
        path: String,
        modified: u64,
    },
}

struct Draw(StdRng);

impl Draw {
    fn path(&mut self) -> String {
        let depth = self.0.random_range(1..=3);
        let names: Vec<_> = (0..depth)
            .map(|_| NAMES[self.0.random_range(0..NAMES.len())])
            .collect();
        names.join("/")
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.0.random_range(0..10) {
            0 => 0,
            1..=7 => self.0.random_range(1..10_000),
            _ => self.0.random_range(10_000..300_000),
        };
        content(self.0.random(), length)
    }

    fn step(&mut self) -> Step {
        let path = self.path();
        match self.0.random_range(0..24) {
            0..=5 => Step::Write {
                path,
                at: self.0.random_range(0..20_000),
                bytes: self.bytes(),
                truncate: self.0.random_bool(0.3),
            },
            6 | 7 => Step::Append {
                path,
                bytes: self.bytes(),
            },
            8 => Step::Exclusive { path },
            9 => Step::Truncate {
                path,
                size: self.0.random_range(0..50_000),
            },
            10..=12 => Step::Read {
                path,
                at: self.0.random_range(0..30_000),
                length: self.0.random_range(0..100_000),
            },
            13..=15 => Step::MakeDirectory { path },
            16 => Step::RemoveDirectory { path },
            17 => Step::Remove { path },
            18..=20 => Step::Rename {
                from: path,
                to: self.path(),
            },
            21 => Step::Link {
                path,
                target: self.path(),
            },
            22 => Step::Permissions {
                path,
                mode: [0o600, 0o644, 0o755, 0o4711][self.0.random_range(0..4)],
            },
            _ => Step::Times {
                path,
                modified: self.0.random_range(0..=LATEST_SET.cast_unsigned()),
            },
        }
    }
}

impl Step {
    /// Does it below `root`; answers what an application sees of it.
    fn run(&self, root: &Path) -> Result<Vec<u8>, Option<i32>> {
        self.attempt(root).map_err(|error| error.raw_os_error())
    }

    fn attempt(&self, root: &Path) -> io::Result<Vec<u8>> {
        let at = |path: &String| root.join(path);
        match self {
            Self::Write {
                path,
                at: offset,
                bytes,
                truncate,
            } => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(*truncate)
                    .mode(0o640)
                    .open(at(path))?;
                file.write_all_at(bytes, *offset)?;
                file.sync_all()?;
            }
            Self::Append { path, bytes } => {
                use std::io::Write as _;
                let mut file = OpenOptions::new().append(true).open(at(path))?;
                file.write_all(bytes)?;
                file.sync_all()?;
            }
            Self::Exclusive { path } => {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(at(path))?;
            }
            Self::Truncate { path, size } => nix::unistd::truncate(&at(path), size.cast_signed())?,
            Self::Read {
                path,
                at: offset,
                length,
            } => {
                let mut file = OpenOptions::new().read(true).open(at(path))?;
                io::Seek::seek(&mut file, io::SeekFrom::Start(*offset))?;
                let mut bytes = Vec::new();
                file.take(*length as u64).read_to_end(&mut bytes)?;
                return Ok(bytes);
            }
            Self::MakeDirectory { path } => fs::create_dir(at(path))?,
            Self::RemoveDirectory { path } => fs::remove_dir(at(path))?,
            Self::Remove { path } => fs::remove_file(at(path))?,
            Self::Rename { from, to } => fs::rename(at(from), at(to))?,
            Self::Link { path, target } => symlink(target, at(path))?,
            Self::Permissions { path, mode } => {
                fs::set_permissions(at(path), Permissions::from_mode(*mode))?;
            }
            Self::Times { path, modified } => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*modified);
                OpenOptions::new()
                    .read(true)
                    .open(at(path))?
                    .set_modified(time)?;
            }
        }
        Ok(Vec::new())
    }

    /// What an application has to see of it.
    fn expect(&self, model: &mut Model) -> Result<Vec<u8>, Option<i32>> {
        let code = |errno: Errno| Some(errno as i32);
        let answer = match self {
            Self::Read { path, at, length } => {
                return model.read(path, *at, *length).map_err(code);
            }
            Self::Write {
                path,
                at,
                bytes,
                truncate,
            } => model.write(path, *at, bytes, *truncate),
            Self::Append { path, bytes } => model.append(path, bytes),
            Self::Exclusive { path } => model.create(path),
            Self::Truncate { path, size } => model.truncate(path, *size),
            Self::MakeDirectory { path } => model.make_directory(path),
            Self::RemoveDirectory { path } => model.remove_directory(path),
            Self::Remove { path } => model.remove(path),
            Self::Rename { from, to } => model.rename(from, to),
            Self::Link { path, target } => model.link(path, target),
            Self::Permissions { path, mode } => model.set_permissions(path, *mode),
            Self::Times { path, .. } => model.open(path),
        };
        answer.map(|()| Vec::new()).map_err(code)
    }

    fn paths(&self) -> Vec<&String> {
        match self {
            Self::Rename { from, to } => vec![from, to],
            Self::Write { path, .. }
            | Self::Append { path, .. }
            | Self::Exclusive { path }
            | Self::Truncate { path, .. }
            | Self::Read { path, .. }
            | Self::MakeDirectory { path }
            | Self::RemoveDirectory { path }
            | Self::Remove { path }
            | Self::Link { path, .. }
            | Self::Permissions { path, .. }
            | Self::Times { path, .. } => vec![path],
        }
    }
}

/// What this process takes off the permissions of what it makes.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("it can be read");
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    u32::from_str_radix(line.expect("it has one").trim(), 8).expect("octal")
}

/// Compares what is at a path with what the model has there.
fn compare_with_model(root: &Path, model: &Model, path: &str, what: &str) {
    let (kind, permissions, bytes) = match model.at(path) {
        None => {
            assert_eq!(
                seen(&root.join(path)),
                None,
                "{what}: the model has nothing"
            );
            return;
        }
        Some(Node::File { bytes, permissions }) => (libc::S_IFREG, *permissions, bytes.clone()),
        Some(Node::Directory { permissions }) => (libc::S_IFDIR, *permissions, Vec::new()),
        Some(Node::Link { target }) => (libc::S_IFLNK, 0o777, target.clone().into_bytes()),
    };
    let found = seen(&root.join(path));
    let found = found.unwrap_or_else(|| panic!("{what}: the model has something at {path}"));
    assert_eq!(found.mode, kind | permissions, "{what}: {path}");
    assert!(found.bytes == bytes, "{what}: the bytes of {path}");
}

/// Compares what both have at a path. Times that nobody set are those of two writes, which lie apart as
/// long as this process was kept waiting.
fn compare(ours: &Path, theirs: &Path, what: &str) {
    let (mut ours, theirs) = (seen(ours), seen(theirs));
    if let (Some(ours), Some(theirs)) = (&mut ours, &theirs)
        && ours.modified.min(theirs.modified) > LATEST_SET
    {
        ours.modified = theirs.modified;
    }
    assert!(
        ours == theirs,
        "{what}: {} and {}",
        brief(ours.as_ref()),
        brief(theirs.as_ref())
    );
}

fn brief(seen: Option<&crate::tree::Seen>) -> String {
    seen.map_or_else(
        || "nothing".into(),
        |it| {
            format!(
                "mode {:o}, {} bytes, time {}",
                it.mode, it.size, it.modified
            )
        },
    )
}

/// Compares everything below two folders.
pub fn compare_all(ours: &Path, theirs: &Path) {
    let (found, expected) = (all(ours), all(theirs));
    let names = |it: &std::collections::BTreeMap<String, _>| it.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for name in expected.keys() {
        compare(&ours.join(name), &theirs.join(name), name);
    }
}

/// Does so many random steps in both folders and on a model, and compares what comes of them.
pub fn run_both(ours: &Path, theirs: &Path, seed: u64, steps: usize) {
    let mut draw = Draw(StdRng::seed_from_u64(seed));
    let mut model = Model::new(umask());
    for number in 0..steps {
        let step = draw.step();
        let (answer, expected) = (step.run(ours), step.run(theirs));
        assert!(
            answer == expected,
            "step {number}, {step:?}: {:?} and {:?}",
            answer.map(|bytes| bytes.len()),
            expected.map(|bytes| bytes.len()),
        );
        let modelled = step.expect(&mut model);
        assert!(answer == modelled, "step {number}, {step:?}: {modelled:?}");
        for path in step.paths() {
            compare_with_model(ours, &model, path, &format!("step {number}, {step:?}"));
            compare(
                &ours.join(path),
                &theirs.join(path),
                &format!("step {number}, {step:?}"),
            );
        }
        if number % LOOKS == 0 {
            compare_all(ours, theirs);
        }
    }
    compare_all(ours, theirs);
    let names: Vec<_> = model.all().into_keys().collect();
    assert_eq!(names, all(ours).into_keys().collect::<Vec<_>>());
}

#[test]
fn a_mounted_bucket_answers_as_a_local_file_system_does() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let local = tempfile::tempdir().expect("a temporary folder can be made");
    let theirs: PathBuf = local.path().to_owned();
    let mounted = at.mount(&rack, &[]);
    run_both(&mounted.path(), &theirs, seed(), STEPS);
    mounted.unmount();
    // Everything is in the bucket, and nothing was only here.
    let mounted = at.mount(&rack, &["--read-only"]);
    compare_all(&mounted.path(), &theirs);
    mounted.unmount();
}

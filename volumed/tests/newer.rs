//! What a newer program wrote is refused with a sentence that says so, not called damaged, and no
//! file of a volume is touched.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon::{Daemon, PATIENCE, succeed, volumed};
use nix::sys::signal::Signal;
use volumed_client::{BlockDevice, Durability, NbdDevice};
use volumed_core::format::{DISK_STATE_SLOT_SIZE, LOG_SLOT_SIZE, PROMISE_SLOT_SIZE, SEAL_SIZE};
use volumed_core::sums::sum;
use volumed_meta::Change;

/// A folder of a daemon that was killed, with a bit of everything in it.
async fn left_behind() -> Daemon {
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 30).await;
    let attached = daemon.admin().attach("v", "maker").await.unwrap();
    let device = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    let data = ["bytes".into()];
    let written = device.unwrap().write(0, &data, Durability::Durable).await;
    written.unwrap();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    daemon
}

/// Says of sealed bytes that the next version of their writer made them.
fn bump(sealed: &mut [u8]) {
    let version = u16::from_le_bytes([sealed[4], sealed[5]]);
    assert!(version > 0, "there is nothing to bump");
    sealed[4..6].copy_from_slice(&(version + 1).to_le_bytes());
    let length = u32::from_le_bytes(sealed[8..12].try_into().unwrap()) as usize;
    let summed = [&sealed[..12], &sealed[SEAL_SIZE..SEAL_SIZE + length]].concat();
    sealed[12..16].copy_from_slice(&sum(&summed).to_le_bytes());
}

/// Bumps whatever is sealed in the slots of a file.
fn bump_slots(path: &Path, slot: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    let written = |slot: &&mut [u8]| slot[..SEAL_SIZE].iter().any(|byte| *byte != 0);
    let slots = bytes.chunks_mut(slot as usize).filter(written);
    assert!(slots.map(bump).count() > 0, "{} is empty", path.display());
    std::fs::write(path, bytes).unwrap();
}

fn bump_identity(path: &Path) {
    let mut identity: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    identity["version"] = 2.into();
    let id = identity["id"].as_str().unwrap();
    let checked = format!("hayrack disk\n2\n{id}\n");
    identity["checksum"] = format!("{:08x}", sum(checked.as_bytes())).into();
    std::fs::write(path, identity.to_string()).unwrap();
}

/// Says of every value below a key that a newer program wrote it.
async fn bump_records(store: &Path, prefix: &str, bump: fn(&mut Vec<u8>)) {
    let store = volumed_meta::open(store).await.unwrap();
    let (_, found) = store.range(prefix.as_bytes(), None, 100).await.unwrap();
    assert!(!found.is_empty(), "nothing is below {prefix}");
    for entry in found {
        let mut value = entry.value.clone();
        bump(&mut value);
        let put = Change::Put(entry.key.clone(), value);
        store.transact(Vec::new(), vec![put]).await.unwrap();
    }
}

fn bump_json(value: &mut Vec<u8>) {
    let mut record: serde_json::Value = serde_json::from_slice(value).unwrap();
    // 2 is what a volume with several replicas has.
    record["version"] = (record["version"].as_u64().unwrap() + 2).into();
    *value = record.to_string().into_bytes();
}

/// `PRAGMA user_version`, which SQLite keeps in bytes 60 to 64.
async fn bump_store(path: &Path) {
    // Whoever closes it last brings its log in.
    drop(volumed_meta::open(path).await.unwrap());
    let deadline = Instant::now() + PATIENCE;
    while path.with_extension("db-wal").exists() {
        assert!(Instant::now() < deadline, "the store is not closed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&2_u32.to_be_bytes(), 60).unwrap();
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

/// What the daemon says when it is started on a folder in which `change` was made.
async fn refusal(left: &Daemon, change: impl AsyncFnOnce(PathBuf)) -> String {
    let copy = tempfile::tempdir().unwrap();
    let mut cp = Command::new("cp");
    succeed(cp.arg("-a").arg(left.data()).arg(copy.path()));
    let data = copy.path().join("data");
    change(data.clone()).await;
    let volumes = data.join("disk/volumes");
    let before = files(&volumes);
    let mut serve = volumed();
    serve.arg("serve").arg("--data").arg(&data);
    let log = std::fs::File::create(copy.path().join("log")).unwrap();
    let mut child = serve.stdin(Stdio::null()).stderr(log).spawn().unwrap();
    let serves = || UnixStream::connect(data.join("admin.sock")).is_ok();
    while child.try_wait().unwrap().is_none() && !serves() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let ended = child.wait().unwrap();
    let log = std::fs::read_to_string(copy.path().join("log")).unwrap();
    assert_eq!(ended.code(), Some(1), "{log}");
    assert!(files(&volumes) == before, "a file changed: {log}");
    log.lines().last().unwrap_or_default().to_owned()
}

fn asks_for_a_newer_program(what: &str, sentence: &str) {
    assert!(sentence.contains("newer program"), "{what}: {sentence}");
    assert!(!sentence.contains("damaged"), "{what}: {sentence}");
}

#[tokio::test]
async fn a_newer_file_on_a_disk_is_refused_with_a_sentence() {
    let left = left_behind().await;
    let volume = "disk/volumes/v00000001";
    let folder = left.data().join(volume);
    let names = std::fs::read_dir(folder).unwrap();
    let mut paths = names.map(|entry| entry.unwrap().path());
    let sums = paths.find(|path| path.extension().is_some_and(|it| it == "sums"));
    let sums = sums.unwrap().file_name().unwrap().to_owned();
    let said = refusal(&left, async |data| {
        bump_identity(&data.join("disk/disk.json"));
    })
    .await;
    asks_for_a_newer_program("disk.json", &said);
    let slots = [
        ("disk/state".to_owned(), DISK_STATE_SLOT_SIZE),
        (format!("{volume}/promise"), PROMISE_SLOT_SIZE),
        (format!("{volume}/dirty"), LOG_SLOT_SIZE),
    ];
    for (name, size) in slots {
        let said = refusal(&left, async |data| bump_slots(&data.join(&name), size)).await;
        asks_for_a_newer_program(&name, &said);
    }
    let said = refusal(&left, async |data| {
        let path = data.join(volume).join(&sums);
        let mut bytes = std::fs::read(&path).unwrap();
        bump(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    })
    .await;
    asks_for_a_newer_program("sums", &said);
}

/// What becomes of a record.
type Edit = fn(&mut Vec<u8>);

#[tokio::test]
async fn a_newer_store_and_every_newer_record_in_it_are_refused_with_a_sentence() {
    let left = left_behind().await;
    let said = refusal(&left, async |data| bump_store(&data.join("meta.db")).await).await;
    asks_for_a_newer_program("meta.db", &said);
    let records: [(&str, Edit); 8] = [
        ("store/format", |format| *format = b"1000".to_vec()),
        ("volumes/", bump_json),
        ("disks/", bump_json),
        ("extents/", |page| bump(page)),
        ("damage/", bump_json),
        ("stale/", bump_json),
        ("lost/", bump_json),
        ("scrub/", bump_json),
    ];
    for (prefix, change) in records {
        let said = refusal(&left, async |data| {
            let store = data.join("meta.db");
            put_seldom(&store).await;
            bump_records(&store, prefix, change).await;
        })
        .await;
        asks_for_a_newer_program(prefix, &said);
    }
}

/// Records that the store of a daemon that has just begun lacks.
async fn put_seldom(store: &Path) {
    let store = volumed_meta::open(store).await.unwrap();
    let put = |key: &str, value: &str| Change::Put(key.into(), value.into());
    let records = vec![
        put(
            "damage/v00000001/0",
            r#"{"version":1,"blocks":[7],"more":false}"#,
        ),
        put("lost/v00000001/0", r#"{"version":1,"runs":[[0,1]]}"#),
        // With one replica nobody writes it yet.
        put("stale/v00000001/0", r#"{"version":1,"epoch":1}"#),
    ];
    store.transact(Vec::new(), records).await.unwrap();
}

//! What a newer program wrote is refused with a sentence, whatever it is, and left as it was.

use volumed_core::sums::sum;
use volumed_meta::Change;

use super::*;

const VERSION: u16 = 99;

/// Makes the sealed structure at the front of `bytes` one of a newer version, if there is one.
fn make_newer(bytes: &mut [u8]) {
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    let sealed = [&bytes[..12], &bytes[16..16 + length]].concat();
    bytes[12..16].copy_from_slice(&sum(&sealed).to_le_bytes());
}

async fn assert_refused(folder: &TempDir, what: &str) {
    let refused = start_on(folder, None).await.err();
    let sentence = refused.expect(what).to_string();
    assert!(sentence.contains("newer program"), "{what}: {sentence}");
    assert!(sentence.contains("99"), "{what}: {sentence}");
}

/// A volume whose daemon was killed while a region was dirty; answers its folder.
async fn killed(folder: &TempDir) -> PathBuf {
    let volumes = start(folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"data", true).await.unwrap();
    drop(export);
    kill(volumes).await;
    extent_files(folder)[0].parent().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_file_is_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    let volume = killed(&folder).await;
    let sums = extent_files(&folder);
    let sums = sums.iter().find(|file| file.extension().unwrap() == "sums");
    let slots = |size: usize| [0, size];
    for (path, places) in [
        (folder.path().join("disk/state"), slots(4096)),
        (volume.join("promise"), slots(4096)),
        (volume.join("dirty"), slots(128 << 10)),
        (sums.unwrap().clone(), [0, 0]),
    ] {
        let before = std::fs::read(&path).unwrap();
        let mut newer = before.clone();
        for at in places.into_iter().filter(|&at| at < before.len()) {
            make_newer(&mut newer[at..]);
        }
        std::fs::write(&path, &newer).unwrap();
        assert_refused(&folder, &path.display().to_string()).await;
        assert!(std::fs::read(&path).unwrap() == newer);
        std::fs::write(&path, &before).unwrap();
    }
    kill(start(&folder).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_record_is_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    killed(&folder).await;
    let open_store = || SqliteStore::open(folder.path().join("meta.db")).unwrap();
    let stale = (
        b"stale/v00000001/7".to_vec(),
        br#"{"version":1,"epoch":1}"#.to_vec(),
    );
    let mut records = vec![stale];
    for prefix in [&b"volumes/"[..], b"disks/", b"extents/"] {
        let (_, found) = open_store().range(prefix, None, 9).await.unwrap();
        assert_eq!(found.len(), 1);
        records.extend(found.into_iter().map(|entry| (entry.key, entry.value)));
    }
    for (key, before) in records {
        let newer = match std::str::from_utf8(&before) {
            Ok(text) if text.starts_with('{') => {
                let newer = text.replace("\"version\":1", "\"version\":99");
                newer.into_bytes()
            }
            _ => {
                let mut newer = before.clone();
                make_newer(&mut newer);
                newer
            }
        };
        assert_ne!(newer, before);
        let put = async |value| {
            let change = vec![Change::Put(key.clone(), value)];
            open_store().transact(Vec::new(), change).await.unwrap();
        };
        put(newer).await;
        assert_refused(&folder, &String::from_utf8_lossy(&key)).await;
        put(before).await;
    }
    kill(start(&folder).await).await;
}

//! The numbers of disks in placement records.

use volumed_core::DiskNumber;
use volumed_disk::Disk;
use volumed_meta::{Change, Compare, MetaStore, Outcome};

use crate::disks::open::disk_error;
use crate::error::StartError;
use crate::store::records::{
    AddedDisk, DISK_COUNTER, DISK_NUMBERS, DiskRecord, VERSION, decode, disk_key, disk_number_key,
    encode, last_part, parse, read_all, unreadable,
};
use crate::store::state::StoreState;

/// The disk's number in placement records. One that the store does not know must be empty: the
/// volumes on any other belong to another store.
pub(crate) async fn number_of(
    store: &dyn MetaStore,
    state: &StoreState,
    disk: &Disk,
) -> Result<Option<DiskNumber>, StartError> {
    let entry = store.get(&disk_key(disk.id())).await?;
    let record: Option<DiskRecord> = entry.as_ref().map(decode).transpose()?;
    state.check(disk, record.as_ref())?;
    if let Some(record) = record {
        return Ok(Some(DiskNumber(record.number)));
    }
    if !disk.scan().map_err(disk_error(disk.path()))?.is_empty() {
        return Err(StartError::ForeignDisk(disk.path().to_owned()));
    }
    Ok(None)
}

/// Takes a disk into the pool; answers its number. None is given twice: a placement page may still
/// name one that left.
pub(crate) async fn join(
    store: &dyn MetaStore,
    disk: &Disk,
    added: Option<AddedDisk>,
) -> Result<DiskNumber, StartError> {
    let (key, counter) = (disk_key(disk.id()), DISK_COUNTER.to_vec());
    loop {
        let (given, same) = match store.get(DISK_COUNTER).await? {
            Some(entry) => {
                let same = Compare::Unchanged(counter.clone(), entry.modified);
                (parse(&entry)?, same)
            }
            None => (
                given_uncounted(store).await?,
                Compare::Absent(counter.clone()),
            ),
        };
        let number = u16::try_from(given).map_err(|_| StartError::TooManyDisks)?;
        let number_key = disk_number_key(DiskNumber(number));
        let record = DiskRecord {
            version: VERSION,
            number,
            generation: 0,
            added: added.clone(),
            drain: None,
            removed: false,
            path: None,
            node: None,
        };
        let absent = vec![
            same,
            Compare::Absent(number_key.clone()),
            Compare::Absent(key.clone()),
        ];
        let puts = vec![
            Change::Put(counter.clone(), (given + 1).to_string().into_bytes()),
            Change::Put(number_key, disk.id().to_string().into_bytes()),
            Change::Put(key.clone(), encode(&record)),
        ];
        if let Outcome::Committed(_) = store.transact(absent, puts).await? {
            return Ok(DiskNumber(number));
        }
    }
}

/// How many numbers were given by programs that did not count them.
async fn given_uncounted(store: &dyn MetaStore) -> Result<u32, StartError> {
    let mut given = 0;
    for entry in read_all(store, DISK_NUMBERS).await? {
        let number = last_part(&entry.key).parse::<u16>();
        let number = number.map_err(|error| unreadable(&entry.key, error))?;
        given = given.max(u32::from(number) + 1);
    }
    Ok(given)
}

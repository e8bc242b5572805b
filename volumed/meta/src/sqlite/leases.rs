//! Leases end by the clock that runs since the machine's boot: every process on the machine sees
//! the same one, and nobody can set it. Who held a lease before a reboot is gone.

use rusqlite::{Connection, OptionalExtension, params};
use rustix::time::{ClockId, clock_gettime};

use super::apply::Step;
use crate::transaction::{Change, LeaseId};

/// Milliseconds since the boot.
fn now() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).map_or(i64::MAX / 2, |seconds| {
        seconds.saturating_mul(1_000).min(i64::MAX / 2)
    })
}

pub fn end_those_of_another_boot(connection: &Connection) -> rusqlite::Result<()> {
    // Without the kernel's word every start counts as a boot.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = boot.trim();
    let recorded: String = connection.query_row("SELECT boot FROM store", [], |row| row.get(0))?;
    if boot.is_empty() || recorded != boot {
        end_until(connection, i64::MAX)?;
        connection.execute("UPDATE store SET boot = ?", [boot])?;
    }
    Ok(())
}

/// Whether [`end_overdue`] would change anything.
pub fn any_overdue(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM leases WHERE ends <= ?)")?
        .query_row([now()], |row| row.get(0))
}

pub fn end_overdue(connection: &Connection) -> rusqlite::Result<()> {
    end_until(connection, now())
}

fn end_until(connection: &Connection, until: i64) -> rusqlite::Result<()> {
    let overdue: Vec<u64> = connection
        .prepare_cached("SELECT id FROM leases WHERE ends <= ? ORDER BY ends, id")?
        .query_map([until], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    overdue
        .into_iter()
        .try_for_each(|lease| end(connection, LeaseId(lease)).map(drop))
}

pub fn grant(connection: &Connection, seconds: u64) -> rusqlite::Result<LeaseId> {
    let length = millis(seconds);
    connection
        .prepare_cached("INSERT INTO leases (seconds, ends) VALUES (?, ?)")?
        .execute(params![length / 1_000, now().saturating_add(length)])?;
    Ok(LeaseId(connection.last_insert_rowid().cast_unsigned()))
}

/// Answers whether there is such a lease.
pub fn renew(connection: &Connection, lease: LeaseId) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE leases SET ends = ? + seconds * 1000 WHERE id = ?")?
        .execute(params![now(), lease.0])?;
    Ok(changed > 0)
}

/// Removes a lease and its keys; answers whether there was one.
pub fn end(connection: &Connection, lease: LeaseId) -> rusqlite::Result<bool> {
    let keys: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT key FROM entries WHERE lease = ? ORDER BY key")?
        .query_map([lease.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut step = Step::begin(connection)?;
    keys.iter().try_for_each(|key| step.delete(key))?;
    step.end()?;
    let removed = connection
        .prepare_cached("DELETE FROM leases WHERE id = ?")?
        .execute([lease.0])?;
    Ok(removed > 0)
}

/// Whether every lease that the changes name is still there.
pub fn named_exist(connection: &Connection, changes: &[Change]) -> rusqlite::Result<bool> {
    for change in changes {
        if let Change::PutLeased(_, _, lease) = change {
            let found: Option<i64> = connection
                .prepare_cached("SELECT 1 FROM leases WHERE id = ?")?
                .query_row([lease.0], |row| row.get(0))
                .optional()?;
            if found.is_none() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

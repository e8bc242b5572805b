//! Whether the store and the secrets are there, and for this user alone.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use volumed_client::admin::Finding;
use volumed_daemon::check_writable;

use crate::config::Settings;

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(settings.store.file().and_then(of_store));
    found.extend(of_state(&settings.data));
    found
}

fn of_store(store: &Path) -> Option<Finding> {
    let path = store.display();
    match File::options().read(true).write(true).open(store) {
        Ok(_) => check_writable(store).err().map(|reason| {
            Finding::fault(
                "store_not_writable",
                format!("The metadata store {path} cannot be written: {reason}."),
                "Free space on its file system, or mount it for writing.",
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(Finding::fault(
            "store_missing",
            format!("The metadata store {path} does not exist."),
            "Start volumed first, which makes it, and give s3d the same path: systemctl start volumed.",
        )),
        Err(error) => Some(Finding::fault(
            "store_permission",
            format!("The metadata store {path} cannot be opened: {error}."),
            "Run both daemons, and doctor, as one user: sudo -u hayrack s3d doctor.",
        )),
    }
}

/// Before its first start the server has no state, which is not wrong.
fn of_state(data: &Path) -> Vec<Finding> {
    match std::fs::read_dir(data) {
        Ok(entries) => {
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.filter_map(|path| of_secret(&path)).collect()
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => vec![unreadable(data, &error)],
    }
}

fn of_secret(path: &Path) -> Option<Finding> {
    let opened = File::open(path).and_then(|file| file.metadata());
    match opened {
        Err(error) => Some(unreadable(path, &error)),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Some(Finding::warning(
            "secrets_exposed",
            format!("Others than its owner may use {}.", path.display()),
            format!("chmod go= {}", path.display()),
        )),
        Ok(_) => None,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    Finding::fault(
        "secrets_unreadable",
        format!(
            "The server's state {} cannot be read: {error}.",
            path.display()
        ),
        format!(
            "chown -R hayrack: {}, or run doctor as the daemon's user.",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_missing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("meta.db");
        assert_eq!(of_store(&store).unwrap().fault, "store_missing");
        std::fs::write(&store, "").unwrap();
        assert_eq!(of_store(&store), None);
    }

    #[test]
    fn a_secret_that_others_may_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("seal.secret");
        std::fs::write(&secret, "").unwrap();
        let allow = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&secret, permissions).unwrap();
            of_state(folder.path())
        };
        assert_eq!(allow(0o600), []);
        let found = allow(0o640);
        assert_eq!(found[0].fault, "secrets_exposed");
        assert_eq!(found[0].cure, format!("chmod go= {}", secret.display()));
        assert_eq!(of_state(&folder.path().join("absent")), []);
    }
}

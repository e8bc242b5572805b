use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use s3d_names::{Email, NamespaceName};
use tempfile::TempDir;
use volumed_meta::SqliteStore;

use super::*;

mod accounts;
mod keys;
mod members;
mod one_time_code;
mod secrets;
mod sessions;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A browser at an address.
fn browser(address: IpAddr) -> Client {
    Client::new(address, "Mozilla/5.0")
}

fn store(folder: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap())
}

fn open(folder: &TempDir) -> Accounts {
    Accounts::open(store(folder), folder.path(), AccountSettings::default()).unwrap()
}

fn name(name: &str) -> NamespaceName {
    NamespaceName::new(name).unwrap()
}

fn email(email: &str) -> Email {
    Email::new(email).unwrap()
}

fn password() -> Password {
    Password::new("correct horse").unwrap()
}

fn new_user(address: &str, namespace: Option<&str>) -> NewUser {
    NewUser {
        email: email(address),
        password: password(),
        namespace: namespace.map(name),
    }
}

impl Accounts {
    async fn test_user(&self, address: &str) -> (User, NamespaceName) {
        self.add_user(new_user(address, None), false).await.unwrap()
    }
}

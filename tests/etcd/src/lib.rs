//! A real etcd for tests: one member or several on loopback, each with data and ports of its own,
//! all of it gone when the test drops them.

mod member;
mod ports;
mod tls;

use std::time::{Duration, Instant};

use tempfile::TempDir;

use member::Member;
pub use tls::Certificates;

/// Long enough for the slowest machine; no test waits for it unless it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is looked whether something has come.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Members of one etcd.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    certificates: Option<Certificates>,
    _folder: TempDir,
}

impl Cluster {
    /// Starts `members` of them, and waits until they have a leader.
    ///
    /// # Panics
    /// When etcd is not installed, or does not answer.
    pub fn start(members: usize) -> Self {
        Self::start_under(members, &[], false)
    }

    /// As [`start`](Self::start), with TLS: clients and members must show certificates.
    ///
    /// # Panics
    /// When etcd is not installed, or does not answer.
    pub fn start_with_tls(members: usize) -> Self {
        Self::start_under(members, &[], true)
    }

    /// As [`start`](Self::start), with more arguments.
    ///
    /// # Panics
    /// When etcd is not installed, does not take them, or does not answer.
    pub fn start_with(members: usize, arguments: &[&str]) -> Self {
        Self::start_under(members, arguments, false)
    }

    fn start_under(members: usize, more: &[&str], tls: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("hayrack-etcd-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let certificates = tls.then(|| Certificates::make(folder.path()));
        let addresses: Vec<_> = (0..members).map(|_| member::Addresses::free()).collect();
        let peers = member::initial_cluster(&addresses, tls);
        let members = addresses
            .into_iter()
            .enumerate()
            .map(|(number, addresses)| {
                Member::start(
                    number,
                    addresses,
                    &peers,
                    more,
                    folder.path(),
                    certificates.as_ref(),
                )
            });
        let cluster = Self {
            members: members.collect(),
            certificates,
            _folder: folder,
        };
        for number in 0..cluster.members.len() {
            cluster.until_healthy(number);
        }
        cluster
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The members' addresses for clients: `HOST:PORT`, separated by commas.
    pub fn endpoints(&self) -> String {
        let addresses = self
            .members
            .iter()
            .map(|member| member.client().to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Those of one member.
    pub fn endpoint(&self, member: usize) -> String {
        self.members[member].client().to_string()
    }

    /// The certificates, if there is TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The member that leads.
    ///
    /// # Panics
    /// When none comes to lead.
    pub fn leader(&self) -> usize {
        let mut leader = None;
        until("a leader", || {
            leader = self.members.iter().position(Member::leads);
            leader.is_some()
        });
        leader.expect("it was waited for")
    }

    /// Ends a member as kill -9 does.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a member again that was killed, on its data.
    pub fn spawn_again(&mut self, member: usize) {
        self.members[member].spawn_again();
    }

    /// Waits until a member has a leader.
    ///
    /// # Panics
    /// When it does not come to have one.
    pub fn until_healthy(&self, member: usize) {
        until("a healthy member of etcd", || {
            self.members[member].is_healthy()
        });
    }

    /// Stops a member where it is (SIGSTOP).
    pub fn pause(&self, member: usize) {
        self.members[member].pause();
    }

    /// Has a member that was paused go on (SIGCONT).
    pub fn resume(&self, member: usize) {
        self.members[member].resume();
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(LOOK_AGAIN);
    }
}

//! The network under a rack, with members of an etcd as its nodes: these say whom they reach.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_rack::name::RackName;
use hayrack_rack::network::{Cut, Network, NodeIndex, namespaces};
use hayrack_rack::process::{Process, of_racks};
use hayrack_rack::sweep::Sweeper;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hayrack-rack");
const NODES: [NodeIndex; 3] = [NodeIndex(1), NodeIndex(2), NodeIndex(3)];
const CLIENTS: u16 = 2379;
const MEMBERS: u16 = 2380;
/// What is dropped is never answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Nobody waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

struct Site {
    network: Network,
    members: Vec<Process>,
    folder: tempfile::TempDir,
    name: RackName,
    sweeper: Sweeper,
}

impl Site {
    fn start() -> Self {
        let name = RackName::next();
        let sweeper = Sweeper::start(Path::new(PROGRAM), name, None).expect("a sweeper");
        let network = Network::make(name, 3).expect("a network");
        let mut site = Self {
            network,
            members: Vec::new(),
            folder: tempfile::tempdir().expect("a folder"),
            name,
            sweeper,
        };
        let members = NODES.map(|node| site.member(node));
        site.members = members.into();
        site.until("all serve", |site| {
            NODES.iter().all(|node| site.serves(*node))
        });
        site
    }

    fn member(&self, node: NodeIndex) -> Process {
        let url = |port: u16| format!("http://{}:{port}", self.network.address(node));
        let members = NODES.map(|node| {
            format!(
                "m{}=http://{}:{MEMBERS}",
                node.0,
                self.network.address(node)
            )
        });
        let mut etcd = self.network.command(node, OsStr::new("etcd"));
        etcd.current_dir(self.folder.path());
        etcd.args(["--name", &format!("m{}", node.0)]);
        etcd.args(["--initial-cluster", &members.join(",")]);
        etcd.args(["--listen-client-urls", &url(CLIENTS)]);
        etcd.args(["--advertise-client-urls", &url(CLIENTS)]);
        etcd.args(["--listen-peer-urls", &url(MEMBERS)]);
        etcd.args(["--initial-advertise-peer-urls", &url(MEMBERS)]);
        let log = self.folder.path().join(format!("m{}.log", node.0));
        Process::start("etcd", self.name, &mut etcd, &log).expect("etcd-server is installed")
    }

    /// Whether a member is reached from this machine, and has a leader.
    fn serves(&self, node: NodeIndex) -> bool {
        let address = SocketAddr::new(self.network.address(node), CLIENTS);
        health(address).is_ok_and(|answer| answer.contains("\"health\":\"true\""))
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "not yet: {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn only_serves(&self, serving: &[NodeIndex]) {
        self.until(&format!("{serving:?} alone"), |site| {
            NODES
                .iter()
                .all(|node| site.serves(*node) == serving.contains(node))
        });
    }
}

fn health(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    write!(stream, "GET /health HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether nodes can be cut off here, which CI has to check.
fn can_cut(network: &Network) -> bool {
    let can = network.can_cut();
    assert!(can || std::env::var_os("CI").is_none(), "CI needs root");
    if !can {
        println!("left out, since it needs root: cutting nodes off");
    }
    can
}

#[test]
fn members_that_are_cut_off_lose_the_others_until_they_heal() {
    let site = Site::start();
    if !can_cut(&site.network) {
        return;
    }
    let [first, second, third] = NODES;
    let from = |node| Cut::From(site.network.address(node));
    let cuts = [
        vec![Cut::All],
        vec![from(second), from(third)],
        vec![Cut::Ports(vec![MEMBERS])],
    ];
    for cuts in cuts {
        site.network.cut(first, &cuts).unwrap();
        site.only_serves(&[second, third]);
        site.network.cut(first, &[]).unwrap();
        site.only_serves(&NODES);
    }
    site.network
        .cut(third, &[Cut::Ports(vec![CLIENTS])])
        .unwrap();
    site.only_serves(&[first, second]);
}

#[test]
fn what_a_rack_made_goes_with_it() {
    let site = Site::start();
    let (name, can_cut) = (site.name, can_cut(&site.network));
    let left = || {
        let processes = of_racks()
            .unwrap()
            .into_iter()
            .filter(|(_, rack)| *rack == name);
        let namespaces = namespaces().unwrap_or_default().into_iter();
        let namespaces = namespaces.filter(|it| RackName::of_namespace(it) == Some(name));
        (processes.count(), namespaces.count())
    };
    assert_eq!(left(), (3, if can_cut { 4 } else { 0 }));
    let Site {
        members, sweeper, ..
    } = site;
    // As when the process ends without a chance to clean up.
    std::mem::forget(members);
    drop(sweeper);
    assert_eq!(left(), (0, 0));
}

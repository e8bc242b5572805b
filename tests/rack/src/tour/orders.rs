//! Orders from other terminals: one on each connection to a socket in the data folder, a line of JSON each way.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use hayrack_rack::network::{Cut, NodeIndex};
use hayrack_rack::node::{Daemon, State};
use hayrack_rack::rack::Rack;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// etcd's ports: a node that is cut off from these has no store.
const STORE_PORTS: [u16; 2] = [2379, 2380];

/// What may be done to a rack that runs.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Order {
    /// Show what runs, and what is cut off
    Status,
    /// Kill all daemons of a node, as the loss of its power would
    Kill {
        /// Its number.
        node: u8,
    },
    /// Start a node that was killed
    Start {
        /// Its number.
        node: u8,
    },
    /// Stop all daemons of a node where they are, until it is healed
    Pause {
        /// Its number.
        node: u8,
    },
    /// Cut a node off the network, until it is healed; needs root
    Cut {
        /// Its number.
        node: u8,
        /// Only from this node
        #[arg(long, value_name = "NODE", conflicts_with = "store")]
        from: Option<u8>,
        /// Only from the metadata store
        #[arg(long)]
        store: bool,
    },
    /// End what a pause and cuts did to a node
    Heal {
        /// Its number.
        node: u8,
    },
    /// Stop the rack, as Ctrl-C does
    Stop,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    done: bool,
    text: String,
}

fn socket(data: &Path) -> PathBuf {
    data.join("orders.sock")
}

/// Gives an order to the rack that runs on `data`, and prints what comes of it.
///
/// # Errors
/// When no rack runs there, or the order is refused.
pub fn send(data: &Path, order: &Order) -> anyhow::Result<()> {
    let stream = UnixStream::connect(socket(data));
    let mut stream =
        stream.with_context(|| format!("No rack runs on {}: `make rack`", data.display()))?;
    writeln!(stream, "{}", serde_json::to_string(order)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let report: Report = serde_json::from_str(&line).context("the rack ended meanwhile")?;
    ensure!(report.done, "{}", report.text);
    print!("{}", report.text);
    Ok(())
}

/// Listens for orders.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(data: &Path) -> anyhow::Result<UnixListener> {
    let path = socket(data);
    // The lock on the folder is held: it is an earlier rack's.
    let _ = fs::remove_file(&path);
    UnixListener::bind(&path).with_context(|| format!("could not listen on {}", path.display()))
}

/// Obeys orders, one after the other, for as long as the process runs.
pub fn obey(listener: UnixListener, rack: Arc<Mutex<Rack>>) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who gave the order may have gone.
            let _ = answer(&stream, &rack);
        }
    });
}

fn answer(mut stream: &UnixStream, rack: &Mutex<Rack>) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let done = match rack.lock() {
        Ok(mut rack) => carry_out(&mut rack, &order),
        Err(_) => Err(anyhow::anyhow!("The rack stops")),
    };
    let report = match done {
        Ok(text) => Report { done: true, text },
        Err(error) => Report {
            done: false,
            text: format!("{error:#}"),
        },
    };
    writeln!(stream, "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

fn carry_out(rack: &mut Rack, order: &Order) -> anyhow::Result<String> {
    match *order {
        Order::Status => return Ok(status(rack)),
        Order::Kill { node } => rack.kill(number(rack, node)?),
        Order::Start { node } => rack.spawn(number(rack, node)?)?,
        Order::Pause { node } => rack.pause(number(rack, node)?),
        Order::Cut { node, from, store } => {
            let cut = match from {
                Some(other) => Cut::From(rack.node(number(rack, other)?).address),
                None if store => Cut::Ports(STORE_PORTS.to_vec()),
                None => Cut::All,
            };
            rack.cut(number(rack, node)?, cut)?;
        }
        Order::Heal { node } => rack.heal(number(rack, node)?)?,
        Order::Stop => nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGTERM)?,
    }
    Ok(String::new())
}

fn number(rack: &Rack, node: u8) -> anyhow::Result<NodeIndex> {
    let count = rack.indices().count();
    ensure!(
        (1..=count).contains(&usize::from(node)),
        "There is no node {node}: nodes are 1 to {count}"
    );
    Ok(NodeIndex(node))
}

fn status(rack: &mut Rack) -> String {
    let mut text = String::new();
    for index in rack.indices() {
        let cuts = rack.cuts(index).to_vec();
        let node = rack.node_mut(index);
        let states = [Daemon::Volumed, Daemon::S3d].map(|daemon| node.state(daemon));
        let _ = write!(
            text,
            "{}  volumed {}, s3d {}",
            node.name(),
            states[0],
            states[1]
        );
        let may_serve = states == [State::Runs; 2] && cuts.is_empty();
        if may_serve && !rack.serves(index).unwrap_or(false) {
            text.push_str(", does not serve yet");
        }
        for cut in cuts {
            let _ = write!(text, ", {cut}");
        }
        text.push('\n');
    }
    text
}

/// Has what is in flight finished, and ends all daemons.
///
/// # Errors
/// When one does not end well.
pub fn stop(rack: &mut Rack) -> anyhow::Result<()> {
    // One that is paused or cut off cannot finish.
    let indices = rack.indices();
    indices.into_iter().try_for_each(|index| rack.heal(index))?;
    rack.stop_all()
}

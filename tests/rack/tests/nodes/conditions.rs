//! Conditional writes by several clients through different nodes, while nodes fail: every client could have seen the
//! same order of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hayrack_e2e::http::Request;
use hayrack_rack::history::{Answer, Call, History, Operation, Value};
use hayrack_rack::linear;

use crate::client::Client;
use crate::faults::{Fault, LONG};
use crate::objects::Bucket;
use crate::site::{site, until};

const CLIENTS: u64 = 6;
const KEYS: u64 = 3;
/// Changes of an object without which a history says little.
const ENOUGH: usize = 10;
const MOMENT: Duration = Duration::from_secs(1);

/// An object that clients change only from what they saw.
struct Register {
    path: String,
    history: History,
}

impl Register {
    /// Reads it, and remembers how to name what it holds in a condition.
    fn read(&self, client: &Client) -> Option<Seen> {
        let mut seen = None;
        self.history.record(Call::Read, || {
            let answer = client.once(&Request::new("GET", &self.path));
            seen = answer.ok().and_then(|answer| Seen::of(&answer));
            match &seen {
                Some(Seen::Nothing) => Answer::Held(None),
                Some(Seen::Held { value, .. }) => Answer::Held(Some(*value)),
                None => Answer::Unknown,
            }
        });
        seen
    }

    /// How many changes were done.
    fn changes(&self) -> usize {
        let operations = self.history.operations();
        let done = |operation: &&Operation| operation.answer == Answer::Done;
        operations.iter().filter(done).count()
    }

    fn change(&self, client: &Client, seen: &Seen, to: Value) {
        let put = Request::new("PUT", &self.path).body(to.0.to_string());
        let (call, put) = match seen {
            Seen::Nothing => (Call::Create(to), put.header("if-none-match", "*")),
            Seen::Held { value, etag } => {
                let call = Call::Swap { from: *value, to };
                (call, put.header("if-match", etag))
            }
        };
        self.history.record(call, || match client.once(&put) {
            Ok(answer) if answer.status == 200 => Answer::Done,
            Ok(answer) if answer.status == 412 => Answer::Refused,
            _ => Answer::Unknown,
        });
    }
}

/// What a client saw.
enum Seen {
    Nothing,
    Held { value: Value, etag: String },
}

impl Seen {
    fn of(answer: &hayrack_e2e::http::Answer) -> Option<Self> {
        match answer.status {
            404 => Some(Self::Nothing),
            200 => Some(Self::Held {
                value: Value(answer.text().parse().ok()?),
                etag: answer.header("etag")?.to_owned(),
            }),
            _ => None,
        }
    }
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    registers: Arc<Vec<Register>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts them on objects of a bucket; each asks one node.
    pub fn start(client: &Client, bucket: &Bucket) -> Self {
        let register = |key| Register {
            path: bucket.path(&format!("register-{key}")),
            history: History::new(),
        };
        let registers: Arc<Vec<_>> = Arc::new((0..KEYS).map(register).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CLIENTS).map(|number| {
            let client = client.of_node(number as usize);
            let (registers, stop) = (registers.clone(), stop.clone());
            thread::spawn(move || work(number, &client, &registers, &stop))
        });
        Self {
            threads: threads.collect(),
            stop,
            registers,
        }
    }

    /// Stops them, and looks for an order that explains all that they saw.
    ///
    /// # Panics
    /// When there is none.
    pub fn check(self) {
        until("clients that change something", || {
            let changed = self.registers.iter().map(Register::changes);
            Ok(changed.min().is_some_and(|least| least > ENOUGH))
        });
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
        for register in self.registers.iter() {
            let (operations, changes) = (register.history.operations(), register.changes());
            let path = &register.path;
            println!("{path}: {} operations, {changes} changes", operations.len());
            if let Err(violation) = linear::check(None, &operations) {
                panic!("{}: {violation}", register.path);
            }
        }
    }
}

fn work(number: u64, client: &Client, registers: &[Register], stop: &AtomicBool) {
    let mut changes = 0..;
    while !stop.load(Ordering::Relaxed) {
        for register in registers {
            let Some(seen) = register.read(client) else {
                // The node may be gone.
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            let change: u64 = changes.next().expect("there is no end");
            register.change(client, &seen, Value(change * CLIENTS + number));
        }
    }
}

/// Runs clients while something happens to the owner of what they change, and after it.
fn through(name: &str, fault: Fault) {
    let mut site = site();
    if fault.is_cut() && !site.can_cut() {
        return;
    }
    let bucket = site.bucket(name);
    let clients = Clients::start(&site.client(), &bucket);
    thread::sleep(MOMENT);
    let owner = site.owner(&bucket);
    fault.happen(&mut site, owner, LONG);
    thread::sleep(MOMENT);
    clients.check();
}

#[test]
fn conditions_hold_while_an_owner_dies() {
    through("conditions-killed", Fault::Killed);
}

#[test]
fn conditions_hold_while_an_owner_hangs() {
    through("conditions-hung", Fault::Hung);
}

#[test]
fn conditions_hold_while_an_owner_is_cut_off() {
    through("conditions-cut", Fault::CutOffFromNodes);
}

//! Something is brought to all nodes, one after the other, each of which is started anew with it while the others serve. It
//! stops at the first that does not come back; given again, it passes over the nodes that have it.

mod stop;
mod whole;

use std::thread::sleep;
use std::time::{Duration, Instant};

use rack_model::{Node, Rack};

use crate::machine::{AskError, Machine};
use crate::print;
use crate::reach::Reach;
pub use stop::{StepError, Stopped};

const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What is brought to the nodes.
pub trait Change {
    /// What a node then has, as in "is back with version 2".
    fn name(&self, node: &Node) -> String;

    /// Whether a node has it already.
    fn is_on(&self, machine: Machine<'_>) -> Result<bool, AskError>;

    /// Brings it to a node, which keeps what it has until it is started anew; else says why not.
    fn bring(&self, machine: Machine<'_>) -> Result<(), String>;

    /// Starts a node anew, with what was brought.
    fn start(&self, machine: Machine<'_>) -> Result<(), AskError>;

    /// How a node has come back that was started anew; none as long as it is on its way.
    fn came_back(&self, machine: Machine<'_>) -> Option<CameBack>;

    /// What helps a node that does not come back.
    fn cure(&self) -> &'static str;
}

/// How a node has come back.
pub enum CameBack {
    /// With what was brought.
    Changed,
    /// With what it had before, which has this name.
    Unchanged(String),
}

/// A change of all nodes.
pub struct Rollout<'a> {
    /// The rack.
    pub rack: &'a Rack,
    /// How its nodes are reached.
    pub reach: &'a dyn Reach,
    /// What is brought.
    pub change: &'a dyn Change,
    /// How long a node may be on its way back.
    pub patience: Duration,
    /// Whether nothing is printed on the way.
    pub is_quiet: bool,
}

impl Rollout<'_> {
    /// Changes one node after the other.
    pub fn run(&self) -> Result<(), Box<Stopped>> {
        let nodes = &self.rack.nodes;
        let names = |nodes: &[Node]| nodes.iter().map(|node| node.name.to_string()).collect();
        for (index, node) in nodes.iter().enumerate() {
            let changed = self.change_node(node);
            changed.map_err(|reason| {
                Box::new(Stopped {
                    node: node.name.to_string(),
                    has: self.change.name(node),
                    cure: self.change.cure(),
                    reason,
                    done: names(&nodes[..index]),
                    left: names(&nodes[index + 1..]),
                })
            })?;
        }
        Ok(())
    }

    fn change_node(&self, node: &Node) -> Result<(), StepError> {
        let (machine, name) = (Machine::new(node, self.reach), self.change.name(node));
        if self.change.is_on(machine)? {
            return self.say(node, &format!("has {name} already"));
        }
        let serves = self.may_be_taken_out(node)?;
        self.say(node, &format!("gets {name}"))?;
        self.change.bring(machine).map_err(StepError::Bring)?;
        if serves {
            self.say(node, "gives its buckets to the others")?;
            machine.drain(false).map_err(StepError::Drain)?;
        }
        self.restart(machine)?;
        self.until_whole(node)?;
        self.say(node, &format!("is back with {name}"))
    }

    /// Whether the node serves and all others can do without it. One that does not serve is no loss, and what is brought may
    /// be its cure.
    fn may_be_taken_out(&self, node: &Node) -> Result<bool, StepError> {
        match whole::missing(self.rack, self.reach) {
            None => Ok(true),
            Some(_) if whole::missing_beside(self.rack, self.reach, node).is_none() => Ok(false),
            Some(missing) => Err(StepError::NotWhole(missing)),
        }
    }

    fn restart(&self, machine: Machine<'_>) -> Result<(), StepError> {
        let before = machine.boot_id()?;
        self.say(machine.node, "is started anew")?;
        match self.change.start(machine) {
            // It may go down before it has said anything.
            Ok(()) | Err(AskError::Reach(_)) => {}
            Err(error) => return Err(StepError::Restart(error)),
        }
        self.until(|| {
            let has_restarted = machine.boot_id().ok()? != before;
            has_restarted.then_some(())
        })
        .ok_or(StepError::Gone(self.patience))?;
        self.return_to_service(machine)
    }

    /// Lets its server take buckets again: before, it is not ready, and a node keeps only what its daemons are ready with.
    /// Right after a start the store may not answer.
    fn return_to_service(&self, machine: Machine<'_>) -> Result<(), StepError> {
        let mut refusal = None;
        let mut takes_buckets = false;
        let back = self.until(|| {
            if !takes_buckets {
                takes_buckets = machine
                    .drain(true)
                    .map_err(|error| refusal = Some(error))
                    .is_ok();
            }
            takes_buckets.then(|| self.change.came_back(machine))?
        });
        match (back, refusal) {
            (Some(CameBack::Changed), _) => Ok(()),
            (Some(CameBack::Unchanged(found)), _) => Err(StepError::TakenBack { found }),
            (None, Some(error)) if !takes_buckets => Err(StepError::Undrain(error)),
            (None, _) => Err(StepError::Gone(self.patience)),
        }
    }

    fn until_whole(&self, node: &Node) -> Result<(), StepError> {
        self.say(node, "runs again; its volumes get in sync")?;
        let mut missing = String::new();
        let whole = self.until(|| match whole::missing(self.rack, self.reach) {
            None => Some(()),
            Some(now) => {
                missing = now;
                None
            }
        });
        whole.ok_or(StepError::Broken(self.patience, missing))
    }

    /// Looks until there is something, or patience has run out; once at least.
    fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            if let Some(seen) = look() {
                return Some(seen);
            }
            if begun.elapsed() >= self.patience {
                return None;
            }
            sleep(LOOK_EVERY.min(self.patience));
        }
    }

    fn say(&self, node: &Node, what: &str) -> Result<(), StepError> {
        if self.is_quiet {
            return Ok(());
        }
        Ok(print::text(&format!("{}: {what}", node.name))?)
    }
}

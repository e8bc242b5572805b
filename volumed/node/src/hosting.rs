//! This node's replicas, for heads on other nodes.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use volumed_core::VolumeId;
use volumed_core::message::Message;
use volumed_peer::{Host, LinkId, ReplyTo};

use crate::error::StartError;
use crate::machine::Machine;
use crate::volumes::{Shared, Volumes};

/// What links from other nodes are served with. A message to a volume or a disk that is not here is
/// answered as one to an absent disk.
#[derive(Clone)]
pub struct Hosting {
    shared: Weak<Shared>,
    runtime: Handle,
    known: Arc<Mutex<HashMap<VolumeId, Known>>>,
}

type Waiting = Vec<(Message, ReplyTo)>;

/// A volume that heads elsewhere speak to.
enum Known {
    Here(Weak<Machine>),
    /// What waits until it is, in the order in which it came. A link brings only so much.
    Loading(Waiting),
}

impl Volumes {
    /// This node's replicas, for heads on other nodes. To be called within a runtime.
    pub fn hosting(&self) -> Hosting {
        Hosting {
            shared: Arc::downgrade(&self.shared),
            runtime: Handle::current(),
            known: Arc::default(),
        }
    }
}

impl Host for Hosting {
    fn message(&self, message: Message, reply: ReplyTo) {
        match self.find(message.volume) {
            Some(machine) => machine.take(message, reply),
            None => self.wait(message, reply),
        }
    }

    fn ended(&self, link: LinkId) {
        let machines: Vec<_> = {
            let known = self.known.lock();
            known.values().filter_map(Known::machine).collect()
        };
        for machine in machines {
            machine.link_ended(link);
        }
    }
}

impl Known {
    fn machine(&self) -> Option<Arc<Machine>> {
        match self {
            Self::Here(machine) => machine.upgrade(),
            Self::Loading(_) => None,
        }
    }
}

impl Hosting {
    fn find(&self, volume: VolumeId) -> Option<Arc<Machine>> {
        self.known.lock().get(&volume).and_then(Known::machine)
    }

    /// Keeps a message until its volume is here.
    fn wait(&self, message: Message, reply: ReplyTo) {
        let volume = message.volume;
        let mut known = self.known.lock();
        if let Some(Known::Loading(waiting)) = known.get_mut(&volume) {
            return waiting.push((message, reply));
        }
        known.insert(volume, Known::Loading(vec![(message, reply)]));
        self.runtime.spawn(self.clone().load(volume));
    }

    async fn load(self, volume: VolumeId) {
        let machine = self.machine(volume).await.unwrap_or_else(|error| {
            tracing::error!(%volume, %error, "a head elsewhere asks for a volume that cannot be loaded");
            None
        });
        while let Some(waiting) = self.next_waiting(volume, machine.as_ref()) {
            for (message, reply) in waiting {
                match &machine {
                    Some(machine) => machine.take(message, reply),
                    // This answers that the disk is not here.
                    None => drop(reply),
                }
            }
        }
    }

    /// What waits for a volume. Once nothing does, what comes next does not wait.
    fn next_waiting(&self, volume: VolumeId, machine: Option<&Arc<Machine>>) -> Option<Waiting> {
        let mut known = self.known.lock();
        if let Some(Known::Loading(waiting)) = known.get_mut(&volume)
            && !waiting.is_empty()
        {
            return Some(std::mem::take(waiting));
        }
        match machine {
            Some(machine) => known.insert(volume, Known::Here(Arc::downgrade(machine))),
            None => known.remove(&volume),
        };
        None
    }

    /// The volume's machine, if there is such a volume.
    async fn machine(&self, id: VolumeId) -> Result<Option<Arc<Machine>>, StartError> {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(None);
        };
        let volume = shared.load(id).await?;
        Ok(volume.map(|volume| Arc::clone(&volume.machine)))
    }
}

//! Replicas that note what they are asked.

use std::sync::{Arc, Condvar, Mutex, Weak};

use rand::RngExt as _;
use tokio::sync::Notify;
use volumed_core::message::Message;
use volumed_peer::{Host, LinkId, ReplyTo};

use crate::rig::{answer, soon};

/// When answers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At once.
    Inline,
    /// When the test says so.
    Held,
    /// By other threads, in no order.
    Scattered,
}

#[derive(Debug)]
pub struct Replicas {
    mode: Mode,
    noted: Mutex<Noted>,
    more: Notify,
    work: Condvar,
}

#[derive(Debug, Default)]
struct Noted {
    messages: Vec<(LinkId, Message)>,
    ended: Vec<LinkId>,
    held: Vec<(Message, ReplyTo)>,
}

impl Replicas {
    pub fn new(mode: Mode) -> Arc<Self> {
        let replicas = Arc::new(Self {
            mode,
            noted: Mutex::default(),
            more: Notify::new(),
            work: Condvar::new(),
        });
        if mode == Mode::Scattered {
            for _ in 0..3 {
                let replicas = Arc::downgrade(&replicas);
                std::thread::spawn(move || while answer_any(&replicas).is_some() {});
            }
        }
        replicas
    }

    pub fn messages(&self) -> Vec<(LinkId, Message)> {
        self.noted.lock().unwrap().messages.clone()
    }

    pub fn ended(&self) -> Vec<LinkId> {
        self.noted.lock().unwrap().ended.clone()
    }

    /// The messages that wait for an answer.
    pub fn take_held(&self) -> Vec<(Message, ReplyTo)> {
        std::mem::take(&mut self.noted.lock().unwrap().held)
    }

    pub async fn until_ended(&self, links: usize) {
        self.until(|noted| noted.ended.len() >= links).await;
    }

    pub async fn until_asked(&self, messages: usize) {
        self.until(|noted| noted.messages.len() >= messages).await;
    }

    async fn until(&self, reached: impl Fn(&Noted) -> bool) {
        let wait = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if reached(&self.noted.lock().unwrap()) {
                    return;
                }
                more.await;
            }
        };
        soon(wait).await;
    }
}

/// Answers one of what waits; `None` when the test is over.
fn answer_any(replicas: &Weak<Replicas>) -> Option<()> {
    let replicas = replicas.upgrade()?;
    let noted = replicas.noted.lock().unwrap();
    let pause = std::time::Duration::from_millis(20);
    let (mut noted, _) = replicas
        .work
        .wait_timeout_while(noted, pause, |noted| noted.held.is_empty())
        .unwrap();
    if !noted.held.is_empty() {
        let at = rand::rng().random_range(0..noted.held.len());
        let (message, reply) = noted.held.swap_remove(at);
        drop(noted);
        reply.answer(answer(&message));
    }
    Some(())
}

impl Host for Replicas {
    fn message(&self, message: Message, reply: ReplyTo) {
        let mut noted = self.noted.lock().unwrap();
        assert!(!noted.ended.contains(&reply.link()), "its link ended");
        noted.messages.push((reply.link(), message.clone()));
        if self.mode == Mode::Inline {
            drop(noted);
            reply.answer(answer(&message));
        } else {
            noted.held.push((message, reply));
            self.work.notify_one();
        }
        self.more.notify_waiters();
    }

    fn ended(&self, link: LinkId) {
        let mut noted = self.noted.lock().unwrap();
        assert!(!noted.ended.contains(&link), "it ended already");
        noted.ended.push(link);
        self.more.notify_waiters();
    }
}

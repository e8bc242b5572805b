//! Heads that note what they are told.

use std::sync::Mutex;

use tokio::sync::Notify;
use volumed_core::message::Answer;
use volumed_peer::{Heads, NodeId, Sent};

use crate::rig::{REPLICAS, soon};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Reached,
    Answer(Answer),
    Lost(Vec<Sent>),
    Room,
}

#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
    more: Notify,
}

impl Recorder {
    fn note(&self, node: NodeId, event: Event) {
        assert_eq!(node, REPLICAS);
        self.events.lock().unwrap().push(event);
        self.more.notify_waiters();
    }

    /// What was told so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub fn answers(&self) -> Vec<Answer> {
        let answer = |event| match event {
            Event::Answer(answer) => Some(answer),
            _ => None,
        };
        self.events().into_iter().filter_map(answer).collect()
    }

    pub fn lost(&self) -> Vec<Sent> {
        let lost = |event| match event {
            Event::Lost(lost) => Some(lost),
            _ => None,
        };
        self.events()
            .into_iter()
            .filter_map(lost)
            .flatten()
            .collect()
    }

    /// How often a thing was told.
    pub fn count(&self, of: impl Fn(&Event) -> bool) -> usize {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter(|it| of(it))
            .count()
    }

    pub async fn until(&self, told: impl Fn(&[Event]) -> bool) {
        let wait = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if told(&self.events.lock().unwrap()) {
                    return;
                }
                more.await;
            }
        };
        soon(wait).await;
    }

    pub async fn until_reached(&self, times: usize) {
        let reached = |event: &&Event| **event == Event::Reached;
        self.until(|events| events.iter().filter(reached).count() >= times)
            .await;
    }

    pub async fn until_lost(&self) {
        let lost = |event: &Event| matches!(event, Event::Lost(_));
        self.until(|events| events.iter().any(lost)).await;
    }

    pub async fn until_answered(&self, count: usize) {
        let answers = |events: &[Event]| {
            let answers = events.iter().filter(|it| matches!(it, Event::Answer(_)));
            answers.count()
        };
        self.until(|events| answers(events) >= count).await;
    }
}

impl Heads for Recorder {
    fn answer(&self, node: NodeId, answer: Answer) {
        self.note(node, Event::Answer(answer));
    }

    fn reached(&self, node: NodeId) {
        self.note(node, Event::Reached);
    }

    fn lost(&self, node: NodeId, unanswered: Vec<Sent>) {
        self.note(node, Event::Lost(unanswered));
    }

    fn room(&self, node: NodeId) {
        self.note(node, Event::Room);
    }
}

//! What happened, for whoever listens: Docker's event stream.
//!
//! The last [`RING`] events are kept so that `since` can look back, as Docker does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::broadcast;

/// How many past events are kept; Docker's number.
const RING: usize = 256;

/// How many events a slow listener may fall behind before it loses the oldest.
const BACKLOG: usize = 4096;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `container`, `image`, …
    pub(crate) kind: &'static str,
    /// `create`, `start`, `die`, `exec_start: sh -c x`, …
    pub(crate) action: String,
    /// The id of the thing it happened to.
    pub(crate) id: String,
    /// Labels and whatever the action adds.
    pub(crate) attributes: BTreeMap<String, String>,
    /// When.
    pub(crate) time: Timestamp,
}

/// The engine's event bus.
#[derive(Debug)]
pub(crate) struct Events {
    ring: Mutex<VecDeque<Event>>,
    sender: broadcast::Sender<Event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            ring: Mutex::new(VecDeque::with_capacity(RING)),
            sender: broadcast::channel(BACKLOG).0,
        }
    }

    /// Tells everyone, now.
    pub(crate) fn publish(
        &self,
        kind: &'static str,
        action: impl Into<String>,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        let event = Event {
            kind,
            action: action.into(),
            id: id.to_owned(),
            attributes,
            time: Timestamp::now(),
        };
        // The ring's lock is held over the send, so that a subscriber sees each
        // event exactly once, either in its copy of the ring or in its channel.
        let mut ring = self.ring();
        if ring.len() == RING {
            ring.pop_front();
        }
        ring.push_back(event.clone());
        // An error only says that nobody listens.
        drop(self.sender.send(event));
    }

    /// The past that is kept, and all that comes after it.
    pub(crate) fn subscribe(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let ring = self.ring();
        (ring.iter().cloned().collect(), self.sender.subscribe())
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_sees_the_past_once_and_the_future_once() {
        let events = Events::new();
        events.publish("container", "create", "a", BTreeMap::new());
        let (past, mut future) = events.subscribe();
        events.publish("container", "start", "a", BTreeMap::new());
        assert_eq!(past.len(), 1);
        assert_eq!(future.try_recv().unwrap().action, "start");
        future.try_recv().unwrap_err();
    }

    #[test]
    fn the_ring_keeps_the_newest() {
        let events = Events::new();
        for n in 0..=RING {
            events.publish("container", n.to_string(), "a", BTreeMap::new());
        }
        let (past, _future) = events.subscribe();
        assert_eq!(past.len(), RING);
        assert_eq!(past[0].action, "1");
    }
}

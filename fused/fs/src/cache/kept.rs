//! Which versions are kept, how much room they take, and which go first.

use std::collections::BTreeMap;

use super::Name;

/// Bytes that a version takes beside those of its chunks.
const BESIDE: u64 = 4096;

/// The versions that are kept. All together take no more bytes than a limit; the one that was used least
/// recently goes first, whole.
#[derive(Debug)]
pub struct Kept {
    limit: u64,
    total: u64,
    turn: u64,
    versions: BTreeMap<Name, Taken>,
    /// Each version by the turn at which it was used last.
    turns: BTreeMap<u64, Name>,
}

#[derive(Debug)]
struct Taken {
    bytes: u64,
    turn: u64,
}

impl Kept {
    /// Nothing yet. `limit`: most bytes that all versions take.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            total: 0,
            turn: 0,
            versions: BTreeMap::new(),
            turns: BTreeMap::new(),
        }
    }

    /// Whether anything of a version is kept.
    pub fn has(&self, name: &Name) -> bool {
        self.versions.contains_key(name)
    }

    /// How many bytes all versions take.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// A version is read.
    pub fn used(&mut self, name: Name) {
        if let Some(taken) = self.versions.get_mut(&name) {
            self.turn += 1;
            self.turns.remove(&taken.turn);
            self.turns.insert(self.turn, name);
            taken.turn = self.turn;
        }
    }

    /// What has to go so that a version can take `bytes` more; `None` when it does not fit even then. It
    /// does not make room for itself: what would be left of it is as good as what comes.
    pub fn make_room(&mut self, name: Name, bytes: u64) -> Option<Vec<Name>> {
        let own = self.versions.get(&name).map(|taken| taken.bytes);
        let more = if own.is_some() {
            bytes
        } else {
            bytes.saturating_add(BESIDE)
        };
        if own.unwrap_or(0).saturating_add(more) > self.limit {
            return None;
        }
        Some(self.remove_oldest(self.limit - more, Some(name)))
    }

    /// What has to go so that the limit holds.
    pub fn surplus(&mut self) -> Vec<Name> {
        self.remove_oldest(self.limit, None)
    }

    /// A version takes `bytes` more, and is the one that was used last.
    pub fn added(&mut self, name: Name, bytes: u64) {
        self.turn += 1;
        let taken = self.versions.entry(name).or_insert_with(|| {
            self.total += BESIDE;
            Taken {
                bytes: BESIDE,
                turn: self.turn,
            }
        });
        taken.bytes += bytes;
        self.total += bytes;
        self.used(name);
    }

    /// A version is not there any more.
    pub fn gone(&mut self, name: Name) {
        if let Some(taken) = self.versions.remove(&name) {
            self.total -= taken.bytes;
            self.turns.remove(&taken.turn);
        }
    }

    fn remove_oldest(&mut self, goal: u64, but: Option<Name>) -> Vec<Name> {
        let mut removed = Vec::new();
        while self.total > goal {
            let mut oldest = self.turns.values().copied();
            let Some(name) = oldest.find(|name| Some(*name) != but) else {
                break;
            };
            self.gone(name);
            removed.push(name);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Version;
    use super::*;

    fn name(number: usize) -> Name {
        let version = Version::of(&number.to_string(), "", 0);
        version.expect("it is short enough").name
    }

    #[test]
    fn the_one_that_was_used_least_recently_goes_first() {
        let mut kept = Kept::new(3 * (BESIDE + 100));
        for number in 0..3 {
            assert_eq!(kept.make_room(name(number), 100), Some(vec![]));
            kept.added(name(number), 100);
        }
        kept.used(name(0));
        assert_eq!(kept.make_room(name(3), 50), Some(vec![name(1)]));
        assert!(!kept.has(&name(1)) && kept.has(&name(0)));
    }

    #[test]
    fn a_version_beyond_the_limit_keeps_what_fits() {
        let mut kept = Kept::new(BESIDE + 100);
        kept.added(name(0), 80);
        assert_eq!(kept.make_room(name(0), 30), None);
        assert_eq!(kept.make_room(name(0), 20), Some(vec![]));
        assert_eq!(kept.make_room(name(1), 101), None);
        assert!(kept.has(&name(0)));
    }

    proptest! {
        /// Whatever happens, the limit holds, the sum is right, and what goes was used before all that
        /// stays, but for the one that room was made for.
        #[test]
        fn the_limit_holds(
            limit in 0..10 * BESIDE,
            steps in prop::collection::vec((0..6_usize, 0..3_u8, 0..2 * BESIDE), 1..100),
        ) {
            let mut kept = Kept::new(limit);
            let mut model: Vec<(usize, u64)> = Vec::new();
            for (number, step, bytes) in steps {
                let at = model.iter().position(|(it, _)| *it == number);
                match (step, at) {
                    (0, Some(at)) => {
                        kept.used(name(number));
                        let used = model.remove(at);
                        model.push(used);
                    }
                    (1, Some(at)) => {
                        kept.gone(name(number));
                        model.remove(at);
                    }
                    (2, _) => {
                        let own = at.map(|at| model.remove(at).1);
                        let after = own.unwrap_or(BESIDE) + bytes;
                        match kept.make_room(name(number), bytes) {
                            None => {
                                prop_assert!(after > limit);
                                if let (Some(at), Some(own)) = (at, own) {
                                    model.insert(at, (number, own));
                                }
                            }
                            Some(removed) => {
                                let gone: Vec<_> = model.drain(..removed.len()).collect();
                                let gone: Vec<_> = gone.iter().map(|it| name(it.0)).collect();
                                prop_assert_eq!(gone, removed);
                                kept.added(name(number), bytes);
                                model.push((number, after));
                            }
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(kept.total(), model.iter().map(|it| it.1).sum::<u64>());
                prop_assert!(kept.total() <= limit);
                for (number, _) in &model {
                    prop_assert!(kept.has(&name(*number)));
                }
            }
            prop_assert_eq!(kept.surplus(), vec![]);
        }
    }
}

//! V9: whether everything is still there that was acknowledged and not flushed. A client that cannot
//! send again may go on after the daemon was started anew only then.

use std::collections::{BTreeMap, BTreeSet};

use crate::placement::Placement;
use crate::rules::{Rule, Rules};
use crate::{DiskNumber, Incarnation};

/// The incarnations of a volume's disks that are here; none of one that failed (V8).
pub type Incarnations = BTreeMap<DiskNumber, Option<Incarnation>>;

/// What became of what was not flushed, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unflushed {
    /// It is all there.
    Kept,
    /// Some of it is on a disk that is not here.
    Unknown,
    /// Some of it may be gone, for good.
    Lost,
}

/// The incarnations under which what was not flushed is still there. A disk must be among them before
/// anything is written to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since(pub BTreeMap<DiskNumber, Incarnation>);

impl Since {
    /// Takes in what serves now: nothing was written to it yet, or it is what it was.
    pub fn meet(&mut self, here: &Incarnations) {
        let serve = here.iter().filter_map(|(&disk, it)| Some((disk, (*it)?)));
        self.0.extend(serve);
    }

    /// Looks for each extent whether a disk that holds it lost nothing (V7). `stale`: disks that may lack
    /// what was acknowledged (V4).
    pub fn unflushed<'a>(
        &self,
        rules: Rules,
        extents: impl Iterator<Item = &'a Placement>,
        stale: &BTreeSet<DiskNumber>,
        here: &Incarnations,
    ) -> Unflushed {
        let of_disk = |disk: DiskNumber| match here.get(&disk) {
            Some(Some(now)) if self.0.get(&disk) == Some(now) => Unflushed::Kept,
            Some(_) if !rules.kept(Rule::TokenDies) => Unflushed::Kept,
            Some(_) => Unflushed::Lost,
            None => Unflushed::Unknown,
        };
        let of_extent = |placed: &Placement| {
            let best = placed.in_sync(stale).map(of_disk).min();
            best.unwrap_or(Unflushed::Lost)
        };
        extents.map(of_extent).max().unwrap_or(Unflushed::Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alloc;
    use crate::placement::Role;

    fn extent(disks: &[u16]) -> Placement {
        let replicas = disks.iter().map(|&disk| (DiskNumber(disk), Role::Full));
        Placement {
            alloc: Alloc(1),
            replicas: replicas.collect(),
        }
    }

    fn unflushed(extents: &[Placement], stale: &[u16], here: &[(u16, Option<u64>)]) -> Unflushed {
        let since = Since([1, 2].map(|disk| (DiskNumber(disk), Incarnation(7))).into());
        let here = here.iter();
        let here = here.map(|&(disk, it)| (DiskNumber(disk), it.map(Incarnation)));
        let stale = stale.iter().map(|&disk| DiskNumber(disk)).collect();
        since.unflushed(Rules::default(), extents.iter(), &stale, &here.collect())
    }

    #[test]
    fn every_extent_needs_one_disk_that_lost_nothing() {
        use Unflushed::{Kept, Lost, Unknown};
        let one = [extent(&[1])];
        assert_eq!(unflushed(&one, &[], &[(1, Some(7)), (2, None)]), Kept);
        assert_eq!(unflushed(&one, &[], &[(1, Some(8)), (2, Some(7))]), Lost);
        assert_eq!(unflushed(&one, &[], &[(1, None)]), Lost);
        assert_eq!(unflushed(&one, &[], &[(2, Some(7))]), Unknown);
        assert_eq!(unflushed(&[], &[], &[]), Kept);
        assert_eq!(
            unflushed(&[extent(&[3])], &[], &[(3, Some(7))]),
            Lost,
            "unknown"
        );
        let both = [extent(&[1, 2])];
        assert_eq!(unflushed(&both, &[], &[(1, Some(8)), (2, Some(7))]), Kept);
        assert_eq!(unflushed(&both, &[2], &[(1, Some(8)), (2, Some(7))]), Lost);
        assert_eq!(unflushed(&both, &[], &[(1, Some(8))]), Unknown);
        let two = [extent(&[1]), extent(&[2])];
        assert_eq!(unflushed(&two, &[], &[(1, Some(8))]), Lost);
    }
}

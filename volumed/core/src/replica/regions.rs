//! The sums of the regions in use, and which regions' sums do not count (V10).

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{Rule, Rules};
use crate::sums::{HOLE, SumsPage};
use crate::{
    BLOCK_SIZE, BLOCKS_PER_REGION, ExtentIndex, REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex,
};

/// Pages kept while nobody uses them, unless more are granted: the sums of 1 GiB, 1 MiB of memory.
const KEPT_PAGES: usize = 256;

/// The blocks of one extent that an operation touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub extent: ExtentIndex,
    /// First block, from the start of the extent.
    pub first: u32,
    /// How many blocks.
    pub count: u32,
}

impl Span {
    pub fn new(extent: ExtentIndex, offset: u32, length: u32) -> Self {
        let block = BLOCK_SIZE as u32;
        let first = offset / block;
        Self {
            extent,
            first,
            count: (offset + length).div_ceil(block) - first,
        }
    }

    /// Bytes from the start of the extent.
    pub fn start(self) -> u32 {
        self.first * BLOCK_SIZE as u32
    }

    pub fn regions(self) -> impl Iterator<Item = RegionIndex> {
        let start = self.extent.start() + u64::from(self.start());
        let end = start + u64::from(self.count) * BLOCK_SIZE;
        (start / REGION_SIZE..end.div_ceil(REGION_SIZE)).map(RegionIndex)
    }

    /// The region, and the range of its page that the span covers, for each region.
    fn parts(self) -> impl Iterator<Item = (RegionIndex, std::ops::Range<usize>)> {
        let (mut block, end) = (self.first as usize, (self.first + self.count) as usize);
        self.regions().map(move |region| {
            let start = block % BLOCKS_PER_REGION;
            let taken = (BLOCKS_PER_REGION - start).min(end - block);
            block += taken;
            (region, start..start + taken)
        })
    }
}

/// What to do before a region's sums can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Nothing.
    Ready,
    /// Load them; a suspect region must be summed anew.
    Load { suspect: bool },
    /// Somebody loads them already, or still uses or stores a region that must be summed anew.
    Wait,
}

#[derive(Debug, Default)]
struct Region {
    page: Option<Box<SumsPage>>,
    loading: bool,
    /// The page is newer than what the file has, or will have once it is stored.
    unstored: bool,
    /// The file's page is being written: one at a time, or an older one could come last.
    storing: bool,
    /// Operations under way.
    pins: u32,
    /// When it was last used, as a count of uses.
    used: u64,
}

#[derive(Debug)]
pub(super) struct Regions {
    rules: Rules,
    suspect: BTreeSet<RegionIndex>,
    known: BTreeMap<RegionIndex, Region>,
    /// Pages kept while nobody uses them.
    kept: usize,
    /// Pages are being stored so that they can be forgotten.
    evicting: bool,
    uses: u64,
}

impl Regions {
    pub fn new(rules: Rules, suspect: BTreeSet<RegionIndex>) -> Self {
        Self {
            rules,
            suspect,
            known: BTreeMap::new(),
            kept: KEPT_PAGES,
            evicting: false,
            uses: 0,
        }
    }

    /// Grants memory for so many pages that nobody uses.
    pub fn keep(&mut self, pages: usize) {
        self.kept = pages;
    }

    /// Asks for a region's sums; after `Load` one of [`Self::loaded`] and [`Self::load_failed`]
    /// must follow.
    pub fn touch(&mut self, index: RegionIndex) -> Touch {
        let suspect = self.suspect.contains(&index);
        let region = self.known.entry(index).or_default();
        if region.loading {
            return Touch::Wait;
        }
        if region.page.is_some() && !suspect {
            return Touch::Ready;
        }
        if region.pins > 0 || region.storing {
            return Touch::Wait;
        }
        region.loading = true;
        Touch::Load { suspect }
    }

    /// The sums as they were last known, of a region that is to be summed anew.
    pub fn known(&self, index: RegionIndex) -> Option<Box<SumsPage>> {
        self.known.get(&index)?.page.clone()
    }

    /// Takes a page as the file has it.
    pub fn loaded(&mut self, index: RegionIndex, page: Box<SumsPage>) {
        self.suspect.remove(&index);
        self.uses += 1;
        if let Some(region) = self.known.get_mut(&index) {
            region.page = Some(page);
            region.loading = false;
            region.unstored = false;
            region.used = self.uses;
        }
    }

    pub fn load_failed(&mut self, index: RegionIndex) {
        if let Some(region) = self.known.get_mut(&index) {
            region.loading = false;
        }
    }

    /// Whether there are more pages than are kept; not while room is being made for them.
    pub fn has_surplus(&self) -> bool {
        self.known.len() > self.kept && !self.evicting
    }

    /// Forgets the sums that were used longest ago and that nobody wants, and an eighth more than it has
    /// to: to find them it looks at all. Those among them that the file does not have are answered:
    /// they can go once they are stored, and until [`Self::evicted`] no others will.
    pub fn evict(&mut self, wanted: &BTreeSet<RegionIndex>) -> Vec<RegionIndex> {
        let alone = self.rules.kept(Rule::StoreAlone);
        let idle = self.known.iter().filter(|&(index, region)| {
            let used = region.pins > 0 || region.loading || region.storing && alone;
            !used && !wanted.contains(index) && !self.suspect.contains(index)
        });
        let mut idle: Vec<_> = idle.map(|(&index, region)| (region.used, index)).collect();
        let surplus = self.known.len() - (self.kept - self.kept / 8);
        if surplus < idle.len() {
            idle.select_nth_unstable(surplus);
            idle.truncate(surplus);
        }
        let mut unstored = Vec::new();
        for (_, index) in idle {
            let region = self.known.get(&index);
            if region.is_some_and(|it| it.unstored) && self.rules.kept(Rule::StoreEvicted) {
                unstored.push(index);
            } else {
                self.known.remove(&index);
            }
        }
        self.evicting = !unstored.is_empty();
        unstored
    }

    /// What was to be stored so that it can be forgotten is, or could not be.
    pub fn evicted(&mut self) {
        self.evicting = false;
    }

    /// Begins to store those of the regions whose page is newer than the file's: answers their pages, and
    /// [`Self::stored`] must follow for each.
    pub fn store(
        &mut self,
        regions: impl IntoIterator<Item = RegionIndex>,
    ) -> Vec<(RegionIndex, Box<SumsPage>)> {
        let mut pages = Vec::new();
        for index in regions {
            if let Some(region) = self.known.get_mut(&index)
                && region.unstored
                && let Some(page) = &region.page
            {
                pages.push((index, page.clone()));
                region.unstored = false;
                region.storing = true;
            }
        }
        pages
    }

    /// The file has the page, or not; it may have changed since.
    pub fn stored(&mut self, index: RegionIndex, well: bool) {
        self.uses += 1;
        if let Some(region) = self.known.get_mut(&index) {
            region.storing = false;
            if !well {
                region.unstored = true;
                // Others go first the next time.
                region.used = self.uses;
            } else if !self.rules.kept(Rule::StoreAnew) {
                region.unstored = false;
            }
        }
    }

    /// Whether one of the regions is being stored.
    pub fn is_storing(&self, regions: &BTreeSet<RegionIndex>) -> bool {
        let storing = |index| self.known.get(index).is_some_and(|region| region.storing);
        regions.iter().any(storing) && self.rules.kept(Rule::StoreAlone)
    }

    /// Holds the pages of a span that is ready until [`Self::unpin`]; answers its blocks' sums.
    pub fn pin(&mut self, span: Span) -> Vec<u32> {
        self.uses += 1;
        let mut sums = Vec::with_capacity(span.count as usize);
        for (index, blocks) in span.parts() {
            let region = self.known.entry(index).or_default();
            region.pins += 1;
            region.used = self.uses;
            match &region.page {
                Some(page) => sums.extend_from_slice(&page[blocks]),
                None => sums.resize(sums.len() + blocks.len(), HOLE),
            }
        }
        sums
    }

    pub fn unpin(&mut self, span: Span) {
        for index in span.regions() {
            if let Some(region) = self.known.get_mut(&index) {
                region.pins = region.pins.saturating_sub(1);
            }
        }
    }

    /// Notes the sums of a pinned span's blocks as they are now.
    pub fn set(&mut self, span: Span, mut sums: &[u32]) {
        for (index, blocks) in span.parts() {
            let (now, rest) = sums.split_at(blocks.len().min(sums.len()));
            sums = rest;
            if let Some(region) = self.known.get_mut(&index)
                && let Some(page) = &mut region.page
                && now.len() == blocks.len()
            {
                page[blocks].copy_from_slice(now);
                region.unstored = true;
            }
        }
    }

    /// A write to the span failed half way: its regions' sums count no more.
    pub fn suspect(&mut self, span: Span) {
        self.suspect.extend(span.regions());
    }

    pub fn suspects(&self) -> usize {
        self.suspect.len()
    }

    pub fn suspect_regions(&self) -> Vec<RegionIndex> {
        self.suspect.iter().copied().collect()
    }

    pub fn is_suspect(&self, index: RegionIndex) -> bool {
        self.suspect.contains(&index)
    }

    /// Forgets the sums that can be loaded again and that nobody uses.
    pub fn rest(&mut self) {
        let suspect = &self.suspect;
        self.known.retain(|index, region| {
            let used = region.pins > 0 || region.loading || region.storing;
            used || region.unstored || suspect.contains(index)
        });
    }

    /// Whether the sums of every region of an extent count.
    pub fn all_count(&self, extent: ExtentIndex) -> bool {
        let first = extent.0 * REGIONS_PER_EXTENT;
        let regions = RegionIndex(first)..RegionIndex(first + REGIONS_PER_EXTENT);
        self.suspect.range(regions).next().is_none()
    }

    /// The extent is gone; nothing of it is under way.
    pub fn forget(&mut self, extent: ExtentIndex) {
        let first = extent.0 * REGIONS_PER_EXTENT;
        for index in (first..first + REGIONS_PER_EXTENT).map(RegionIndex) {
            self.suspect.remove(&index);
            self.known.remove(&index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Regions, Span, Touch};
    use crate::rules::Rules;
    use crate::{ExtentIndex, RegionIndex};
    use std::collections::BTreeSet;

    #[test]
    fn a_span_may_cross_regions() {
        let span = Span::new(ExtentIndex(2), (4 << 20) - 100, 200);
        assert_eq!((span.first, span.count), (1023, 2));
        let regions: Vec<_> = span.regions().collect();
        assert_eq!(regions, [RegionIndex(32), RegionIndex(33)]);
    }

    #[test]
    fn rest_keeps_what_is_in_use_or_cannot_be_loaded_again() {
        let span = |region: u64| {
            Span::new(
                RegionIndex(region).extent(),
                region as u32 * (4 << 20),
                4096,
            )
        };
        let mut regions = Regions::new(Rules::default(), BTreeSet::new());
        for region in 0..3 {
            regions.touch(RegionIndex(region));
            regions.loaded(RegionIndex(region), Box::new([3; 1024]));
        }
        regions.pin(span(1));
        regions.suspect(span(2));
        regions.rest();
        let known = [0, 1, 2].map(|region| regions.known(RegionIndex(region)).is_some());
        assert_eq!(known, [false, true, true]);
    }

    #[test]
    fn the_sums_used_longest_ago_go_first() {
        let mut regions = Regions::new(Rules::default(), BTreeSet::new());
        regions.keep(16);
        let load = |regions: &mut Regions, region: u64| {
            regions.touch(RegionIndex(region));
            regions.loaded(RegionIndex(region), Box::new([3; 1024]));
        };
        let first = Span::new(ExtentIndex(0), 0, 4096);
        for region in 0..16 {
            load(&mut regions, region);
        }
        regions.pin(first);
        regions.unpin(first);
        load(&mut regions, 16);
        assert!(regions.has_surplus());
        let nobody = BTreeSet::new();
        assert_eq!(regions.evict(&nobody), []);
        let known = |regions: &Regions| -> Vec<u64> {
            let known = regions.known.keys();
            known.map(|index| index.0).collect()
        };
        assert_eq!(known(&regions)[..3], [0, 4, 5], "1 to 3 are gone");
        regions.keep(8);
        let wanted = BTreeSet::from([RegionIndex(4)]);
        regions.evict(&wanted);
        assert_eq!(known(&regions), [0, 4, 12, 13, 14, 15, 16]);
    }

    #[test]
    fn what_the_file_does_not_have_is_forgotten_once_it_is_stored() {
        let nobody = BTreeSet::new();
        let mut regions = Regions::new(Rules::default(), BTreeSet::new());
        regions.keep(1);
        let write = |regions: &mut Regions, region: u64, sum| {
            let span = Span::new(ExtentIndex(0), region as u32 * (4 << 20), 4096);
            regions.pin(span);
            regions.set(span, &[sum]);
            regions.unpin(span);
        };
        let (first, second) = (RegionIndex(0), RegionIndex(1));
        for region in [first, second] {
            regions.touch(region);
            regions.loaded(region, Box::new([3; 1024]));
            write(&mut regions, region.0, 4);
        }
        assert_eq!(regions.evict(&nobody), [first]);
        assert!(!regions.has_surplus(), "that one is on its way");
        let pages = regions.store([first]);
        assert_eq!((pages[0].0, &pages[0].1[..2]), (first, &[4, 3][..]));
        assert!(regions.is_storing(&BTreeSet::from([first])));
        // It changes meanwhile, and is the newest.
        write(&mut regions, 0, 5);
        regions.stored(first, true);
        regions.evicted();
        // One that could not be stored does not hold up the others.
        for (region, well) in [(second, false), (first, false), (second, true)] {
            assert_eq!(regions.evict(&nobody), [region]);
            regions.store([region]);
            regions.stored(region, well);
            regions.evicted();
        }
        assert_eq!(regions.evict(&nobody), []);
        assert!(regions.known(second).is_none());
        assert_eq!(regions.store([first]).len(), 1, "it changed since");
    }

    #[test]
    fn a_suspect_region_is_summed_anew_once_nobody_uses_it() {
        let span = Span::new(ExtentIndex(0), 0, 4096);
        let mut regions = Regions::new(Rules::default(), BTreeSet::new());
        assert_eq!(
            regions.touch(RegionIndex(0)),
            Touch::Load { suspect: false }
        );
        assert_eq!(regions.touch(RegionIndex(0)), Touch::Wait);
        regions.loaded(RegionIndex(0), Box::new([3; 1024]));
        assert_eq!(regions.pin(span), [3]);
        regions.suspect(span);
        assert_eq!(regions.touch(RegionIndex(0)), Touch::Wait);
        regions.unpin(span);
        assert_eq!(regions.touch(RegionIndex(0)), Touch::Load { suspect: true });
        regions.loaded(RegionIndex(0), Box::new([4; 1024]));
        assert_eq!(regions.touch(RegionIndex(0)), Touch::Ready);
    }
}

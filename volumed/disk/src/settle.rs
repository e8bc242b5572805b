//! Writing sums to their file, and making regions clean (V5).

use std::io::ErrorKind;

use volumed_core::VolumeId;
use volumed_core::format::SumsHeader;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskAnswer, DiskFault, DiskResult, RegionSums};

use crate::Disk;
use crate::extent_file::OpenExtent;

impl Disk {
    /// Writes sums into the page cache.
    pub(crate) fn store_sums(&self, volume: VolumeId, pages: &[RegionSums]) -> DiskResult {
        for of_region in pages {
            let file = of_region.file;
            self.make_way(volume, file)?;
            match self.files.get(volume, file) {
                Ok(extent) => self.store_page(&extent, of_region)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(self.fault(&error)),
            }
        }
        self.files.close_surplus();
        Ok(DiskAnswer::Done)
    }

    pub(crate) fn settle(
        &self,
        volume: VolumeId,
        files: &[(ExtentFile, u32)],
        pages: &[RegionSums],
    ) -> DiskResult {
        let names: Vec<_> = files.iter().map(|(file, _)| *file).collect();
        self.in_parallel(volume, &names, |extent, file| {
            for of_region in pages.iter().filter(|page| page.file == file) {
                self.store_page(extent, of_region)?;
            }
            let of_file = files.iter().find(|(other, _)| *other == file);
            let header = SumsHeader {
                volume,
                extent: file.extent,
                alloc: file.alloc,
                allocated: of_file.map_or(0, |(_, allocated)| *allocated),
            };
            extent
                .store_header(&header)
                .map_err(|error| self.write_fault(&error))?;
            let synced = extent.sync_data().and_then(|()| extent.sync_sums());
            synced.map_err(|error| self.fail(&error))
        })
    }

    fn store_page(&self, extent: &OpenExtent, of_region: &RegionSums) -> Result<(), DiskFault> {
        let stored = extent.store_page(of_region.region, &of_region.page);
        stored.map_err(|error| self.write_fault(&error))
    }
}

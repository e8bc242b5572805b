//! The kernel's devices, as sysfs shows them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use volumed_node::{OwnerId, VolumeName};

use super::error::KernelError;
use super::name::KernelDevice;

impl KernelDevice {
    /// Every device that has an attachment of ours.
    pub fn attached() -> Result<Vec<(Self, Attachment)>, KernelError> {
        let path = PathBuf::from("/sys/block");
        let entries = fs::read_dir(&path).map_err(|source| KernelError::System { path, source })?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let devices = names.filter_map(|name| format!("/dev/{}", name.to_str()?).parse().ok());
        Ok(devices
            .filter_map(|device: Self| Some((device, device.attachment()?)))
            .collect())
    }

    /// Whether it serves anything.
    pub fn in_use(self) -> bool {
        self.file("pid").exists()
    }

    /// What it serves, if that was attached by this program.
    pub fn attachment(self) -> Option<Attachment> {
        let backend = fs::read_to_string(self.file("backend")).ok()?;
        backend.trim_end().parse().ok()
    }

    /// In bytes.
    pub fn size(self) -> Result<u64, KernelError> {
        let sectors: u64 = self.read("size")?.parse().unwrap_or(0);
        Ok(sectors * 512)
    }

    /// Its number as `MAJOR:MINOR`.
    pub fn number(self) -> Result<String, KernelError> {
        self.read("dev")
    }

    /// Opens it such that nobody else may mount it or hold it meanwhile.
    pub fn claim(self) -> Result<File, KernelError> {
        let path = PathBuf::from(self.to_string());
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_EXCL)
            .open(&path);
        file.map_err(|source| match source.kind() {
            io::ErrorKind::ResourceBusy => KernelError::Held(self),
            io::ErrorKind::PermissionDenied => KernelError::NotRoot,
            _ => KernelError::System { path, source },
        })
    }

    /// Has the kernel look this often at each request that is not answered yet, instead of every 30 s.
    pub fn look_at_requests_every(self, pause: Duration) -> Result<(), KernelError> {
        let path = self.file("queue/io_timeout");
        let written = fs::write(&path, pause.as_millis().to_string());
        written.map_err(|source| KernelError::System { path, source })
    }

    fn read(self, name: &str) -> Result<String, KernelError> {
        let path = self.file(name);
        let text = fs::read_to_string(&path);
        let text = text.map_err(|source| KernelError::System { path, source })?;
        Ok(text.trim_end().to_owned())
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/sys/block/nbd{}/{name}", self.0))
    }
}

/// Whose attachment a device serves, as the kernel keeps it: `hayrack/VOLUME#TOKEN/OWNER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub volume: VolumeName,
    /// The export's lasting name, `VOLUME#TOKEN`.
    pub export: String,
    pub owner: OwnerId,
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hayrack/{}/{}", self.export, self.owner)
    }
}

/// The text is not an [`Attachment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAttachment;

impl FromStr for Attachment {
    type Err = InvalidAttachment;

    fn from_str(text: &str) -> Result<Self, InvalidAttachment> {
        let text = text.strip_prefix("hayrack/").ok_or(InvalidAttachment)?;
        let (export, owner) = text.split_once('/').ok_or(InvalidAttachment)?;
        let (volume, _) = export.split_once('#').ok_or(InvalidAttachment)?;
        Ok(Self {
            export: export.to_owned(),
            volume: volume.parse().map_err(|_| InvalidAttachment)?,
            owner: owner.parse().map_err(|_| InvalidAttachment)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Attachment;

    #[test]
    fn an_attachment_survives_the_kernel() {
        let text = "hayrack/pg.data-1#77aa/host:/dev/nbd0:1a2b";
        let attachment: Attachment = text.parse().unwrap();
        assert_eq!(attachment.volume.as_str(), "pg.data-1");
        assert_eq!(attachment.export, "pg.data-1#77aa");
        assert_eq!(attachment.owner.as_str(), "host:/dev/nbd0:1a2b");
        assert_eq!(attachment.to_string(), text);
        for foreign in [
            "",
            "hayrack/",
            "hayrack/a#1",
            "hayrack/a/b",
            "hayrack/#1/b",
            "other/a#1/b",
        ] {
            assert!(foreign.parse::<Attachment>().is_err(), "{foreign}");
        }
    }
}

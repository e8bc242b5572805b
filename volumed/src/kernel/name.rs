//! How the kernel's devices are called.

use std::fmt;
use std::str::FromStr;

/// `/dev/nbdN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelDevice(pub u32);

/// The text is not a [`KernelDevice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device of the kernel's NBD client is called /dev/nbd0, /dev/nbd1 and so on")]
pub struct InvalidDevice;

impl FromStr for KernelDevice {
    type Err = InvalidDevice;

    fn from_str(text: &str) -> Result<Self, InvalidDevice> {
        let number = text.strip_prefix("/dev/nbd").ok_or(InvalidDevice)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let index = number.parse().map_err(|_| InvalidDevice)?;
        // The kernel has a signed number, and minor numbers of 20 bits.
        (digits && index < 1 << 20)
            .then_some(Self(index))
            .ok_or(InvalidDevice)
    }
}

impl fmt::Display for KernelDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/dev/nbd{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::KernelDevice;

    #[test]
    fn devices_are_named_as_the_kernel_names_them() {
        assert_eq!("/dev/nbd12".parse(), Ok(KernelDevice(12)));
        assert_eq!(KernelDevice(12).to_string(), "/dev/nbd12");
        for bad in [
            "nbd0",
            "/dev/nbd",
            "/dev/nbd0p1",
            "/dev/nbd+1",
            "/dev/sda",
            "/dev/nbd9999999",
        ] {
            assert!(bad.parse::<KernelDevice>().is_err(), "{bad}");
        }
    }
}

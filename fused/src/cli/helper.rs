//! The command lines that mount(8) writes, for `/etc/fstab` and systemd's mount units: it runs
//! `mount.fused s3://bucket /mnt -o option,option=value`, where `mount.fused` is another name of this
//! program.

use std::ffi::OsString;
use std::path::Path;

/// The name of this program under which mount(8) calls it.
const NAME: &str = "mount.fused";

/// Options that mount(8), systemd and mount units understand themselves, or that are what is done in
/// any case.
const OTHERS: [&str; 22] = [
    "rw", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "defaults",
    "_netdev", "dev", "nodev", "suid", "nosuid", "exec", "noexec", "atime", "noatime", "relatime",
    "async", "sync",
];

/// The same as a command line of `fused`; `None`: mount(8) did not write it.
pub fn translate(arguments: &[OsString]) -> Option<Result<Vec<OsString>, String>> {
    let name = Path::new(arguments.first()?).file_name()?;
    if name != NAME {
        return None;
    }
    Some(mount(arguments))
}

fn mount(arguments: &[OsString]) -> Result<Vec<OsString>, String> {
    let mut command: Vec<OsString> = vec!["fused".into(), "mount".into()];
    let mut given = arguments[1..].iter();
    while let Some(argument) = given.next() {
        match argument.to_str() {
            // Sloppy, verbose, no entry in mtab.
            Some("-s" | "-v" | "-n") => {}
            Some("-o") => {
                let options = given.next().and_then(|it| it.to_str());
                for option in options.unwrap_or_default().split(',') {
                    command.extend(flag(option)?);
                }
            }
            Some(other) if other.starts_with('-') => {
                return Err(format!("{NAME} does not know {other}"));
            }
            _ => command.push(argument.clone()),
        }
    }
    Ok(command)
}

/// An option of mount(8) as a flag of `fused mount`: `endpoint=URL` is `--endpoint=URL`.
fn flag(option: &str) -> Result<Option<OsString>, String> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    };
    if name.is_empty() || OTHERS.contains(&name) || name.starts_with("x-") {
        return Ok(None);
    }
    let name = match name {
        "ro" => "read-only".to_owned(),
        other => other.replace('_', "-"),
    };
    if !name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-') {
        return Err(format!("{option:?} is no option of {NAME}"));
    }
    Ok(Some(match value {
        Some(value) => format!("--{name}={value}").into(),
        None => format!("--{name}").into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> Option<Result<String, String>> {
        let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let translated = translate(&arguments)?;
        Some(translated.map(|it| it.join(" ".as_ref()).into_string().unwrap()))
    }

    #[test]
    fn fstab_options_are_flags() {
        let line = "/sbin/mount.fused s3://blue /mnt -s -o rw,_netdev,x-systemd.automount,allow_other,\
                    endpoint=http://h:1,file_mode=600,ro";
        let expected = "fused mount s3://blue /mnt --allow-other --endpoint=http://h:1 \
                        --file-mode=600 --read-only";
        assert_eq!(translated(line), Some(Ok(expected.into())));
        assert_eq!(translated("/usr/bin/fused mount s3://blue /mnt"), None);
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for line in ["mount.fused s3://b /m -o A b", "mount.fused s3://b /m -x"] {
            assert!(translated(line).unwrap().is_err(), "{line}");
        }
    }
}

//! What the kernel tells of processes.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;

/// A figure of `/proc/PID/status` in MiB: `VmHWM:` is the most memory that the process has held,
/// `VmRSS:` what it holds now.
pub fn memory_of(pid: i32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone: it died during the run"))?;
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"))
        .with_context(|| format!("the kernel reports no {field}"))?
        .parse()?;
    Ok(kibibytes / 1024.0)
}

/// Processor time that a process has used so far, in seconds.
pub fn processor_time(pid: i32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone: it died during the run"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a process has a state")?;
    // utime and stime, counted from the state on.
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.sum::<Result<_, _>>()?;
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?;
    Ok(ticks / a_second.context("the kernel counts no ticks")? as f64)
}

/// A process and all that it started, directly or not.
pub fn family(pid: i32) -> Vec<i32> {
    let parents = parents();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|it| *it.1 == parent).map(|it| *it.0));
        next += 1;
    }
    family
}

/// The parent of each process.
fn parents() -> BTreeMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it is in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        Some((pid, fields.split(' ').nth(1)?.parse().ok()?))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_belongs_to_the_family() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let family = family(own);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(family.contains(&own) && family.contains(&pid), "{family:?}");
    }
}

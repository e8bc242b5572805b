//! The controls of `core_power_loss`, `core_copying`, `core_replicas` and `core_rebuild`: whatever is broken on purpose, some seed finds it.
//!
//! One alone: `HAYRACK_BROKEN=Fence cargo test -p hayrack-sim --test core_rules -- --nocapture`.

use std::panic::catch_unwind;

use hayrack_sim::core_volume::{Broken, Lie, Rule, Volume, live, move_extents, rebuild, replicate};

/// How many seeds are tried at most.
const SEEDS: u64 = 3_000;

/// The first seed under which something is wrong that is well otherwise, and what.
fn first_failure(broken: Broken) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let wrong = failure(seed, broken, broken)?;
        let otherwise = failure(seed, broken, Broken::Nothing);
        otherwise.is_none().then_some((seed, wrong))
    })
}

/// What is wrong under a seed in the world that `about` is about. A debug assertion of the core counts.
fn failure(seed: u64, about: Broken, broken: Broken) -> Option<String> {
    let volume = Volume {
        // Few of the rules are about several disks.
        disks: if seed % 8 >= 5 { 2 } else { 1 },
        lives: 4,
        broken,
    };
    let wrong = catch_unwind(|| {
        if is_about_replicas(about) {
            let nodes = if seed.is_multiple_of(2) { 2 } else { 3 };
            replicate(seed, nodes, volume.lives, broken).map(|_| ())
        } else if is_about_rebuilding(about) {
            rebuild(seed, volume.lives, broken).map(|_| ())
        } else if is_about_copies(about) {
            move_extents(seed, volume.lives, broken).map(|_| ())
        } else {
            live(seed, volume)
        }
    });
    match wrong {
        Ok(wrong) => wrong.err(),
        Err(_) => Some("an assertion failed".to_owned()),
    }
}

/// Whether it is broken only where there are several replicas.
fn is_about_replicas(broken: Broken) -> bool {
    matches!(
        broken,
        Broken::Rule(
            Rule::EveryReplica
                | Rule::OneRefuses
                | Rule::RecordStale
                | Rule::LastInSync
                | Rule::ResyncDurable
                | Rule::NoteMissed
                | Rule::MissedBefore
                | Rule::LostFiles
                | Rule::AgreeFirst
                | Rule::AgreeAfter
                | Rule::FollowersBehind
                | Rule::RestartedIsNoSource
                | Rule::LastMayLack
                | Rule::ReadRepair
        )
    )
}

/// Whether it is broken only where extents with several replicas move.
fn is_about_rebuilding(broken: Broken) -> bool {
    matches!(
        broken,
        Broken::Lie(Lie::PlacesUnnoted)
            | Broken::Rule(
                Rule::LastStays
                    | Rule::LeavingIsNone
                    | Rule::CopyLeft
                    | Rule::RemovedFirst
                    | Rule::NothingHeld
                    | Rule::ShareMissed
                    | Rule::AgreeDurably
            )
    )
}

/// Whether it is broken only where extents move.
fn is_about_copies(broken: Broken) -> bool {
    matches!(
        broken,
        Broken::Lie(Lie::GuessesSwitch)
            | Broken::Rule(
                Rule::CopyAlone
                    | Rule::CopyBoth
                    | Rule::CopyGivenUp
                    | Rule::CopySettled
                    | Rule::CopyMarks
                    | Rule::CopyDamage
                    | Rule::LostRead
                    | Rule::LostMerge
                    | Rule::MendDurable
                    | Rule::MendNoted
            )
    )
}

/// What breaks of `all` is not noticed.
fn unnoticed(all: impl Iterator<Item = Broken>) -> Vec<String> {
    let only = std::env::var("HAYRACK_BROKEN").ok();
    let name = |broken: &Broken| match broken {
        Broken::Nothing => String::new(),
        Broken::Rule(rule) => format!("{rule:?}"),
        Broken::Lie(lie) => format!("{lie:?}"),
    };
    let all = all.filter(|broken| only.as_ref().is_none_or(|only| *only == name(broken)));
    let unnoticed = all.filter(|&broken| match first_failure(broken) {
        Some((seed, wrong)) => {
            println!("{}: seed {seed}: {wrong}", name(&broken));
            false
        }
        None => true,
    });
    unnoticed.map(|broken| name(&broken)).collect()
}

/// Rules that are noticed late: by hand, each with `HAYRACK_BROKEN`. They have tests of their own in `volumed/core/tests`.
const BY_HAND: [Rule; 9] = [
    Rule::ShareMissed,
    Rule::LeavingIsNone,
    Rule::CopyLeft,
    Rule::RemovedFirst,
    Rule::AgreeAfter,
    Rule::ResyncDurable,
    Rule::RecordStale,
    Rule::NothingHeld,
    Rule::MendDurable,
];

#[test]
fn every_broken_rule_is_noticed() {
    let by_hand = std::env::var_os("HAYRACK_BROKEN").is_some();
    let rules = Rule::ALL.into_iter();
    let rules = rules.filter(|rule| by_hand || !BY_HAND.contains(rule));
    let rules = rules.map(Broken::Rule);
    assert_eq!(unnoticed(rules), Vec::<String>::new());
}

#[test]
fn every_lie_of_what_is_around_them_is_noticed() {
    let lies = Lie::ALL.into_iter().map(Broken::Lie);
    assert_eq!(unnoticed(lies), Vec::<String>::new());
}

/// The names in the first column of the README's tables.
fn listed() -> Vec<String> {
    let readme = include_str!("../README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names: Vec<String> = rows
        .filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn the_readme_lists_what_is_broken() {
    let rules = Rule::ALL.into_iter().map(|rule| format!("{rule:?}"));
    let lies = Lie::ALL.into_iter().map(|lie| format!("{lie:?}"));
    let of_the_bucket = s3d_bucket::rules::Rule::ALL.into_iter();
    let of_the_bucket = of_the_bucket.map(|rule| format!("{rule:?}"));
    let mut broken: Vec<String> = rules.chain(lies).chain(of_the_bucket).collect();
    broken.sort();
    assert_eq!(listed(), broken);
}

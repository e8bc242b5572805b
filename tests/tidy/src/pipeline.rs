//! What the pipeline runs: each line of a script is a call of make with targets that the Makefile has, and each job waits for
//! jobs and belongs to a stage that there are. GitLab reports such a slip only when the pipeline runs.
//!
//! The file is read by its indentation, which is two spaces a level: no more of YAML is used in it than this reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::Tree;

const PIPELINE: &str = ".gitlab-ci.yml";
const MAKEFILE: &str = "Makefile";

/// Keys at the top that are no jobs.
const SETTINGS: [&str; 5] = ["default", "include", "stages", "variables", "workflow"];

/// A job, as far as it is checked.
#[derive(Debug, Default)]
struct Job<'a> {
    stage: Option<&'a str>,
    needs: Vec<&'a str>,
    script: Vec<&'a str>,
}

/// Scripts that are no calls of make, unknown targets, jobs and stages.
pub fn offences(tree: &Tree) -> Vec<String> {
    let (Some(pipeline), Some(makefile)) = (tree.text(PIPELINE), tree.text(MAKEFILE)) else {
        return vec![format!("{PIPELINE} or {MAKEFILE} is missing")];
    };
    let (stages, jobs) = read(pipeline);
    let targets = targets(makefile);
    let mut found = Vec::new();
    for (name, job) in &jobs {
        let of_job = check(job, &stages, &jobs, &targets);
        found.extend(of_job.map(|offence| format!("{PIPELINE}: {name} {offence}")));
    }
    found
}

fn check<'a>(
    job: &'a Job<'a>,
    stages: &'a [&str],
    jobs: &'a BTreeMap<&str, Job<'_>>,
    targets: &'a BTreeSet<&str>,
) -> impl Iterator<Item = String> + 'a {
    let stage = match job.stage {
        None => Some("has no stage".to_owned()),
        Some(stage) if stages.contains(&stage) => None,
        Some(stage) => Some(format!("is of the stage {stage}, which there is not")),
    };
    let empty = job.script.is_empty().then(|| "runs nothing".to_owned());
    let needs = job.needs.iter().filter(|need| !jobs.contains_key(*need));
    let needs = needs.map(|need| format!("waits for {need}, which there is not"));
    let scripts = job.script.iter();
    let scripts = scripts.filter_map(|line| wrong_call(line, targets));
    stage.into_iter().chain(empty).chain(needs).chain(scripts)
}

/// What is wrong with a line of a script.
fn wrong_call(line: &str, targets: &BTreeSet<&str>) -> Option<String> {
    let mut words = line.split_whitespace();
    if words.next() != Some("make") {
        return Some(format!("runs {line:?}, which is no call of make"));
    }
    let mut named = words.filter(|word| !word.contains('=')).peekable();
    if named.peek().is_none() {
        return Some(format!("runs {line:?}, which names no target"));
    }
    let unknown = named.find(|target| !targets.contains(target))?;
    Some(format!("makes {unknown}, which the {MAKEFILE} has not"))
}

/// The targets of a Makefile: the words before a colon at the start of a line.
fn targets(makefile: &str) -> BTreeSet<&str> {
    let rules = makefile.lines().filter_map(|line| {
        let (targets, rest) = line.split_once(':')?;
        let is_rule = !line.starts_with(['\t', '#', ' ', '.']) && !rest.starts_with('=');
        is_rule.then_some(targets)
    });
    rules.flat_map(str::split_whitespace).collect()
}

/// The stages and the jobs of a pipeline.
fn read(pipeline: &str) -> (Vec<&str>, BTreeMap<&str, Job<'_>>) {
    let mut stages = Vec::new();
    let mut jobs = BTreeMap::<&str, Job<'_>>::new();
    let (mut job, mut key) = ("", "");
    for line in pipeline.lines() {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match line.len() - text.len() {
            0 if name == "stages" => stages = list(value),
            0 => job = name,
            2 => key = name,
            _ => {}
        }
        if SETTINGS.contains(&job) || job.is_empty() {
            continue;
        }
        let read = jobs.entry(job).or_default();
        match (line.len() - text.len(), key) {
            (2, "stage") => read.stage = Some(value.trim()),
            (2, "needs") => read.needs = list(value),
            (4, "script" | "before_script" | "after_script") => {
                read.script.push(text.trim_start_matches("- "));
            }
            _ => {}
        }
    }
    (stages, jobs)
}

/// The items of `[a, b]`.
fn list(value: &str) -> Vec<&str> {
    let items = value.trim().trim_matches(['[', ']']).split(',');
    items
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKE: &str = ".PHONY: a\nNAME := x:y\na b: c\n\tcargo: build\n# d: no\n";

    fn found(pipeline: &str) -> Vec<String> {
        offences(&Tree::of(&[(PIPELINE, pipeline), (MAKEFILE, MAKE)]))
    }

    #[test]
    fn calls_of_known_targets_pass() {
        let pipeline = "# why\nstages: [one, two]\n\nvariables:\n  NAME: x\n\nfirst:\n  stage: one\n  script:\n    - make a\n\
            last:\n  stage: two\n  needs: [first]\n  script:\n    - make b NAME=y\n";
        assert_eq!(found(pipeline), [""; 0]);
    }

    #[test]
    fn slips_are_found_with_their_job() {
        let pipeline = "stages: [one]\nfirst:\n  stage: two\n  needs: [zeroth]\n  script:\n    - make d\n    - cargo build\n    - make NAME=x\n\
            empty:\n  stage: one\n";
        let found = found(pipeline);
        let expected = [
            "empty runs nothing",
            "stage two",
            "zeroth",
            "makes d",
            "no call of make",
            "names no target",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (offence, part) in found.iter().zip(expected) {
            assert!(offence.contains(part), "{offence}: {part}");
        }
    }

    #[test]
    fn a_tree_without_a_pipeline_is_an_offence() {
        assert_eq!(offences(&Tree::of(&[])).len(), 1);
    }
}

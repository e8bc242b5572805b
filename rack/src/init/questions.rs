//! The five questions: what the flags leave open is asked for at a terminal.

use std::fmt::Display;
use std::io;
use std::str::FromStr;

use rack_model::Mac;
use rack_model::models::{self, NodeModel};
use rack_model::names::{Domain, Label};

use super::answers::Answers;
use super::args::InitArgs;
use crate::terminal;

/// Why the answers are not there.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// Nobody is there to be asked.
    #[error("there is no terminal to ask at: add {0}")]
    Missing(String),
    /// The terminal is gone.
    #[error("there was no answer: {0}")]
    Io(#[from] io::Error),
}

/// The answers of the flags, completed by a person if there is one.
pub fn complete(args: &InitArgs, has_person: bool) -> Result<Answers, QuestionError> {
    let missing = missing(args);
    if !has_person && !missing.is_empty() {
        return Err(QuestionError::Missing(missing.join(", ")));
    }
    let (name, domain) = who(args)?;
    let (nodes, model) = machines(args)?;
    Ok(Answers {
        name,
        domain,
        nodes,
        model,
        macs: macs(args, nodes, has_person)?,
        uplink: or_ask(args.uplink.as_ref(), UPLINK)?,
        key: or_ask(args.ssh_key.as_ref(), KEY)?,
    })
}

const UPLINK: &str = "The router's uplink (dhcp, pppoe:USER, or ADDRESS/BITS,GATEWAY,NAMESERVER):";
const KEY: &str = "Your SSH public key, the line or its file (like ~/.ssh/id_ed25519.pub):";

/// The flags that somebody would have to be asked for. MACs may come later.
fn missing(args: &InitArgs) -> Vec<&'static str> {
    let flags = [
        ("--name", args.name.is_some()),
        ("--domain", args.domain.is_some()),
        ("--nodes", args.nodes.is_some()),
        ("--model", args.model.is_some()),
        ("--uplink", args.uplink.is_some()),
        ("--ssh-key", args.ssh_key.is_some()),
    ];
    let absent = flags.into_iter().filter(|(_, is_there)| !is_there);
    absent.map(|(flag, _)| flag).collect()
}

fn who(args: &InitArgs) -> Result<(Label, Domain), QuestionError> {
    if let (Some(name), Some(domain)) = (&args.name, &args.domain) {
        return Ok((name.clone(), domain.clone()));
    }
    ask(
        "What the rack is called, and its domain (like attic example.org):",
        |line| {
            let (name, domain) = two_words(line)?;
            Ok((parse(name)?, parse(domain)?))
        },
    )
}

fn machines(args: &InitArgs) -> Result<(u8, &'static NodeModel), QuestionError> {
    if let (Some(nodes), Some(model)) = (args.nodes, args.model) {
        return Ok((nodes, model));
    }
    let names: Vec<&str> = models::nodes()
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    let question = format!(
        "How many nodes, and which machine (like 3 pi5-8gb; there are {}):",
        names.join(", ")
    );
    ask(&question, |line| {
        let (nodes, model) = two_words(line)?;
        let nodes: u8 = parse(nodes)?;
        if !(1..=12).contains(&nodes) {
            return Err("a rack has 1 to 12 nodes".to_owned());
        }
        let model = NodeModel::find(model).map_err(|error| error.to_string())?;
        Ok((nodes, model))
    })
}

fn macs(args: &InitArgs, nodes: u8, has_person: bool) -> Result<Vec<Mac>, QuestionError> {
    if let Some(macs) = &args.macs {
        return Ok(macs.clone());
    }
    if !has_person {
        return Ok(Vec::new());
    }
    ask(
        "Their MACs in the order of their slots, with spaces between (empty: later):",
        |line| {
            let macs: Result<Vec<Mac>, String> = line.split_whitespace().map(parse).collect();
            let macs = macs?;
            if macs.len() > usize::from(nodes) {
                return Err(format!("these are {} for {nodes} nodes", macs.len()));
            }
            Ok(macs)
        },
    )
}

fn or_ask<T: FromStr + Clone>(flag: Option<&T>, question: &str) -> Result<T, QuestionError>
where
    T::Err: Display,
{
    flag.map_or_else(|| ask(question, parse), |value| Ok(value.clone()))
}

/// Asks until the answer can be read.
fn ask<T>(question: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, QuestionError> {
    let mut question = question.to_owned();
    loop {
        match read(&terminal::ask(&question)?) {
            Ok(answer) => return Ok(answer),
            Err(why) => question = format!("{why}\nOnce more:"),
        }
    }
}

fn two_words(line: &str) -> Result<(&str, &str), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [first, second] => Ok((first, second)),
        _ => Err("these have to be two words".to_owned()),
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

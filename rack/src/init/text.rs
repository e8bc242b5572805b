//! The text of a new rack.toml.

use rack_model::models::{self, Boot, DiskModel};
use rack_model::{PoeClass, Watts};

use super::answers::{Answers, Uplink};

const FORM: &str = include_str!("form.toml");
/// Ports of the switches that are sold.
const SWITCHES: [u8; 3] = [8, 16, 24];
/// What they feed, in watts.
const BUDGETS: [u32; 4] = [120, 190, 370, 740];
/// The first disk of every node.
const CAPACITY: &str = "1TB";

/// The text of a rack.toml with these answers, and usual values for what was not asked.
pub fn of(answers: &Answers) -> String {
    let feed = Feed::of(answers);
    let models = |names: Vec<&str>| names.join(", ");
    FORM.replace("{name}", answers.name.as_str())
        .replace("{domain}", answers.domain.as_str())
        .replace("{wan}", &wan(&answers.uplink))
        .replace("{ports}", &ports(answers.nodes).to_string())
        .replace("{poe}", feed.class.name())
        .replace("{budget}", &feed.budget.to_string())
        .replace("{operator}", answers.key.operator.as_str())
        .replace("{ssh}", answers.key.ssh.as_str())
        .replace(
            "{node-models}",
            &models(
                models::nodes()
                    .iter()
                    .map(|model| model.name.as_str())
                    .collect(),
            ),
        )
        .replace(
            "{disk-models}",
            &models(
                models::disks()
                    .iter()
                    .map(|model| model.name.as_str())
                    .collect(),
            ),
        )
        .replace(
            "{router-models}",
            &models(
                models::routers()
                    .iter()
                    .map(|model| model.name.as_str())
                    .collect(),
            ),
        )
        .replace("{nodes}", &nodes(answers, &feed))
}

fn wan(uplink: &Uplink) -> String {
    match uplink {
        Uplink::Dhcp => "{ device = \"eth1\", address = \"dhcp\" }".to_owned(),
        Uplink::Pppoe(user) => {
            format!("{{ device = \"eth1\", address = \"pppoe\", user = \"{user}\" }}")
        }
        Uplink::Fixed(address, gateway, server) => format!(
            "{{ device = \"eth1\", address = \"{address}\", gateway = \"{gateway}\", dns = [\"{server}\"] }}"
        ),
    }
}

/// The smallest switch with a port for each node and the router.
fn ports(nodes: u8) -> u8 {
    let needed = nodes + 1;
    SWITCHES
        .into_iter()
        .find(|ports| *ports >= needed)
        .unwrap_or(needed)
}

/// How the nodes are fed.
struct Feed {
    disk: &'static DiskModel,
    /// None when each has a supply.
    class: PoeClass,
    budget: u32,
}

impl Feed {
    fn of(answers: &Answers) -> Self {
        let model = answers.model;
        let disk = match model.boot {
            Boot::RaspberryPi => "sata-ssd",
            Boot::Uefi => "nvme-ssd",
        };
        let disk = DiskModel::find(disk).expect("the table has it");
        let each = model.watts.max + disk.watts.max;
        let class = model
            .poe_part
            .as_ref()
            .and_then(|_| PoeClass::that_feeds(each));
        let all: Watts = (0..answers.nodes).map(|_| each).sum();
        let enough = |budget: &u32| f64::from(*budget) >= all.as_watts();
        let budget = BUDGETS.into_iter().find(enough);
        match (class, budget) {
            (Some(class), Some(budget)) => Self {
                disk,
                class,
                budget,
            },
            _ => Self {
                disk,
                class: PoeClass::None,
                budget: 0,
            },
        }
    }
}

fn nodes(answers: &Answers, feed: &Feed) -> String {
    let power = if feed.class == PoeClass::None {
        "supply"
    } else {
        "poe"
    };
    let node = |index: u8| {
        let slot = index + 1;
        let mac = answers.macs.get(usize::from(index)).map_or_else(
            || "# mac = \"…\"             # on the board's label".to_owned(),
            |mac| format!("mac = \"{mac}\""),
        );
        format!(
            "[[node]]\nname = \"node-{slot}\"\nslot = {slot}\nmodel = \"{}\"\n{mac}\n\
             disks = [{{ model = \"{}\", capacity = \"{CAPACITY}\" }}]\npower = \"{power}\"\n",
            answers.model.name, feed.disk.name
        )
    };
    let nodes: Vec<String> = (0..answers.nodes).map(node).collect();
    nodes.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rack_model::{Mac, Rack};

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops";

    fn mac(number: u8) -> Mac {
        format!("dc:a6:32:01:02:{number:02x}").parse().unwrap()
    }

    fn attic() -> Answers {
        Answers {
            name: "attic".parse().unwrap(),
            domain: "example.org".parse().unwrap(),
            nodes: 3,
            model: models::NodeModel::find("pi5-8gb").unwrap(),
            macs: vec![mac(1), mac(2), mac(3)],
            uplink: Uplink::Dhcp,
            key: KEY.parse().unwrap(),
        }
    }

    #[test]
    fn the_example_is_what_is_written() {
        assert_eq!(of(&attic()), include_str!("../../rack.toml"));
    }

    proptest! {
        #[test]
        fn every_rack_that_is_written_can_be_read(
            name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
            domain in "[a-z]{1,20}\\.[a-z]{2,9}",
            nodes in 1_u8..=12,
            model in 0..models::nodes().len(),
            macs in 0_u8..=12,
            uplink in prop_oneof![
                Just(Uplink::Dhcp),
                "[a-zA-Z0-9@./#{} -]{1,20}".prop_map(Uplink::Pppoe),
                Just("198.51.100.2/24,198.51.100.1,192.0.2.53".parse().unwrap()),
            ],
        ) {
            let answers = Answers {
                name: name.parse().unwrap(),
                domain: domain.parse().unwrap(),
                nodes,
                model: &models::nodes()[model],
                macs: (0..macs.min(nodes)).map(mac).collect(),
                uplink,
                ..attic()
            };
            let text = of(&answers);
            let rack = match Rack::parse("rack.toml", &text) {
                Ok(rack) => rack,
                Err(refusal) => return Err(TestCaseError::fail(format!("{refusal}\n{text}"))),
            };
            prop_assert_eq!(rack.nodes.len(), usize::from(nodes));
            prop_assert_eq!(rack.name, answers.name);
            prop_assert_eq!(rack.nodes.iter().filter(|node| node.mac.is_some()).count(), usize::from(macs.min(nodes)));
        }
    }
}

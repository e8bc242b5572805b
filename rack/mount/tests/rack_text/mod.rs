//! Texts of `rack.toml` that differ in what a mount depends on.

use rack_model::{Rack, RackUnits, models::NodeModel};

const REST: &str = r#"
name = "attic"
domain = "example.org"
[network]
nodes = "10.77.0.0/24"
router = "10.77.0.1"
[router]
model = "pi4"
lan = "eth0"
wan = { device = "eth1", address = "dhcp" }
[public]
tls = "nodes"
https_port = 443
[switch]
ports = 16
poe = "802.3bt"
budget_watts = 480
[[operator]]
name = "ops"
ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops"
"#;

/// A text that grows.
#[derive(Debug, Clone)]
pub struct RackText {
    units: RackUnits,
    bed: (f64, f64),
    nodes: String,
}

impl RackText {
    /// Without nodes, for a printer of 220 mm × 220 mm.
    pub fn new(units: RackUnits) -> Self {
        Self {
            units,
            bed: (220.0, 220.0),
            nodes: String::new(),
        }
    }

    /// With another printer.
    pub fn bed(self, x: f64, y: f64) -> Self {
        Self {
            bed: (x, y),
            ..self
        }
    }

    /// With a node that is called after its slot.
    pub fn node(self, slot: u8, model: &str, disk: &str) -> Self {
        self.named(slot, &format!("node-{slot}"), model, disk)
    }

    /// With a node.
    pub fn named(mut self, slot: u8, name: &str, model: &str, disk: &str) -> Self {
        let model_of = NodeModel::find(model).unwrap_or_else(|it| panic!("{it}"));
        let power = match model_of.poe_part {
            Some(_) => "poe",
            None => "supply",
        };
        let node = format!(
            "[[node]]\nname = \"{name}\"\nslot = {slot}\nmodel = \"{model}\"\npower = \"{power}\"\n\
             disks = [{{ model = \"{disk}\", capacity = \"1TB\" }}]\n"
        );
        self.nodes.push_str(&node);
        self
    }

    /// What it describes.
    pub fn rack(&self) -> Rack {
        let (units, (x, y)) = (u8::from(self.units), self.bed);
        let mount =
            format!("[mount]\nunits = {units}\nprinter = {{ x_mm = {x:.1}, y_mm = {y:.1} }}\n");
        Rack::parse("rack.toml", &format!("{REST}{mount}{}", self.nodes))
            .unwrap_or_else(|it| panic!("{it}"))
    }
}

//! The rack as a picture: an SVG of its front, slot by slot, with each node's health and how full its disks are.

use std::fmt::Write as _;

use rack_model::{Rack, RackUnits};

use super::state::{DiskFill, Health, NodeState, RackState};

/// Measures in millimetres (EIA-310): the panel, the opening between the rails, one unit.
const PANEL: f64 = 482.6;
const OPENING: f64 = 450.0;
const UNIT: f64 = 44.45;
const MARGIN: f64 = 8.0;
const LEGEND: f64 = 14.0;

/// The picture, as the text of a file, with a line below it.
pub fn draw(rack: &Rack, state: &RackState, line: &str) -> String {
    let height = f64::from(u8::from(rack.mount.units)) * UNIT;
    let (width, total) = (PANEL + 2.0 * MARGIN, height + LEGEND + 2.0 * MARGIN);
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.2} {total:.2}\" \
         font-family=\"sans-serif\" font-size=\"5\">"
        ),
    );
    put(
        &mut svg,
        format_args!("<title>{}</title>", escape(rack.name.as_str())),
    );
    put(
        &mut svg,
        format_args!(
            "<rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{PANEL}\" height=\"{height:.2}\" rx=\"2\" fill=\"#2b2f36\"/>"
        ),
    );
    draw_ears(&mut svg, height);
    for slot in 1..=rack.mount.units.slots() {
        let node = state.nodes.iter().find(|node| node.slot == slot);
        let frame = Frame::of(rack.mount.units, slot, height);
        draw_slot(&mut svg, &frame, slot, node);
    }
    put(
        &mut svg,
        format_args!(
            "<text x=\"{MARGIN}\" y=\"{:.2}\" fill=\"#2b2f36\">{}</text>",
            MARGIN + height + LEGEND - 3.0,
            escape(line)
        ),
    );
    svg.push_str("</svg>\n");
    svg
}

/// The holes for the rack's screws, at both ends of the panel.
fn draw_ears(svg: &mut String, height: f64) {
    const HOLE: f64 = 6.35;
    for x in [MARGIN + 8.75, MARGIN + PANEL - 8.75] {
        for y in [MARGIN + HOLE, MARGIN + height - HOLE] {
            put(
                svg,
                format_args!(
                    "<ellipse cx=\"{x:.2}\" cy=\"{y:.2}\" rx=\"5\" ry=\"3.2\" fill=\"#fff\"/>"
                ),
            );
        }
    }
}

/// The front of one slot.
struct Frame {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Whether boards stand on edge, so that there is no room for a line of text across.
    upright: bool,
}

impl Frame {
    fn of(units: RackUnits, slot: u8, height: f64) -> Self {
        let pitch = OPENING / f64::from(units.slots());
        Self {
            x: MARGIN + (PANEL - OPENING) / 2.0 + pitch * f64::from(slot - 1) + 1.0,
            y: MARGIN + 3.0,
            width: pitch - 2.0,
            height: height - 6.0,
            upright: units == RackUnits::Two,
        }
    }
}

fn draw_slot(svg: &mut String, frame: &Frame, slot: u8, node: Option<&NodeState>) {
    let Frame {
        x,
        y,
        width,
        height,
        ..
    } = frame;
    let fill = if node.is_some() { "#3d434d" } else { "none" };
    put(
        svg,
        format_args!(
            "<g><rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" rx=\"1.5\" fill=\"{fill}\" \
         stroke=\"#59606c\" stroke-width=\"0.5\"/>"
        ),
    );
    let Some(node) = node else {
        let (middle, line) = (x + width / 2.0, y + height / 2.0 + 2.0);
        put(
            svg,
            format_args!(
                "<text x=\"{middle:.2}\" y=\"{line:.2}\" text-anchor=\"middle\" fill=\"#59606c\">{slot}</text></g>"
            ),
        );
        return;
    };
    let tooltip = match node.health.reason() {
        Some(reason) => format!("{}: {}", node.name, reason),
        None => format!("{}: {}", node.name, node.health),
    };
    put(svg, format_args!("<title>{}</title>", escape(&tooltip)));
    put(
        svg,
        format_args!(
            "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"2\" fill=\"{}\"/>",
            x + 5.0,
            y + 5.0,
            colour(&node.health)
        ),
    );
    draw_name(svg, frame, &node.name);
    for (index, disk) in node.disks.iter().flatten().enumerate() {
        draw_disk(svg, frame, index, disk);
    }
    svg.push_str("</g>\n");
}

fn draw_name(svg: &mut String, frame: &Frame, name: &str) {
    let name = escape(name);
    if frame.upright {
        let (x, y) = (frame.x + 8.0, frame.y + frame.height - 4.0);
        put(
            svg,
            format_args!(
                "<text transform=\"translate({x:.2} {y:.2}) rotate(-90)\" fill=\"#e8eaed\">{name}</text>"
            ),
        );
    } else {
        let (x, y) = (frame.x + 9.0, frame.y + 6.8);
        put(
            svg,
            format_args!("<text x=\"{x:.2}\" y=\"{y:.2}\" fill=\"#e8eaed\">{name}</text>"),
        );
    }
}

/// A bar that fills from its bottom, with how full it is above it.
fn draw_disk(svg: &mut String, frame: &Frame, index: usize, disk: &DiskFill) {
    const WIDTH: f64 = 7.0;
    let x = frame.x + frame.width - (WIDTH + 4.0) * (index as f64 + 1.0);
    let (top, height) = (frame.y + 12.0, frame.height - 16.0);
    let share = match disk.capacity {
        0 => 0.0,
        capacity => (disk.used as f64 / capacity as f64).min(1.0),
    };
    let percent = format!("{:.0} %", share * 100.0);
    let (filled, middle) = (height * share, x + WIDTH / 2.0);
    let (fill, edge) = bar_colours(disk.online, share);
    let id = escape(&disk.id);
    put(svg, format_args!("<g><title>{id}: {percent} full</title>"));
    bar(svg, [x, top, WIDTH, height], "#23262b", edge);
    bar(svg, [x, top + height - filled, WIDTH, filled], fill, "none");
    put(
        svg,
        format_args!(
            "<text x=\"{middle:.2}\" y=\"{:.2}\" font-size=\"4\" text-anchor=\"middle\" fill=\"#c4c9d1\">{percent}</text></g>",
            top - 2.0
        ),
    );
}

/// What fills a bar, and its edge.
fn bar_colours(is_online: bool, share: f64) -> (&'static str, &'static str) {
    match is_online {
        false => ("#d9534f", "#d9534f"),
        true if share > 0.85 => ("#e0a030", "#8a929f"),
        true => ("#4f9dd9", "#8a929f"),
    }
}

fn bar(svg: &mut String, [x, y, width, height]: [f64; 4], fill: &str, edge: &str) {
    put(
        svg,
        format_args!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\" \
             stroke=\"{edge}\" stroke-width=\"0.4\"/>"
        ),
    );
}

fn colour(health: &Health) -> &'static str {
    match health {
        Health::Up => "#4cb86b",
        Health::Ill(_) => "#e0a030",
        Health::Down | Health::Unreachable(_) => "#d9534f",
    }
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{line}");
}

/// As XML reads it back; characters that XML has no way to write become question marks.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | ' ' => escaped.push(' '),
            character
                if character.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&character) =>
            {
                escaped.push('?');
            }
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    fn attic(units: &str) -> Rack {
        let text = include_str!("../../rack.toml").replace("units = 2", units);
        Rack::parse("rack.toml", &text).unwrap()
    }

    fn node(slot: u8, health: Health, used: u64) -> NodeState {
        NodeState {
            slot,
            name: format!("node-{slot}"),
            health,
            disks: Some(vec![DiskFill {
                id: "d".to_owned(),
                online: used < 100,
                capacity: 100,
                used,
            }]),
            served: Some(1),
        }
    }

    /// How often each element begins; fails on what is no XML.
    fn elements(svg: &str, wanted: &str) -> usize {
        let mut reader = Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut count = 0;
        let mut depth = 0;
        loop {
            match reader.read_event().expect("it is XML") {
                Event::Start(start) => {
                    depth += 1;
                    count += usize::from(start.name().as_ref() == wanted.as_bytes());
                }
                Event::Empty(start) => {
                    count += usize::from(start.name().as_ref() == wanted.as_bytes());
                }
                Event::End(_) => depth -= 1,
                Event::Text(text) => {
                    text.decode().expect("its text can be read");
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        count
    }

    #[test]
    fn every_slot_and_every_node_is_drawn() {
        for (units, slots) in [("units = 1", 5), ("units = 2", 12)] {
            let nodes = vec![
                node(1, Health::Up, 20),
                node(2, Health::Down, 100),
                node(3, Health::Ill("a < b & \"c\"".to_owned()), 90),
            ];
            let state = RackState {
                nodes,
                stale_volumes: Some(2),
            };
            let svg = draw(&attic(units), &state, "a line");
            // The panel, a frame for each slot, two for each disk.
            assert_eq!(elements(&svg, "rect"), 1 + slots + 2 * 3, "{svg}");
            assert_eq!(elements(&svg, "circle"), 3);
            assert!(svg.contains(">a line</text>"), "{svg}");
            assert!(svg.contains("a &lt; b &amp; &quot;c&quot;"), "{svg}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_of_a_node_the_picture_is_xml(why in "\\PC{0,30}|[\\x00-\\x7f]{0,30}", used: u64) {
            let state = RackState { nodes: vec![node(1, Health::Ill(why), used)], stale_volumes: None };
            elements(&draw(&attic("units = 2"), &state, ""), "g");
        }
    }
}

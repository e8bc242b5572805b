//! `parameters.scad`: what the OpenSCAD files know of the rack.

use std::fmt::Write as _;

use crate::cell::Posture;
use crate::design::{BLANK_DEPTH, NAMED, RACK_SLOT, TEXT, TEXT_ADVANCE};
use crate::eia310::{HOLE_TO_HOLE, OPENING, PANEL, hole_heights};
use crate::layout::{Bay, Layout, Segment};
use crate::rectangle::Rectangle;
use crate::ssd;
use crate::tray::Tray;

/// The text of `parameters.scad`.
pub fn text(layout: &Layout) -> String {
    let mut text =
        String::from("// Made by `rack mount` from rack.toml: change that instead. Millimetres.\n");
    section(&mut text, "The rack, by EIA-310", &eia310(layout));
    let design = NAMED.iter().map(|(name, value)| (*name, number(*value)));
    section(&mut text, "The design", &design.collect::<Vec<_>>());
    section(&mut text, "This mount", &mount(layout));
    text
}

fn section(text: &mut String, title: &str, values: &[(&str, String)]) {
    let write =
        |text: &mut String, line: &str| writeln!(text, "{line}").expect("a string takes all");
    write(text, &format!("\n// {title}"));
    for (name, value) in values {
        write(text, &format!("{name} = {value};"));
    }
}

fn eia310(layout: &Layout) -> Vec<(&'static str, String)> {
    vec![
        ("panel_width", number(PANEL)),
        ("panel_height", number(layout.height())),
        ("opening", number(OPENING)),
        ("hole_to_hole", number(HOLE_TO_HOLE)),
        (
            "hole_heights",
            list(&hole_heights(layout.units).map(number)),
        ),
        ("rack_slot", list(&RACK_SLOT.map(number))),
    ]
}

fn mount(layout: &Layout) -> Vec<(&'static str, String)> {
    let standing = layout.posture == Posture::Standing;
    vec![
        ("standing", standing.to_string()),
        ("floor_thickness", number(layout.floor)),
        ("bay_width", number(layout.bay_width)),
        ("bay_height", number(layout.bay_height)),
        ("pitch", number(layout.pitch())),
        ("face_height", number(layout.face_height())),
        ("tray_width", number(layout.tray_width())),
        ("screws", points(&layout.screws())),
        ("blank_depth", number(BLANK_DEPTH)),
        ("label_x", number(layout.label_x())),
        ("label_length", number(layout.label_length())),
        ("label_advance", number(TEXT_ADVANCE)),
        ("label_text", number(TEXT)),
        ("body_width", number(layout.body)),
        ("ear_width", number(layout.ear_width())),
        (
            "// left edge and number of bays of each segment\nsegments",
            rows(segments(layout)),
        ),
        (
            "// left edge of each bay, index of its tray or -1, and its node's name\nbays",
            rows(layout.bays.iter().map(bay)),
        ),
        (
            "// see tray.scad\ntrays",
            rows(layout.trays.iter().map(tray)),
        ),
    ]
}

fn segments(layout: &Layout) -> impl Iterator<Item = String> {
    let row = |(index, segment): (usize, &Segment)| {
        list(&[number(layout.segment_x(index)), segment.bays.to_string()])
    };
    layout.segments.iter().enumerate().map(row)
}

fn bay(bay: &Bay) -> String {
    let (name, kind) = match &bay.node {
        Some((name, kind)) => (name.as_str(), kind.to_string()),
        None => ("", "-1".to_owned()),
    };
    list(&[number(bay.x), kind, format!("\"{name}\"")])
}

fn tray(tray: &Tray) -> String {
    let fields = [
        ("depth", number(tray.depth)),
        ("case", tray.load.is_case().to_string()),
        ("board", rectangle(&tray.board)),
        ("standoffs", points(&tray.standoffs)),
        ("ssd_holes", points(&ssd_holes(tray))),
        (
            "openings",
            list(&tray.openings.iter().map(rectangle).collect::<Vec<_>>()),
        ),
        ("ties", points(&tray.ties)),
    ];
    let fields = fields.map(|(name, value)| format!("[\"{name}\", {value}]"));
    format!("[\n    {},\n  ]", fields.join(",\n    "))
}

fn ssd_holes(tray: &Tray) -> Vec<[f64; 2]> {
    let on_plate =
        |place: &Rectangle| ssd::holes().map(|[x, y]| [place.at[0] + x, place.at[1] + y]);
    tray.ssd
        .as_ref()
        .map(on_plate)
        .into_iter()
        .flatten()
        .collect()
}

fn rectangle(rectangle: &Rectangle) -> String {
    points(&[rectangle.at, rectangle.size])
}

fn points(points: &[[f64; 2]]) -> String {
    list(
        &points
            .iter()
            .map(|point| list(&point.map(number)))
            .collect::<Vec<_>>(),
    )
}

fn rows(rows: impl Iterator<Item = String>) -> String {
    let rows: Vec<String> = rows.map(|row| format!("  {row},\n")).collect();
    format!("[\n{}]", rows.concat())
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// To a thousandth of a millimetre, so that no rounding of the machine is seen.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

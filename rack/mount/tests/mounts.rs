//! Mounts for racks of all kinds: what they hold, what is refused, and by numbers whether it can be put together.

use rack_model::{Rack, RackUnits, models};
use rack_mount::clearance::clearances;
use rack_mount::{Layout, LayoutError, PartError, Posture, fasteners, parts};

mod rack_text;

use rack_text::RackText;

fn layout(text: &RackText) -> Result<Layout, LayoutError> {
    Layout::new(&text.rack())
}

fn assert_fits(layout: &Layout) {
    for clearance in clearances(layout) {
        assert!(clearance.is_kept(), "{clearance}");
    }
    parts(layout).unwrap_or_else(|it| panic!("{it}"));
}

#[test]
fn a_raspberry_pi_has_the_slots_that_the_model_promises() {
    for model in ["pi4-8gb", "pi5-8gb", "radxa-x4-8gb"] {
        for (units, posture) in [
            (RackUnits::One, Posture::Lying),
            (RackUnits::Two, Posture::Standing),
        ] {
            let layout = layout(&RackText::new(units).node(1, model, "sata-ssd")).unwrap();
            assert_eq!(layout.bays.len(), usize::from(units.slots()), "{model}");
            assert_eq!(layout.posture, posture);
            assert_fits(&layout);
        }
    }
}

#[test]
fn every_model_has_a_mount_in_which_it_fits() {
    for model in models::nodes() {
        for disk in models::disks() {
            let text = RackText::new(RackUnits::Two).node(1, &model.name, &disk.name);
            // An ODROID-H4 with a disk behind it is 230 mm long.
            let text = text.bed(240.0, 240.0);
            assert_fits(&layout(&text).unwrap());
        }
    }
}

#[test]
fn what_does_not_stand_has_as_many_slots_as_lie_beside_each_other() {
    let slots = |units, model, disk, bed| {
        let text = RackText::new(units).node(1, model, disk).bed(bed, bed);
        layout(&text).unwrap().bays.len()
    };
    for units in [RackUnits::One, RackUnits::Two] {
        assert_eq!(slots(units, "m720q-16gb", "nvme-ssd", 220.0), 2);
    }
    assert_eq!(
        slots(RackUnits::Two, "odroid-h4-16gb", "nvme-ssd", 220.0),
        3
    );
    assert_eq!(
        slots(RackUnits::Two, "odroid-h4-16gb", "sata-ssd", 240.0),
        2
    );
}

#[test]
fn what_lies_in_one_unit_says_when_it_is_too_tall() {
    assert_fits(&layout(&RackText::new(RackUnits::One).node(1, "m720q-16gb", "nvme-ssd")).unwrap());
    let refusal =
        layout(&RackText::new(RackUnits::One).node(1, "odroid-h4-16gb", "nvme-ssd")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the tray of node-1 needs 55.2 mm, and a mount of 1U has 38.9 mm between floor and ceiling; write units = 2 \
         in [mount]"
    );
}

#[test]
fn bays_are_made_for_the_largest_node() {
    let text = RackText::new(RackUnits::One)
        .node(1, "pi5-8gb", "sata-ssd")
        .node(2, "m720q-16gb", "nvme-ssd");
    let mixed = layout(&text).unwrap();
    assert_eq!((mixed.bays.len(), mixed.trays.len()), (2, 2));
    assert_fits(&mixed);
    let refusal = layout(&text.node(3, "pi5-8gb", "nvme-ssd"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "node-3 is in slot 3, and a mount of 1U with trays of 198.6 mm has 2; give it a slot from 1 to 2, or put it \
         into a rack of its own"
    );
}

#[test]
fn a_larger_printer_takes_fewer_segments_and_a_smaller_one_more() {
    let segments = |bed: f64| {
        let text = RackText::new(RackUnits::Two)
            .node(1, "pi5-8gb", "sata-ssd")
            .bed(bed, 200.0);
        let layout = layout(&text).unwrap();
        assert_fits(&layout);
        layout.segments.len()
    };
    assert_eq!(
        [segments(200.0), segments(220.0), segments(450.0)],
        [3, 2, 1]
    );
}

#[test]
fn what_the_bed_cannot_take_is_refused() {
    let small = RackText::new(RackUnits::Two)
        .node(1, "pi5-8gb", "sata-ssd")
        .bed(180.0, 180.0);
    let refusal = parts(&layout(&small).unwrap()).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "tray-pi5-ssd is 82.2 mm × 195.3 mm, and the printer takes 180 mm × 180 mm; print it on a larger one and \
         write its size in [mount] printer"
    );
    let wide = RackText::new(RackUnits::One)
        .node(1, "m720q-16gb", "nvme-ssd")
        .bed(200.0, 200.0);
    let refusal = layout(&wide).unwrap_err();
    assert!(
        matches!(refusal, LayoutError::PrinterTooSmall { .. }),
        "{refusal}"
    );
}

#[test]
fn a_name_that_no_label_holds_is_refused() {
    let name = "n".repeat(50);
    let text = RackText::new(RackUnits::Two).named(1, &name, "pi5-8gb", "sata-ssd");
    let refusal = parts(&layout(&text).unwrap()).unwrap_err();
    assert!(
        matches!(refusal, PartError::NameTooLong { most: 41, .. }),
        "{refusal}"
    );
}

#[test]
fn parts_and_fasteners_are_counted() {
    let text = RackText::new(RackUnits::One)
        .node(1, "pi5-8gb", "sata-ssd")
        .node(2, "pi5-8gb", "nvme-ssd")
        .node(4, "pi5-16gb", "sata-ssd");
    let layout = layout(&text).unwrap();
    let counts: Vec<(String, usize)> = parts(&layout)
        .unwrap()
        .into_iter()
        .map(|part| (part.name, part.count))
        .collect();
    let expected = [
        ("segment-1", 1),
        ("segment-2", 2),
        ("ear-left", 1),
        ("ear-right", 1),
        ("tray-pi5-ssd", 2),
        ("tray-pi5", 1),
        ("blank", 2),
        ("label-node-1", 1),
        ("label-node-2", 1),
        ("label-node-4", 1),
    ];
    assert_eq!(
        counts,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    let bought = fasteners(&layout);
    let count = |start: &str| {
        bought
            .iter()
            .find(|it| it.name.starts_with(start))
            .unwrap()
            .count
    };
    assert_eq!(count("nut M3"), 16);
    assert_eq!(count("thumb screw"), 5);
    assert_eq!(count("screw M2.5"), 12);
    assert_eq!(count("screw M3 x 5"), 8);
}

#[test]
fn a_rack_without_nodes_is_refused() {
    let mut rack: Rack = RackText::new(RackUnits::One)
        .node(1, "pi5-8gb", "sata-ssd")
        .rack();
    rack.nodes.clear();
    assert_eq!(Layout::new(&rack).unwrap_err(), LayoutError::NoNodes);
}

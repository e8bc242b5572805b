//! Mounts as OpenSCAD makes them: every part a body that can be printed, and no part in the way of another.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use rack_model::RackUnits;
use rack_mount::mesh::Mesh;
use rack_mount::{Apart, Layout, OpenScad, Part, Placed, eia310, parts, placed};

mod rack_text;

use rack_text::RackText;

/// Circles of so many pieces take a third of the time, and leave every measure but a round one as it is.
const COARSE: u32 = 12;
const FINE: u32 = 48;

/// A mount, made.
struct Made {
    scad: OpenScad,
    parts: Vec<Part>,
    meshes: Vec<Mesh>,
    placed: Vec<Placed>,
}

impl Made {
    fn new(folder: &Path, layout: &Layout, fineness: u32) -> Self {
        let scad = OpenScad::new(folder, layout)
            .expect("the folder takes files")
            .with_fineness(fineness);
        let parts = parts(layout).unwrap_or_else(|it| panic!("{it}"));
        let meshes = parts
            .iter()
            .map(|part| scad.render(part).unwrap_or_else(|it| panic!("{it}")));
        let meshes = meshes.collect();
        let placed = placed(layout, &parts, Apart::TOUCHING);
        Self {
            scad,
            parts,
            meshes,
            placed,
        }
    }

    fn overlap(&self, [a, b]: [&Placed; 2]) -> Mesh {
        let in_place = |it: &Placed| (&self.parts[it.part], it.placement);
        self.scad
            .overlap([in_place(a), in_place(b)])
            .unwrap_or_else(|it| panic!("{it}"))
    }

    fn bounds(&self, placed: &Placed) -> [[f64; 3]; 2] {
        placed.placement.of_mesh(&self.meshes[placed.part]).bounds()
    }

    /// Neighbours: pairs whose boxes have something in common.
    fn pairs(&self) -> Vec<[&Placed; 2]> {
        let boxes: Vec<_> = self.placed.iter().map(|it| self.bounds(it)).collect();
        let meet = |a: usize, b: usize| {
            let ([low_a, high_a], [low_b, high_b]) = (boxes[a], boxes[b]);
            (0..3).all(|axis| low_a[axis] < high_b[axis] && low_b[axis] < high_a[axis])
        };
        let all = (0..boxes.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let neighbours = all.filter(|(a, b)| meet(*a, *b));
        neighbours
            .map(|(a, b)| [&self.placed[a], &self.placed[b]])
            .collect()
    }

    /// One pair of each two kinds of parts.
    fn kinds_of_pairs(&self) -> Vec<[&Placed; 2]> {
        let mut seen = HashSet::new();
        let mut pairs = self.pairs();
        pairs.retain(|[a, b]| seen.insert([a.part, b.part]));
        pairs
    }

    fn assert_apart(&self, pairs: Vec<[&Placed; 2]>) {
        assert!(!pairs.is_empty());
        for [a, b] in pairs {
            let common = self.overlap([a, b]);
            let names = [a, b].map(|it| &self.parts[it.part].name);
            assert_eq!(
                common,
                Mesh::default(),
                "{names:?} at {:?}",
                common.bounds()
            );
        }
    }

    /// The whole, put together, is a panel of EIA-310, but for the hair between what touches.
    fn assert_panel(&self, layout: &Layout) {
        let frame = self.placed.iter().filter(|it| it.bay.is_none());
        let bounds: Vec<_> = frame.map(|it| self.bounds(it)).collect();
        let extent = |axis: usize| {
            let high = bounds
                .iter()
                .map(|it| it[1][axis])
                .fold(f64::NEG_INFINITY, f64::max);
            high - bounds
                .iter()
                .map(|it| it[0][axis])
                .fold(f64::INFINITY, f64::min)
        };
        assert!((extent(0) - eia310::PANEL).abs() < 0.1, "{}", extent(0));
        assert!(
            (extent(2) - eia310::panel_height(layout.units)).abs() < 0.01,
            "{}",
            extent(2)
        );
    }
}

#[test]
fn standing_boards_in_two_units() {
    let folder = tempfile::tempdir().unwrap();
    let text = RackText::new(RackUnits::Two).node(1, "pi5-8gb", "sata-ssd");
    let layout = Layout::new(&text.rack()).unwrap();
    let made = Made::new(folder.path(), &layout, COARSE);
    made.assert_panel(&layout);
    made.assert_apart(made.kinds_of_pairs());
    let tray = made.placed.iter().find(|it| it.bay == Some(0)).unwrap();
    let itself = made.overlap([tray, tray]).volume();
    let whole = made.meshes[tray.part].volume();
    assert!(
        (itself - whole).abs() < 1.0,
        "an overlap would not be seen: {itself} of {whole}"
    );
}

#[test]
fn cases_in_one_unit() {
    let folder = tempfile::tempdir().unwrap();
    let text = RackText::new(RackUnits::One).node(1, "m720q-16gb", "nvme-ssd");
    let layout = Layout::new(&text.rack()).unwrap();
    let made = Made::new(folder.path(), &layout, COARSE);
    made.assert_panel(&layout);
    made.assert_apart(made.kinds_of_pairs());
}

/// A mount as fine as people print it: every pair of neighbours, and what other programs say of each part.
fn cross_check(text: &RackText) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let layout = Layout::new(&text.rack()).unwrap_or_else(|it| panic!("{it}"));
    let made = Made::new(folder.path(), &layout, FINE);
    made.assert_panel(&layout);
    for (part, mesh) in made.parts.iter().zip(&made.meshes) {
        let file = made.scad.stl(part);
        assert_admesh(&file);
        assert_trimesh(&file, mesh.volume());
    }
    made.assert_apart(made.pairs());
}

fn raspberry_pis(units: RackUnits) -> RackText {
    let nodes = RackText::new(units).node(1, "pi5-8gb", "sata-ssd");
    nodes
        .node(2, "pi4-8gb", "sata-ssd")
        .node(4, "pi5-8gb", "nvme-ssd")
}

#[test]
#[ignore = "`make test-mount` runs it: it takes minutes, and trimesh"]
fn lying_raspberry_pis_to_others() {
    cross_check(&raspberry_pis(RackUnits::One));
}

#[test]
#[ignore = "`make test-mount` runs it: it takes minutes, and trimesh"]
fn standing_raspberry_pis_to_others() {
    cross_check(&raspberry_pis(RackUnits::Two));
}

#[test]
#[ignore = "`make test-mount` runs it: it takes minutes, and trimesh"]
fn cases_to_others() {
    cross_check(&RackText::new(RackUnits::One).node(1, "m720q-16gb", "nvme-ssd"));
}

#[test]
#[ignore = "`make test-mount` runs it: it takes minutes, and trimesh"]
fn tall_boards_to_others() {
    let text = RackText::new(RackUnits::Two).node(1, "odroid-h4-16gb", "sata-ssd");
    cross_check(&text.bed(240.0, 240.0));
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|it| panic!("{command:?}: {it}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn assert_admesh(file: &Path) {
    let text = output(Command::new("admesh").arg(file));
    let numbers = |line: &str| -> Vec<String> {
        let line = text
            .lines()
            .find(|it| it.contains(line))
            .unwrap_or_else(|| panic!("{text}"));
        let words = line.split(':').skip(1).flat_map(str::split_whitespace);
        words
            .filter(|word| word.chars().all(|it| it.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(numbers("Total disconnected facets"), ["0", "0"], "{text}");
    assert_eq!(numbers("Degenerate facets"), ["0"], "{text}");
    assert_eq!(numbers("Facets reversed")[0], "0", "{text}");
}

const TRIMESH: &str = "
import sys, trimesh
mesh = trimesh.load(sys.argv[1], force='mesh')
assert mesh.is_watertight and mesh.is_winding_consistent and mesh.is_volume, sys.argv[1]
print(mesh.volume)
";

fn assert_trimesh(file: &Path, volume: f64) {
    let python = std::env::var("MOUNT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let text = output(Command::new(python).args(["-c", TRIMESH]).arg(file));
    let theirs: f64 = text.trim().parse().expect("it printed a volume");
    assert!(
        (theirs - volume).abs() < volume * 1e-4,
        "{theirs} and {volume}"
    );
}

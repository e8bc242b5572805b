//! `rack mount`: the parts of the printed mount, and what holds them together.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rack_mount::clearance::{Clearance, clearances};
use rack_mount::mesh::Mesh;
use rack_mount::{
    Fastener, Layout, LayoutError, OpenScad, Part, PartError, RenderError, fasteners, parts,
    picture,
};
use serde::Serialize;

use crate::call::{Call, OpenError};
use crate::print;
use crate::table::columns;

/// How wide pictures are, in pixels.
const PICTURE_WIDTH: usize = 1500;

/// What is made, and where.
#[derive(Debug, Args)]
pub struct MountArgs {
    /// The folder for the STL files [default: printed, beside rack.toml]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// List what would be printed, and make nothing
    #[arg(long, conflicts_with_all = ["out", "picture"])]
    list: bool,
    /// Draw the mount with its parts apart, as PNG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Why there is no mount.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// There is no mount for it.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// A part cannot be printed.
    #[error("{0}")]
    Part(#[from] PartError),
    /// Something would not fit.
    #[error(
        "this mount could not be put together: {0}; that is a fault of rack mount, report it with rack.toml"
    )]
    Tight(Clearance),
    /// A part cannot be made.
    #[error("{0}")]
    Render(#[from] RenderError),
    /// The picture cannot be written.
    #[error("cannot write {path}: {source}")]
    Picture {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answer cannot be printed.
    #[error("cannot print the parts: {0}")]
    Print(io::Error),
}

/// `rack mount`
pub fn run(call: &Call, args: &MountArgs) -> Result<(), MountError> {
    let rack = call.rack()?;
    let layout = Layout::new(&rack)?;
    let parts = parts(&layout)?;
    if let Some(tight) = clearances(&layout).into_iter().find(|it| !it.is_kept()) {
        return Err(MountError::Tight(tight));
    }
    if !args.list {
        let beside = call.path()?.with_file_name("printed");
        let meshes = render(&layout, &parts, args.out.as_deref().unwrap_or(&beside))?;
        if let Some(path) = &args.picture {
            draw(&layout, &parts, &meshes, path)?;
        }
    }
    let list = List::of(&layout, &parts);
    print::answer(call.json, &list, || list.shown()).map_err(MountError::Print)
}

fn render(layout: &Layout, parts: &[Part], folder: &Path) -> Result<Vec<Mesh>, MountError> {
    let scad = OpenScad::new(folder, layout)?;
    let meshes = parts.iter().map(|part| {
        let mesh = scad.render(part)?;
        eprintln!("{} is made", scad.stl(part).display());
        Ok(mesh)
    });
    meshes.collect()
}

fn draw(layout: &Layout, parts: &[Part], meshes: &[Mesh], path: &Path) -> Result<(), MountError> {
    let image = picture::exploded(layout, parts, meshes, PICTURE_WIDTH);
    let written = File::create(path).and_then(|file| image.write_png(file));
    written.map_err(|source| MountError::Picture {
        path: path.to_owned(),
        source,
    })
}

/// What is printed, and bought for it.
#[derive(Debug, PartialEq, Serialize)]
struct List {
    units: u8,
    bays: usize,
    parts: Vec<Row>,
    fasteners: Vec<Fastener>,
}

/// A part to print; its size is along the bed's x and y, and up.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    count: usize,
    file: String,
    size_mm: [f64; 3],
}

impl List {
    fn of(layout: &Layout, parts: &[Part]) -> Self {
        let row = |part: &Part| Row {
            count: part.count,
            file: format!("{}.stl", part.name),
            size_mm: part.size.map(|length| (length * 10.0).round() / 10.0),
        };
        Self {
            units: layout.units,
            bays: layout.bays.len(),
            parts: parts.iter().map(row).collect(),
            fasteners: fasteners(layout),
        }
    }

    fn shown(&self) -> String {
        let rows = self.parts.iter().map(|part| {
            let [x, y, z] = part.size_mm;
            vec![
                part.count.to_string(),
                part.file.clone(),
                format!("{x:.1} x {y:.1} x {z:.1}"),
            ]
        });
        let printed = columns(&["COUNT", "PRINT", "SIZE, MM"], &[0], rows);
        let rows = self.fasteners.iter();
        let rows = rows.map(|it| {
            vec![
                it.count.to_string(),
                it.name.to_owned(),
                it.purpose.to_owned(),
            ]
        });
        let bought = columns(&["COUNT", "BUY", "FOR"], &[0], rows);
        format!(
            "{}U with {} slots\n{printed}\n\n{bought}",
            self.units, self.bays
        )
    }
}

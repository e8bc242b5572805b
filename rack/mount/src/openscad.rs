//! Runs OpenSCAD.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::layout::Layout;
use crate::mesh::{Mesh, MeshError};
use crate::parameters;
use crate::part::{Part, Shape};
use crate::placement::Placement;
use crate::stl::{self, StlError};

/// The OpenSCAD files.
const SOURCES: [(&str, &str); 9] = [
    ("assembly.scad", include_str!("../assembly.scad")),
    ("eia310.scad", include_str!("../eia310.scad")),
    ("frame.scad", include_str!("../frame.scad")),
    ("join.scad", include_str!("../join.scad")),
    ("label.scad", include_str!("../label.scad")),
    ("mount.scad", include_str!("../mount.scad")),
    ("overlap.scad", include_str!("../overlap.scad")),
    ("screw.scad", include_str!("../screw.scad")),
    ("tray.scad", include_str!("../tray.scad")),
];

/// Why a part could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// OpenSCAD cannot be started.
    #[error(
        "openscad cannot be started ({0}); install it: apt-get install openscad fonts-dejavu-core"
    )]
    NotStarted(io::Error),
    /// OpenSCAD refuses the part.
    #[error("openscad cannot make {name}:\n{output}")]
    Refused {
        /// The part.
        name: String,
        /// What it says.
        output: String,
    },
    /// What it wrote is no STL.
    #[error("{name}.stl: {source}")]
    Stl {
        /// The part.
        name: String,
        /// Why.
        source: StlError,
    },
    /// What it wrote cannot be printed.
    #[error("{name} is no body that can be printed: {source}")]
    Mesh {
        /// The part.
        name: String,
        /// Why.
        source: MeshError,
    },
    /// It does not have the size that it was planned with.
    #[error("{name} is {is:.2?} mm, and was planned as {planned:.2?} mm")]
    Size {
        /// The part.
        name: String,
        /// Its extent.
        is: [f64; 3],
        /// What [`Part::size`] says.
        planned: [f64; 3],
    },
}

/// A folder with the OpenSCAD files and the parameters of one mount.
#[derive(Debug)]
pub struct OpenScad {
    folder: PathBuf,
    fineness: u32,
}

/// How many pieces a circle has in parts to print: a hole of 4 mm is then round to 0.01 mm.
const FINE: u32 = 48;

impl OpenScad {
    /// Writes the files, the parameters among them, into the folder, which is made if it is missing.
    pub fn new(folder: &Path, layout: &Layout) -> Result<Self, RenderError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let parameters = parameters::text(layout);
        let files = SOURCES
            .into_iter()
            .chain([("parameters.scad", parameters.as_str())]);
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).map_err(at(&path))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            fineness: FINE,
        })
    }

    /// With circles of that many pieces, which takes less time.
    pub fn with_fineness(mut self, pieces: u32) -> Self {
        self.fineness = pieces;
        self
    }

    /// Where a part's STL is.
    pub fn stl(&self, part: &Part) -> PathBuf {
        self.folder.join(format!("{}.stl", part.name))
    }

    /// Makes a part's STL, and checks that it is a body of the planned size.
    pub fn render(&self, part: &Part) -> Result<Mesh, RenderError> {
        let path = self.stl(part);
        let mut command = self.command(&path);
        command.args(definitions(&part.shape)).arg("mount.scad");
        let output = command.output().map_err(RenderError::NotStarted)?;
        if !output.status.success() {
            return Err(refused(&part.name, &output));
        }
        let mesh = read(&path, &part.name)?;
        let name = part.name.clone();
        mesh.check()
            .map_err(|source| RenderError::Mesh { name, source })?;
        let is = mesh.size();
        let fits = is
            .iter()
            .zip(part.size)
            .all(|(is, planned)| (is - planned).abs() < 0.02);
        if fits {
            Ok(mesh)
        } else {
            Err(RenderError::Size {
                name: part.name.clone(),
                is,
                planned: part.size,
            })
        }
    }

    /// What two placed parts, whose STLs have been made, have in common: nothing, if they do not collide.
    pub fn overlap(&self, parts: [(&Part, Placement); 2]) -> Result<Mesh, RenderError> {
        let path = self.folder.join("overlap.stl");
        let mut command = self.command(&path);
        for (letter, (part, placement)) in ["a", "b"].iter().zip(parts) {
            command.args(["-D", &format!("{letter}_file=\"{}.stl\"", part.name)]);
            command.args(["-D", &format!("{letter}_place={}", placement.matrix())]);
        }
        let output = command
            .arg("overlap.scad")
            .output()
            .map_err(RenderError::NotStarted)?;
        let name = format!("{} and {}", parts[0].0.name, parts[1].0.name);
        if says(&output, "Current top level object is empty") {
            Ok(Mesh::default())
        } else if output.status.success() {
            read(&path, &name)
        } else {
            Err(refused(&name, &output))
        }
    }

    fn command(&self, output: &Path) -> Command {
        let mut command = Command::new("openscad");
        let output = output.file_name().expect("it is a file");
        command.current_dir(&self.folder).arg("-o").arg(output);
        command.args(["-D", &format!("fineness={}", self.fineness)]);
        command
    }
}

fn definitions(shape: &Shape) -> Vec<String> {
    let definitions = match shape {
        Shape::Segment { bays } => vec![part("segment"), format!("bays_of_part={bays}")],
        Shape::LeftEar => vec![part("ear-left")],
        Shape::RightEar => vec![part("ear-right")],
        Shape::Tray { kind } => vec![part("tray"), format!("kind={kind}")],
        Shape::Blank => vec![part("blank")],
        Shape::Label { name } => vec![part("label"), format!("name=\"{name}\"")],
    };
    let options = definitions.into_iter().flat_map(|it| ["-D".to_owned(), it]);
    options.collect()
}

fn part(name: &str) -> String {
    format!("part=\"{name}\"")
}

fn says(output: &Output, words: &str) -> bool {
    String::from_utf8_lossy(&output.stderr).contains(words)
}

fn refused(name: &str, output: &Output) -> RenderError {
    RenderError::Refused {
        name: name.to_owned(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
}

fn read(path: &Path, name: &str) -> Result<Mesh, RenderError> {
    let bytes = fs::read(path).map_err(at(path))?;
    stl::read(&bytes).map_err(|source| RenderError::Stl {
        name: name.to_owned(),
        source,
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RenderError {
    move |source| RenderError::File {
        path: path.to_owned(),
        source,
    }
}

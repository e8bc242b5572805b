//! A picture of the mount with its parts apart, drawn from the parts as they are printed.

mod contents;
mod raster;
mod view;

use std::io;

use crate::design;
use crate::layout::Layout;
use crate::mesh::{Mesh, Triangle};
use crate::part::{Part, Shape};
use crate::placement::{Apart, placed, tray};

pub use raster::{Body, Colour, Image, draw};
pub use view::View;

/// Far enough from each other to see how they go together.
const APART: Apart = Apart {
    joints: 30.0,
    trays: 110.0,
    labels: 25.0,
};

const FRAME: Colour = [235, 238, 242];
const EAR: Colour = [245, 190, 90];
const TRAY: Colour = [130, 185, 235];
const BLANK: Colour = [190, 205, 220];
const LABEL: Colour = [255, 255, 250];
const TEXT: Colour = [20, 20, 30];

/// The mount with its parts apart; `meshes` are those of the parts, in their order.
pub fn exploded(layout: &Layout, parts: &[Part], meshes: &[Mesh], width: usize) -> Image {
    draw(
        &bodies(layout, parts, meshes, APART),
        &View::new(28.0, 24.0),
        width,
    )
}

fn bodies(layout: &Layout, parts: &[Part], meshes: &[Mesh], apart: Apart) -> Vec<Body> {
    let of_part = placed(layout, parts, apart).into_iter().flat_map(|it| {
        let at = move |(mesh, colour): (Mesh, Colour)| Body {
            mesh: it.placement.of_mesh(&mesh),
            colour,
        };
        coloured(&parts[it.part].shape, &meshes[it.part])
            .into_iter()
            .map(at)
    });
    let nodes = layout.bays.iter().enumerate();
    let nodes = nodes.filter_map(|(index, bay)| Some((index, bay.node.as_ref()?)));
    let loads = nodes.flat_map(|(index, (_, kind))| {
        contents::contents(&layout.trays[*kind], &tray(layout, index, apart))
    });
    of_part.chain(loads).collect()
}

/// A part in its colours: the text of a label has one of its own, as if the filament had been changed.
fn coloured(shape: &Shape, mesh: &Mesh) -> Vec<(Mesh, Colour)> {
    let colour = match shape {
        Shape::Segment { .. } => FRAME,
        Shape::LeftEar | Shape::RightEar => EAR,
        Shape::Tray { .. } => TRAY,
        Shape::Blank => BLANK,
        Shape::Label { .. } => {
            let is_text =
                |triangle: &&Triangle| triangle.iter().all(|point| point[2] > design::LABEL + 0.01);
            let (text, strip): (Vec<_>, Vec<_>) = mesh.triangles().iter().partition(is_text);
            return vec![(Mesh::new(strip), LABEL), (Mesh::new(text), TEXT)];
        }
    };
    vec![(mesh.clone(), colour)]
}

impl Image {
    /// Writes it as PNG.
    pub fn write_png(&self, file: impl io::Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder
            .write_header()?
            .write_image_data(self.pixels.as_flattened())?;
        Ok(())
    }
}

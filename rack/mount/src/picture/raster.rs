//! Draws bodies: the nearest surface of every pixel, shaded, with lines where surfaces meet.

// Pixels and colours are counted from 0: what is less saturates there.
#![allow(clippy::cast_sign_loss)]

use super::view::View;
use crate::mesh::{Mesh, Point, Triangle, cross, dot, minus};

/// Red, green and blue.
pub type Colour = [u8; 3];

/// A body with a colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Its surface.
    pub mesh: Mesh,
    /// Its colour in full light.
    pub colour: Colour,
}

/// A picture, row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of each pixel.
    pub pixels: Vec<Colour>,
}

/// Each pixel is the mean of so many squared.
const SAMPLES: usize = 3;
/// White around everything, in pixels.
const BORDER: f64 = 16.0;
const WHITE: Colour = [255; 3];

/// What is nearest at a sample.
#[derive(Debug, Clone, Copy)]
struct Sample {
    depth: f64,
    body: usize,
    normal: Point,
}

/// The samples of a picture.
struct Canvas {
    width: usize,
    height: usize,
    samples: Vec<Option<Sample>>,
}

/// Draws the bodies into a picture of that width; its height follows.
pub fn draw(bodies: &[Body], view: &View, width: usize) -> Image {
    let (low, high) = extent(bodies, view);
    let scale = (width as f64 - 2.0 * BORDER) / (high[0] - low[0]);
    let height = ((high[1] - low[1]) * scale + 2.0 * BORDER).ceil() as usize;
    let samples = SAMPLES as f64;
    let mut canvas = Canvas::new(width * SAMPLES, height * SAMPLES);
    for (index, body) in bodies.iter().enumerate() {
        for triangle in body.mesh.triangles() {
            let seen = triangle.map(|point| {
                let [x, y, depth] = view.project(&point);
                let place = |at: f64, low: f64| ((at - low) * scale + BORDER) * samples;
                [place(x, low[0]), place(y, low[1]), depth]
            });
            canvas.fill(&seen, index, unit_normal(triangle));
        }
    }
    // A step in depth is a line if it is larger than a few samples' worth of a steep surface.
    let step = 8.0 / (scale * samples);
    canvas.develop(width, height, |canvas, x, y| {
        canvas.colour(bodies, view, step, x, y)
    })
}

fn extent(bodies: &[Body], view: &View) -> ([f64; 2], [f64; 2]) {
    let points = bodies
        .iter()
        .flat_map(|body| body.mesh.triangles().as_flattened());
    let start = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    points.fold(start, |(low, high), point| {
        let [x, y, _] = view.project(point);
        (
            [low[0].min(x), low[1].min(y)],
            [high[0].max(x), high[1].max(y)],
        )
    })
}

fn unit_normal([a, b, c]: &Triangle) -> Point {
    let normal = cross(&minus(b, a), &minus(c, a));
    let length = dot(&normal, &normal).sqrt();
    normal.map(|part| part / length)
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            samples: vec![None; width * height],
        }
    }

    /// Puts a triangle where it is nearer than what is there; its corners are in samples.
    fn fill(&mut self, corners: &Triangle, body: usize, normal: Point) {
        let [a, b, c] = corners;
        let area = doubled_area(a, b, c);
        if area == 0.0 {
            return;
        }
        for y in span(corners.map(|it| it[1]), self.height) {
            for x in span(corners.map(|it| it[0]), self.width) {
                let here = [x as f64 + 0.5, y as f64 + 0.5, 0.0];
                let weights = [
                    doubled_area(b, c, &here) / area,
                    doubled_area(c, a, &here) / area,
                    doubled_area(a, b, &here) / area,
                ];
                if weights.iter().any(|weight| *weight < 0.0) {
                    continue;
                }
                let depth = dot(&weights, &[a[2], b[2], c[2]]);
                let sample = &mut self.samples[y * self.width + x];
                if sample.is_none_or(|it| depth < it.depth) {
                    *sample = Some(Sample {
                        depth,
                        body,
                        normal,
                    });
                }
            }
        }
    }

    fn at(&self, x: usize, y: usize) -> Option<&Sample> {
        self.samples[y * self.width + x].as_ref()
    }

    fn colour(&self, bodies: &[Body], view: &View, step: f64, x: usize, y: usize) -> Colour {
        let here = self.at(x, y);
        let right = (x + 1 < self.width).then(|| self.at(x + 1, y)).flatten();
        let below = (y + 1 < self.height).then(|| self.at(x, y + 1)).flatten();
        let line = line(here, right, step).max(line(here, below, step));
        let surface = here.map_or(WHITE, |sample| {
            let brightness = view.brightness(&sample.normal);
            bodies[sample.body]
                .colour
                .map(|part| (f64::from(part) * brightness) as u8)
        });
        surface.map(|part| (f64::from(part) * (1.0 - line)) as u8)
    }

    /// The mean of each pixel's samples.
    fn develop(
        &self,
        width: usize,
        height: usize,
        colour: impl Fn(&Self, usize, usize) -> Colour,
    ) -> Image {
        let pixel = |index: usize| {
            let (left, top) = (index % width * SAMPLES, index / width * SAMPLES);
            let mut sum = [0_usize; 3];
            for sample in 0..SAMPLES * SAMPLES {
                let (x, y) = (left + sample % SAMPLES, top + sample / SAMPLES);
                let seen = colour(self, x, y);
                sum = std::array::from_fn(|part| sum[part] + usize::from(seen[part]));
            }
            sum.map(|part| (part / (SAMPLES * SAMPLES)) as u8)
        };
        Image {
            width,
            height,
            pixels: (0..width * height).map(pixel).collect(),
        }
    }
}

/// The samples that a triangle may cover along one axis.
fn span(corners: [f64; 3], length: usize) -> std::ops::Range<usize> {
    let low = corners
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min)
        .max(0.0) as usize;
    let high = corners.iter().copied().fold(0.0, f64::max) as usize + 1;
    low.min(length)..high.min(length)
}

fn doubled_area(a: &Point, b: &Point, c: &Point) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// How dark the line between two neighbours is, from 0 to 1.
fn line(here: Option<&Sample>, there: Option<&Sample>, step: f64) -> f64 {
    match (here, there) {
        (None, None) => 0.0,
        (Some(a), Some(b)) => {
            let is_crease = dot(&a.normal, &b.normal) < 0.9;
            if a.body != b.body || (a.depth - b.depth).abs() > step * 3.0 {
                0.85
            } else if is_crease {
                0.5
            } else {
                0.0
            }
        }
        _ => 0.85,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(low: Point, high: Point, colour: Colour) -> Body {
        Body {
            mesh: Mesh::cuboid(low, high),
            colour,
        }
    }

    #[test]
    fn what_is_in_front_hides_what_is_behind() {
        let front = body([0.0; 3], [10.0, 1.0, 10.0], [200, 0, 0]);
        let behind = body([0.0, 5.0, 0.0], [10.0, 6.0, 10.0], [0, 200, 0]);
        let image = draw(&[behind, front], &View::new(0.0, 0.0), 64);
        assert_eq!((image.width, image.height), (64, 64));
        let [red, green, _] = image.pixels[32 * 64 + 32];
        assert!(red > 80 && green == 0, "{red} {green}");
        assert_eq!(image.pixels[0], WHITE);
    }

    #[test]
    fn bodies_have_outlines() {
        let image = draw(
            &[body([0.0; 3], [1.0; 3], [255; 3])],
            &View::new(0.0, 0.0),
            64,
        );
        let row = &image.pixels[32 * 64..33 * 64];
        let surface = row[32][0];
        let dark = |pixel: &&Colour| pixel[0] < surface;
        assert_eq!(row.iter().filter(dark).count(), 2, "{row:?}");
    }
}

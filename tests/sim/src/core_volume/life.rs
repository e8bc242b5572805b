//! What happens to a volume under a seed.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, REGION_SIZE, Request};

use super::Broken;
use super::model::SECTOR;
use super::weather::Weather;
use super::world::{EXTENTS, World};

const MOST_OPEN: usize = 12;

/// A volume that is lived through.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// How many disks there are; with more than one, others may join, and each may be taken back or lose
    /// power by itself.
    pub disks: u16,
    /// How many lives, each ended by a power cut, a kill, a new head or owner, or a clean stop.
    pub lives: u32,
    /// What is broken on purpose.
    pub broken: Broken,
}

/// Lives through a volume under a seed. Answers which rule was broken.
pub fn live(seed: u64, volume: Volume) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let weather = Weather::some(&mut rng);
    let mut world = World::new(rng, (1, volume.disks), volume.broken);
    world.boot()?;
    for life in 1..=volume.lives {
        world.weather = weather;
        one_life(&mut world, volume).map_err(|wrong| format!("life {life}: {wrong}"))?;
    }
    world.weather = Weather::default();
    heals(&mut world).map_err(|wrong| format!("at the end: {wrong}"))
}

fn one_life(world: &mut World, volume: Volume) -> Result<(), String> {
    for _ in 0..world.rng.random_range(20..300) {
        match world.rng.random_range(0..100) {
            0..30 if world.open_requests() < MOST_OPEN => {
                let request = some_request(world);
                world.send(request);
            }
            30..32 => world.tick()?,
            32 => world.grant_to_neighbour(),
            33 if volume.disks > 1 && world.rng.random_bool(0.3) => {
                world.change_disks()?;
            }
            _ => {
                world.step()?;
            }
        }
    }
    match world.rng.random_range(0..11) {
        0..5 => {
            world.die(true);
            world.boot()?;
        }
        5 => {
            world.settle()?;
            world.die(true);
            world.boot()?;
        }
        6 => world.restart()?,
        7 => world.change_head()?,
        8 => world.attach()?,
        _ => world.settle()?,
    }
    if world.rng.random_bool(0.5) {
        read_everything(world)?;
    }
    Ok(())
}

/// V13: once nothing goes wrong any more, everything works, without anybody's help but that a failed
/// disk needs the daemon to be started anew (V8), and a rotten block to be written (V10).
fn heals(world: &mut World) -> Result<(), String> {
    world.drain()?;
    if world.has_failed() || world.is_stale() {
        world.restart()?;
    }
    for offset in world.heal() {
        world.send(Request::Write {
            offset,
            data: Bytes::from(vec![7; BLOCK_SIZE as usize]),
            fua: true,
        });
        world.drain()?;
    }
    world.send(Request::Flush);
    read_everything(world)?;
    world.settle()
}

fn read_everything(world: &mut World) -> Result<(), String> {
    for sectors in world.model.written().chunks(MOST_OPEN) {
        for sector in sectors {
            let offset = sector * SECTOR;
            let length = SECTOR as u32;
            world.send(Request::Read { offset, length });
        }
        world.drain()?;
    }
    Ok(())
}

/// Few places, so that requests meet; edges of blocks, regions and extents among them.
fn some_place(world: &mut World) -> u64 {
    let ((extents, regions), rng) = (world.places, &mut world.rng);
    let extent = rng.random_range(0..extents);
    let region = rng.random_range(0..regions);
    let block = [0, 0, 0, 1, 2, 1023][rng.random_range(0..6)];
    let sector = [0, 0, 0, 3, 7][rng.random_range(0..5)];
    extent * EXTENT_SIZE + region * REGION_SIZE + block * BLOCK_SIZE + sector * SECTOR
}

fn some_request(world: &mut World) -> Request {
    let offset = some_place(world);
    let sectors = [1, 3, 8, 8, 16, 20][world.rng.random_range(0..6)];
    let length = sectors * SECTOR;
    let fua = world.rng.random_bool(0.4);
    match world.rng.random_range(0..100) {
        0..50 => {
            let stamp = world.rng.random_range(1..u32::MAX).to_le_bytes();
            Request::Write {
                offset,
                data: Bytes::from(stamp.repeat(length as usize / 4)),
                fua,
            }
        }
        50..72 => Request::Read {
            offset,
            length: length as u32,
        },
        72..75 => Request::Map {
            offset,
            length: (EXTENTS * EXTENT_SIZE - offset) as u32,
            one: world.rng.random_bool(0.3),
        },
        75..85 => Request::Flush,
        85..92 => Request::Trim {
            offset,
            length,
            fua,
        },
        92..95 => match world.some_extent() {
            Some(extent) => Request::Trim {
                offset: extent.start(),
                length: EXTENT_SIZE,
                fua,
            },
            None => Request::Flush,
        },
        95 => Request::Trim {
            offset: 0,
            length: EXTENTS * EXTENT_SIZE,
            fua,
        },
        _ => {
            let no_hole = world.rng.random_bool(0.5);
            Request::WriteZeroes {
                offset,
                length,
                fua,
                no_hole,
            }
        }
    }
}

//! What happens to a volume under a seed.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, REGION_SIZE, Request};

use super::Fault;
use super::model::SECTOR;
use super::world::{EXTENTS, World};

const MOST_OPEN: usize = 12;

/// Lives `lives` lives of one volume with so many replicas, each ended by a power cut, a kill, a new
/// head or a clean stop, under the seed. Only with one replica are there crashes: what more of them
/// do after one is not built yet.
///
/// Answers which rule was broken.
pub fn live(seed: u64, lives: u32, replicas: u16, fault: Fault) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    // A full disk among several needs space to be taken on all before any is written: not built yet.
    let small = replicas == 1 && rng.random_bool(0.2);
    let blocks = if small { 60 } else { 1 << 20 };
    let mut world = World::new(rng, replicas, blocks, fault);
    world.boot()?;
    for life in 1..=lives {
        one_life(&mut world, replicas).map_err(|wrong| format!("life {life}: {wrong}"))?;
    }
    world.drain()
}

fn one_life(world: &mut World, replicas: u16) -> Result<(), String> {
    for _ in 0..world.rng.random_range(20..300) {
        match world.rng.random_range(0..100) {
            0..30 if world.open_requests() < MOST_OPEN => {
                let request = some_request(world);
                world.submit(request)?;
            }
            30..32 => world.tick()?,
            _ => {
                world.step()?;
            }
        }
    }
    let ending = if replicas > 1 {
        9
    } else {
        world.rng.random_range(0..10)
    };
    match ending {
        0..5 => {
            world.die(true);
            world.boot()?;
        }
        5 => {
            world.settle()?;
            world.die(true);
            world.boot()?;
        }
        6 => {
            world.die(false);
            world.boot()?;
        }
        7 | 8 => world.change_head()?,
        _ => world.settle()?,
    }
    if world.rng.random_bool(0.5) {
        read_everything(world)?;
    }
    Ok(())
}

fn read_everything(world: &mut World) -> Result<(), String> {
    for sectors in world.model.written().chunks(MOST_OPEN) {
        for sector in sectors {
            let offset = sector * SECTOR;
            let length = SECTOR as u32;
            world.submit(Request::Read { offset, length })?;
        }
        world.drain()?;
    }
    Ok(())
}

/// Few places, so that requests meet; edges of blocks, regions and extents among them.
fn some_place(world: &mut World) -> u64 {
    let rng = &mut world.rng;
    let extent = rng.random_range(0..EXTENTS - 1);
    let region = rng.random_range(0..16);
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

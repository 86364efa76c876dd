//! Reads and writes a disk of the block server, and tells what came of it.
//!
//! `reader`: prints the first line of a read-only disk. `writer`: fills a disk with a pattern, and
//! compares.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod disk;

use alloc::string::String;
use alloc::vec::Vec;

use disk::{Disk, MOST_SECTORS, SECTOR};
use l4_rt::{env, println};

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    let mut disk = Disk::open("block")?;
    let sectors = disk.sectors()?;
    let access = match disk.is_read_only() {
        true => "read-only",
        false => "writable",
    };
    println!("{sectors} sectors, {access}");
    match env::args().nth(1) {
        Some("reader") => read(&mut disk),
        Some("writer") => write(&mut disk, sectors),
        _ => Err("neither reader nor writer".into()),
    }
}

fn read(disk: &mut Disk) -> l4_rt::Result {
    let mut sector = [0; SECTOR];
    if disk.read(0, &mut sector)? != 0 {
        return Err("the disk cannot be read".into());
    }
    let line = sector.split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    println!("it begins with: {line}");
    match disk.write(0, &sector)? {
        0 => Err("a read-only disk was written".into()),
        status => {
            println!("writing it gives status {status}");
            Ok(())
        }
    }
}

fn write(disk: &mut Disk, sectors: u64) -> l4_rt::Result {
    let mut first = [0; SECTOR];
    disk.read(0, &mut first)?;
    println!("before: {}", first[..16].escape_ascii());
    let mut sum = 0;
    let mut written = 0;
    while written < sectors {
        let count = (sectors - written).min(MOST_SECTORS as u64);
        let pattern: Vec<u8> = (0..count as usize * SECTOR)
            .map(|at| (at / SECTOR) as u8 ^ at as u8 ^ written as u8)
            .collect();
        if disk.write(written, &pattern)? != 0 {
            return Err("the disk cannot be written".into());
        }
        sum += pattern.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        written += count;
    }
    if disk.flush()? != 0 {
        return Err("the disk cannot be flushed".into());
    }
    let mut found = 0;
    let mut bytes = alloc::vec![0; MOST_SECTORS * SECTOR];
    let mut sector = 0;
    while sector < written {
        let count = (written - sector).min(MOST_SECTORS as u64);
        let bytes = &mut bytes[..count as usize * SECTOR];
        if disk.read(sector, bytes)? != 0 {
            return Err("what was written cannot be read".into());
        }
        found += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        sector += count;
    }
    if found != sum {
        return Err("the disk has something else than was written".into());
    }
    println!("{written} sectors written, read and compared");
    Ok(())
}

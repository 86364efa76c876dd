//! Asks the entropy server for random bytes, and looks whether they could be.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use l4_abi::timeout::Timeout;
use l4_memory::Shared;
use l4_rt::{env, println};
use l4_virtio::transport::{Driver, kind};
use l4_virtio::{Buffer, DriverQueue, Layout};
use l4re::VirtioDevice;
use l4re::mem_alloc::DataspaceFlags;

l4_rt::entry!(main);

const SIZE: u64 = 0x2000;
const DATA: u64 = 0x1000;
const BYTES: usize = 4096;

fn main() -> l4_rt::Result {
    let device = env::cap::<VirtioDevice>("entropy")?;
    let driver = Driver::open(device, kind::ENTROPY, 0, 0)?;
    let dataspace = env::mem_alloc().create_dataspace(SIZE, DataspaceFlags::empty(), 0)?;
    let memory = Shared::writable(dataspace.as_cap())?;
    let layout = Layout::contiguous(8, 0)?;
    let mut queue = DriverQueue::<8>::new(layout, &memory)?;
    driver.share(0, dataspace.as_cap(), SIZE)?;
    driver.set_queue(0, &layout)?;
    driver.start()?;
    let mut before = [0; BYTES];
    for _ in 0..4 {
        let buffer = Buffer {
            address: DATA,
            length: BYTES as u32,
        };
        queue.offer(&memory, &[], &[buffer])?;
        driver.notify();
        let completion = loop {
            match queue.take(&memory)? {
                Some(completion) => break completion,
                None => driver.wait(Timeout::NEVER)?,
            }
        };
        let mut bytes = [0; BYTES];
        memory.read(DATA, &mut bytes);
        if completion.written != BYTES as u32 || bytes == before {
            return Err("not as many bytes as asked for, or the same again".into());
        }
        let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        // Half of 32768, give or take more than ten times what chance would.
        if !(15_384..=17_384).contains(&ones) {
            return Err("these bytes are not random".into());
        }
        before = bytes;
    }
    println!("4 times {BYTES} bytes that may be random");
    Ok(())
}

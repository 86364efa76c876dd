//! Attacks on any device: on its queues.

use l4_virtio::{Layout, transport};

use crate::rig::{DATA, HEADER, Kind, NEXT, QUEUE_SIZE, Rig, SIZE, WRITE, expect_stopped};

/// Queues that are not where memory is.
pub(crate) fn wrong_queues(kind: Kind, queue: u32) -> l4_rt::Result {
    for (descriptors, available, used) in [
        (SIZE, 0x80, 0x100),
        (0, 1 << 40, 0x100),
        (0, 0x80, SIZE - 4),
        (0x4000_0000_0000_0000, 0x80, 0x100),
    ] {
        let mut rig = Rig::new(kind)?;
        rig.layout = Layout::new(QUEUE_SIZE, descriptors, available, used)?;
        rig.start(queue)?;
        let ring = Layout::new(QUEUE_SIZE, 0, 0x80, 0x100)?;
        if available == ring.available() {
            rig.memory.write(available + 2, &1_u16.to_le_bytes());
        }
        rig.descriptor(0, DATA, 16, 0, 0);
        rig.driver.notify();
        expect_stopped(&rig.driver);
    }
    let rig = Rig::new(kind)?;
    let too_large = Layout::contiguous(1024, 0)?;
    let refused = rig.driver.set_queue(queue, &too_large);
    assert_eq!(refused, Err(transport::DriverError::Queue));
    Ok(())
}

/// Requests that are none.
pub(crate) fn wrong_chains(kind: Kind, queue: u32) -> l4_rt::Result {
    type Chain = [(u64, u32, u16, u16); 3];
    let chains: [Chain; 4] = [
        // A loop.
        [
            (HEADER, 16, NEXT, 1),
            (DATA, 16, NEXT, 2),
            (DATA, 16, NEXT, 0),
        ],
        // Out of the table.
        [(HEADER, 16, NEXT, QUEUE_SIZE), (0, 0, 0, 0), (0, 0, 0, 0)],
        // Indirect.
        [(HEADER, 16, 4, 0), (0, 0, 0, 0), (0, 0, 0, 0)],
        // To be read behind what is to be written.
        [
            (HEADER, 16, NEXT | WRITE, 1),
            (DATA, 16, 0, 0),
            (0, 0, 0, 0),
        ],
    ];
    for chain in chains {
        let rig = Rig::new(kind)?;
        for (index, (address, length, flags, next)) in (0..).zip(chain) {
            rig.descriptor(index, address, length, flags, next);
        }
        rig.start(queue)?;
        rig.offer(1);
        expect_stopped(&rig.driver);
    }
    for ahead in [QUEUE_SIZE + 1, 0x8000, 0xffff] {
        let rig = Rig::new(kind)?;
        rig.descriptor(0, HEADER, 16, 0, 0);
        rig.start(queue)?;
        rig.offer(ahead);
        expect_stopped(&rig.driver);
    }
    Ok(())
}

/// The memory goes while the device works on it.
pub(crate) fn take_memory_away(rig: Rig) {
    rig.owner.delete();
    rig.driver.notify();
    expect_stopped(&rig.driver);
}

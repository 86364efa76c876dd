//! What is written to the buffers.

use machine::options::OptionsBlock;

use super::*;
use crate::testing::{Syscall, World, run};

impl Buffer {
    /// The entries that are still there, oldest first: kind, number, values.
    fn entries(&self) -> Vec<(Kind, u64, [u64; 2])> {
        let written = self.written.load(Relaxed);
        let oldest = written.saturating_sub(self.capacity);
        let entry = |number: u64| {
            let offset = (number % self.capacity + 1) as usize * ENTRY_SIZE;
            let entry = self.memory.get::<Entry>(offset).expect("inside");
            let [_, kind, first, second] =
                [0, 1, 2, 3].map(|word: usize| entry[word].load(Relaxed));
            let known = Kind::from_word(kind).expect("a kind");
            (known, kind >> NUMBER_SHIFT, [first, second])
        };
        (oldest..written).map(entry).collect()
    }
}

/// What was written since this was called last.
fn news(world: &World, seen: &mut u64) -> Vec<(Kind, u64, [u64; 2])> {
    let written = world.cpu.trace.written.load(Relaxed);
    let new = (written - *seen) as usize;
    *seen = written;
    let entries = world.cpu.trace.entries();
    entries[entries.len() - new..].to_vec()
}

#[test]
fn a_call_is_seen_from_the_system_call_to_the_server() {
    run(|world| {
        // As kernels that trace do.
        world.fast = false;
        let (clients, servers) = (world.task(), world.task());
        let server = world.thread(&servers, 10);
        let client = world.thread(&clients, 10);
        let gate = world.gate(0x40, &server);
        let slot = world.give_full(&clients, gate.header());
        world.syscall(&server, Syscall::wait());
        let mut seen = 0;
        news(world, &mut seen);
        let call = Syscall::call(slot).tag(7, 2, 0);
        world.syscall(&client, call);
        let task = servers.header().common().debug.number();
        let entries = news(world, &mut seen);
        let kinds: Vec<(Kind, u64)> = entries.iter().map(|entry| (entry.0, entry.1)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Syscall, client.id),
                (Kind::Message, client.id),
                (Kind::Switch, server.id),
                (Kind::Leave, server.id),
            ]
        );
        assert_eq!(entries[0].2[0], call.tag.raw());
        assert_eq!(entries[1].2, [server.id, call.tag.raw()]);
        assert_eq!(entries[2].2[0], task);
        world.syscall(&server, Syscall::reply_and_wait());
        let entries = news(world, &mut seen);
        assert!(entries.contains(&(Kind::Message, server.id, [client.id, 0])));
        world.fast = true;
    });
}

#[test]
fn interrupts_and_idle_time_are_seen() {
    run(|world| {
        let mut seen = 0;
        news(world, &mut seen);
        world.enter(Source::Pin(5));
        let entries = news(world, &mut seen);
        assert_eq!(entries[0], (Kind::Interrupt, 0, [layout::PIN + 5, 0]));
        assert!(entries.contains(&(Kind::Switch, 0, [0, 0])));
        assert_eq!(entries.last(), Some(&(Kind::Leave, 0, [0, 0])));
    });
}

#[test]
fn mappings_and_faults_are_seen() {
    run(|world| {
        let task = world.task();
        let thread = world.thread(&task, 10);
        let mut seen = 0;
        news(world, &mut seen);
        world.give_memory(&task, 0x40_0000);
        assert_eq!(news(world, &mut seen)[0].0, Kind::Map);
        world.fault(
            &thread,
            Fault::Page {
                address: 0x1000,
                bits: 0,
                beyond_user: false,
            },
        );
        let entries = news(world, &mut seen);
        assert_eq!((entries[0].0, entries[0].1), (Kind::PageFault, thread.id));
        assert_eq!(entries[0].2[0], 0x1000);
    });
}

#[test]
fn a_full_buffer_keeps_the_latest_and_names_keep_the_first() {
    run(|world| {
        let heap = &world.cpu.kernel.heap;
        let mut options = OptionsBlock::unset().read();
        options.flags = Flags::TRACE_ENTRIES.bits();
        options.trace_entries = 1;
        let Ok(buffer) = Buffer::new(heap, &options) else {
            panic!("there is memory");
        };
        assert_eq!(buffer.capacity, 15);
        (0..40).for_each(|number| buffer.write(Kind::Leave, number, [0, 0]));
        let numbers: Vec<u64> = buffer.entries().iter().map(|entry| entry.1).collect();
        assert_eq!(numbers, (25..40).collect::<Vec<u64>>());
        heap.free(buffer.memory.into_storage());

        let names = &world.cpu.kernel.debugger.trace_names;
        (0..100).for_each(|number| name(world.cpu.kernel, 1000 + number, [number, 0]));
        let header = names.memory.get::<Entry>(0).expect("inside");
        assert_eq!(header[2].load(Relaxed), names.capacity);
        let first = names.memory.get::<Entry>(ENTRY_SIZE).expect("inside");
        // sigma0's name was there before.
        assert_eq!(Kind::from_word(first[1].load(Relaxed)), Some(Kind::Name));
    });
}

#[test]
fn the_kernel_tells_where_the_buffers_are() {
    run(|world| {
        announce(world.cpu);
        let output = world.cpu.kernel.platform.console.take_output();
        let output = String::from_utf8(output).expect("text");
        let lines: Vec<&str> = output
            .lines()
            .filter(|line| line.starts_with("@brio trace 0x"))
            .collect();
        assert!(lines.len() >= 2 && lines[0].ends_with(" 0x800"), "{output}");
        let header = world.cpu.trace.memory.get::<Entry>(0).expect("inside");
        let header = [0, 1, 2, 3].map(|word: usize| header[word].load(Relaxed));
        assert_eq!((header[0], header[1], header[3]), (MAGIC, 0, 1_000_000));
        assert!(header[2] > 0);
    });
}

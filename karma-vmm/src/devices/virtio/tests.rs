use super::console::Console;
use super::*;
use crate::x86_64::devices::pci::Pci;
use alloc::sync::Arc;
use alloc::vec;
use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, DriverQueue};
use std::sync::Mutex;

const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;

type Printed = Arc<Mutex<vec::Vec<u8>>>;

fn console() -> (Transport<Ram>, Printed) {
    let printed = Printed::default();
    let output = printed.clone();
    let console = Console::new(move |bytes: &[u8]| output.lock().unwrap().extend_from_slice(bytes));
    (Transport::new(Box::new(console)), printed)
}

/// How a driver of either bus sets a register.
type Write = fn(&mut Transport<Ram>, Register, u32, &Ram);

#[derive(Clone, Copy)]
enum Register {
    FeaturePage,
    Features,
    Status,
    Queue,
    Size,
    /// Descriptors, available, used; low half.
    Address(u16),
    Ready,
    Notify,
}

fn write_pci(transport: &mut Transport<Ram>, register: Register, value: u32, memory: &Ram) {
    let offset = match register {
        Register::FeaturePage => 8,
        Register::Features => 12,
        Register::Status => 20,
        Register::Queue => 22,
        Register::Size => 24,
        Register::Address(part) => 32 + 8 * part,
        Register::Ready => 28,
        Register::Notify => 60,
    };
    transport.write_port(offset, value, memory);
}

fn write_mmio(transport: &mut Transport<Ram>, register: Register, value: u32, memory: &Ram) {
    let offset = match register {
        Register::FeaturePage => 0x24,
        Register::Features => 0x20,
        Register::Status => 0x70,
        Register::Queue => 0x30,
        Register::Size => 0x38,
        Register::Address(part) => 0x80 + 0x10 * u64::from(part),
        Register::Ready => 0x44,
        Register::Notify => 0x50,
    };
    transport.write_register(offset, value, memory);
}

const BUSES: [Write; 2] = [write_pci, write_mmio];

/// Makes queue `number` ready with eight descriptors at `start`, as drivers do.
fn set_up_queue(
    transport: &mut Transport<Ram>,
    write: Write,
    memory: &Ram,
    number: u32,
    start: u64,
) -> DriverQueue<8> {
    let layout = Layout::contiguous(8, start).unwrap();
    write(transport, Register::Queue, number, memory);
    write(transport, Register::Size, 8, memory);
    for (part, address) in [layout.descriptors(), layout.available(), layout.used()]
        .into_iter()
        .enumerate()
    {
        write(
            transport,
            Register::Address(part as u16),
            address as u32,
            memory,
        );
    }
    write(transport, Register::Ready, 1, memory);
    DriverQueue::new(layout, memory).unwrap()
}

fn agree(transport: &mut Transport<Ram>, write: Write, memory: &Ram) {
    write(
        transport,
        Register::Status,
        (ACKNOWLEDGE | DRIVER).into(),
        memory,
    );
    write(transport, Register::FeaturePage, 1, memory);
    write(transport, Register::Features, 1, memory);
    write(
        transport,
        Register::Status,
        status::FEATURES_OK.into(),
        memory,
    );
}

fn run(transport: &mut Transport<Ram>, write: Write, memory: &Ram) {
    write(
        transport,
        Register::Status,
        status::DRIVER_OK.into(),
        memory,
    );
}

#[test]
fn a_console_prints_and_receives_on_either_bus() {
    for write in BUSES {
        let memory = Ram::new(0x1_0000);
        let (mut transport, printed) = console();
        agree(&mut transport, write, &memory);
        let mut receive = set_up_queue(&mut transport, write, &memory, 0, 0x1000);
        let mut transmit = set_up_queue(&mut transport, write, &memory, 1, 0x2000);
        run(&mut transport, write, &memory);

        memory.write(0x8000, b"Hello, ").unwrap();
        memory.write(0x9000, b"world").unwrap();
        let buffers =
            [(0x8000, 7), (0x9000, 5)].map(|(address, length)| Buffer { address, length });
        transmit.offer(&memory, &buffers, &[]).unwrap().unwrap();
        write(&mut transport, Register::Notify, 1, &memory);
        assert_eq!(*printed.lock().unwrap(), b"Hello, world");
        assert!(transport.interrupt());
        assert!(transmit.take(&memory).unwrap().is_some());

        let buffer = Buffer {
            address: 0xa000,
            length: 3,
        };
        receive.offer(&memory, &[], &[buffer]).unwrap().unwrap();
        let room = transport.room().unwrap();
        assert_eq!(transport.type_in(b"yes!", &memory), 4);
        assert_eq!(receive.take(&memory).unwrap().unwrap().written, 3);
        let mut typed = [0; 3];
        memory.read(0xa000, &mut typed).unwrap();
        assert_eq!(&typed, b"yes");
        assert_eq!(transport.room(), Some(room - 1), "one byte waits");
        // The rest comes when there is room.
        receive.offer(&memory, &[], &[buffer]).unwrap().unwrap();
        write(&mut transport, Register::Notify, 0, &memory);
        assert_eq!(receive.take(&memory).unwrap().unwrap().written, 1);
    }
}

#[test]
fn typing_is_for_a_console_that_the_guest_uses() {
    let memory = Ram::new(0x1_0000);
    let (mut transport, _) = console();
    assert_eq!(transport.room(), None);
    agree(&mut transport, write_pci, &memory);
    run(&mut transport, write_pci, &memory);
    let room = transport.room().unwrap();
    assert_eq!(transport.type_in(&vec![b'x'; room + 1], &memory), room);
    assert_eq!(transport.room(), Some(0));
    write_pci(&mut transport, Register::Status, 0, &memory);
    assert_eq!(transport.room(), None);
    agree(&mut transport, write_pci, &memory);
    run(&mut transport, write_pci, &memory);
    assert_eq!(transport.room(), Some(room), "a reset forgets what waited");
}

/// A device whose server fails when somebody says so.
struct Failing(Arc<Mutex<bool>>);

impl Device<Ram> for Failing {
    fn kind(&self) -> u16 {
        2
    }

    fn queues(&self) -> usize {
        1
    }

    fn serve(&mut self, _: &mut [Queue], _: Option<usize>, _: &Ram) -> Result<bool, QueueError> {
        Ok(false)
    }

    fn has_failed(&self) -> bool {
        *self.0.lock().unwrap()
    }

    fn reset(&mut self) {
        *self.0.lock().unwrap() = false;
    }
}

#[test]
fn the_guest_is_told_that_its_device_has_failed_outside() {
    let memory = Ram::new(0x1_0000);
    let failed = Arc::new(Mutex::new(false));
    let mut transport = Transport::new(Box::new(Failing(failed.clone())));
    let tell: fn(&mut Transport<Ram>, &Ram) = |transport, _| transport.completed();
    for event in [tell, |transport, memory| transport.notify(0, memory)] {
        agree(&mut transport, write_pci, &memory);
        run(&mut transport, write_pci, &memory);
        event(&mut transport, &memory);
        assert_eq!(transport.status & status::NEEDS_RESET, 0);
        *failed.lock().unwrap() = true;
        transport.interrupts = 0;
        event(&mut transport, &memory);
        assert_ne!(transport.status & status::NEEDS_RESET, 0);
        assert_eq!(transport.interrupts, CONFIGURATION_INTERRUPT);
        // Once.
        transport.interrupts = 0;
        event(&mut transport, &memory);
        assert_eq!(transport.interrupts, 0);
        write_pci(&mut transport, Register::Status, 0, &memory);
    }
}

#[test]
fn interrupts_are_acknowledged_as_each_bus_does() {
    let memory = Ram::new(0x100);
    let (mut transport, _) = console();
    transport.interrupts = QUEUE_INTERRUPT;
    assert_eq!(transport.read_port(56, 1), 1);
    assert!(!transport.interrupt(), "by reading");
    transport.interrupts = QUEUE_INTERRUPT | CONFIGURATION_INTERRUPT;
    assert_eq!(transport.read_register(0x60, 4), 3);
    assert!(transport.interrupt());
    transport.write_register(0x64, 1, &memory);
    assert_eq!(transport.read_register(0x60, 4), 2);
}

#[test]
fn features_that_were_not_offered_are_refused() {
    let memory = Ram::new(0x100);
    for (low, high, agreed) in [(0, 1, true), (1, 1, false), (0, 0, false), (0, 3, false)] {
        let (mut transport, _) = console();
        transport.write_port(8, 0, &memory);
        transport.write_port(12, low, &memory);
        transport.write_port(8, 1, &memory);
        transport.write_port(12, high, &memory);
        transport.write_port(20, status::FEATURES_OK.into(), &memory);
        assert_eq!(
            transport.read_port(20, 1) & u32::from(status::FEATURES_OK) != 0,
            agreed
        );
    }
}

#[test]
fn a_wrong_queue_asks_for_a_reset_and_a_reset_heals_it() {
    for write in BUSES {
        let memory = Ram::new(0x1_0000);
        let (mut transport, printed) = console();
        agree(&mut transport, write, &memory);
        set_up_queue(&mut transport, write, &memory, 1, 0x2000);
        run(&mut transport, write, &memory);
        // The available ring's index runs far ahead.
        let layout = Layout::contiguous(8, 0x2000).unwrap();
        memory.store(layout.available() + 2, 1000).unwrap();
        write(&mut transport, Register::Notify, 1, &memory);
        assert_eq!(transport.status & status::NEEDS_RESET, status::NEEDS_RESET);
        assert!(transport.interrupt());
        write(&mut transport, Register::Status, 0, &memory);
        assert_eq!((transport.status, transport.interrupt()), (0, false));
        memory.write(0x2000, &[0; 0x200]).unwrap();
        agree(&mut transport, write, &memory);
        let mut transmit = set_up_queue(&mut transport, write, &memory, 1, 0x2000);
        run(&mut transport, write, &memory);
        memory.write(0x8000, b"again").unwrap();
        let buffer = Buffer {
            address: 0x8000,
            length: 5,
        };
        transmit.offer(&memory, &[buffer], &[]).unwrap().unwrap();
        write(&mut transport, Register::Notify, 1, &memory);
        assert_eq!(*printed.lock().unwrap(), b"again");
    }
}

#[test]
fn a_buffer_outside_of_memory_is_a_wrong_queue() {
    let memory = Ram::new(0x1_0000);
    let (mut transport, printed) = console();
    agree(&mut transport, write_pci, &memory);
    let mut transmit = set_up_queue(&mut transport, write_pci, &memory, 1, 0x2000);
    run(&mut transport, write_pci, &memory);
    let buffer = Buffer {
        address: 0xfffc,
        length: 8,
    };
    transmit.offer(&memory, &[buffer], &[]).unwrap().unwrap();
    transport.write_port(60, 1, &memory);
    assert_eq!(transport.status & status::NEEDS_RESET, status::NEEDS_RESET);
    assert!(printed.lock().unwrap().is_empty());
}

#[test]
fn a_driver_of_pci_finds_all_parts_in_the_window() {
    let (transport, _) = console();
    let mut pci = Pci::default();
    pci.add(transport.function(0xc000, 5)).unwrap();
    let mut read = |offset: u32| {
        pci.write(0xcf8, 4, 1 << 31 | 1 << 11 | offset & !3);
        pci.read(0xcfc, 4) >> (8 * (offset & 3))
    };
    assert_eq!(read(0), 0x1043_1af4);
    let mut parts = vec![];
    let mut at = read(0x34) & 0xff;
    while at != 0 {
        assert_eq!(read(at) & 0xff, 9);
        parts.push((read(at + 3) & 0xff, read(at + 8), read(at + 12)));
        at = read(at + 1) & 0xff;
    }
    assert_eq!(parts, [(1, 0, 56), (3, 56, 1), (4, 64, 64), (2, 60, 2)]);
}

#[test]
fn no_access_panics_whatever_its_place_and_size() {
    let memory = Ram::new(0x1000);
    let (mut transport, _) = console();
    for value in [0, 1, 0x80, 0xff, 0xffff, u32::MAX] {
        for offset in 0..128 {
            transport.write_port(offset, value, &memory);
            for size in [1, 2, 4] {
                transport.read_port(offset, size);
            }
        }
        for offset in 0..crate::aarch64::platform::VIRTIO_SIZE + 8 {
            transport.write_register(offset, value, &memory);
            for size in [1, 2, 4, 8] {
                transport.read_register(offset, size);
            }
        }
    }
}

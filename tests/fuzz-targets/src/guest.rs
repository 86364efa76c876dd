//! A guest that does to its machine what somebody else wrote: ports, registers, addresses of devices,
//! calls, and its own memory, in which the queues of virtio devices are.

use crate::steps::{self, Step};
use karma_vmm::aarch64::access::Access;
use karma_vmm::aarch64::devices::gic::Version;
use karma_vmm::aarch64::platform;
use karma_vmm::aarch64::psci::{Firmware, Start};
use karma_vmm::aarch64::system_register::SystemRegister;
use karma_vmm::devices::virtio::console::Console;
use karma_vmm::devices::virtio::{Device, Devices, Queue};
use karma_vmm::vmm::devices::number as device_of;
use karma_vmm::x86_64::cpuid::{self, Cpu};
use karma_vmm::x86_64::debug_registers::{DebugRegisters, decode};
use karma_vmm::x86_64::devices::local_apic::{LocalApic, TSC_DEADLINE};
use karma_vmm::x86_64::devices::paravirtual_clock::Scale;
use karma_vmm::x86_64::msr::Registers;
use karma_vmm::x86_64::platform::{Bus, Platform};
use l4_virtio::fixture::Ram;
use l4_virtio::transport::kind;
use l4_virtio::{Memory, QueueError};

const MEMORY: usize = 0x4000;
const CONSOLES: usize = 2;
const CPUS: u32 = 4;

/// A device of a server, which says of it what it likes: a monitor passes on what the guest sets up.
struct Passed {
    queue_size: u16,
    is_refused: bool,
}

impl Passed {
    fn new(choice: u8) -> Self {
        const SIZES: [u16; 7] = [0, 1, 3, 4, 256, 1 << 15, u16::MAX];
        Self {
            queue_size: SIZES[usize::from(choice) % SIZES.len()],
            is_refused: choice > 0x7f,
        }
    }
}

impl Device<Ram> for Passed {
    fn kind(&self) -> u16 {
        kind::NET as u16
    }

    fn features(&self) -> u64 {
        u64::MAX
    }

    fn configuration(&self) -> &[u8] {
        &[0xff; 64]
    }

    fn queues(&self) -> usize {
        2
    }

    fn queue_size(&self) -> u16 {
        self.queue_size
    }

    fn start(&mut self, _: u64, queues: &mut [Queue]) -> bool {
        assert_eq!(queues.len(), 2);
        for queue in queues.iter_mut().filter_map(Queue::ready) {
            let size = queue.layout().size();
            assert!(size.is_power_of_two() && size <= self.queue_size);
        }
        !self.is_refused
    }

    fn serve(
        &mut self,
        _: &mut [Queue],
        notified: Option<usize>,
        _: &Ram,
    ) -> Result<bool, QueueError> {
        assert!(notified.is_none_or(|queue| queue < 2));
        Ok(false)
    }
}

/// Consoles, and a server's device as the first byte says.
fn devices(bytes: &[u8]) -> Devices<Ram> {
    let mut devices = Devices::default();
    (0..CONSOLES).for_each(|_| devices.add(Console::new(|_: &[u8]| {})));
    devices.add(Passed::new(bytes.first().copied().unwrap_or(0) >> 1));
    devices
}

/// A guest on a PC, on CPU 0 of several.
pub fn pc(bytes: &[u8]) {
    let memory = Ram::new(MEMORY);
    let mut pc = Platform::new(Box::new(|_| {}), Bus::new(devices(bytes)));
    let mut registers = Registers::new(0, true);
    let mut debug = DebugRegisters::default();
    let mut apic = LocalApic::new(0);
    let mut now = 0u64;
    for Step {
        kind,
        size,
        place,
        value,
    } in steps::of(bytes)
    {
        let number = value as u32;
        // What processors say of a port.
        let width = match size {
            0 | 1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        match kind % 10 {
            0 | 1 => drop(pc.write_port(place, width, number, now, &memory)),
            2 => drop(pc.read_port(place, width, now)),
            3 => {
                let scale = Scale::new(value);
                let time = (scale, value);
                let _ = registers.write(number, value.rotate_left(32), &memory, time);
                let _ = registers.read(number);
            }
            4 => {
                let number = match place {
                    TSC_DEADLINE_PLACE.. => TSC_DEADLINE,
                    place => 0x800 + u32::from(place) % 0x100,
                };
                if let Ok(Some(ipi)) = apic.write(number, value) {
                    let targets = (0..CPUS).filter(|id| {
                        let other = LocalApic::new(*id);
                        other.is_target(ipi.target, 0)
                    });
                    assert!(targets.count() <= CPUS as usize);
                }
                let _ = apic.read(number);
            }
            5 => {
                apic.request(place as u8);
                apic.expire(value);
                if let Some(vector) = apic.pending() {
                    assert!(vector >= 16);
                    apic.acknowledge(vector);
                    assert_ne!(apic.pending(), Some(vector), "it is in service");
                }
            }
            6 => {
                let cpu = Cpu {
                    id: 0,
                    count: CPUS,
                    has_apic: true,
                };
                cpuid::answer(number, place.into(), [number; 4], cpu);
            }
            7 => {
                let found = decode(&memory, value, u64::from(place) << 32 | value);
                assert!(found.is_none_or(|found| found.register < 16 && found.length < 16));
                debug.note(value);
                debug.set(place.into(), value);
                debug.get(size.into());
            }
            8 => {
                let _ = memory.write(place.into(), &value.to_le_bytes()[..size.into()]);
            }
            _ => {
                now = now.saturating_add(value >> 24);
                pc.completed(place.into());
                if let Some(device) = device_of(value) {
                    pc.completed(device);
                }
                assert!(pc.type_in(&[place as u8; 4], &memory) <= 4);
                if let Some(vector) = pc.pending(now) {
                    pc.acknowledge(vector);
                }
                assert!(pc.deadline().is_none_or(|due| due > now));
            }
        }
    }
}

/// From here on a place stands for the register of the timer.
const TSC_DEADLINE_PLACE: u16 = 0xf000;

/// A guest on the machine of aarch64.
pub fn arm(bytes: &[u8]) {
    let memory = Ram::new(MEMORY);
    let version = match bytes.first() {
        Some(first) if first % 2 == 1 => Version::V2,
        _ => Version::V3,
    };
    let cpus = CPUS as u8;
    let bus = platform::Bus::new(devices(bytes));
    let mut machine = platform::Platform::new(version, cpus, Box::new(|_| {}), bus);
    let first = Start { ip: 0, argument: 0 };
    let mut firmware = Firmware::new(cpus, first);
    for Step {
        kind,
        size,
        place,
        value,
    } in steps::of(bytes)
    {
        let cpu = usize::from(size) % CPUS as usize;
        // Devices are in some 64 MiB from this address on.
        let address = platform::DISTRIBUTOR + (u64::from(kind >> 3) << 20 | u64::from(place));
        match kind % 8 {
            0..=3 => {
                // The lower half of the value says how, the upper what.
                let Some(access) = Access::of(value | 1 << 24) else {
                    unreachable!("it is described")
                };
                let word = access.written(value >> 32);
                let read = match access.is_write {
                    true => machine
                        .write(cpu, address, access, word, &memory)
                        .map(|()| 0),
                    false => machine.read(cpu, address, access),
                };
                if let Some(read) = read {
                    assert!(platform::Platform::<Ram>::name(address).is_some());
                    access.loaded(read);
                }
            }
            4 => {
                firmware.answer(cpu, [value & 0xffff_ffff, place.into(), value, value]);
                assert!(firmware.start(cpu).is_none() || !firmware.is_starting(cpu));
            }
            5 => {
                let _ = memory.write(place.into(), &value.to_le_bytes());
            }
            6 => {
                let access = SystemRegister::of(value);
                assert!(access.register < 32);
                // Of all registers this one is looked at.
                if access.generates_interrupts() || place % 2 == 0 {
                    machine.gic.generate(cpu, value);
                }
            }
            _ => {
                machine.timer(cpu);
                assert!(machine.type_in(&[place as u8; 4], &memory) <= 4);
                machine.completed(place.into());
                machine.update_lines();
                let mut lists = [value; 4];
                machine.gic.offer(cpu, &mut lists);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_guest;

    #[test]
    fn nothing_that_guests_do_panics() {
        pc(&example_guest());
        let bytes = steps::random(1, 20_000);
        pc(&bytes);
        arm(&bytes);
    }
}

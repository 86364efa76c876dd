//! Two CPUs in one test.

use machine::event::Source;
use machine::per_cpu::{PerCpu, Upcalls};
use machine::trap::Interrupt;

use crate::cpu::CpuLocal;
use crate::mapping::Cursor;
use crate::object;
use crate::object::thread::{Life, Thread};
use crate::testing::World;

use super::*;

/// A second CPU for the world's kernel.
fn second_cpu(world: &World) -> Cpu {
    let kernel = world.cpu.kernel;
    let cursor = Cursor::new(&kernel.heap, world.quota).expect("memory");
    kernel.quiescence.join(1);
    PerCpu::new(1, CpuLocal::new(kernel, cursor))
}

/// Another CPU interrupts `cpu`.
fn interrupt(cpu: &mut Cpu) {
    CpuLocal::interrupt(cpu, Interrupt(Source::Ipi));
}

fn thread_of_the_second_cpu(world: &World) -> Ref<Thread> {
    let cpu = &*world.cpu;
    Thread::create(cpu, world.quota, 1).expect("memory")
}

#[test]
fn a_thread_is_destroyed_by_its_home_cpu() {
    let world = World::new();
    let mut other = second_cpu(&world);
    let thread = thread_of_the_second_cpu(&world);
    ipi::take_recorded();
    object::delete(world.cpu, thread.header());
    interrupt(world.cpu);
    assert!(ipi::take_recorded().contains(&1), "its home is told");
    assert_eq!(thread.state(&other).life.get(), Life::New);
    interrupt(&mut other);
    assert_eq!(thread.state(&other).life.get(), Life::Dead);
}

#[test]
fn nothing_is_freed_while_a_cpu_may_look_at_it() {
    let mut world = World::new();
    let mut other = second_cpu(&world);
    let before = world.cpu.kernel.heap.used();
    let semaphore = world.semaphore();
    let with_it = world.cpu.kernel.heap.used();
    ipi::take_recorded();
    object::delete(world.cpu, semaphore.header());
    drop(semaphore);
    interrupt(world.cpu);
    assert_eq!(world.cpu.kernel.heap.used(), with_it);
    assert_eq!(ipi::take_recorded(), [1], "the other CPU is asked to pass");
    // Again and again nothing, as long as that has not passed.
    interrupt(world.cpu);
    assert_eq!(world.cpu.kernel.heap.used(), with_it);
    interrupt(&mut other);
    interrupt(world.cpu);
    assert_eq!(world.cpu.kernel.heap.used(), before);
}

#[test]
fn a_thread_that_dies_remotely_is_freed_once_both_cpus_have_passed() {
    let world = World::new();
    let mut other = second_cpu(&world);
    let before = world.cpu.kernel.heap.used();
    let thread = thread_of_the_second_cpu(&world);
    object::delete(world.cpu, thread.header());
    drop(thread);
    for _ in 0..3 {
        interrupt(world.cpu);
        interrupt(&mut other);
    }
    assert_eq!(world.cpu.kernel.heap.used(), before);
}

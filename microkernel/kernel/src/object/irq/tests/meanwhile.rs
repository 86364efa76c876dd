//! What another CPU does to an interrupt while one comes.

use super::*;
use crate::testing::{Meanwhile, run_on};

/// True if another CPU does its part.
fn interrupted_by(world: &mut World, moments: usize, is_unbound: bool) -> bool {
    let real = Real::new(world, Line::Level);
    real.bind(world, 0);
    real.tell(world, Opcode::Unmask);
    let own = world.give_full(&real.task, real.task.header());
    let other = world.on(1).thread(&real.task, 5);
    world.prepare(|world| match is_unbound {
        true => {
            let words = [IcuOpcode::Unbind as u64, u64::from(PIN)];
            world.start_invocation(&other, real.icu, label::IRQ, &words, Some(real.slot));
        }
        false => {
            let mask = UnmapMask::DELETE_OBJECT.raw();
            let irq = Flexpage::object(real.slot, CapabilityRights::FULL).raw();
            world.start_invocation(&other, own, label::TASK, &[1, mask, irq], None);
        }
    });
    let before = world.cpu.kernel.platform.chip.pin(PIN).acknowledged;
    world.on(0).meanwhile(moments, 1, Meanwhile::Syscall);
    world.enter(Source::Pin(PIN));
    let pin = world.cpu.kernel.platform.chip.pin(PIN);
    assert_eq!(pin.acknowledged, before + 1, "after {moments} moments");
    assert!(pin.masked);
    let has_happened = world.has_happened;
    world.deliver_all();
    has_happened
}

#[test]
fn an_interrupt_is_acknowledged_whatever_becomes_of_its_object_meanwhile() {
    for is_unbound in [false, true] {
        let (mut moments, mut has_happened) = (0, true);
        while has_happened {
            run_on(2, |world| {
                has_happened = interrupted_by(world, moments, is_unbound);
            });
            moments += 1;
        }
        assert!(moments > 1, "nothing happens in the middle");
    }
}

/// True if another CPU binds an interrupt that lets its pin's through, while one comes that is for
/// nobody.
fn bound_while_hit(world: &mut World, moments: usize) -> bool {
    let real = Real::new(world, Line::Edge);
    real.tell(world, Opcode::Unmask);
    let unbind = [IcuOpcode::Unbind as u64, u64::from(PIN)];
    assert_eq!(real.icu(world, &unbind, Some(real.slot)), 0);
    let other = world.on(1).thread(&real.task, 5);
    world.prepare(|world| {
        let words = [IcuOpcode::Bind as u64, u64::from(PIN)];
        world.start_invocation(&other, real.icu, label::IRQ, &words, Some(real.slot));
    });
    world.on(0).meanwhile(moments, 1, Meanwhile::Syscall);
    world.enter(Source::Pin(PIN));
    let pin = world.cpu.kernel.platform.chip.pin(PIN);
    let is_bound = real.irq.pin.chip_pin(world.cpu) == Some(PIN);
    assert!(real.irq.pin.is_enabled() && pin.masked != is_bound);
    let has_happened = world.has_happened;
    world.deliver_all();
    has_happened
}

#[test]
fn an_interrupt_for_nobody_masks_no_pin_that_another_cpu_has_bound_meanwhile() {
    let (mut moments, mut has_happened) = (0, true);
    while has_happened {
        run_on(2, |world| has_happened = bound_while_hit(world, moments));
        moments += 1;
    }
    assert!(moments > 3, "nothing happens in the middle");
}

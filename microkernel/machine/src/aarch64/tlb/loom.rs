//! Translations of aarch64 on two CPUs, in every order.

use std::sync::Arc;

use ::loom::sync::atomic::AtomicBool;
use ::loom::thread;

use super::super::invalidate::take_forgotten;
use super::*;
use crate::per_cpu::PerCpu;

const ROOT: Root = Root(0x1000);

/// A CPU and its translations.
struct Cpu {
    cpu: PerCpu<()>,
    tlb: Tlb,
}

impl Cpu {
    fn new(id: u32) -> Self {
        Self {
            cpu: PerCpu::new(id, ()),
            tlb: Tlb::new(),
        }
    }

    /// Loads the space as the kernel does; its number.
    fn load(&self, tlbs: &Tlbs, space: &Residence) -> u64 {
        if !self.tlb.load_again(self.cpu.block(), space) {
            tlbs.load(self.cpu.block(), &self.tlb, space, ROOT);
        }
        space.number.load(Ordering::Relaxed)
    }

    /// The VMIDs under which it has translations of the space.
    fn vmids(&self, number: u64) -> Vec<usize> {
        let owners = self.tlb.owners.iter().enumerate();
        let own = owners.filter(|(_, owner)| owner.get() == number);
        own.map(|(vmid, _)| vmid).collect()
    }
}

/// A CPU that could use the page, because the table had it when it loaded the
/// space, is told to forget it.
#[test]
fn a_page_that_goes_while_its_space_is_first_loaded_is_forgotten_or_never_seen() {
    ::loom::model(|| {
        let shared = Arc::new((Tlbs::new(), Residence::new(), AtomicBool::new(true)));
        let other = shared.clone();
        let user = thread::spawn(move || {
            let (tlbs, space, mapped) = &*other;
            let cpu = Cpu::new(1);
            let number = cpu.load(tlbs, space);
            let is_cached = mapped.load(Ordering::Relaxed);
            is_cached.then(|| cpu.vmids(number))
        });
        let (tlbs, space, mapped) = &*shared;
        let cpu = Cpu::new(0);
        take_forgotten();
        mapped.store(false, Ordering::Relaxed);
        tlbs.forget(cpu.cpu.block(), &cpu.tlb, space, 0x1000, true);
        let forgotten = take_forgotten();
        if let Some(cached) = user.join().expect("no panic") {
            assert_eq!(cached, forgotten, "a page is used after its end");
        }
    });
}

/// Two CPUs load a space first: it has one number, so one VMID is enough to
/// forget it everywhere, and it is loaded again with what is there.
#[test]
fn a_space_that_two_cpus_load_first_has_one_vmid_on_both() {
    ::loom::model(|| {
        let shared = Arc::new((Tlbs::new(), Residence::new()));
        let load = |id, (tlbs, space): &(Tlbs, Residence)| {
            let cpu = Cpu::new(id);
            let number = cpu.load(tlbs, space);
            let has_it = cpu.tlb.load_again(cpu.cpu.block(), space);
            assert!(has_it, "its own translations are another space's");
            (number, cpu.vmids(number))
        };
        let other = shared.clone();
        let cpu1 = thread::spawn(move || load(1, &other));
        let (number, vmids) = load(0, &shared);
        assert_eq!(vmids, [vmid(shared.1.word.load(Ordering::Relaxed))]);
        assert_eq!(cpu1.join().expect("no panic"), (number, vmids));
    });
}

/// Two CPUs load a space each.
#[test]
fn spaces_never_have_the_same_number() {
    ::loom::model(|| {
        let tlbs = Arc::new(Tlbs::new());
        let other = tlbs.clone();
        let load = |id, tlbs: &Tlbs| Cpu::new(id).load(tlbs, &Residence::new());
        let cpu1 = thread::spawn(move || load(1, &other));
        assert_ne!(load(0, &tlbs), cpu1.join().expect("no panic"));
    });
}

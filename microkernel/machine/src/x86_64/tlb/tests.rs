//! Translations on two CPUs; with loom, in every order.

use super::*;
use crate::per_cpu::PerCpu;

const ROOT: Root = Root::new(0x1000);

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

    fn load(&self, tlbs: &Tlbs, space: &Residence) {
        if !self.tlb.load_again(self.cpu.block(), space) {
            tlbs.load(self.cpu.block(), &self.tlb, space, ROOT);
        }
    }

    fn forget(&self, tlbs: &Tlbs, space: &Residence) {
        tlbs.forget(self.cpu.block(), &self.tlb, space, 0x1000, true);
    }

    fn serve(&self, tlbs: &Tlbs, loaded: &Residence) {
        tlbs.serve(self.cpu.block(), &self.tlb, Some(loaded));
    }
}

#[cfg(not(loom))]
mod in_order {
    use super::*;
    use crate::arch::descriptors::take_loaded;
    use crate::arch::invalidate::take_count;

    fn two_cpus() -> (Tlbs, Cpu, Cpu) {
        take_count();
        (Tlbs::new(), Cpu::new(0), Cpu::new(1))
    }

    fn is_quiet(tlbs: &Tlbs) -> bool {
        tlbs.outstanding.load(Ordering::Relaxed) == 0
    }

    #[test]
    fn a_space_that_is_loaded_again_keeps_its_translations() {
        let (tlbs, cpu, _) = two_cpus();
        let (one, other) = (Residence::new(), Residence::new());
        cpu.load(&tlbs, &one);
        cpu.load(&tlbs, &other);
        assert_eq!(take_count(), 2);
        cpu.load(&tlbs, &one);
        assert_eq!(take_count(), 0);
    }

    #[test]
    fn what_goes_while_a_space_is_not_loaded_is_found_out_later() {
        let (tlbs, cpu, _) = two_cpus();
        let (one, other) = (Residence::new(), Residence::new());
        cpu.load(&tlbs, &one);
        cpu.load(&tlbs, &other);
        cpu.forget(&tlbs, &one);
        take_count();
        cpu.load(&tlbs, &one);
        assert_eq!(take_count(), 1);
    }

    #[test]
    fn the_own_cpu_forgets_at_once() {
        let (tlbs, cpu, _) = two_cpus();
        let space = Residence::new();
        cpu.load(&tlbs, &space);
        take_count();
        cpu.forget(&tlbs, &space);
        assert_eq!(take_count(), 1);
        assert!(is_quiet(&tlbs));
        cpu.load(&tlbs, &space);
        assert_eq!(take_count(), 0);
    }

    #[test]
    fn descriptors_are_loaded_each_time_and_translations_kept() {
        let (tlbs, cpu, resident) = two_cpus();
        let (space, other) = (Residence::new(), Residence::new());
        for cpu in [&cpu, &resident] {
            cpu.load(&tlbs, &space);
        }
        space.set_descriptors();
        take_loaded();
        tlbs.forget(cpu.cpu.block(), &cpu.tlb, &space, 0, false);
        assert_eq!(take_loaded(), 1, "where they were set");
        resident.serve(&tlbs, &space);
        assert_eq!(take_loaded(), 1, "where the space is loaded");
        for cpu in [&cpu, &resident] {
            cpu.load(&tlbs, &other);
            cpu.load(&tlbs, &space);
            cpu.load(&tlbs, &other);
            take_count();
            take_loaded();
            cpu.load(&tlbs, &space);
            assert_eq!((take_loaded(), take_count()), (1, 0));
            tlbs.unload(cpu.cpu.block(), &cpu.tlb, &space);
            cpu.load(&tlbs, &space);
            assert_eq!((take_loaded(), take_count()), (1, 0));
        }
        cpu.load(&tlbs, &other);
        assert_eq!((take_loaded(), take_count()), (0, 0));
    }

    #[test]
    fn only_residents_are_asked() {
        let (tlbs, cpu, other) = two_cpus();
        let space = Residence::new();
        cpu.forget(&tlbs, &space);
        assert!(is_quiet(&tlbs));
        other.load(&tlbs, &space);
        cpu.forget(&tlbs, &space);
        assert!(!is_quiet(&tlbs));
        assert_eq!(cpu.tlb.asked.get(), 1 << 1);
        take_count();
        other.serve(&tlbs, &space);
        assert_eq!(take_count(), 1);
        assert!(is_quiet(&tlbs));
    }

    #[test]
    fn a_cpu_that_runs_something_else_is_asked_once() {
        let (tlbs, cpu, other) = two_cpus();
        let (space, next) = (Residence::new(), Residence::new());
        other.load(&tlbs, &space);
        other.load(&tlbs, &next);
        cpu.forget(&tlbs, &space);
        assert!(!is_quiet(&tlbs));
        take_count();
        other.serve(&tlbs, &next);
        assert_eq!(take_count(), 0, "nothing of it is loaded");
        cpu.forget(&tlbs, &space);
        assert!(is_quiet(&tlbs));
    }

    #[test]
    fn a_cpu_that_idles_is_not_asked() {
        let (tlbs, cpu, other) = two_cpus();
        let space = Residence::new();
        other.load(&tlbs, &space);
        tlbs.unload(other.cpu.block(), &other.tlb, &space);
        cpu.forget(&tlbs, &space);
        assert!(is_quiet(&tlbs));
        take_count();
        other.load(&tlbs, &space);
        assert_eq!(take_count(), 1);
    }

    #[test]
    fn a_cpu_that_idled_has_its_translations_and_is_asked_again() {
        let (tlbs, cpu, other) = two_cpus();
        let space = Residence::new();
        other.load(&tlbs, &space);
        tlbs.unload(other.cpu.block(), &other.tlb, &space);
        take_count();
        other.load(&tlbs, &space);
        assert_eq!(take_count(), 0);
        cpu.forget(&tlbs, &space);
        assert!(!is_quiet(&tlbs));
        other.serve(&tlbs, &space);
        assert_eq!(take_count(), 1);
    }

    #[test]
    fn spaces_that_share_an_id_lose_their_translations() {
        let (tlbs, cpu, _) = two_cpus();
        let spaces: Vec<_> = (0..IDS).map(|_| Residence::new()).collect();
        for space in &spaces {
            cpu.load(&tlbs, space);
        }
        let shares = |other: &&Residence| other.id(&tlbs) == spaces[0].id(&tlbs);
        assert_eq!(spaces.iter().filter(shares).count(), 2);
        take_count();
        cpu.load(&tlbs, &spaces[1]);
        assert_eq!(take_count(), 0);
        cpu.load(&tlbs, &spaces[0]);
        assert_eq!(take_count(), 1);
    }

    #[test]
    fn who_waits_serves_requests_to_its_own_cpu() {
        let (tlbs, cpu, other) = two_cpus();
        let space = Residence::new();
        cpu.load(&tlbs, &space);
        other.forget(&tlbs, &space);
        cpu.forget(&tlbs, &space);
        take_count();
        let platform = Platform::new(2);
        tlbs.wait(&platform, cpu.cpu.block(), &cpu.tlb, Some(&space));
        assert_eq!(take_count(), 1);
        assert!(is_quiet(&tlbs));
    }
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::sync::atomic::AtomicBool;
    use ::loom::thread;

    use super::*;

    /// A page: whether it is mapped, and whether its memory was given to
    /// somebody else.
    struct World {
        tlbs: Tlbs,
        space: Residence,
        mapped: AtomicBool,
        reused: AtomicBool,
    }

    impl World {
        /// The space has a version, and no residents.
        fn new() -> Arc<Self> {
            let tlbs = Tlbs::new();
            let space = Residence::new();
            space.version(&tlbs);
            Arc::new(Self {
                tlbs,
                space,
                mapped: AtomicBool::new(true),
                reused: AtomicBool::new(false),
            })
        }

        /// Takes the page away on `cpu`, under the page table's lock.
        fn take(&self, cpu: &Cpu) {
            self.mapped.store(false, Ordering::Relaxed);
            cpu.forget(&self.tlbs, &self.space);
        }

        /// As [`Tlbs::wait`], but not in a loop; whether the page can be
        /// reused.
        fn is_out_of_use(&self, cpu: &Cpu) -> bool {
            cpu.serve(&self.tlbs, &self.space);
            self.tlbs.outstanding.load(Ordering::Acquire) == 0
        }

        /// Uses the page on `cpu` in user mode, as long as translations from
        /// before last.
        fn use_page(&self, cpu: &Cpu) {
            cpu.load(&self.tlbs, &self.space);
            let version = || cpu.tlb.versions[cpu.tlb.id.get()].get();
            let loaded = version();
            let is_cached = self.mapped.load(Ordering::Relaxed);
            thread::yield_now();
            assert!(!(is_cached && self.reused.load(Ordering::Acquire)));
            cpu.serve(&self.tlbs, &self.space);
            let is_cached = is_cached && version() == loaded;
            thread::yield_now();
            assert!(!(is_cached && self.reused.load(Ordering::Acquire)));
        }
    }

    #[test]
    fn no_page_is_reused_while_a_cpu_can_use_it() {
        ::loom::model(|| {
            let world = World::new();
            let other = Arc::clone(&world);
            let user = thread::spawn(move || other.use_page(&Cpu::new(1)));
            let cpu = Cpu::new(0);
            world.take(&cpu);
            if world.is_out_of_use(&cpu) {
                world.reused.store(true, Ordering::Release);
            }
            user.join().unwrap();
        });
    }

    #[test]
    fn a_page_that_another_cpu_takes_away_is_waited_for_too() {
        ::loom::model(|| {
            let world = World::new();
            let user = Cpu::new(1);
            user.load(&world.tlbs, &world.space);
            let other = Arc::clone(&world);
            // Taken away on one CPU. A second one, which has the lock of the
            // page table next, finds it gone.
            world.take(&Cpu::new(0));
            let finder = thread::spawn(move || {
                if other.tlbs.outstanding.load(Ordering::Acquire) == 0 {
                    other.reused.store(true, Ordering::Release);
                }
            });
            assert!(!world.reused.load(Ordering::Acquire), "used after its end");
            user.serve(&world.tlbs, &world.space);
            finder.join().unwrap();
        });
    }
}

//! Those who do one thing again and again.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use l4_test::sys::Cap;
use l4_test::sys::object::Thread;
use l4_test::worker::comes;
use l4_test::{Worker, console, own, spawn_on, suite};

/// Most actors.
const MAX: usize = 24;

/// What an actor does, and until when.
pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// Does it until [`Actor::goes_on`] says no.
    pub(crate) body: fn(&Actor),
    /// Whether others need it until they have ended.
    pub(crate) serves: bool,
}

/// Who does.
pub(crate) struct Actor {
    index: usize,
    serves: bool,
}

static STEPS: [AtomicU64; MAX] = [const { AtomicU64::new(0) }; MAX];

/// All act; those who are served end; all end.
static PHASE: AtomicUsize = AtomicUsize::new(0);

impl Actor {
    /// Whether it is to do more.
    pub(crate) fn goes_on(&self) -> bool {
        PHASE.load(SeqCst) < 1 + usize::from(self.serves)
    }

    /// It has done something.
    pub(crate) fn step(&self) {
        STEPS[self.index].fetch_add(1, SeqCst);
    }

    /// Numbers that are another actor's.
    pub(crate) fn random(&self) -> Random {
        Random::new(self.index as u64)
    }
}

/// All actors.
pub(crate) struct Cast {
    actors: [Option<(&'static Role, Worker<()>)>; MAX],
    count: usize,
    seen: [u64; MAX],
}

impl Cast {
    /// Starts all of them.
    pub(crate) fn new(roles: &'static [&'static [Role]]) -> Self {
        PHASE.store(0, SeqCst);
        let mut cast = Self {
            actors: [const { None }; MAX],
            count: 0,
            seen: [0; MAX],
        };
        for (index, role) in roles.iter().copied().flatten().enumerate() {
            STEPS[index].store(0, SeqCst);
            let actor = Actor {
                index,
                serves: role.serves,
            };
            let worker = spawn_on(index as u32 % cpus(), move || (role.body)(&actor));
            cast.actors[index] = Some((role, worker));
            cast.count += 1;
        }
        cast
    }

    /// One of them.
    pub(crate) fn any(&self, random: &mut Random) -> Cap<Thread> {
        let index = random.below(self.count as u64) as usize;
        let actor = self.actors[index].as_ref();
        actor.map(|(_, worker)| worker.thread()).unwrap()
    }

    /// Waits until each has done something since the last time.
    pub(crate) fn await_progress(&mut self) {
        for (index, (role, _)) in self.actors.iter().flatten().enumerate() {
            let steps = || STEPS[index].load(SeqCst);
            let gets_on = comes(|| steps() > self.seen[index]);
            assert!(gets_on, "`{}` does nothing", role.name);
            self.seen[index] = steps();
            suite::is_alive();
        }
    }

    /// Lets them come to an end, and tells what they have done.
    pub(crate) fn end(mut self) {
        for serves in [false, true] {
            PHASE.fetch_add(1, SeqCst);
            for (index, place) in self.actors.iter_mut().enumerate() {
                if let Some((role, worker)) = place.take_if(|(role, _)| role.serves == serves) {
                    worker.join();
                    suite::is_alive();
                    let steps = STEPS[index].load(SeqCst);
                    console::print(format_args!("{}: {steps}", role.name));
                }
            }
        }
    }
}

/// The number of CPUs.
pub(crate) fn cpus() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones()
}

/// Xorshift.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed << 32 | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }

    /// Spends some time.
    pub(crate) fn delay(&mut self) {
        for _ in 0..self.below(3000) {
            core::hint::spin_loop();
        }
    }
}

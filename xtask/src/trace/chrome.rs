//! Events in the format of Chrome's trace viewer, which Perfetto opens too ("Trace Event Format").
//!
//! A process is a CPU, a thread is a thread, named as in the kernel debugger. Slices are the times at
//! which a thread runs, and in them those in the kernel; arrows are messages.

use super::buffer::{Entry, Trace};
use l4_abi::capability::Target;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::{Destination, Operation};
use l4_abi::trace::{Kind, PIN, Source};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The whole file.
pub fn file(trace: &Trace) -> Value {
    let mut painter = Painter {
        trace,
        cpus: BTreeMap::new(),
        places: BTreeMap::new(),
        waiting: BTreeMap::new(),
        tracks: BTreeSet::new(),
        tasks: BTreeMap::new(),
        events: vec![],
        arrows: 0,
    };
    trace.entries.iter().for_each(|entry| painter.entry(entry));
    painter.end();
    let mut events = painter.metadata();
    events.append(&mut painter.events);
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": { "lost entries": trace.lost.to_string() },
    })
}

/// A moment, in nanoseconds.
type Time = u64;

/// Which track: a CPU and a thread of it, 0 when it idles.
type Track = (u64, u64);

/// What is going on on a CPU.
#[derive(Default)]
struct Cpu {
    /// The thread, and since when it runs.
    running: Option<(u64, Time)>,
    /// What the kernel does for it, since when.
    kernel: Option<(String, Value, Time)>,
    /// The last moment that was used: each event has its own.
    last: Time,
}

/// An arrow whose end is not known yet: where it begins, and what it is.
struct Arrow {
    from: Track,
    time: Time,
    name: String,
}

struct Painter<'a> {
    trace: &'a Trace,
    cpus: BTreeMap<u64, Cpu>,
    /// Where each thread ran last: the track, and a moment within the slice.
    places: BTreeMap<u64, (u64, Time)>,
    /// Arrows to threads that did not run since.
    waiting: BTreeMap<u64, Vec<Arrow>>,
    tracks: BTreeSet<Track>,
    /// The task of each thread.
    tasks: BTreeMap<u64, u64>,
    events: Vec<Value>,
    arrows: u64,
}

impl Painter<'_> {
    fn entry(&mut self, entry: &Entry) {
        let (time, cpu) = (self.time(entry), entry.cpu);
        let [first, second] = entry.values;
        match entry.kind {
            Kind::Switch => {
                if entry.number != 0 {
                    self.tasks.insert(entry.number, first);
                }
                self.switch(cpu, entry.number, time);
            }
            Kind::Leave => self.leave(cpu, time),
            Kind::Syscall => {
                let (name, about) = syscall(first, second);
                self.enter(cpu, entry.number, time, name, about);
            }
            Kind::PageFault => {
                let about = json!({ "address": hex(first), "ip": hex(second) });
                self.enter(cpu, entry.number, time, "page fault".into(), about);
            }
            Kind::Exception => {
                let about = json!({ "error": hex(first), "ip": hex(second) });
                self.enter(cpu, entry.number, time, "exception".into(), about);
            }
            Kind::Interrupt => {
                self.enter(cpu, entry.number, time, interrupt(first), json!({}));
            }
            Kind::Message => {
                let tag = MessageTag::from_raw(second);
                let name = format!("message, {} words", tag.words());
                self.message(cpu, entry.number, first, time, name);
            }
            Kind::IrqMessage => {
                let source = self.cpus.get(&cpu).and_then(|cpu| cpu.running);
                let from = source.map_or(0, |(thread, _)| thread);
                self.message(cpu, from, entry.number, time, format!("IRQ #{first}"));
            }
            Kind::Map => self.instant(
                cpu,
                entry.number,
                time,
                "map",
                json!({
                    "source": flexpage(first), "to": flexpage(second),
                }),
            ),
            Kind::Unmap => {
                let about = json!({ "what": flexpage(first) });
                self.instant(cpu, entry.number, time, "unmap", about);
            }
            Kind::Name => {}
        }
    }

    /// The entry's moment, later than all others on its CPU.
    fn time(&mut self, entry: &Entry) -> Time {
        let start = self.trace.entries.first().map_or(0, |first| first.ticks);
        let ticks = u128::from(entry.ticks - start);
        let nanos = ticks * 1_000_000_000 / u128::from(self.trace.ticks_per_second);
        let cpu = self.cpus.entry(entry.cpu).or_default();
        cpu.last = (nanos as Time).max(cpu.last + 1);
        cpu.last
    }

    /// `thread` runs from now on.
    fn switch(&mut self, cpu: u64, thread: u64, time: Time) {
        self.leave(cpu, time);
        self.stop(cpu, time);
        self.cpus.entry(cpu).or_default().running = Some((thread, time));
        self.places.insert(thread, (cpu, time));
        for arrow in self.waiting.remove(&thread).unwrap_or_default() {
            self.arrow(arrow, (cpu, thread), time);
        }
    }

    /// The thread that ran does not any more.
    fn stop(&mut self, cpu: u64, time: Time) {
        let running = self.cpus.entry(cpu).or_default().running.take();
        if let Some((thread, start)) = running {
            let name = if thread == 0 { "idle" } else { "runs" };
            self.slice((cpu, thread), "cpu", name, start, time, json!({}));
            // The last moment that is surely inside.
            self.places.insert(thread, (cpu, time - 1));
        }
    }

    /// The kernel is entered.
    fn enter(&mut self, cpu: u64, thread: u64, time: Time, name: String, about: Value) {
        let state = self.cpus.entry(cpu).or_default();
        if state.running.is_none() {
            // The first that is known of this CPU.
            state.running = Some((thread, time));
            self.places.insert(thread, (cpu, time));
        }
        self.leave(cpu, time);
        self.cpus.entry(cpu).or_default().kernel = Some((name, about, time));
    }

    /// The kernel is left, if it was entered.
    fn leave(&mut self, cpu: u64, time: Time) {
        let state = self.cpus.entry(cpu).or_default();
        if let (Some((name, about, start)), Some((thread, _))) =
            (state.kernel.take(), state.running)
        {
            self.slice((cpu, thread), "kernel", &name, start, time, about);
        }
    }

    fn slice(
        &mut self,
        track: Track,
        kind: &str,
        name: &str,
        start: Time,
        end: Time,
        about: Value,
    ) {
        self.tracks.insert(track);
        self.events.push(json!({
            "ph": "X", "cat": kind, "name": name, "pid": track.0, "tid": track.1,
            "ts": micros(start), "dur": micros(end - start), "args": about,
        }));
    }

    fn instant(&mut self, cpu: u64, thread: u64, time: Time, name: &str, about: Value) {
        self.tracks.insert((cpu, thread));
        self.events.push(json!({
            "ph": "i", "s": "t", "cat": "mapping", "name": name, "pid": cpu, "tid": thread,
            "ts": micros(time), "args": about,
        }));
    }

    /// A message goes from one thread to another. The arrow begins where the sender runs, or ran
    /// last, and ends where the receiver runs next.
    fn message(&mut self, cpu: u64, sender: u64, receiver: u64, time: Time, name: String) {
        let current = self.cpus.get(&cpu).and_then(|cpu| cpu.running);
        let runs = |thread| current.is_some_and(|(current, _)| current == thread);
        let (from, time_of_sending) = match self.places.get(&sender) {
            _ if runs(sender) => (cpu, time),
            Some(&place) => place,
            // It ran before everything that is known.
            None => return,
        };
        let arrow = Arrow {
            from: (from, sender),
            time: time_of_sending,
            name,
        };
        if runs(receiver) {
            self.arrow(arrow, (cpu, receiver), time);
        } else {
            self.waiting.entry(receiver).or_default().push(arrow);
        }
    }

    fn arrow(&mut self, arrow: Arrow, to: Track, time: Time) {
        self.arrows += 1;
        let (id, name) = (self.arrows, arrow.name);
        // CPUs' clocks may differ a little.
        let time = time.max(arrow.time);
        self.events.push(json!({
            "ph": "s", "cat": "message", "name": name, "id": id,
            "pid": arrow.from.0, "tid": arrow.from.1, "ts": micros(arrow.time),
        }));
        self.events.push(json!({
            "ph": "f", "bp": "e", "cat": "message", "name": name, "id": id,
            "pid": to.0, "tid": to.1, "ts": micros(time),
        }));
    }

    /// Ends what is going on, and puts everything in the order of time.
    fn end(&mut self) {
        let cpus: Vec<(u64, Time)> = self
            .cpus
            .iter()
            .map(|(&id, cpu)| (id, cpu.last + 1))
            .collect();
        for (cpu, time) in cpus {
            self.leave(cpu, time);
            self.stop(cpu, time);
        }
        let nanos = |event: &Value, field: &str| {
            (event[field].as_f64().unwrap_or(0.0) * 1000.0).round() as i64
        };
        // Of slices that begin together the longer is around the other.
        self.events
            .sort_by_key(|event| (nanos(event, "ts"), -nanos(event, "dur")));
    }

    /// The names of CPUs and threads.
    fn metadata(&self) -> Vec<Value> {
        let named = |kind: &str, pid: u64, tid: Option<u64>, name: &str| {
            json!({ "ph": "M", "name": kind, "pid": pid, "tid": tid.unwrap_or(0),
                    "args": { "name": name } })
        };
        let cpus = self.cpus.keys();
        let cpus = cpus.map(|&cpu| named("process_name", cpu, None, &format!("CPU {cpu}")));
        let threads = self
            .tracks
            .iter()
            .map(|&(cpu, thread)| named("thread_name", cpu, Some(thread), &self.label(thread)));
        cpus.chain(threads).collect()
    }

    /// What a thread is called: its name or that of its task, and its number.
    fn label(&self, thread: u64) -> String {
        if thread == 0 {
            return "idle".into();
        }
        let name = |number: &u64| self.trace.names.get(number).filter(|name| !name.is_empty());
        match name(&thread).or_else(|| name(self.tasks.get(&thread)?)) {
            Some(name) => format!("{name} #{thread}"),
            None => format!("#{thread}"),
        }
    }
}

/// A time as viewers want it.
fn micros(nanos: Time) -> f64 {
    nanos as f64 / 1000.0
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn interrupt(source: u64) -> String {
    match source {
        source if source == Source::Timer as u64 => "timer".into(),
        source if source == Source::Ipi as u64 => "interrupt of a CPU".into(),
        source if source >= PIN => format!("interrupt {}", source - PIN),
        _ => "interrupt of nobody".into(),
    }
}

/// What a system call does, by its tag and destination.
fn syscall(tag: u64, destination: u64) -> (String, Value) {
    let (tag, destination) = (
        MessageTag::from_raw(tag),
        Destination::from_raw(destination),
    );
    let operation = destination.operation();
    let name = match operation {
        Operation::CALL => "call",
        Operation::WAIT => "wait",
        Operation::SEND => "send",
        Operation::RECEIVE => "receive",
        Operation::SEND_REPLY => "reply",
        Operation::REPLY_AND_WAIT => "reply and wait",
        Operation::SEND_AND_WAIT => "send and wait",
        _ => "system call",
    };
    let to = match destination.target() {
        Target::Object(slot) => format!("slot {slot:#x}"),
        Target::CallingThread => "itself".into(),
        Target::Reply(_) => "the caller".into(),
    };
    let about = json!({
        "to": to, "protocol": tag.label(), "words": tag.words(), "items": tag.items(),
    });
    (name.into(), about)
}

fn flexpage(raw: u64) -> String {
    let page = Flexpage::from_raw(raw);
    match page.space() {
        Some(Space::Memory) => format!("memory {:#x}, 2^{} bytes", page.address(), page.order()),
        Some(Space::Object) => format!("slot {:#x}, 2^{}", page.index(), page.order()),
        Some(Space::IoPort) => format!("I/O ports, 2^{}", page.order()),
        None => "everything".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Summary, check};
    use super::*;

    const CLIENT: u64 = 10;
    const SERVER: u64 = 11;

    fn entry(cpu: u64, ticks: u64, kind: Kind, number: u64, values: [u64; 2]) -> Entry {
        Entry {
            cpu,
            ticks,
            kind,
            number,
            values,
        }
    }

    /// A call and its answer, on one CPU.
    fn call() -> Vec<Entry> {
        vec![
            entry(0, 100, Kind::Switch, CLIENT, [1, 0]),
            entry(0, 110, Kind::Leave, CLIENT, [0, 0]),
            entry(0, 200, Kind::Syscall, CLIENT, [0, Operation::CALL.bits()]),
            entry(0, 210, Kind::Message, CLIENT, [SERVER, 2]),
            entry(0, 220, Kind::Switch, SERVER, [2, 0]),
            entry(0, 230, Kind::Leave, SERVER, [0, 0]),
            entry(
                0,
                300,
                Kind::Syscall,
                SERVER,
                [0, Operation::REPLY_AND_WAIT.bits()],
            ),
            entry(0, 310, Kind::Message, SERVER, [CLIENT, 1]),
            entry(0, 320, Kind::Switch, CLIENT, [1, 0]),
            entry(0, 330, Kind::Leave, CLIENT, [0, 0]),
        ]
    }

    fn paint(entries: Vec<Entry>) -> Summary {
        let trace = Trace {
            entries,
            names: BTreeMap::from([(CLIENT, "client".into()), (2, "server task".into())]),
            ticks_per_second: 1_000_000_000,
            cpus: vec![0],
            lost: 0,
        };
        check(&file(&trace)).unwrap()
    }

    #[test]
    fn a_call_is_two_arrows_between_named_threads() {
        let summary = paint(call());
        let (client, server) = ("client #10".to_owned(), "server task #11".to_owned());
        assert_eq!(summary.threads[&(0, CLIENT)], client);
        assert_eq!(summary.threads[&(0, SERVER)], server);
        assert_eq!(summary.arrows[&(client.clone(), server.clone())], 1);
        assert_eq!(summary.arrows[&(server, client)], 1);
        assert_eq!(summary.slices["call"], 1);
        assert_eq!(summary.slices["runs"], 3);
    }

    #[test]
    fn a_message_that_waited_comes_from_where_its_sender_ran_last() {
        let summary = paint(vec![
            entry(0, 100, Kind::Switch, CLIENT, [1, 0]),
            entry(0, 200, Kind::Syscall, CLIENT, [0, Operation::CALL.bits()]),
            entry(0, 220, Kind::Switch, SERVER, [2, 0]),
            entry(0, 300, Kind::Syscall, SERVER, [0, Operation::WAIT.bits()]),
            entry(0, 310, Kind::Message, CLIENT, [SERVER, 2]),
            entry(0, 320, Kind::Leave, SERVER, [0, 0]),
        ]);
        assert_eq!(summary.arrows.values().sum::<usize>(), 1);
    }

    #[test]
    fn arrows_cross_cpus_and_equal_times_stay_in_order() {
        let summary = paint(vec![
            entry(0, 100, Kind::Switch, CLIENT, [1, 0]),
            entry(1, 100, Kind::Switch, 0, [0, 0]),
            entry(0, 100, Kind::Syscall, CLIENT, [0, Operation::SEND.bits()]),
            entry(0, 100, Kind::Message, CLIENT, [SERVER, 2]),
            entry(1, 100, Kind::Interrupt, 0, [Source::Ipi as u64, 0]),
            entry(1, 100, Kind::Switch, SERVER, [2, 0]),
            entry(0, 100, Kind::Leave, CLIENT, [0, 0]),
        ]);
        assert_eq!(summary.arrows.values().sum::<usize>(), 1);
        assert_eq!(summary.slices["interrupt of a CPU"], 1);
    }

    #[test]
    fn faults_interrupts_and_mappings_are_there() {
        let summary = paint(vec![
            // The beginning is lost.
            entry(0, 5, Kind::Leave, CLIENT, [0, 0]),
            entry(0, 10, Kind::PageFault, CLIENT, [0x1000, 0x2000]),
            entry(0, 20, Kind::Leave, CLIENT, [0, 0]),
            entry(0, 30, Kind::Interrupt, CLIENT, [PIN + 4, 0]),
            entry(0, 35, Kind::IrqMessage, SERVER, [77, 0]),
            entry(0, 40, Kind::Switch, SERVER, [2, 0]),
            entry(0, 50, Kind::Syscall, SERVER, [0, Operation::CALL.bits()]),
            entry(0, 55, Kind::Map, SERVER, [0, 0]),
            entry(0, 60, Kind::Unmap, SERVER, [0, 0]),
        ]);
        for name in ["page fault", "interrupt 4", "call"] {
            assert_eq!(summary.slices[name], 1, "{name}");
        }
        assert_eq!(summary.instants, 2);
        assert_eq!(summary.arrows.values().sum::<usize>(), 1);
    }
}

//! Measures what the kernel's operations cost, and prints figures that `cargo xtask bench` reads.
//!
//! * [`measure`]: how a figure comes about; `x86_64/` and `aarch64/` have the counter.
//! * [`partner`]: the threads and the other task that take part.
//! * `rows/`: the operations, one file for each kind.
//! * [`crowd`]: threads, tasks and mappings that do nothing but exist: the rows are measured
//!   with 1, 100 and 10,000 of each in the system.
#![no_std]
#![no_main]
#![forbid(unstable_features)]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod crowd;
mod measure;
mod partner;
mod rows;

use core::fmt::Write;
use core::panic::PanicInfo;

use l4_test::abi::capability::slot;
use l4_test::abi::protocol::platform_control::Shutdown;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::sys::fatal::{Line, end_system};
use l4_test::sys::ipc;
use l4_test::sys::slots::SLOTS;
use l4_test::{memory, own};

/// Priority of the thread that measures, and of those that it calls.
const PRIORITY: u8 = 100;

const STACK_SIZE: usize = 64 * 1024;

l4_test::sys::root_start!(bench_main, STACK_SIZE);

extern "C" fn bench_main(_: usize) -> ! {
    SLOTS.start_at(slot::FIRST_FREE as usize);
    own::scheduler()
        .run_thread(own::thread(), CpuSet::ALL, PRIORITY, 0)
        .expect("cannot set the priority");
    memory::touch_program();
    measure::calibrate();
    let info = own::scheduler().info().expect("there is no scheduler");
    match info.cpus.count_ones() {
        1 => measure_in_crowds(),
        _ => rows::other_cpu::measure(),
    }
    print(format_args!("@brio exit 0"));
    let _ = own::platform().shutdown(Shutdown::PowerOff);
    ipc::sleep_forever()
}

/// On one CPU.
fn measure_in_crowds() {
    let mut crowd = crowd::Crowd::new();
    let mut rows = rows::Rows::new();
    for size in [1, 100, 10_000] {
        crowd.grow(size);
        rows.measure(size);
    }
}

fn print(text: core::fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    let _ = own::log().write(line.finish());
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end_system(
        *own::log(),
        *own::platform(),
        "bench",
        format_args!("{info}"),
    )
}

//! What a shared console must stand: its argument says which part this component plays.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use core::time::Duration;

use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::log::INPUT_PIN;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_rt::{env, print, println, thread, time};
use l4_sys::object::{IpcGate, Log};
use l4_sys::{Cap, Object, ipc};

l4_rt::entry!(main);

const LINES: u32 = 40;
/// After this line the writer ends cons.
const LAST_LINE: u32 = 10;

fn main() -> l4_rt::Result {
    match env::args().nth(1).unwrap_or_default() {
        "cons" => mortal_cons(),
        "writer" => write_and_read(),
        "ender" => end_when_told(),
        "forger" => {
            forge();
            Ok(())
        }
        "flooder" => loop {
            println!("flood");
        },
        other => Err(alloc::format!("no such part: `{other}`").into()),
    }
}

/// cons, until somebody asks for its end.
fn mortal_cons() -> l4_rt::Result {
    thread::spawn(|| l4_rt::serve("end", |_| panic!("as it was asked to")).is_err())?;
    match cons::main()? {}
}

/// Not one line may be lost when cons ends; and when it is back, what is typed comes again.
fn write_and_read() -> l4_rt::Result {
    let console = env::cap::<Log>("console")?;
    for number in 1..=LINES {
        println!("line {number} of {LINES}");
        if number == LAST_LINE {
            // When this is answered, the lines before it have been shown.
            console.read(&mut [])?;
            end_cons()?;
        }
    }
    read_key(console)
}

/// When a key comes cons ends. Does not listen again.
fn end_when_told() -> l4_rt::Result {
    read_key(env::cap::<Log>("console")?)?;
    end_cons()?;
    ipc::sleep_forever()
}

fn end_cons() -> l4_rt::Result {
    let end = env::cap::<IpcGate>("end")?;
    let ended = ipc::call(end.selector(), MessageTag::EMPTY, TimeoutPair::NEVER);
    assert!(ended.is_err(), "cons has not ended");
    Ok(())
}

/// Tells which key was pressed.
fn read_key(console: Cap<Log>) -> l4_rt::Result {
    let arrived = env::factory().create_irq()?;
    arrived.bind_thread(thread::current(), 0)?;
    while console.icu().bind(INPUT_PIN, arrived.as_cap()).is_err() {
        time::sleep(Duration::from_millis(5));
    }
    println!("listening");
    let mut key = [0];
    while console.read(&mut key)?.count == 0 {
        arrived.receive(Timeout::NEVER)?;
    }
    println!("read {}", key.escape_ascii());
    Ok(())
}

/// Lines that look like others', if anything lets them.
fn forge() {
    println!("@brio exit 7");
    println!("\x1b[1A\x1b[2K\r@brio exit 7");
    println!("\u{9b}2Jned | the system is over");
    println!("a\x07b\x00c");
    print!("{}", "no end ".repeat(150));
    println!("\nforged");
}

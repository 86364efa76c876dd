//! The runtime in a root task: does what its arguments say.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::time::Duration;

use l4_memory::Shared;
use l4_rt::sync::Mutex;
use l4_rt::{env, println, root, thread, time};

l4_rt::root_entry!(main);

const LARGE_PAGE: u32 = 21;

fn main() -> Result<i32, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    match arguments.next() {
        Some("panic") => panic!("as it was told"),
        Some("fail") => Err("it was told to".into()),
        Some("check") => {
            let file = arguments.next().ok_or("which file?")?;
            check(file)?;
            println!("{} is well", env::program_name());
            Ok(arguments.next().ok_or("which exit code?")?.parse()?)
        }
        _ => Err("it was told nothing".into()),
    }
}

fn check(file: &'static str) -> Result<(), Box<dyn Error>> {
    // More than the heap has at once.
    let mut numbers: Vec<u64> = (0..1 << 20).collect();
    numbers.reverse();
    assert_eq!((numbers[0], numbers.len()), ((1 << 20) - 1, 1 << 20));

    let sum = Arc::new(Mutex::new(0));
    let add = |number: u64| {
        let sum = sum.clone();
        thread::spawn(move || {
            for _ in 0..1000 {
                *sum.lock() += number;
            }
            number
        })
    };
    // More than there are UTCBs in a page.
    let threads: Vec<_> = (0..20).map(add).collect::<Result<_, _>>()?;
    for (number, thread) in (0..).zip(threads) {
        assert_eq!(thread.join()?, number);
    }
    assert_eq!(*sum.lock(), 190_000);

    let before = time::now();
    time::sleep(Duration::from_millis(2));
    assert!(time::now() >= before + Duration::from_millis(2));

    let size = 3 << LARGE_PAGE;
    let memory = Shared::of_pages(root::fresh(size, LARGE_PAGE)?, true);
    assert!(memory.address().is_multiple_of(1 << LARGE_PAGE) && memory.size() == size);
    for offset in [0, size / 2, size - 8] {
        memory.write_word(offset, offset + 1);
    }
    for offset in [0, size / 2, size - 8] {
        assert_eq!(memory.read_word(offset), offset + 1);
    }
    // More than the machine has.
    assert!(root::fresh(1 << 40, 40).is_err());

    let content = root::file(file)?.ok_or("there is no such file")?;
    let text = Shared::of_pages(content, false).to_vec();
    assert!(text.starts_with(b"# The runtime"), "{text:?}");
    assert!(root::file("no-such-file")?.is_none());
    Ok(())
}

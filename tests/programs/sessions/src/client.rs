//! A client: it is greeted by the words that the configuration has for it, before and after the
//! server's death. The killer ends before the server's next life can greet it. The refused one
//! outlives that it gets no new gate.

use core::time::Duration;

use l4_memory::Shared;
use l4_rt::{Cap, env, println, time};
use l4_sys::Error;
use l4re::Dataspace;

use crate::{Greeter, REFUSAL, note};

const PAUSE: Duration = Duration::from_millis(2);
const A_WHILE: Duration = Duration::from_millis(500);

pub(crate) fn run(name: &str) -> l4_rt::Result {
    let greeter = env::cap::<Greeter>("greeter")?;
    // Not before all have been greeted does the server die.
    let first = greeter.birth()?;
    expect(greeter, name)?;
    if env::args().nth(2) == Some("killer") {
        // Until then it refuses.
        while let Err(Error::Result(_)) = greeter.die() {
            time::sleep(PAUSE);
        }
        println!("{name} leaves");
        return Ok(());
    }
    if env::args().nth(2) == Some("refused") {
        let notes = Shared::read_only(env::cap::<Dataspace>("notes")?)?;
        while note(&notes) != REFUSAL {
            time::sleep(PAUSE);
        }
        time::sleep(A_WHILE);
        println!("{name} goes on without a gate");
        return Ok(());
    }
    // Between its lives it does not answer.
    while !greeter.birth().is_ok_and(|birth| birth != first) {
        time::sleep(PAUSE);
    }
    expect(greeter, name)?;
    // If the killer came back, it would do it again before the system ends.
    time::sleep(A_WHILE);
    println!("{name} was greeted twice");
    Ok(())
}

fn expect(greeter: Cap<Greeter>, name: &str) -> l4_rt::Result {
    let words = greeter.greet()?;
    if &*words != name.as_bytes() {
        Err("greeted by another name".into())
    } else {
        Ok(())
    }
}

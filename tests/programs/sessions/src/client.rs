//! A client: it is greeted by the words that the configuration has for it, before and after the
//! server's death. The killer ends before the server's next life can greet it.

use core::time::Duration;

use l4_rt::{Cap, env, println, time};

use crate::Greeter;

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn run(name: &str) -> l4_rt::Result {
    let greeter = env::cap::<Greeter>("greeter")?;
    expect(greeter, name)?;
    if env::args().nth(2) == Some("killer") {
        // The others are greeted first.
        time::sleep(Duration::from_millis(100));
        if greeter.die().is_ok() {
            return Err("the server lives on".into());
        }
        println!("{name} leaves");
        return Ok(());
    }
    time::sleep(Duration::from_secs(1));
    let deadline = time::now() + PATIENCE;
    while let Err(error) = greeter.greet() {
        if time::now() > deadline {
            return Err(error.into());
        }
        time::sleep(PAUSE);
    }
    expect(greeter, name)?;
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

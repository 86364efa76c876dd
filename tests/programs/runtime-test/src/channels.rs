//! A typed interface between two threads of this program.

use l4_ipc::meta::Meta;
use l4_ipc::{Bytes, Label};
use l4_rt::{Cap, Outcome, Request, env, println, thread};
use l4_sys::object::Semaphore;
use l4_sys::{Error, Object, OwnedCap, Passed};

l4_ipc::interface! {
    /// Says things back.
    interface Echo, served by EchoServer {
        protocol: 0x7001,
        opcode: i32,

        fn say(text: str) -> Bytes = 0;
        fn semaphore() -> OwnedCap<Semaphore> = 1;
        fn secret() = 2, needs SPECIAL;
        fn end() = 3;
    }
}

struct Server;

impl EchoServer for Server {
    fn say(&mut self, _: &mut Request<'_>, text: &str) -> Outcome<Bytes> {
        // Printing and allocating in the middle of a request must not disturb it.
        let line = alloc::format!("server heard {text}");
        println!("{line}");
        Bytes::new(text.as_bytes())
    }

    fn semaphore(&mut self, request: &mut Request<'_>) -> Outcome<Passed<Semaphore>> {
        let semaphore = env::factory().create_semaphore()?;
        semaphore.up().map_err(Error::from)?;
        let passed = semaphore.pass(l4_rt::CapabilityRights::RWS);
        request.release_after_answer(semaphore);
        Ok(passed)
    }

    fn secret(&mut self, _: &mut Request<'_>) -> Outcome<()> {
        Ok(())
    }

    fn end(&mut self, _: &mut Request<'_>) -> Outcome<()> {
        Ok(())
    }
}

pub(crate) fn check() -> l4_rt::Result {
    println!("channels");
    let gate = env::factory().create_unbound_gate()?;
    let server = gate.as_cap();
    let thread = thread::spawn(move || {
        server.bind_thread(thread::current(), 0x40)?;
        l4_ipc::serve(|request| Echo::dispatch(&mut Server, request))
    })?;

    let echo: Cap<Echo> = gate.as_cap().cast();
    assert_eq!(&*echo.say("größe")?, "größe".as_bytes());
    let semaphore = echo.semaphore()?;
    semaphore.down(l4_abi::timeout::Timeout::NEVER)?;
    assert_eq!(echo.secret(), Ok(()));
    assert_eq!(echo.cast::<Meta>().supports(0x7001)?, Label(1));
    assert_eq!(gate.label()?, 0x40);
    echo.end()?;
    assert!(thread.thread().selector().is_valid());
    Ok(())
}

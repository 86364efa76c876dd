//! Whether the clock of another host goes as the kernel info page's does.

use core::time::Duration;

use l4_rt::{println, time};
use smoltcp::socket::tcp::State;

use crate::host::Host;

const PORT: u16 = 37;
/// The clocks may drift apart by one part in so many.
const ACCURACY: u32 = 1000;
/// How long the other host waits between its readings at least.
const MINUTE: Duration = Duration::from_secs(60);

/// What both clocks say at a time.
struct Reading {
    own: Duration,
    other: Duration,
}

/// Takes three readings, and compares what has passed in between.
pub(crate) fn compare(mut host: Host) -> l4_rt::Result {
    let mut last = read(&mut host)?;
    for _ in 0..2 {
        let now = read(&mut host)?;
        let own = now.own - last.own;
        let other = now.other.saturating_sub(last.other);
        println!("{own:?} have passed here, and {other:?} there");
        if other < MINUTE {
            return Err("that is no minute".into());
        }
        if own.abs_diff(other) > own / ACCURACY {
            return Err("the clocks drift apart".into());
        }
        last = now;
    }
    Ok(())
}

fn read(host: &mut Host) -> l4_rt::Result<Reading> {
    host.listen(PORT)?;
    let (mut text, mut length) = ([0; 64], 0);
    let mut own = None;
    loop {
        host.poll();
        let socket = host.socket();
        if socket.can_recv() {
            own.get_or_insert_with(time::now);
            length += socket.recv_slice(&mut text[length..]).unwrap_or(0);
        }
        if socket.state() == State::CloseWait {
            socket.close();
        }
        let has_ended = !socket.is_open();
        host.poll();
        if has_ended {
            let own = own.ok_or("nothing was told")?;
            let other = seconds(&text[..length]).ok_or("that is no time")?;
            return Ok(Reading { own, other });
        }
        host.wait();
    }
}

/// The first word, a number of seconds.
fn seconds(text: &[u8]) -> Option<Duration> {
    let word = core::str::from_utf8(text).ok()?.split_whitespace().next()?;
    Duration::try_from_secs_f64(word.parse().ok()?).ok()
}

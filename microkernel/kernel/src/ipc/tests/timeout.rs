//! How long each phase waits.

use super::*;

const SEND_FAILED: Doing = Doing::Failed(IpcError::SEND_TIMEOUT);
const RECEIVE_FAILED: Doing = Doing::Failed(IpcError::RECEIVE_TIMEOUT);

#[test]
fn a_zero_send_timeout_needs_a_waiting_receiver() {
    run(|world| {
        let pair = Pair::new(world);
        let call = Syscall::send(pair.to_server).send_timeout(Timeout::ZERO);
        assert_eq!(world.syscall(&pair.client, call), SEND_FAILED);
        world.syscall(&pair.server, Syscall::wait());
        assert_eq!(world.syscall(&pair.client, call), done(0, 0));
    });
}

#[test]
fn relative_timeouts_end_when_they_say_in_any_order() {
    run(|world| {
        let task = world.task();
        let times = [3000, 10, 500, 11, 4000, 512, 1000, 10];
        let sleepers = times.map(|micros| {
            let thread = world.thread(&task, 10);
            let timeout = Timeout::from_micros(micros);
            world.syscall(&thread, Syscall::sleep().receive_timeout(timeout));
            // Rounded up to what a timeout can say.
            let l4_abi::timeout::Expiry::Relative(micros) = timeout.expiry() else {
                panic!("a relative timeout");
            };
            (thread, micros)
        });
        for _ in 0..5000 {
            world.advance(1);
            for (thread, micros) in &sleepers {
                let over = world.now() >= *micros;
                let is = world.doing(thread);
                assert_eq!(is == RECEIVE_FAILED, over, "{micros} at {}", world.now());
            }
        }
    });
}

#[test]
fn the_odd_encodings_of_zero_wait_for_no_time() {
    run(|world| {
        let pair = Pair::new(world);
        for raw in [0x800, 0x7c00] {
            let timeout = Timeout::from_raw(raw);
            let call = Syscall::call(pair.to_server).send_timeout(timeout);
            assert_eq!(world.syscall(&pair.client, call), SEND_FAILED);
            let call = Syscall::wait().receive_timeout(timeout);
            assert_eq!(world.syscall(&pair.client, call), RECEIVE_FAILED);
        }
    });
}

#[test]
fn absolute_timeouts_are_read_from_the_callers_buffers() {
    run(|world| {
        let pair = Pair::new(world);
        world.advance(1000);
        let call = Syscall::wait().receive_timeout(Timeout::absolute(2));
        for (at, passed) in [(0, true), (999, true), (1000, true), (1001, false)] {
            world.write_buffers(&pair.client, &[0, 0, at]);
            let doing = world.syscall(&pair.client, call);
            assert_eq!(doing == RECEIVE_FAILED, passed, "{at}");
        }
        assert_eq!(world.doing(&pair.client), WAITS);
        world.advance(1);
        assert_eq!(world.doing(&pair.client), RECEIVE_FAILED);
    });
}

#[test]
fn the_end_of_time_is_far_away() {
    run(|world| {
        let pair = Pair::new(world);
        world.write_buffers(&pair.client, &[u64::MAX]);
        let call = Syscall::wait().receive_timeout(Timeout::absolute(0));
        assert_eq!(world.syscall(&pair.client, call), WAITS);
        let longest = Syscall::wait().receive_timeout(Timeout::LONGEST);
        assert_eq!(world.syscall(&pair.server, longest), WAITS);
        world.advance(1_000_000_000);
        assert_eq!(world.doing(&pair.client), WAITS);
    });
}

#[test]
fn a_zero_receive_timeout_takes_who_is_queued() {
    run(|world| {
        let pair = Pair::new(world);
        let wait = Syscall::wait().receive_timeout(Timeout::ZERO);
        assert_eq!(world.syscall(&pair.server, wait), RECEIVE_FAILED);
        world.syscall(&pair.client, Syscall::send(pair.to_server).tag(4, 0, 0));
        assert_eq!(world.syscall(&pair.server, wait), done(4, 0));
    });
}

#[test]
fn the_receive_timeout_begins_with_the_receive_phase() {
    run(|world| {
        let pair = Pair::new(world);
        let call = Syscall::call(pair.to_server).receive_timeout(Timeout::from_micros(100));
        assert_eq!(world.syscall(&pair.client, call), SENDS);
        world.advance(500);
        assert_eq!(world.doing(&pair.client), SENDS);
        world.syscall(&pair.server, Syscall::wait());
        world.advance(99);
        assert_eq!(world.doing(&pair.client), waits_for(&pair.server));
        world.advance(1);
        assert_eq!(world.doing(&pair.client), RECEIVE_FAILED);
        // The server cannot answer any more.
        let reply = world.syscall(&pair.server, Syscall::reply());
        assert_eq!(reply, Doing::Failed(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn a_timeout_that_was_not_needed_does_not_stop_the_clock() {
    run(|world| {
        let pair = Pair::new(world);
        let urgent = [(); 2].map(|()| world.thread(&pair.client_task, 100));
        // The timer is set for the server's timeout, which then is not needed.
        let soon = Timeout::from_micros(100);
        world.syscall(&pair.server, Syscall::wait().receive_timeout(soon));
        let first = usize::from(world.runs(&urgent[1]));
        world.syscall(&urgent[first], Syscall::send(pair.to_server));
        assert!(world.runs(&urgent[first]));
        // The sender's time slice ends all the same.
        world.advance(10_000);
        assert!(world.runs(&urgent[1 - first]));
    });
}

//! Threads on several CPUs (`abi/03`, `abi/05` with the partner elsewhere).
#![no_std]
#![no_main]

mod call;
mod destroy;
mod end;
mod place;
mod signal;

l4_test::suite![
    place::a_thread_runs_on_the_cpu_that_it_is_given,
    place::a_running_thread_moves,
    place::a_thread_is_controlled_from_another_cpu,
    place::a_call_survives_that_both_sides_move,
    call::calls_come_and_are_answered,
    call::each_of_many_clients_gets_its_own_answer,
    call::send_timeout_zero_finds_who_waits,
    call::timeouts_end_waits_for_another_cpu,
    call::a_page_fault_crosses,
    signal::no_raise_of_a_semaphore_is_lost,
    signal::an_interrupt_arrives_after_the_last_trigger,
    signal::a_gate_is_bound_from_another_cpu,
    end::senders_and_callers_of_a_thread_that_ends_are_told,
    end::a_client_ends_at_any_moment_of_its_calls,
    end::a_server_ends_at_any_moment_of_calls,
    end::a_moving_thread_ends,
    end::cancelling_hits_any_moment_of_a_call,
    end::a_thread_that_is_deleted_runs_no_more,
    destroy::while_it_runs,
    destroy::while_it_sends,
    destroy::while_it_waits_for_an_answer,
    destroy::while_it_receives,
    destroy::while_it_holds_reply_capabilities,
    destroy::while_its_page_fault_waits,
    destroy::while_its_exception_waits,
    destroy::while_its_timeouts_expire,
    destroy::while_it_waits_for_a_semaphore,
    destroy::while_it_is_a_vcpu_in_user_mode,
    destroy::while_it_moves,
];

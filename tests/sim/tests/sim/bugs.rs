//! Does the search find what is wrong? Each deliberate bug makes one of the scenarios fail, with the report that it should
//! (HC-05).
use crate::{
    harness::{at_every_point, exact, seeded, smp},
    race::explored_with_bug,
    race_irq, race_mutex,
    race_rcu_pipeline::{number, torture},
    race_timer, race_wait, rcu_grace, rm_boost, rm_chain, rm_limits, rm_pending,
    sequencer::Seq,
    smp as scenarios,
};
use hw::sim::seeds;
use kernel::{
    ThreadCx,
    irq::Flags,
    simulation::{Bug, turn_on},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a search says that is to fail.
fn report_of(search: impl FnOnce()) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(search)) else { return "nothing was found".into() };
    let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or(payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// With this bug one of the orders that are explored ends with this report.
#[track_caller]
fn search_finds(bug: Bug, report: &str, scenario: impl Fn(&mut ThreadCx) + Copy + 'static) {
    let found = report_of(|| _ = explored_with_bug(bug, scenario));
    assert!(found.contains(report), "{bug:?}: {found}");
}

/// With this bug one of the seeds ends with one of these reports, and without it none does.
#[track_caller]
fn seeds_find(bug: Bug, cpus: usize, reports: &[&str], scenario: fn(&mut ThreadCx)) {
    smp(cpus, scenario);
    let found = report_of(|| {
        seeds(200, |seed| {
            seeded(cpus, seed, move |cx| {
                turn_on(bug);
                scenario(cx);
            });
        });
    });
    assert!(reports.iter().any(|report| found.contains(report)), "{bug:?}: {found}");
}

const UNSEEN: &str = "an event was not seen";
const DEAF: &str = "the line does not fire any more";

/// IQ-08.2: without the look after the sleep was announced, RUNTHREAD stays set and wakes nobody any more.
#[test]
fn no_recheck_in_the_irq_thread() {
    search_finds(Bug::NoRecheck, DEAF, |cx| race_irq::raised_while_the_thread_runs(cx, Flags::empty()));
}

/// IQ-08.4: RUNTHREAD cleared after the body: an event is lost.
#[test]
fn runthread_cleared_after_the_body() {
    search_finds(Bug::ClearAfterRun, UNSEEN, |cx| race_irq::raised_while_the_thread_runs(cx, Flags::empty()));
}

/// IQ-09.3: a thread that does not wait for the hard handler leaves the line masked for ever.
#[test]
fn finalized_while_in_progress() {
    let scenario = |cx: &mut ThreadCx| race_irq::raised_once(cx, Flags::ONESHOT | Flags::SHARED);
    search_finds(Bug::FinalizeEarly, DEAF, scenario);
}

/// RC-01.5: a reader that loses its CPU is in no list: whoever waits for it frees what it reads.
#[test]
fn a_reader_that_is_not_listed() {
    seeds_find(Bug::ReaderNotListed, 1, &["a reader sees age 2"], rcu_grace::pipeline);
}

/// SC-12.3: a thread that sleeps although it was woken is never woken again.
#[test]
fn a_sleep_after_the_wake() {
    search_finds(Bug::SleepUnlooked, "ready, but neither running nor queued at its home", race_wait::unit_given);
}

/// BU-06.1: a wake-up that does not reach the CPU: the thread waits for the next interrupt there.
#[test]
fn a_dropped_ipi() {
    search_finds(Bug::NoIpi, "ns later", race_irq::woken_into_idle);
}

/// TM-02.5: the call returns while the callback runs.
#[test]
fn a_cancel_that_does_not_wait() {
    search_finds(Bug::CancelUnwaited, "returned while it runs", race_timer::cancelled);
}

/// A completer writes to memory that its waiter has given back.
#[test]
fn a_completion_that_is_left_too_early() {
    search_finds(Bug::CompletionUnheld, "its completer wrote to it later", race_wait::completion_freed);
}

const WAITS: &str = "ready, while a CPU that it may use runs something less urgent";

/// SC-11.5: what waits is left waiting.
#[test]
fn no_pull() {
    seeds_find(Bug::NoPull, 2, &[WAITS], scenarios::blocks);
}

/// SC-11.1: what was displaced is left waiting.
#[test]
fn no_push() {
    seeds_find(Bug::NoPush, 3, &[WAITS], scenarios::come_and_go);
}

/// SC-11.6: the bound thread waits behind the movable one.
#[test]
fn no_room() {
    seeds_find(Bug::NoRoom, 2, &[WAITS, "(\"movable\", 0"], scenarios::makes_room);
}

/// With this bug a script of so many workers does not come to what it expects, but ends with this report.
#[track_caller]
fn script_finds(bug: Bug, report: &str, workers: usize, script: fn(Seq) -> Seq) {
    let found = report_of(|| {
        exact(move |cx| {
            turn_on(bug);
            script(Seq::new(cx, workers)).finish();
        });
    });
    assert!(found.contains(report), "{bug:?}: {found}");
}

/// RM-12.2: a preemption between the fall to the own level and the wake-up lets somebody in between run.
#[test]
fn a_preemptible_deboost() {
    let wrong_order = r#"left: ["hog", "waiter"]"#;
    let found = report_of(|| {
        at_every_point(|cx, arm| {
            turn_on(Bug::DeboostPreemptible);
            race_mutex::unlocked_at_every_point(cx, arm);
        });
    });
    assert!(found.contains(wrong_order), "{found}");
    let found = report_of(|| {
        exact(|cx| {
            turn_on(Bug::DeboostPreemptible);
            assert_eq!(rm_boost::unlocked_beside_a_hog(cx), ["waiter", "hog", "owner"]);
        });
    });
    assert!(found.contains(r#"left: ["hog", "waiter", "owner"]"#), "{found}");
}

/// RM-04.1: the chain's first owner does not hear of the last waiter.
#[test]
fn no_walk_along_the_chain() {
    script_finds(Bug::NoChain, "T0 is not Eff(30)", 3, rm_chain::chain_of_two);
}

/// RM-03.2: going back to one's own level loses what the other lock's waiter lends.
#[test]
fn a_level_that_is_restored() {
    script_finds(Bug::RestoreLevel, "T0 is not Eff(30)", 3, rm_boost::unlocked_in_the_order_of_urgency);
}

/// RM-06.1: the new top waiter sleeps on, and the lock belongs to nobody.
#[test]
fn a_new_top_waiter_that_is_not_woken() {
    script_finds(Bug::NoNewTop, "T2 is not Owns(0)", 4, rm_pending::new_top_waiter);
}

/// RM-08.1: the boost outlasts the waiter.
#[test]
fn no_deboost_when_a_waiter_leaves() {
    script_finds(Bug::NoDeboost, "T1 is not Eff(10)", 4, rm_limits::interrupted_in_a_chain);
}

/// With this bug one of the seeds of the pipeline ends with a reader that sees what was freed, or was about to be.
#[track_caller]
fn pipeline_finds(bug: Bug, cpus: usize) {
    let found = report_of(|| seeds(200, |seed| torture(cpus, seed, Some(bug))));
    assert!(found.contains("a reader sees age") || found.contains("a reader sees poison"), "{bug:?}: {found}");
}

/// RC-01.5: no grace period waits for a reader that has lost its CPU.
#[test]
fn readers_that_are_not_listed() {
    pipeline_finds(Bug::ReaderNotListed, 1);
    pipeline_finds(Bug::ReaderNotListed, 4);
}

/// RC-03: a reader in the list of the next grace period holds up that one only.
#[test]
fn a_reader_that_is_taken_for_a_later_one() {
    pipeline_finds(Bug::ReaderTakenForLater, 4);
}

/// RC-01.1: a CPU is not waited for although its thread is in a section.
#[test]
fn an_answer_in_a_section() {
    pipeline_finds(Bug::AnswersInSection, 4);
}

/// RC-11.3: a CPU that runs is taken for one that waits.
#[test]
fn a_wait_that_does_not_end() {
    pipeline_finds(Bug::WaitsForEver, 4);
}

/// RC-15.1: the grace period in progress may have begun before the reader that is inside.
#[test]
fn a_number_that_is_too_low() {
    pipeline_finds(Bug::NeedsTooLittle, 4);
}

/// RC-01: a CPU that begins to read after it was looked at, and what is taken away before the number is there.
#[test]
fn a_number_that_comes_late() {
    let found = report_of(|| {
        number::in_every_order(|cx| {
            turn_on(Bug::NumberLate);
            number::beginning_beside_an_update(cx);
        });
    });
    assert!(found.contains("freed while a handler reads it"), "{found}");
}

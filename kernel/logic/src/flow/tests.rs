//! Does a line driven by these transitions neither lose, repeat nor wedge an interrupt?

use super::*;
use proptest::prelude::*;

const NONE: Chip = Chip::empty();

fn line(oneshot: OneShot, level: bool) -> LineState {
    let mut line = LineState::new();
    line.configure(Settings { oneshot, level, needs_resend: false, unlazy: false });
    line.set_action(true);
    assert_eq!(line.enable(), Ok(Chip::UNMASK));
    line.verify(0).unwrap();
    line
}

/// IQ-10.1: the chip's log in each of the six cases.
#[test]
fn fasteoi_cases() {
    let eoi = Chip::DEACTIVATE;
    // normal: handle, eoi
    let mut l = line(OneShot::No, true);
    assert_eq!((l.enter(), l.end(0)), (Entry::Handle(NONE), eoi));
    // disabled: mask, eoi; and again while masked: eoi
    assert_eq!(l.disable(), NONE);
    assert_eq!(l.enter(), Entry::Leave(Chip::MASK | eoi));
    assert_eq!((l.flags() & PENDING, l.enter()), (PENDING, Entry::Leave(eoi)));
    // no action: mask, eoi
    let mut l = line(OneShot::No, true);
    l.set_action(false);
    assert_eq!(l.enter(), Entry::Leave(Chip::MASK | eoi));
    // in progress: eoi, PENDING only if the chip needs a resend
    let mut l = line(OneShot::No, false);
    assert_eq!((l.enter(), l.enter()), (Entry::Handle(NONE), Entry::Leave(eoi)));
    assert_eq!((l.flags() & PENDING, l.end(0)), (0, eoi));
    l.configure(Settings { oneshot: OneShot::No, level: false, needs_resend: true, unlazy: false });
    assert_eq!((l.enter(), l.enter(), l.flags() & PENDING), (Entry::Handle(NONE), Entry::Leave(eoi), PENDING));
    assert_eq!(l.end(0), eoi | Chip::RESEND);
    // oneshot, woken: mask, handle, eoi; not woken: mask, handle, eoi, unmask
    let mut l = line(OneShot::Mask, true);
    assert_eq!((l.enter(), l.end(1)), (Entry::Handle(Chip::MASK), eoi));
    assert_eq!(l.finalize(1, false), Finalized::Done(Chip::UNMASK));
    assert_eq!((l.enter(), l.end(0)), (Entry::Handle(Chip::MASK), eoi | Chip::UNMASK));
}

/// IQ-10.2, IQ-09.1 with deferred deactivation: no chip access but the deactivation, by the thread.
#[test]
fn held_line() {
    let mut l = line(OneShot::Hold, true);
    for _ in 0..3 {
        assert_eq!((l.enter(), l.end(1)), (Entry::Handle(NONE), NONE));
        assert!(l.is_held());
        l.verify(1).unwrap();
        assert_eq!(l.finalize(1, false), Finalized::Done(Chip::DEACTIVATE));
        l.verify(1).unwrap();
    }
    // IQ-09.6: nobody woken: deactivated at the flow's end.
    assert_eq!((l.enter(), l.end(0)), (Entry::Handle(NONE), Chip::DEACTIVATE));
}

/// IQ-09.3: a thread that is done before the flow waits, so its bit is not set after it was cleared.
#[test]
fn thread_done_before_the_handler() {
    for oneshot in [OneShot::Mask, OneShot::Hold] {
        let mut l = line(oneshot, true);
        let _ = l.enter();
        assert_eq!(l.finalize(1, false), Finalized::InProgress);
        let _ = l.end(1);
        assert_eq!(l.finalize(1, true), Finalized::RunAgain);
        assert_eq!(l.threads_oneshot(), 1);
        assert!(matches!(l.finalize(1, false), Finalized::Done(chip) if !chip.is_empty()));
        l.verify(1).unwrap();
        assert_eq!(l.flags() & (MASKED | HELD), 0);
    }
}

/// IQ-09.4: disabled while the thread runs: no unmask at its end; at enable.
#[test]
fn disabled_while_the_thread_runs() {
    let mut l = line(OneShot::Mask, true);
    let _ = (l.enter(), l.end(1), l.disable());
    assert_eq!(l.finalize(1, false), Finalized::Done(NONE));
    assert_eq!(l.enable(), Ok(Chip::UNMASK));

    let mut l = line(OneShot::Hold, true);
    let _ = (l.enter(), l.end(1), l.disable());
    assert_eq!(l.finalize(1, false), Finalized::Done(Chip::MASK | Chip::DEACTIVATE));
    assert_eq!(l.enable(), Ok(Chip::UNMASK));
}

/// IQ-09 invariant: enabling again while the thread still runs does not let the line fire early.
#[test]
fn enabled_again_while_the_thread_runs() {
    let mut l = line(OneShot::Mask, true);
    let _ = (l.enter(), l.disable());
    assert_eq!(l.enable(), Ok(NONE), "the handler is in progress");
    let _ = l.end(1);
    let _ = l.disable();
    assert_eq!(l.enable(), Ok(NONE), "the thread is pending");
    assert_eq!(l.finalize(1, false), Finalized::Done(Chip::UNMASK));
}

/// IQ-14.2: two one-shot sharers: one unmask, after the slower one.
#[test]
fn the_last_sharer_unmasks() {
    let mut l = line(OneShot::Mask, true);
    let _ = (l.enter(), l.end(0b11));
    assert_eq!(l.finalize(0b01, false), Finalized::Done(NONE));
    l.verify(0b11).unwrap();
    assert_eq!(l.verify(0b01), Err(Broken::ForeignThread));
    assert_eq!(l.finalize(0b10, false), Finalized::Done(Chip::UNMASK));
}

/// IQ-07.1 with ONESHOT: the line is quiet from the first thread's wake to the second's end, or just the first's.
#[test]
fn second_thread() {
    for oneshot in [OneShot::Mask, OneShot::Hold] {
        let (first, second) = (1, 2);
        let mut l = line(oneshot, true);
        let _ = (l.enter(), l.end(first | second));
        assert_eq!(l.finalize(first, false), Finalized::Done(NONE));
        assert!(matches!(l.finalize(second, false), Finalized::Done(chip) if !chip.is_empty()));
        let _ = (l.enter(), l.end(first | second));
        assert!(matches!(l.finalize(first | second, false), Finalized::Done(chip) if !chip.is_empty()));
        l.verify(first | second).unwrap();
    }
}

/// The deferred deactivation is for unshared lines of a controller that can.
#[test]
fn way_to_keep_quiet() {
    assert_eq!(OneShot::choose(false, 1, true), OneShot::No);
    assert_eq!(OneShot::choose(true, 1, true), OneShot::Hold);
    assert_eq!(OneShot::choose(true, 2, true), OneShot::Mask);
    assert_eq!(OneShot::choose(true, 1, false), OneShot::Mask);
}

/// IQ-16.1, .4, .7: depth; unbalanced enable; lazy and unlazy disable.
#[test]
fn depth() {
    let mut l = line(OneShot::No, true);
    assert_eq!((l.disable(), l.disable(), l.depth()), (NONE, NONE, 2));
    assert_eq!((l.enable(), l.flags() & DISABLED), (Ok(NONE), DISABLED));
    assert_eq!((l.enable(), l.flags() & DISABLED), (Ok(NONE), 0));
    assert_eq!((l.enable(), l.depth()), (Err(Unbalanced), 0));
    l.configure(Settings { oneshot: OneShot::No, level: true, needs_resend: false, unlazy: true });
    assert_eq!((l.disable(), l.enable()), (Chip::MASK, Ok(Chip::UNMASK)));
}

/// IQ-16.2, .3: what came while disabled is re-sent once if edge, left to the hardware if level.
#[test]
fn resend_at_enable() {
    let mut l = line(OneShot::No, false);
    let _ = (l.disable(), l.enter(), l.enter(), l.enter());
    assert_eq!(l.enable(), Ok(Chip::UNMASK | Chip::RESEND));
    assert_eq!((l.enter(), l.end(0)), (Entry::Handle(NONE), Chip::DEACTIVATE));
    let mut l = line(OneShot::No, true);
    let _ = (l.disable(), l.enter());
    assert_eq!((l.enable(), l.flags() & (PENDING | REPLAY)), (Ok(Chip::UNMASK), 0));
}

/// IQ-26.1, .2: REPLAY until it arrives; level and unused lines are refused.
#[test]
fn injection() {
    let mut l = line(OneShot::No, false);
    assert_eq!((l.inject(), l.inject()), (Ok(Chip::RESEND), Err(InjectError::Replay)));
    let _ = (l.enter(), l.end(0));
    assert_eq!(l.inject(), Ok(Chip::RESEND));
    assert_eq!(line(OneShot::No, true).inject(), Err(InjectError::Level));
    assert_eq!(LineState::new().inject(), Err(InjectError::Inactive));
}

/// IQ-11.1, .2: an edge during the handler is noted and handled by the CPU that runs it; the line ends unmasked.
#[test]
fn edge_flow() {
    let mut l = line(OneShot::No, false);
    assert_eq!((l.edge_enter(), l.edge_next()), (Entry::Handle(Chip::ACK), EdgeNext::Done(NONE)));
    assert_eq!(l.edge_enter(), Entry::Handle(Chip::ACK));
    assert_eq!(l.edge_enter(), Entry::Leave(Chip::MASK | Chip::ACK));
    assert_eq!(l.edge_enter(), Entry::Leave(Chip::ACK));
    assert_eq!(l.edge_next(), EdgeNext::Again(Chip::UNMASK));
    assert_eq!(l.edge_next(), EdgeNext::Done(NONE));
    assert_eq!(l.flags() & (MASKED | PENDING | INPROGRESS), 0);
    // Disabled and enabled again meanwhile: not left masked.
    let _ = (l.edge_enter(), l.edge_enter(), l.disable());
    assert_eq!(l.enable(), Ok(Chip::UNMASK | Chip::RESEND));
    assert_eq!(l.edge_next(), EdgeNext::Done(NONE));
}

/// IQ-11.3: the action is freed during the loop.
#[test]
fn edge_flow_without_action() {
    let mut l = line(OneShot::No, false);
    let _ = (l.edge_enter(), l.edge_enter());
    l.set_action(false);
    assert_eq!((l.edge_next(), l.flags() & (MASKED | INPROGRESS)), (EdgeNext::Done(NONE), MASKED));
    // Disabled during the loop: leaves, and remembers the edge for enable.
    let mut l = line(OneShot::No, false);
    let _ = (l.edge_enter(), l.edge_enter(), l.disable());
    assert_eq!((l.edge_next(), l.flags() & PENDING), (EdgeNext::Done(NONE), PENDING));
    assert_eq!(l.enable(), Ok(Chip::UNMASK | Chip::RESEND));
}

/// IQ-16.7: an unlazy line is masked by its first disable; a quietened one at once, whatever the settings.
#[test]
fn masked_as_soon_as_disabled() {
    let mut l = line(OneShot::Hold, false);
    assert_eq!((l.quieten(), l.depth()), (Chip::MASK, 1));
    assert_eq!((l.quieten(), l.enable(), l.enable()), (NONE, Ok(NONE), Ok(Chip::UNMASK)));
    l.set_unlazy();
    assert_eq!((l.disable(), l.enable()), (Chip::MASK, Ok(Chip::UNMASK)));
    l.verify(0).unwrap();
}

/// IQ-18: shutdown masks and deactivates; the late thread finds nothing to do; the line can start up anew.
#[test]
fn shutdown_with_the_thread_running() {
    let mut l = line(OneShot::Hold, true);
    let _ = (l.enter(), l.end(1), l.disable(), l.disable());
    assert_eq!(l.shutdown(), Chip::MASK | Chip::DEACTIVATE);
    assert_eq!(l.finalize(1, false), Finalized::Done(NONE));
    assert_eq!(l.depth(), 1);
    // Shut down while the handler ran: its thread deactivates.
    let mut l = line(OneShot::Hold, true);
    let _ = l.enter();
    assert_eq!((l.shutdown(), l.end(1)), (Chip::MASK, NONE));
    assert_eq!(l.finalize(1, false), Finalized::Done(Chip::DEACTIVATE));
    l.set_action(true);
    assert_eq!(l.enable(), Ok(Chip::UNMASK));
}

/// IQ-24: a dead thread's share ends and the line stays disabled.
#[test]
fn dead_thread() {
    let mut l = line(OneShot::Hold, true);
    let _ = l.enter();
    assert_eq!(l.abandon(1), Finalized::InProgress);
    let _ = l.end(1);
    assert_eq!(l.abandon(1), Finalized::Done(Chip::MASK | Chip::DEACTIVATE));
    assert_eq!((l.depth(), l.threads_oneshot()), (1, 0));
    let mut l = line(OneShot::Mask, true);
    let _ = (l.enter(), l.end(0b11));
    assert_eq!(l.abandon(0b01), Finalized::Done(NONE));
    assert_eq!(l.finalize(0b10, false), Finalized::Done(NONE));
    assert_eq!(l.enable(), Ok(Chip::UNMASK));
}

/// IQ-19.5: the detector's disable is taken back once, by a new handler or by hand, not twice.
#[test]
fn spurious_disable_and_rearm() {
    let mut l = line(OneShot::No, true);
    assert_eq!(l.spurious_rearm(), None);
    let _ = (l.spurious_disable(), l.enter());
    assert_eq!((l.depth(), l.spurious_rearm()), (1, Some(Chip::UNMASK)));
    let _ = l.spurious_disable();
    assert_eq!((l.enable(), l.spurious_rearm(), l.depth()), (Ok(NONE), None, 0));
    let _ = (l.spurious_disable(), l.disable());
    assert_eq!((l.spurious_rearm(), l.depth()), (Some(NONE), 1));
}

/// A controller with one line, and a device on it, in terms of the platform facts (spec/00).
#[derive(Default, Debug)]
struct Gic {
    masked: bool,
    active: bool,
    latched: bool,
    asserted: bool,
    level: bool,
}

impl Gic {
    fn apply(&mut self, chip: Chip) {
        if chip.contains(Chip::MASK) {
            assert!(!self.masked, "masked twice");
            self.masked = true;
        }
        if chip.contains(Chip::DEACTIVATE) {
            assert!(self.active, "deactivated an inactive interrupt");
            self.active = false;
        }
        if chip.contains(Chip::UNMASK) {
            assert!(self.masked, "unmasked twice");
            self.masked = false;
        }
        self.latched |= chip.contains(Chip::RESEND);
    }

    fn acknowledge(&mut self) -> bool {
        let pending = self.latched || (self.level && self.asserted);
        if self.masked || self.active || !pending {
            return false;
        }
        (self.active, self.latched) = (true, false);
        true
    }
}

proptest! {
    /// IQ-09, IQ-10, IQ-16, IQ-14: any order of interrupts, thread ends, disables, enables and sharers coming and
    /// going. The chip's state is mirrored, no interrupt is delivered while threads are pending, and at the end, with
    /// all threads done and all disables taken back, an asserted line can fire and a triggered edge has been handled.
    #[test]
    fn never_early_never_lost_never_stuck(
        level: bool,
        mut oneshot in prop_oneof![Just(OneShot::No), Just(OneShot::Mask), Just(OneShot::Hold)],
        unlazy: bool,
        steps in prop::collection::vec((0u8..9, 0u64..4), 0..120),
    ) {
        let mut gic = Gic { masked: true, level, ..Gic::default() };
        let mut l = LineState::new();
        let settings = |oneshot| Settings { oneshot, level, needs_resend: false, unlazy };
        l.configure(settings(oneshot));
        l.set_action(true);
        gic.apply(l.enable().unwrap());
        let (mut disabled, mut handling, mut unserved) = (0, false, false);
        for (op, arg) in steps {
            match op {
                0 => { gic.asserted = true; if !level { gic.latched = true; unserved = true; } }
                1 => gic.asserted = false,
                2 | 3 if !handling && gic.acknowledge() => match l.enter() {
                    Entry::Handle(chip) => {
                        prop_assert_eq!((l.threads_oneshot(), disabled), (0, 0), "delivered early");
                        gic.apply(chip);
                        handling = true;
                        unserved = false;
                    }
                    Entry::Leave(chip) => gic.apply(chip),
                },
                4 if handling => {
                    handling = false;
                    gic.apply(l.end(if oneshot == OneShot::No { 0 } else { arg }));
                }
                5 => match l.finalize(1 << (arg % 2), arg > 1) {
                    Finalized::InProgress => prop_assert!(handling),
                    Finalized::RunAgain => prop_assert!(arg > 1),
                    Finalized::Done(chip) => gic.apply(chip),
                },
                6 => { gic.apply(l.disable()); disabled += 1; }
                7 if disabled > 0 => { gic.apply(l.enable().unwrap()); disabled -= 1; }
                8 if oneshot != OneShot::No => {
                    oneshot = if oneshot == OneShot::Hold { OneShot::Mask } else { OneShot::Hold };
                    l.configure(settings(oneshot));
                }
                _ => {}
            }
            prop_assert_eq!(l.flags() & MASKED != 0, gic.masked, "the mirror differs");
            prop_assert_eq!(l.depth(), disabled);
            prop_assert_eq!(l.verify(0b11), Ok(()));
        }
        if handling { gic.apply(l.end(0)); }
        while disabled > 0 { gic.apply(l.enable().unwrap()); disabled -= 1; }
        for bit in [1, 2] {
            match l.finalize(bit, false) {
                Finalized::Done(chip) => gic.apply(chip),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(l.verify(0), Ok(()));
        prop_assert!(!gic.masked && !gic.active, "stuck: {:?} {:?}", l, gic);
        if unserved || (level && gic.asserted) {
            prop_assert!(gic.acknowledge(), "lost");
            prop_assert!(matches!(l.enter(), Entry::Handle(_)));
        }
    }
}

//! Does every row of the validation table give exactly its result?

use super::*;
use proptest::prelude::*;

const HARD: NewAction = NewAction {
    hard: true,
    handler: false,
    threaded: false,
    flags: Flags::empty(),
    trigger: None,
    cookie: None,
    percpu_devid: false,
};
const HANDLER: NewAction = NewAction { hard: false, handler: true, ..HARD };
const THREADED: NewAction = NewAction { hard: false, threaded: true, flags: Flags::ONESHOT, ..HARD };
const BOTH: NewAction = NewAction { hard: false, handler: true, threaded: true, ..HARD };
const LEVEL: LineFacts = LineFacts::new(Trigger::LevelHigh);
const EDGE: LineFacts = LineFacts::new(Trigger::EdgeRising);
const FORCING: LineFacts = LineFacts { force_threads: true, ..LEVEL };

fn shared(new: NewAction, cookie: usize, more: Flags) -> NewAction {
    NewAction { flags: new.flags | Flags::SHARED | more, cookie: Some(cookie), ..new }
}

/// The line's facts once `owners` (all admitted in turn) are installed, for judging `new`.
fn with(line: LineFacts, owners: &[NewAction], new: &NewAction) -> LineFacts {
    let mut installed: Vec<Installed> = vec![];
    let mut trigger = line.trigger;
    let facts = |installed: &[Installed], trigger, new: &NewAction| {
        let mut facts = LineFacts { trigger, ..line };
        installed.iter().for_each(|one| facts.saw(one, new));
        facts
    };
    for owner in owners {
        let admitted = admit(owner, &facts(&installed, trigger, owner)).unwrap();
        assert_eq!(admitted.first, installed.is_empty());
        trigger = admitted.trigger;
        let masks = admitted.mask | admitted.second_mask;
        installed.push(Installed { flags: admitted.flags, cookie: owner.cookie, masks });
    }
    facts(&installed, trigger, new)
}

fn refusal(new: NewAction, line: LineFacts) -> Refusal {
    admit(&new, &line).unwrap_err()
}

/// IQ-04.1: rows that concern the request and the line alone. All `Invalid`, none warns.
#[test]
fn invalid_rows() {
    let flags = |new: NewAction, flags| NewAction { flags: new.flags | flags, ..new };
    let rows = [
        (NewAction { hard: false, ..HARD }, LEVEL, Refusal::NoHandler),
        (flags(HARD, Flags::SHARED), LEVEL, Refusal::SharedWithoutCookie),
        (shared(HARD, 1, Flags::NO_AUTOEN), LEVEL, Refusal::SharedNoAutoen),
        (flags(HARD, Flags::COND_SUSPEND), LEVEL, Refusal::CondSuspendUnshared),
        (shared(HARD, 1, Flags::COND_SUSPEND | Flags::NO_SUSPEND), LEVEL, Refusal::CondSuspendNoSuspend),
        (NewAction { flags: Flags::empty(), ..THREADED }, LEVEL, Refusal::ThreadWithoutOneshot),
        (NewAction { flags: Flags::empty(), ..THREADED }, EDGE, Refusal::ThreadWithoutOneshot),
        (NewAction { flags: Flags::COND_ONESHOT, ..THREADED }, LEVEL, Refusal::ThreadWithoutOneshot),
        (HARD, LineFacts { percpu_devid: true, ..LEVEL }, Refusal::PerCpuDevid),
        (NewAction { percpu_devid: true, ..HARD }, LEVEL, Refusal::PerCpuDevid),
        (HARD, LineFacts { nested: true, ..LEVEL }, Refusal::NestedWithoutThread),
        (HARD, LineFacts { requestable: false, ..LEVEL }, Refusal::NotRequestable),
        (flags(HANDLER, Flags::NO_THREAD), FORCING, Refusal::HandlerNotForcible),
        (flags(HANDLER, Flags::TIMER), LEVEL, Refusal::HandlerNotForcible),
        (flags(HANDLER, Flags::PERCPU), LEVEL, Refusal::HandlerNotForcible),
    ];
    for (new, line, expected) in rows {
        assert_eq!(refusal(new, line), expected);
        assert!(!expected.is_busy() && !expected.warns());
    }
    let taken = shared(HARD, 7, Flags::empty());
    assert_eq!(refusal(taken, with(LEVEL, &[taken], &taken)), Refusal::CookieTaken);
}

/// IQ-04.1: rows in which sharers must agree. All `Busy`; they warn unless PROBE_SHARED.
#[test]
fn mismatch_rows() {
    let first = shared(HARD, 1, Flags::empty());
    let second = shared(HARD, 2, Flags::empty());
    let edge = NewAction { trigger: Some(Trigger::EdgeBoth), ..second };
    let rows = [
        (HARD, second, Mismatch::Shared),
        (first, HARD, Mismatch::Shared),
        (first, edge, Mismatch::Trigger),
        (first, shared(THREADED, 2, Flags::empty()), Mismatch::Oneshot),
        (shared(THREADED, 1, Flags::empty()), second, Mismatch::Oneshot),
        (first, shared(HARD, 2, Flags::PERCPU), Mismatch::PerCpu),
    ];
    for (owner, new, what) in rows {
        for silent in [false, true] {
            let new = NewAction { flags: if silent { new.flags | Flags::PROBE_SHARED } else { new.flags }, ..new };
            let refusal = refusal(new, with(LEVEL, &[owner], &new));
            assert_eq!(refusal, Refusal::Mismatch { what, silent });
            assert_eq!((refusal.is_busy(), refusal.warns()), (true, !silent));
        }
    }
    assert!(admit(&second, &with(LEVEL, &[first], &second)).is_ok());
}

/// IQ-04.1: 64 ONESHOT sharers, each with its own bit; the 65th is refused. IQ-14.3: a freed bit is used again.
#[test]
fn sixty_four_mask_bits() {
    let owners: Vec<_> = (0..64).map(|cookie| shared(THREADED, cookie, Flags::empty())).collect();
    let last = shared(THREADED, 64, Flags::empty());
    assert_eq!(refusal(last, with(LEVEL, &owners, &last)), Refusal::NoMaskBit);
    assert!(Refusal::NoMaskBit.is_busy());
    let mut facts = LEVEL;
    for (i, owner) in owners.iter().enumerate().filter(|(i, _)| *i != 5) {
        facts.saw(&Installed { flags: owner.flags, cookie: owner.cookie, masks: 1 << i }, &last);
    }
    assert_eq!(admit(&last, &facts).unwrap().mask, 1 << 5);
    // A sharer that is not ONESHOT needs none.
    let plain: Vec<_> = (0..70).map(|cookie| shared(HARD, cookie, Flags::empty())).collect();
    let next = shared(HARD, 70, Flags::empty());
    assert_eq!(admit(&next, &with(LEVEL, &plain, &next)).unwrap().mask, 0);
}

/// IQ-04.2: COND_ONESHOT adopts the line's way.
#[test]
fn cond_oneshot_adopts() {
    let newcomer = NewAction { threaded: true, ..shared(HARD, 2, Flags::COND_ONESHOT) };
    let on_oneshot = with(LEVEL, &[shared(THREADED, 1, Flags::empty())], &newcomer);
    let admitted = admit(&newcomer, &on_oneshot).unwrap();
    assert!(admitted.flags.contains(Flags::ONESHOT) && !admitted.oneshot_added);
    assert_eq!(admitted.mask, 0b10);
    let on_plain = with(LEVEL, &[shared(HARD, 1, Flags::empty())], &newcomer);
    let admitted = admit(&newcomer, &on_plain).unwrap();
    assert_eq!((admitted.flags.contains(Flags::ONESHOT), admitted.mask), (false, 0));
    assert!(!admit(&newcomer, &LEVEL).unwrap().flags.contains(Flags::ONESHOT), "the first on the line");
}

/// IQ-04.3: without trigger the line's is used and reported.
#[test]
fn default_trigger() {
    assert_eq!(admit(&HARD, &EDGE).unwrap().trigger, Trigger::EdgeRising);
    let falling = NewAction { trigger: Some(Trigger::EdgeFalling), ..shared(HARD, 1, Flags::empty()) };
    assert_eq!(admit(&falling, &EDGE).unwrap().trigger, Trigger::EdgeFalling);
    let second = shared(HARD, 2, Flags::empty());
    assert_eq!(admit(&second, &with(EDGE, &[falling], &second)).unwrap().trigger, Trigger::EdgeFalling);
    assert!(Trigger::LevelLow.is_level() && !Trigger::EdgeBoth.is_level());
}

/// IQ-05: a handler is forced into a thread with ONESHOT added; IQ-06: hard parts and threaded parts are not.
#[test]
fn forcing() {
    let plan = |new: NewAction, line| admit(&new, &line).unwrap();
    let a = plan(HANDLER, LEVEL);
    assert_eq!(a.plan, Plan { forced: false, default_primary: false, threads: 0 });
    assert_eq!((a.oneshot_added, a.mask), (false, 0));
    let a = plan(HANDLER, FORCING);
    assert_eq!(a.plan, Plan { forced: true, default_primary: true, threads: 1 });
    assert_eq!((a.oneshot_added, a.flags, a.mask), (true, Flags::ONESHOT, 1));
    for line in [LEVEL, FORCING] {
        for flags in [Flags::empty(), Flags::NO_THREAD, Flags::TIMER, Flags::PERCPU] {
            let a = plan(NewAction { flags, ..HARD }, line);
            assert_eq!(a.plan, Plan { forced: false, default_primary: false, threads: 0 });
            assert_eq!((a.flags, a.mask), (flags, 0));
        }
        let a = plan(THREADED, line);
        assert_eq!(a.plan, Plan { forced: false, default_primary: true, threads: 1 });
        assert_eq!((a.oneshot_added, a.mask), (false, 1));
        let a = plan(NewAction { threaded: true, ..HARD }, line);
        assert_eq!(a.plan, Plan { forced: false, default_primary: false, threads: 1 });
    }
}

/// IQ-07.1: handler and threaded part under forcing: two threads. The line waits for the second only if asked to.
#[test]
fn second_thread() {
    let a = admit(&BOTH, &FORCING).unwrap();
    assert_eq!(a.plan, Plan { forced: true, default_primary: true, threads: 2 });
    assert_eq!((a.mask, a.second_mask, a.oneshot_added), (1, 0, true));
    let oneshot = NewAction { flags: Flags::ONESHOT, ..BOTH };
    let a = admit(&oneshot, &FORCING).unwrap();
    assert_eq!((a.mask, a.second_mask, a.oneshot_added), (1, 2, false));
    let a = admit(&oneshot, &LEVEL).unwrap();
    assert_eq!(a.plan, Plan { forced: false, default_primary: false, threads: 1 });
    assert_eq!((a.mask, a.second_mask), (1, 0));
    let all = NewAction { hard: true, ..oneshot };
    assert_eq!(admit(&all, &FORCING).unwrap().plan, Plan { forced: true, default_primary: false, threads: 2 });
}

/// IQ-15: a nested line has no thread of its own. ONESHOT_SAFE chips need no ONESHOT.
#[test]
fn nested_and_oneshot_safe() {
    let nested = LineFacts { nested: true, ..FORCING };
    let a = admit(&NewAction { flags: Flags::empty(), ..THREADED }, &nested).unwrap();
    assert_eq!((a.plan.threads, a.plan.forced, a.mask), (0, false, 0));
    assert_eq!(admit(&BOTH, &nested).unwrap().plan, Plan { forced: false, default_primary: false, threads: 0 });
    let safe = LineFacts { oneshot_safe: true, ..LEVEL };
    for flags in [Flags::empty(), Flags::ONESHOT] {
        let a = admit(&NewAction { flags, ..THREADED }, &safe).unwrap();
        assert_eq!((a.flags, a.mask, a.plan.threads), (Flags::empty(), 0, 1));
    }
}

proptest! {
    /// IQ-04: whatever is requested, an admitted line stays consistent: sharers agree, bits are single and distinct, a
    /// bit is there exactly where a ONESHOT line must wait for a thread.
    #[test]
    fn admitted_lines_are_consistent(
        force_threads: bool,
        requests in prop::collection::vec((0u8..8, any::<u16>(), 0usize..8, 0u8..4), 1..40),
    ) {
        let line = LineFacts { force_threads, ..LEVEL };
        let mut installed: Vec<Installed> = vec![];
        for (parts, bits, cookie, trigger) in requests {
            let new = NewAction {
                hard: parts & 1 != 0,
                handler: parts & 2 != 0,
                threaded: parts & 4 != 0,
                flags: Flags::from_bits_truncate(bits) | Flags::SHARED,
                trigger: [None, None, None, Some(Trigger::EdgeRising)][usize::from(trigger)],
                cookie: (cookie != 0).then_some(cookie),
                percpu_devid: false,
            };
            let mut facts = line;
            installed.iter().for_each(|one| facts.saw(one, &new));
            let Ok(a) = admit(&new, &facts) else { continue };
            prop_assert!(a.first || a.trigger == line.trigger);
            prop_assert_eq!(a.first, installed.is_empty());
            let used = installed.iter().fold(0, |used, one| used | one.masks);
            prop_assert_eq!(used & (a.mask | a.second_mask), 0);
            let oneshot = a.flags.contains(Flags::ONESHOT);
            prop_assert_eq!(a.mask.count_ones(), u32::from(oneshot && a.plan.threads > 0));
            prop_assert_eq!(a.plan.forced, force_threads && new.handler);
            prop_assert!(!a.plan.forced || oneshot, "a forced handler's line must be quiet meanwhile");
            for one in &installed {
                let must_agree = Flags::SHARED | Flags::ONESHOT | Flags::PERCPU;
                prop_assert_eq!(one.flags & must_agree, a.flags & must_agree);
                prop_assert!(one.cookie != new.cookie);
            }
            if a.trigger != line.trigger { break; }
            installed.push(Installed { flags: a.flags, cookie: new.cookie, masks: a.mask | a.second_mask });
        }
    }
}

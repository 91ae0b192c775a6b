//! May this handler be installed on this line, and in what shape?
//!
//! The whole validation table of IQ-04 and the choice of IQ-05/IQ-07 which parts run in threads, as one function over
//! plain data: [`admit`]. It changes nothing; the caller installs what [`Admitted`] says, or maps the [`Refusal`] to an
//! error (and a warning that names both owners). That a request comes from a thread is the type system's affair.
//!
//! A request has up to three parts; Linux's `request_threaded_irq` has the first two in one:
//!
//! | part | runs |
//! |---|---|
//! | hard | in the interrupt, on every model |
//! | handler | in the interrupt; where the model forces threading, in a thread |
//! | threaded | in a thread |

use bitflags::bitflags;

bitflags! {
    /// Properties of a request; the names are Linux's without `IRQF_`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u16 {
        /// The line may have several owners.
        const SHARED = 1 << 0;
        /// No warning if the line cannot be shared.
        const PROBE_SHARED = 1 << 1;
        /// The interrupt is per-CPU.
        const PERCPU = 1 << 2;
        /// Users may not change the line's affinity.
        const NOBALANCING = 1 << 3;
        /// No further interrupt until the threads are done.
        const ONESHOT = 1 << 4;
        /// ONESHOT if the others on the line have it.
        const COND_ONESHOT = 1 << 5;
        /// Never forced into a thread. A request with `handler` cannot have it: such code belongs into `hard`.
        const NO_THREAD = 1 << 6;
        /// Not enabled by the request (IQ-20).
        const NO_AUTOEN = 1 << 7;
        /// Stays enabled during system suspend.
        const NO_SUSPEND = 1 << 8;
        /// Shares a line with a NO_SUSPEND owner and copes with its interrupts during suspend.
        const COND_SUSPEND = 1 << 9;
        /// Not watched by the detector of unhandled interrupts.
        const NO_DEBUG = 1 << 10;
        /// Masked in the controller as soon as it is disabled, not first when it then fires.
        const DISABLE_UNLAZY = 1 << 11;
        /// A timer.
        const TIMER = Self::NO_SUSPEND.bits() | Self::NO_THREAD.bits();
    }
}

/// What makes a line fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// While the line is high.
    LevelHigh,
    /// While the line is low.
    LevelLow,
    /// When the line goes high.
    EdgeRising,
    /// When the line goes low.
    EdgeFalling,
    /// When the line changes.
    EdgeBoth,
}

impl Trigger {
    /// Level-triggered?
    #[inline]
    pub const fn is_level(self) -> bool {
        matches!(self, Self::LevelHigh | Self::LevelLow)
    }
}

/// A request, as far as its admission goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewAction {
    /// It has a part that runs in the interrupt on every model.
    pub hard: bool,
    /// It has an ordinary handler.
    pub handler: bool,
    /// It has a threaded part.
    pub threaded: bool,
    /// Its flags.
    pub flags: Flags,
    /// Its trigger; none: the line's.
    pub trigger: Option<Trigger>,
    /// Tells sharers apart.
    pub cookie: Option<usize>,
    /// It is made for a line with a handler datum for each CPU (`request_percpu`).
    pub percpu_devid: bool,
}

/// An action that a line has already.
#[derive(Clone, Copy, Debug)]
pub struct Installed {
    /// Its flags as admitted.
    pub flags: Flags,
    /// Its cookie.
    pub cookie: Option<usize>,
    /// Its mask bits as admitted, of both threads.
    pub masks: u64,
}

/// What a line has already; gathered by [`LineFacts::saw`] over its actions.
#[derive(Clone, Copy, Debug)]
pub struct LineFacts {
    /// Drivers may request it: not reserved, not the parent of a chained controller.
    pub requestable: bool,
    /// It has a handler datum for each CPU.
    pub percpu_devid: bool,
    /// It is decoded by another line's thread (IQ-15).
    pub nested: bool,
    /// The chip cannot re-fire before its thread is done (`ONESHOT_SAFE`): one-shot handling is superfluous.
    pub oneshot_safe: bool,
    /// The model, or the boot option `threadirqs`, forces handlers into threads.
    pub force_threads: bool,
    /// Its configured trigger; of all owners, if it has any.
    pub trigger: Trigger,
    /// The flags of its owners; they agree in those that matter.
    owners: Option<Flags>,
    masks: u64,
    cookie_taken: bool,
}

impl LineFacts {
    /// An ordinary line without owners.
    pub const fn new(trigger: Trigger) -> Self {
        Self {
            requestable: true,
            percpu_devid: false,
            nested: false,
            oneshot_safe: false,
            force_threads: false,
            trigger,
            owners: None,
            masks: 0,
            cookie_taken: false,
        }
    }

    /// Takes an action of the line into account; `new` is the request that will be judged.
    pub fn saw(&mut self, installed: &Installed, new: &NewAction) {
        self.owners = self.owners.or(Some(installed.flags));
        self.masks |= installed.masks;
        self.cookie_taken |= new.cookie.is_some() && installed.cookie == new.cookie;
    }
}

/// In what sharers must agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// One of them does not share.
    Shared,
    /// Different triggers.
    Trigger,
    /// One is ONESHOT, one is not.
    Oneshot,
    /// One is PERCPU, one is not.
    PerCpu,
}

/// Which rule a request breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// No part at all.
    NoHandler,
    /// SHARED, and nothing to tell it from the others.
    SharedWithoutCookie,
    /// SHARED with NO_AUTOEN: the others' interrupts would be off too.
    SharedNoAutoen,
    /// COND_SUSPEND without SHARED.
    CondSuspendUnshared,
    /// COND_SUSPEND with NO_SUSPEND.
    CondSuspendNoSuspend,
    /// A handler that runs hard or threaded as the model says, and a flag by which it may not be threaded.
    HandlerNotForcible,
    /// A per-CPU line by an ordinary request, or the other way round.
    PerCpuDevid,
    /// Reserved or chained.
    NotRequestable,
    /// A nested line runs threaded parts only.
    NestedWithoutThread,
    /// Threaded part only, not ONESHOT: a level would fire again before the thread runs.
    ThreadWithoutOneshot,
    /// Another owner of the line has the same cookie.
    CookieTaken,
    /// The sharers do not agree.
    Mismatch {
        /// In what.
        what: Mismatch,
        /// Without a warning (PROBE_SHARED).
        silent: bool,
    },
    /// All mask bits are taken: 64 threads of ONESHOT sharers.
    NoMaskBit,
}

impl Refusal {
    /// `Busy` for the user if true, else `Invalid`.
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Mismatch { .. } | Self::NoMaskBit)
    }

    /// Does the refusal call for a warning that names both owners?
    pub const fn warns(self) -> bool {
        matches!(self, Self::Mismatch { silent: false, .. })
    }
}

/// Which threads an action needs, and what runs where.
///
/// In the interrupt: `hard` if there is one, then `handler` unless it is forced; with neither, a default primary
/// handler that only wakes. In the first thread: the forced handler, else the threaded part. In the second: the threaded
/// part of a request whose handler is forced (IQ-07), woken when that handler asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The ordinary handler runs in a thread, with soft interrupts disabled.
    pub forced: bool,
    /// Nothing of the request runs in the interrupt.
    pub default_primary: bool,
    /// Threads to create, 0 to 2.
    pub threads: u8,
}

impl Plan {
    fn of(new: &NewAction, line: &LineFacts) -> Self {
        let forced = line.force_threads && new.handler && !line.nested;
        let threads = if line.nested { 0 } else { u8::from(forced) + u8::from(new.threaded) };
        Self { forced, default_primary: !new.hard && (forced || !new.handler), threads }
    }
}

/// How to install an admitted request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Admitted {
    /// The flags, with ONESHOT as it finally is.
    pub flags: Flags,
    /// Forcing added ONESHOT (IQ-05.4).
    pub oneshot_added: bool,
    /// The trigger to configure.
    pub trigger: Trigger,
    /// The first thread's bit in the line's `threads_oneshot`; 0 if not ONESHOT or without thread.
    pub mask: u64,
    /// The second thread's; 0 unless the request itself was ONESHOT: only then does the line wait for it (IQ-07.1).
    ///
    /// Set together with `mask` when the first thread is woken; the first thread finalises both, or only its own when
    /// it woke the second. So the line is quiet without a gap and nothing need be set in between.
    pub second_mask: u64,
    /// What runs where.
    pub plan: Plan,
    /// It is the line's first action.
    pub first: bool,
}

/// Judges a request (IQ-04).
pub fn admit(new: &NewAction, line: &LineFacts) -> Result<Admitted, Refusal> {
    check_alone(new)?;
    if !line.requestable {
        return Err(Refusal::NotRequestable);
    }
    if line.percpu_devid != new.percpu_devid {
        return Err(Refusal::PerCpuDevid);
    }
    if line.nested && !new.threaded {
        return Err(Refusal::NestedWithoutThread);
    }

    let plan = Plan::of(new, line);
    let mut flags = new.flags;
    if plan.forced {
        flags |= Flags::ONESHOT;
    }
    if line.oneshot_safe {
        flags -= Flags::ONESHOT;
    }
    let trigger = new.trigger.unwrap_or(line.trigger);
    if let Some(owners) = line.owners {
        if owners.contains(Flags::ONESHOT) && flags.contains(Flags::COND_ONESHOT) {
            flags |= Flags::ONESHOT;
        }
        let silent = flags.contains(Flags::PROBE_SHARED);
        check_sharing(flags, trigger, owners, line.trigger).map_err(|what| Refusal::Mismatch { what, silent })?;
        if line.cookie_taken {
            return Err(Refusal::CookieTaken);
        }
    }
    let thread_only = new.threaded && !new.hard && !new.handler;
    if thread_only && !flags.contains(Flags::ONESHOT) && !line.oneshot_safe && !line.nested {
        return Err(Refusal::ThreadWithoutOneshot);
    }

    let oneshot = flags.contains(Flags::ONESHOT);
    let mask = take_bit(line.masks, oneshot && plan.threads > 0)?;
    let waits_for_second = oneshot && new.flags.contains(Flags::ONESHOT) && plan.threads > 1;
    let second_mask = take_bit(line.masks | mask, waits_for_second)?;
    let oneshot_added = oneshot && plan.forced && !new.flags.contains(Flags::ONESHOT);
    Ok(Admitted { flags, oneshot_added, trigger, mask, second_mask, plan, first: line.owners.is_none() })
}

/// The rules that concern the request alone.
fn check_alone(new: &NewAction) -> Result<(), Refusal> {
    let has = |flags| new.flags.contains(flags);
    if !new.hard && !new.handler && !new.threaded {
        Err(Refusal::NoHandler)
    } else if has(Flags::SHARED) && new.cookie.is_none() {
        Err(Refusal::SharedWithoutCookie)
    } else if has(Flags::SHARED | Flags::NO_AUTOEN) {
        Err(Refusal::SharedNoAutoen)
    } else if has(Flags::COND_SUSPEND) && !has(Flags::SHARED) {
        Err(Refusal::CondSuspendUnshared)
    } else if has(Flags::COND_SUSPEND | Flags::NO_SUSPEND) {
        Err(Refusal::CondSuspendNoSuspend)
    } else if new.handler && (new.percpu_devid || new.flags.intersects(Flags::NO_THREAD | Flags::PERCPU)) {
        Err(Refusal::HandlerNotForcible)
    } else {
        Ok(())
    }
}

/// The rules in which all owners of a line must agree.
fn check_sharing(flags: Flags, trigger: Trigger, owners: Flags, line_trigger: Trigger) -> Result<(), Mismatch> {
    let differ = flags ^ owners;
    if !(flags & owners).contains(Flags::SHARED) {
        Err(Mismatch::Shared)
    } else if trigger != line_trigger {
        Err(Mismatch::Trigger)
    } else if differ.contains(Flags::ONESHOT) {
        Err(Mismatch::Oneshot)
    } else if differ.contains(Flags::PERCPU) {
        Err(Mismatch::PerCpu)
    } else {
        Ok(())
    }
}

/// The lowest bit not in `taken`, or 0 if none is needed.
fn take_bit(taken: u64, needed: bool) -> Result<u64, Refusal> {
    if !needed {
        Ok(0)
    } else if taken == u64::MAX {
        Err(Refusal::NoMaskBit)
    } else {
        Ok(1 << taken.trailing_ones())
    }
}

#[cfg(test)]
mod tests;

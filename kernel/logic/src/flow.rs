//! What must the interrupt chip do at each step of a line's life?
//!
//! One [`LineState`] a line, kept under the descriptor's raw lock. Its methods are the transitions; each answers the
//! chip operations that follow, which the caller performs before it lets go of the lock (a [`Chip`] set has one fixed
//! order). The chip driver decides nothing, and the interrupt core sequences nothing by itself.
//!
//! ```text
//! vector ── enter ──► Leave: done
//!              └────► Handle ── lock dropped: handlers, wakes ── end(woken) ──► line ready again, or
//!                                                                  threads pending ── finalize(bit) each ──► ready
//! ```
//!
//! **While a one-shot line's threads are pending, no further interrupt of it arrives.** A line does that in one of two
//! ways ([`OneShot`]): *masked* from the flow's start until the last thread is done (spec IQ-09), or *held*: the
//! interrupt stays active in the controller, because its deactivation (EOI mode 1: `ICC_DIR_EL1`) is left to the thread.
//! A held line needs no access to the distributor at all.
//!
//! **Woken threads are recorded at the flow's end, under the lock**, not when they are woken. A thread that is done
//! before that finds INPROGRESS set and waits ([`Finalized::InProgress`]); otherwise it would clear a bit that the flow
//! has yet to set, and the line would stay masked for ever (IQ-09.3; Linux `irq_finalize_oneshot`).

pub use answer::{Chip, EdgeNext, Entry, Finalized};

mod answer;

// Numbered so that each set tested on a hot path is a run of neighbouring bits: ARM64 has those as immediates.

/// The interrupt is active in the controller and waits for a thread to deactivate it.
pub const HELD: u32 = 1 << 0;
/// The chip masks the line; mirrors the chip exactly.
pub const MASKED: u32 = 1 << 1;
/// The line is disabled ⇔ depth is not 0.
pub const DISABLED: u32 = 1 << 2;
/// A resend is under way; cleared when it arrives.
pub const REPLAY: u32 = 1 << 3;
/// No handler is installed.
pub const NO_ACTION: u32 = 1 << 4;
/// Handlers of the line run on some CPU.
pub const INPROGRESS: u32 = 1 << 5;
/// Setting: one-shot by masking.
const ONESHOT_MASK: u32 = 1 << 6;
/// An interrupt came that could not be handled and is to be remembered.
pub const PENDING: u32 = 1 << 7;
/// Setting: one-shot by deferred deactivation.
const ONESHOT_HOLD: u32 = 1 << 8;
/// The detector of unhandled interrupts disabled the line and counts once in the depth.
pub const SPURIOUS_DISABLED: u32 = 1 << 9;
/// Setting: level-triggered.
const LEVEL: u32 = 1 << 10;
/// Setting: the chip loses what arrives while the handler runs elsewhere.
const NEEDS_RESEND: u32 = 1 << 11;
/// Setting: masked as soon as disabled.
const UNLAZY: u32 = 1 << 12;

const ONESHOT: u32 = ONESHOT_MASK | ONESHOT_HOLD;
const SETTINGS: u32 = ONESHOT | LEVEL | NEEDS_RESEND | UNLAZY;

/// Anything that makes the start of a flow more than "mark it in progress".
const ENTER_SLOW: u32 = DISABLED | NO_ACTION | INPROGRESS | PENDING | REPLAY;

/// How a line keeps quiet while its threads are pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OneShot {
    /// Not at all: not a one-shot line.
    No,
    /// Masked in the chip.
    Mask,
    /// Held active. Only for an unshared SPI, and only in EOI mode 1.
    Hold,
}

impl OneShot {
    /// The way for a line with this many `actions`. `can_hold`: it is an SPI and the controller is in EOI mode 1.
    pub const fn choose(oneshot: bool, actions: usize, can_hold: bool) -> Self {
        match (oneshot, can_hold && actions <= 1) {
            (false, _) => Self::No,
            (true, false) => Self::Mask,
            (true, true) => Self::Hold,
        }
    }
}

/// What a line is, as opposed to what happens to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How it keeps quiet while threads are pending.
    pub oneshot: OneShot,
    /// Level-triggered: the hardware re-fires, software never re-sends.
    pub level: bool,
    /// An interrupt that finds the handler running elsewhere is lost in the chip unless it is re-sent.
    pub needs_resend: bool,
    /// Mask as soon as disabled, not first when the line fires (`DISABLE_UNLAZY`).
    pub unlazy: bool,
}

/// `enable` without a matching `disable`: warn; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbalanced;

/// Why an interrupt cannot be injected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InjectError {
    /// A level line: only its device can assert it (`Invalid`).
    Level,
    /// Nobody uses the line (`Invalid`).
    Inactive,
    /// The previous one has not arrived yet (`Busy`).
    Replay,
}

/// A rule of [`LineState::verify`] that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Broken {
    /// DISABLED differs from "depth is not 0".
    Depth,
    /// A thread is pending that the line does not have.
    ForeignThread,
    /// Threads are pending and the line could fire.
    NotQuiet,
    /// Nothing is pending and the enabled line cannot fire.
    Stuck,
}

/// State of an interrupt line. Guarded by the descriptor's raw lock.
#[derive(Clone, Debug)]
pub struct LineState {
    flags: u32,
    depth: u32,
    /// A bit for each action whose thread was woken and has not finished.
    threads_oneshot: u64,
}

impl LineState {
    /// An unused line: masked, disabled once, without action.
    pub const fn new() -> Self {
        Self { flags: DISABLED | MASKED | NO_ACTION, depth: 1, threads_oneshot: 0 }
    }

    /// The flag word, for reports.
    #[inline]
    pub const fn flags(&self) -> u32 {
        self.flags
    }

    /// How often the line is disabled.
    #[inline]
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// The actions whose threads are pending on a one-shot line.
    #[inline]
    pub const fn threads_oneshot(&self) -> u64 {
        self.threads_oneshot
    }

    /// Do handlers of the line run on some CPU?
    #[inline]
    pub const fn in_progress(&self) -> bool {
        self.flags & INPROGRESS != 0
    }

    /// Is there nothing to decide at an interrupt: an enabled line that is held, not masked, while its threads are
    /// pending, and nothing is? Then the caller may run the flow without this state, and tell it of a pending thread
    /// later, by [`end`](Self::end).
    #[inline]
    pub const fn is_plain_held(&self) -> bool {
        self.flags & (0xff | ONESHOT) == ONESHOT_HOLD && self.threads_oneshot == 0
    }

    /// Is the line active in the controller only because a thread is pending? Then nobody need wait for it (IQ-17).
    #[inline]
    pub const fn is_held(&self) -> bool {
        self.flags & HELD != 0
    }

    /// Gives the line its settings; at a change of its trigger or of its set of actions.
    ///
    /// Threads pending under the old way to keep quiet finish under it.
    pub fn configure(&mut self, settings: Settings) {
        let oneshot = match settings.oneshot {
            OneShot::No => 0,
            OneShot::Mask => ONESHOT_MASK,
            OneShot::Hold => ONESHOT_HOLD,
        };
        let mut flags = self.flags & !SETTINGS | oneshot;
        for (set, flag) in [(settings.level, LEVEL), (settings.needs_resend, NEEDS_RESEND), (settings.unlazy, UNLAZY)] {
            if set {
                flags |= flag;
            }
        }
        self.flags = flags;
    }

    /// Tells whether any action is installed. The first one's line starts up by [`enable`](Self::enable), unless
    /// the request was NO_AUTOEN (IQ-20).
    pub fn set_action(&mut self, installed: bool) {
        if installed { self.flags &= !NO_ACTION } else { self.flags |= NO_ACTION }
    }

    /// Start of the fasteoi flow (IQ-10).
    #[inline]
    pub fn enter(&mut self) -> Entry {
        if self.flags & (ENTER_SLOW | ONESHOT_MASK) == 0 {
            self.flags |= INPROGRESS;
            return Entry::Handle(Chip::empty());
        }
        self.enter_slow()
    }

    fn enter_slow(&mut self) -> Entry {
        if self.flags & INPROGRESS != 0 {
            if self.flags & NEEDS_RESEND != 0 {
                self.flags |= PENDING;
            }
            return Entry::Leave(Chip::DEACTIVATE);
        }
        self.flags &= !REPLAY;
        if self.flags & (DISABLED | NO_ACTION) != 0 {
            self.flags |= PENDING;
            return Entry::Leave(self.mask() | Chip::DEACTIVATE);
        }
        self.flags = self.flags & !PENDING | INPROGRESS;
        Entry::Handle(if self.flags & ONESHOT_MASK != 0 { self.mask() } else { Chip::empty() })
    }

    /// End of the fasteoi flow (IQ-10, IQ-09.6). `woken`: the mask bits of the actions whose threads were woken.
    #[inline]
    pub fn end(&mut self, woken: u64) -> Chip {
        let flags = self.flags & !INPROGRESS;
        if woken != 0 {
            if flags & (ONESHOT_HOLD | PENDING) == ONESHOT_HOLD {
                self.flags = flags | HELD;
                self.threads_oneshot |= woken;
                return Chip::empty();
            }
        } else if flags & (ONESHOT | PENDING) == 0 {
            self.flags = flags;
            return Chip::DEACTIVATE;
        }
        self.end_slow(woken)
    }

    fn end_slow(&mut self, woken: u64) -> Chip {
        self.flags &= !INPROGRESS;
        if self.flags & ONESHOT != 0 {
            self.threads_oneshot |= woken;
        }
        // Not masked although threads are pending: the settings changed between `enter` and here. It is held instead.
        let hold = self.threads_oneshot != 0 && (self.flags & ONESHOT_HOLD != 0 || self.flags & MASKED == 0);
        let chip = if hold {
            self.flags |= HELD;
            Chip::empty()
        } else {
            Chip::DEACTIVATE | self.unmask_if_allowed()
        };
        chip | if self.flags & DISABLED == 0 { self.resend_pending() } else { Chip::empty() }
    }

    /// A thread has run its handler (IQ-09). `bit`: its action's mask bit; `run_again`: RUNTHREAD is set once more.
    ///
    /// The caller has made the thread's device accesses complete (DSB) before it lets the chip fire again.
    #[inline]
    pub fn finalize(&mut self, bit: u64, run_again: bool) -> Finalized {
        if self.flags & INPROGRESS != 0 {
            return Finalized::InProgress;
        }
        if run_again {
            return Finalized::RunAgain;
        }
        self.threads_oneshot &= !bit;
        if self.threads_oneshot != 0 {
            return Finalized::Done(Chip::empty());
        }
        if self.flags & (HELD | MASKED | DISABLED) == HELD {
            self.flags &= !HELD;
            return Finalized::Done(Chip::DEACTIVATE);
        }
        Finalized::Done(self.release())
    }

    /// The last thread is done and the line is masked, disabled, or was not quiet at all (a thread woken by software).
    fn release(&mut self) -> Chip {
        let mut chip = Chip::empty();
        if self.flags & HELD != 0 {
            self.flags &= !HELD;
            chip |= Chip::DEACTIVATE;
            // Disabled meanwhile: deactivated, a level line would fire at once only to be masked then (IQ-09.4).
            if self.flags & DISABLED != 0 {
                chip |= self.mask();
            }
        }
        chip | self.unmask_if_allowed()
    }

    /// The thread of an action died and will never finish: its share ends, the line is left disabled (IQ-24).
    ///
    /// The action must not be woken any more from before this call on.
    pub fn abandon(&mut self, bit: u64) -> Finalized {
        if self.flags & INPROGRESS != 0 {
            return Finalized::InProgress;
        }
        let mut chip = self.quieten();
        if let Finalized::Done(more) = self.finalize(bit, false) {
            chip |= more;
        }
        Finalized::Done(chip)
    }

    /// Disables the line once more (IQ-16). Lazy: unless set otherwise, the chip is told when the line next fires.
    #[inline]
    pub fn disable(&mut self) -> Chip {
        self.depth = self.depth.saturating_add(1);
        self.flags |= DISABLED;
        if self.flags & UNLAZY != 0 { self.mask() } else { Chip::empty() }
    }

    /// Disables the line once more and masks it at once, for an owner that may be gone before it fires again.
    pub fn quieten(&mut self) -> Chip {
        self.disable() | self.mask()
    }

    /// Masks as soon as disabled from now on, whatever the settings said (`DISABLE_UNLAZY`).
    pub fn set_unlazy(&mut self) {
        self.flags |= UNLAZY;
    }

    /// Takes one `disable` back; at depth 0 the line can fire again, and an edge that came meanwhile is re-sent (IQ-16).
    #[inline]
    pub fn enable(&mut self) -> Result<Chip, Unbalanced> {
        match self.depth {
            0 => Err(Unbalanced),
            1 => {
                self.depth = 0;
                self.flags &= !(DISABLED | SPURIOUS_DISABLED);
                Ok(self.unmask_if_allowed() | self.resend_pending())
            }
            _ => {
                self.depth -= 1;
                Ok(Chip::empty())
            }
        }
    }

    /// The detector of unhandled interrupts gives up on the line (IQ-19).
    pub fn spurious_disable(&mut self) -> Chip {
        self.flags |= SPURIOUS_DISABLED;
        self.disable()
    }

    /// A new handler gives a line that the detector disabled another chance (IQ-19.5); `None` if it had not.
    pub fn spurious_rearm(&mut self) -> Option<Chip> {
        if self.flags & SPURIOUS_DISABLED == 0 {
            return None;
        }
        self.flags &= !SPURIOUS_DISABLED;
        self.enable().ok()
    }

    /// The last action goes: masked, disabled exactly once, deactivated whatever its threads do (IQ-18).
    ///
    /// What was pending was meant for the old owner and is forgotten.
    pub fn shutdown(&mut self) -> Chip {
        let mut chip = self.mask();
        if self.flags & HELD != 0 {
            chip |= Chip::DEACTIVATE;
        }
        self.depth = 1;
        self.flags = self.flags & !(PENDING | REPLAY | SPURIOUS_DISABLED | HELD) | DISABLED | NO_ACTION;
        chip
    }

    /// Raises the line in software (IQ-26).
    pub fn inject(&mut self) -> Result<Chip, InjectError> {
        if self.flags & LEVEL != 0 {
            Err(InjectError::Level)
        } else if self.flags & NO_ACTION != 0 {
            Err(InjectError::Inactive)
        } else if self.flags & REPLAY != 0 {
            Err(InjectError::Replay)
        } else {
            self.flags |= REPLAY;
            Ok(Chip::RESEND)
        }
    }

    /// Start of the edge flow (IQ-11).
    #[inline]
    pub fn edge_enter(&mut self) -> Entry {
        if self.flags & ENTER_SLOW == 0 {
            self.flags |= INPROGRESS;
            return Entry::Handle(Chip::ACK);
        }
        self.flags &= !REPLAY;
        if self.flags & (INPROGRESS | DISABLED | NO_ACTION) != 0 {
            self.flags |= PENDING;
            return Entry::Leave(self.mask() | Chip::ACK);
        }
        self.flags = self.flags & !PENDING | INPROGRESS;
        Entry::Handle(Chip::ACK)
    }

    /// The handlers of an edge flow ran: is there more to do?
    #[inline]
    pub fn edge_next(&mut self) -> EdgeNext {
        if self.flags & (PENDING | DISABLED) == PENDING {
            if self.flags & NO_ACTION == 0 {
                // Unmasking before the handlers run lets an edge during this run be noted in its turn.
                self.flags &= !PENDING;
                return EdgeNext::Again(self.unmask());
            }
            // The last action was freed meanwhile (IQ-11.3).
            self.flags &= !INPROGRESS;
            return EdgeNext::Done(self.mask());
        }
        self.flags &= !INPROGRESS;
        EdgeNext::Done(self.unmask_if_allowed())
    }

    /// Do the invariants of IQ and HC-06 hold between two transitions? `threads`: the mask bits of all actions.
    pub fn verify(&self, threads: u64) -> Result<(), Broken> {
        let quiet = self.flags & (MASKED | HELD) != 0;
        let busy = self.threads_oneshot != 0 || self.in_progress();
        if (self.flags & DISABLED != 0) != (self.depth != 0) {
            Err(Broken::Depth)
        } else if self.threads_oneshot & !threads != 0 {
            Err(Broken::ForeignThread)
        } else if self.threads_oneshot != 0 && !self.in_progress() && !quiet && self.flags & NO_ACTION == 0 {
            Err(Broken::NotQuiet)
        } else if !busy && (self.is_held() || (self.flags & (MASKED | DISABLED | NO_ACTION) == MASKED)) {
            Err(Broken::Stuck)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn mask(&mut self) -> Chip {
        let chip = if self.flags & MASKED == 0 { Chip::MASK } else { Chip::empty() };
        self.flags |= MASKED;
        chip
    }

    #[inline]
    fn unmask(&mut self) -> Chip {
        let chip = if self.flags & MASKED != 0 { Chip::UNMASK } else { Chip::empty() };
        self.flags &= !MASKED;
        chip
    }

    /// Unmasks unless the line is disabled, or a one-shot line's handler or threads have yet to finish: they will do it.
    fn unmask_if_allowed(&mut self) -> Chip {
        let handler = self.flags & INPROGRESS != 0 && self.flags & ONESHOT != 0;
        if self.flags & DISABLED != 0 || handler || self.threads_oneshot != 0 { Chip::empty() } else { self.unmask() }
    }

    /// Re-sends what was marked PENDING. Level lines re-fire by themselves; a resend under way serves this one too.
    fn resend_pending(&mut self) -> Chip {
        if self.flags & PENDING == 0 || self.flags & (LEVEL | REPLAY) == REPLAY {
            return Chip::empty();
        }
        self.flags &= !PENDING;
        if self.flags & LEVEL != 0 {
            return Chip::empty();
        }
        self.flags |= REPLAY;
        Chip::RESEND
    }
}

impl Default for LineState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

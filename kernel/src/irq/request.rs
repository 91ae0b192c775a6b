//! How does a driver get a line?
use super::{
    Handled, Primary,
    domain::{Descriptor, Guarded, Irq, descriptor, gic, publish},
    flow::{Action, Forced, HardFn, apply},
    line::Line,
    ordinary::{self, BhFn, ThreadFn},
    thread,
};
use crate::{
    atomic_word::Word32,
    context_check,
    cx::{BhCx, HardIrqCx, ThreadCx},
    error::{Error, Result},
    percpu, rcu, report,
    sync::Completion,
    thread::{Builder, Kind, table},
};
use alloc::{boxed::Box, format};
use core::cell::{Cell, UnsafeCell};
use hw::{
    atomic::{AtomicPtr, AtomicU32, Ordering::Release},
    gic::Sense,
};
use logic::{
    cpus::CpuSet,
    flow::{OneShot, Settings},
    handshake::Handshake,
    policy::Policy,
    request::{Admitted, Flags, Installed, LineFacts, Mismatch, NewAction, Refusal, Trigger, admit},
};

/// Policy of IRQ threads unless told otherwise: half-way up (IP-01).
const DEFAULT_POLICY: Policy = match Policy::fifo(50) {
    Ok(policy) => policy,
    Err(_) => unreachable!(),
};

/// A handler in the making.
///
/// | part | runs in |
/// |---|---|
/// | [`hard`](Self::hard) | the interrupt, interrupts masked |
/// | [`handler`](Self::handler) | the interrupt; in the line's thread under `rtb`, under `rt`, and with boot argument `threadirqs` |
/// | [`threaded`](Self::threaded) | the line's thread |
///
/// Without a hard part a default one wakes the thread.
#[must_use = "nothing is installed until `submit`"]
pub struct Request<'a> {
    irq: Irq,
    name: &'a str,
    flags: Flags,
    trigger: Option<Trigger>,
    cookie: Option<usize>,
    policy: Policy,
    hard: Option<HardFn>,
    handler: Option<BhFn>,
    threaded: Option<ThreadFn>,
}

impl<'a> Request<'a> {
    /// A handler called `name` for a line.
    pub fn new(irq: Irq, name: &'a str) -> Self {
        Self {
            irq,
            name,
            flags: Flags::empty(),
            trigger: None,
            cookie: None,
            policy: DEFAULT_POLICY,
            hard: None,
            handler: None,
            threaded: None,
        }
    }
    /// The primary handler: is it ours, quieten the device, wake the thread? Keep it short: interrupts are masked.
    pub fn hard(mut self, f: impl FnMut(&mut HardIrqCx<'_>) -> Primary + Send + 'static) -> Self {
        self.hard = Some(Box::new(f));
        self
    }
    /// The ordinary handler: it may not sleep, and leaves it to the model where it runs. In a thread it runs with bottom halves
    /// disabled, and the line is ONESHOT. Behind a hard part it runs when that says [`WakeThread`](Primary::WakeThread).
    pub fn handler(mut self, f: impl FnMut(&mut BhCx<'_>) -> Handled + Send + 'static) -> Self {
        self.handler = Some(Box::new(f));
        self
    }
    /// The thread handler: it may sleep.
    pub fn threaded(mut self, f: impl FnMut(&mut ThreadCx) -> Handled + Send + 'static) -> Self {
        self.threaded = Some(Box::new(f));
        self
    }
    /// Sharing, one-shot and the like.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags |= flags;
        self
    }
    /// When the line is taken to be asserted; without it, what is configured stays.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = Some(trigger);
        self
    }
    /// Tells the sharers of a line apart; needed for a shared one.
    pub fn cookie(mut self, cookie: usize) -> Self {
        self.cookie = Some(cookie);
        self
    }
    /// Policy of the thread, [`FIFO 50`](Policy::fifo) without this.
    pub fn priority(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Installs the handler and enables the line. When this returns, the thread exists and is ready.
    ///
    /// # Errors
    /// Nothing is left behind by a request that fails. [`Error::WrongContext`]: in an atomic section.
    /// [`Error::NotConnected`], [`Error::NotFound`]: no such line. [`Error::Invalid`]: the combination makes no sense
    /// (the rules are in [`logic::request`]). [`Error::Busy`]: the line is taken, or its sharers disagree; the log says
    /// on what. [`Error::NoResource`]: no thread or memory. [`Error::Unsupported`]: an ordinary and a thread handler
    /// together.
    #[track_caller]
    pub fn submit(self, cx: &mut ThreadCx) -> Result<Line> {
        context_check::must_sleep(cx)?;
        if self.handler.is_some() && self.threaded.is_some() {
            return Err(Error::Unsupported);
        }
        let irq = self.irq;
        let line = descriptor(irq)?;
        line.config.down(cx);
        // Somebody may have unmapped it since it was looked up.
        publish(line);
        let result = self.install(cx, line);
        let _ = line.config.up(cx);
        result.map(|action| Line::new(line, irq, action))
    }

    fn new_action(&self) -> NewAction {
        NewAction {
            hard: self.hard.is_some(),
            handler: self.handler.is_some(),
            threaded: self.threaded.is_some(),
            flags: self.flags,
            trigger: self.trigger,
            cookie: self.cookie,
            percpu_devid: false,
        }
    }

    /// `line.config` is held.
    fn install(self, cx: &mut ThreadCx, line: &'static Descriptor) -> Result<&'static Action> {
        let new = self.new_action();
        let admitted = admit(&new, &facts(line, &new)).map_err(|refusal| refused(refusal, line, self.name))?;
        let (hard, body) = match (self.threaded, self.handler) {
            (Some(f), _) => (self.hard, Some(f)),
            (None, Some(f)) if admitted.plan.forced => (self.hard, Some(ordinary::in_thread(f))),
            (None, Some(f)) => (Some(ordinary::in_interrupt(self.hard, f)), None),
            (None, None) => (self.hard, None),
        };
        let action = Box::new(Action {
            next: AtomicPtr::new(core::ptr::null_mut()),
            hard: UnsafeCell::new(hard),
            thread: Cell::new(None),
            run: Handshake::new(Word32::new(0)),
            mask: admitted.mask,
            cookie: self.cookie,
            flags: admitted.flags,
            forced: admitted.plan.forced.then_some(Forced { oneshot_added: admitted.oneshot_added }),
            name: table::name(self.name),
            thread_runs: AtomicU32::new(0),
            ready: Completion::new(),
            exited: Completion::new(),
            warned: Cell::new(false),
            percpu: None,
        });
        let action = Box::into_raw(action);
        // SAFETY: just made, not linked; `Line::release` or the failure paths below free it.
        let release = || drop(unsafe { Box::from_raw(action) });
        if let Some(body) = body {
            // SAFETY: as above; the thread's reference ends before `release` of a linked action frees it.
            let shared: &'static Action = unsafe { &*action };
            let name = format!("irq/{}-{}", line.intid, self.name);
            table::make_room(cx);
            let thread = match make(&name, self.policy, line, shared, body) {
                Ok(thread) => thread,
                Err(error) => {
                    release();
                    return Err(error);
                }
            };
            shared.thread.set(Some(thread));
            crate::sched::start(thread);
            shared.ready.wait(cx);
        }
        // SAFETY: from here on shared references only.
        let action: &'static Action = unsafe { &*action };
        if let Err(error) = connect(line, action, &admitted, self.flags) {
            super::line::stop_thread(cx, action);
            release();
            return Err(error);
        }
        Ok(action)
    }
}

/// What the line has already.
fn facts(line: &'static Descriptor, new: &NewAction) -> LineFacts {
    let (trigger, percpu) = line.with(|g| (g.trigger, g.percpu));
    let mut facts = LineFacts::new(trigger);
    facts.percpu_devid = percpu;
    facts.force_threads = ordinary::are_forced();
    for a in line.actions(&rcu::section()) {
        facts.saw(&Installed { flags: a.flags, cookie: a.cookie, masks: a.mask }, new);
    }
    facts
}

fn refused(refusal: Refusal, line: &'static Descriptor, name: &str) -> Error {
    if refusal.warns()
        && let Refusal::Mismatch { what, .. } = refusal
    {
        let what = match what {
            Mismatch::Shared => "not shared by both",
            Mismatch::Trigger => "different triggers",
            Mismatch::Oneshot => "ONESHOT by one only",
            Mismatch::PerCpu => "per-CPU by one only",
        };
        let reader = rcu::section();
        let owner = line.first(&reader).map_or("", |a| a.name.as_str());
        report::warn!("irq {}: {} does not fit {}: {}", line.intid, name, owner, what);
    }
    if refusal.is_busy() { Error::Busy } else { Error::Invalid }
}

fn make(
    name: &str,
    policy: Policy,
    line: &'static Descriptor,
    action: &'static Action,
    handler: ThreadFn,
) -> Result<crate::thread::Ref> {
    let body = Box::new(move |cx: &mut ThreadCx| thread::body(line, action, cx, handler));
    let cpu = super::affinity::effective(line).effective;
    Builder::new(name).policy(policy).kind(Kind::Irq).affinity(CpuSet::of(cpu)).make(body)
}

/// Sets the trigger, links the action behind the others and starts the line up.
fn connect(line: &'static Descriptor, action: &'static Action, admitted: &Admitted, asked: Flags) -> Result<()> {
    let intid = line.intid;
    let local = percpu::this().gic_local();
    if admitted.first {
        let sense = match admitted.trigger {
            Trigger::LevelHigh => Sense::Level,
            Trigger::EdgeRising => Sense::Edge,
            // The controller has no other kinds of SPI (GIC architecture 1.2.2).
            _ => return Err(Error::Invalid),
        };
        line.with(|_| gic().set_sense(local, intid, sense, &mut |_| {})).map_err(|_| Error::Invalid)?;
    }
    let reader = rcu::section();
    line.with(|g| {
        let Guarded { state, detector, trigger, .. } = g;
        if admitted.first {
            *trigger = admitted.trigger;
            state.configure(Settings {
                oneshot: match admitted.flags {
                    f if !f.contains(Flags::ONESHOT) => OneShot::No,
                    // One sharer's thread cannot end the interrupt for all; and without split end there is no holding.
                    f if f.contains(Flags::SHARED) || !gic().splits_end() => OneShot::Mask,
                    _ => OneShot::Hold,
                },
                level: admitted.trigger.is_level(),
                needs_resend: false,
                unlazy: asked.contains(Flags::DISABLE_UNLAZY),
            });
            detector.reset(!asked.contains(Flags::NO_DEBUG));
            state.set_action(true);
            line.actions.store(core::ptr::from_ref(action).cast_mut(), Release);
            if !asked.contains(Flags::NO_AUTOEN)
                && let Ok(chip) = state.enable()
            {
                apply(chip, intid);
            }
        } else {
            if let Some(last) = line.actions(&reader).last() {
                last.next.store(core::ptr::from_ref(action).cast_mut(), Release);
            }
            if asked.contains(Flags::DISABLE_UNLAZY) {
                state.set_unlazy();
            }
            detector.restart();
            if let Some(chip) = state.spurious_rearm() {
                apply(chip, intid);
            }
        }
    });
    Ok(())
}

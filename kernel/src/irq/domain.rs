//! Which line does a number mean? From INTID to descriptor.
//!
//! Numbers are INTIDs: `irq/33-uart-pl011` is INTID 33. A descriptor is made when its line is mapped and stays; its address
//! is in a table that dispatch indexes by INTID.
use super::{affinity::Affinity, flow::Action};
use crate::{
    board::Board,
    bugs::{self, Bug},
    context_check,
    cx::{Irq as IrqLevel, ThreadCx},
    error::{Error, Result},
    percpu,
    rcu::{self, Reading},
    report,
    sync::{Semaphore, WaitQueue, raw::RawSpinLock},
};
use alloc::{boxed::Box, format};
use core::cell::Cell;
use hw::{
    atomic::{
        AtomicBool, AtomicPtr, AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    gic::{End, Gic, Local, SGIS, SPECIAL, Version, Warning},
};
use logic::{flow::LineState, request::Trigger, spurious::Detector};
use spin::Once;

/// An interrupt line, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Irq(u32);

impl Irq {
    /// A line that leads nowhere: requesting it says [`Error::NotConnected`].
    pub const NOT_CONNECTED: Self = Self(u32::MAX);
    /// The line of this INTID, whether the controller has it or not.
    pub const fn new(intid: u32) -> Self {
        Self(intid)
    }
    /// Shared peripheral interrupt `n`, as device trees count.
    pub const fn spi(n: u32) -> Self {
        Self(32 + n)
    }
    /// Private peripheral interrupt `n`, as device trees count.
    pub const fn ppi(n: u32) -> Self {
        Self(16 + n)
    }
    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
    pub(crate) fn intid(self) -> Result<u32> {
        if self == Self::NOT_CONNECTED { Err(Error::NotConnected) } else { Ok(self.0) }
    }
}

impl core::fmt::Display for Irq {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What `lock` guards.
pub(crate) struct Guarded {
    pub state: LineState,
    pub detector: Detector,
    pub trigger: Trigger,
    /// Where it is taken.
    pub affinity: Affinity,
    /// Per-CPU line (PPI).
    pub percpu: bool,
    /// The last handler has gone, and a CPU may still be on its way to it.
    pub leaving: bool,
}

/// One line's descriptor.
#[repr(C)]
pub(crate) struct Descriptor {
    /// The line's only action while there is nothing to decide at an interrupt; null otherwise. Changed under `lock`.
    fast: AtomicPtr<Action>,
    pub intid: u32,
    /// Unhandled interrupts are being counted: every result matters to the detector. Changed under `lock`.
    pub watched: AtomicBool,
    /// How often threads of the line have reported success; for the detector.
    pub threads_handled: AtomicU32,
    /// Handlers called and threads run, for tests and statistics.
    pub unhandled: Cell<u32>,
    /// First action; the rest is linked. Changed under `lock` by whoever holds `config`.
    pub actions: AtomicPtr<Action>,
    pub lock: RawSpinLock<Guarded, IrqLevel>,
    /// Waiters of `synchronize`.
    pub idle: WaitQueue,
    /// Serialises requests and frees; they sleep.
    pub config: Semaphore,
}

// SAFETY: `unhandled` is written by the flow, which one line does not run twice at a time.
unsafe impl Sync for Descriptor {}
// SAFETY: nothing in it is tied to a CPU.
unsafe impl Send for Descriptor {}

impl Descriptor {
    fn new(intid: u32) -> Self {
        let percpu = intid < 32;
        Self {
            fast: AtomicPtr::new(core::ptr::null_mut()),
            intid,
            watched: AtomicBool::new(false),
            threads_handled: AtomicU32::new(0),
            unhandled: Cell::new(0),
            actions: AtomicPtr::new(core::ptr::null_mut()),
            lock: RawSpinLock::new(Guarded {
                state: LineState::new(),
                detector: Detector::new(),
                trigger: Trigger::LevelHigh,
                affinity: Affinity::INITIAL,
                percpu,
                leaving: false,
            }),
            // Descriptors are never freed, so this is no leak: `ps` names the line that a thread waits for (IQ-17.2).
            idle: WaitQueue::named(Box::leak(format!("synchronize_irq {intid}").into_boxed_str())),
            config: Semaphore::new(1),
        }
    }
    /// Runs `f` under the line's lock; from any context.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(&mut Guarded) -> R) -> R {
        let off = crate::irq_flags::Off::new();
        let mut guarded = self.lock.lock_in(off.cx());
        let result = f(&mut guarded);
        self.look(&guarded);
        drop(guarded);
        drop(off);
        result
    }
    /// Derives what the vector looks at without the lock.
    fn look(&self, guarded: &Guarded) {
        let head = self.actions.load(Relaxed);
        // SAFETY: as `actions`; interrupts are masked.
        let alone = unsafe { head.cast_const().as_ref() }.is_some_and(|a| a.next.load(Relaxed).is_null());
        let plain = alone && guarded.state.is_plain_held() && !bugs::is_on(Bug::OneshotUnmaskEarly);
        self.fast.store(if plain { head } else { core::ptr::null_mut() }, Release);
        self.watched.store(guarded.detector.counts().1 != 0, Relaxed);
    }
    /// The line's only action, if there is nothing to decide.
    #[inline(always)]
    pub fn fast<'r>(&self, reader: &'r impl Reading) -> Option<&'r Action> {
        let _ = reader;
        // SAFETY: as `actions`.
        unsafe { self.fast.load(Acquire).cast_const().as_ref() }
    }
    /// Whether that is this one.
    #[inline(always)]
    pub fn is_fast(&self, action: &Action) -> bool {
        core::ptr::eq(self.fast.load(Acquire), action)
    }
    /// Whether a thread of the line was woken and has not finished.
    pub fn is_pending(&self) -> bool {
        self.actions(&rcu::section()).any(|a| a.run.is_pending())
    }
    /// The action that was registered first.
    #[inline(always)]
    pub fn first<'r>(&self, reader: &'r impl Reading) -> Option<&'r Action> {
        let _ = reader;
        // SAFETY: as `actions`.
        unsafe { self.actions.load(Acquire).cast_const().as_ref() }
    }
    /// The actions in the order of their registration. Dispatch and whoever looks on walk them as readers, whatever a thread does
    /// that holds `config` meanwhile.
    pub fn actions<'r>(&self, reader: &'r impl Reading) -> impl Iterator<Item = &'r Action> {
        let _ = reader;
        let mut next = self.actions.load(Acquire);
        core::iter::from_fn(move || {
            // SAFETY: an action is freed after a grace period that began when it was out of the list, and the proof that this is
            // a reader outlives the reference.
            let action = unsafe { next.cast_const().as_ref() }?;
            next = action.next.load(Acquire);
            Some(action)
        })
    }
}

type Entry = AtomicPtr<Descriptor>;
hw::global! {
    static TABLE: [Entry; SPECIAL as usize] = [const { Entry::new(core::ptr::null_mut()) }; SPECIAL as usize];
    static GIC: Once<Gic> = Once::new();
    static LOCALS: [Once<Local>; percpu::MAX_CPUS] = [const { Once::new() }; percpu::MAX_CPUS];
    /// The descriptors by INTID; one that was unmapped is used again.
    static OWNED: RawSpinLock<[Option<Box<Descriptor>>; SPECIAL as usize], IrqLevel> =
        RawSpinLock::new([const { None }; SPECIAL as usize]);
}

/// The interrupt controller.
#[inline(always)]
pub(crate) fn gic() -> &'static Gic {
    let gic: &Once<Gic> = &GIC;
    debug_assert!(gic.is_completed(), "interrupt controller used before it was started");
    // SAFETY: boot starts the controller before it unmasks interrupts and before the first thread, so before anybody
    // can call this. Kernel statics live as long as the machine.
    unsafe { &*core::ptr::from_ref(gic.get_unchecked()) }
}

/// The descriptor of an acknowledged INTID, below [`SPECIAL`]; null if the line is not mapped.
#[inline(always)]
pub(crate) fn lookup(intid: u32) -> Option<&'static Descriptor> {
    let table: &[Entry; SPECIAL as usize] = &TABLE;
    // SAFETY: descriptors are never freed while the machine runs.
    unsafe { table.get(intid as usize)?.load(Acquire).cast_const().as_ref() }
}

pub(crate) fn warning(w: Warning) {
    match w {
        Warning::RwpTimeout => report::warn!("GIC: RWP timeout"),
        Warning::WakeTimeout => report::warn!("GIC: redistributor does not wake"),
        Warning::NoRedistributor(a) => report::warn!("GIC: no redistributor for MPIDR {:#x}", a),
        Warning::FixedTrigger(i) => report::warn!("GIC: the trigger of PPI {} is fixed", i),
        Warning::NoCpuMask => report::warn!("GIC CPU mask not found"),
        Warning::CannotSgi(a) => report::warn!("GIC: can't SGI to MPIDR {:#x}: no range selector", a),
    }
}

/// Starts the controller and this CPU's part of it. `version`: what the machine says that it has, if it does; of those that
/// the board may have, the first otherwise.
///
/// # Errors
/// [`Error::Unsupported`]: there is another one than the board knows of. [`Error::NotFound`]: it has no part for this CPU.
pub(crate) fn start(board: &Board, version: Option<Version>, end: End) -> Result<()> {
    let mut known = board.gics.iter();
    let Some(facts) = known.find(|facts| version.is_none_or(|version| version == facts.version())) else {
        let what = version.map_or("interrupt controller", Version::name);
        report::bug!("{}: nothing is known of its {}", board.name, what);
    };
    let affinity = percpu::this().affinity.get();
    let gic = match Gic::start(facts, end, affinity, &mut warning) {
        Ok(gic) => gic,
        Err(_) => report::bug!("there is no {} at {:#x}", facts.version().name(), facts.distributor().base()),
    };
    GIC.call_once(|| gic);
    start_here()
}

/// Starts this CPU's part of the controller.
///
/// # Errors
/// [`Error::NotFound`]: it has no part for this CPU.
pub(crate) fn start_here() -> Result<()> {
    let cpu = percpu::this();
    let local = match gic().start_cpu(cpu.affinity.get(), &mut warning) {
        Ok(local) => local,
        Err(hw::gic::GicError::Unsupported) => report::bug!("GIC: SRE disabled at a higher EL"),
        Err(_) => return Err(Error::NotFound),
    };
    let slot: &Once<Local> = &LOCALS[cpu.id.get()];
    let kept = slot.call_once(|| local);
    // SAFETY: kernel statics live as long as the machine.
    cpu.gic.set(Some(unsafe { &*core::ptr::from_ref(kept) }));
    Ok(())
}

/// The line of a hardware number, made known to the kernel; mapping it twice gives the same line.
///
/// # Errors
/// [`Error::NotFound`]: the controller has no such INTID. [`Error::Invalid`]: an SGI, which is no line.
/// [`Error::NoResource`].
pub fn map(cx: &mut ThreadCx, intid: u32) -> Result<Irq> {
    let _ = cx;
    descriptor(Irq(intid)).map(|_| Irq(intid))
}

/// Lines have numbers below this, private ones and those between CPUs included.
pub fn line_count() -> u32 {
    gic().lines()
}

/// The descriptor of a line, made if there is none. Allocates: threads and boot only.
pub(crate) fn descriptor(irq: Irq) -> Result<&'static Descriptor> {
    let intid = irq.intid()?;
    if intid >= gic().lines() {
        return Err(Error::NotFound);
    }
    if intid < SGIS {
        // No line: between CPUs, see `ipi`. Dispatch relies on there being no descriptor.
        return Err(Error::Invalid);
    }
    if let Some(found) = lookup(intid) {
        return Ok(found);
    }
    let fresh = Box::new(Descriptor::new(intid));
    let off = crate::irq_flags::Off::new();
    let mut owned = OWNED.lock_in(off.cx());
    // Somebody else may have been faster, or the line was mapped before.
    let mut unused = None;
    match &owned[intid as usize] {
        Some(_) => unused = Some(fresh),
        None => owned[intid as usize] = Some(fresh),
    }
    if let Some(owned) = &owned[intid as usize] {
        TABLE[intid as usize].store(core::ptr::from_ref(&**owned).cast_mut(), Release);
    }
    drop(owned);
    drop(off);
    drop(unused);
    lookup(intid).ok_or(Error::NoResource)
}

/// Puts a descriptor back into dispatch's table if it was unmapped. `config` is held.
pub(super) fn publish(d: &'static Descriptor) {
    TABLE[d.intid as usize].store(core::ptr::from_ref(d).cast_mut(), Release);
}

/// Forgets a line.
///
/// # Errors
/// [`Error::NotFound`]: not mapped. [`Error::Busy`]: a handler is installed. [`Error::WrongContext`]: in an atomic section.
#[track_caller]
pub fn unmap(cx: &mut ThreadCx, irq: Irq) -> Result<()> {
    context_check::must_sleep(cx)?;
    let d = lookup(irq.intid()?).ok_or(Error::NotFound)?;
    d.config.down(cx);
    let busy = !d.actions.load(Relaxed).is_null();
    if !busy {
        TABLE[d.intid as usize].store(core::ptr::null_mut(), Release);
    }
    let _ = d.config.up(cx);
    if busy { Err(Error::Busy) } else { Ok(()) }
}

//! How long does a CPU keep interrupts or preemption off, and between which places? (TR-01)
//!
//! The kernel tells one [`Tracker`] a CPU every change of the two, with the moment and the place. A section lasts as long
//! as its condition holds, however many places ask for it meanwhile: nested ones are one, from the first to the last.
//!
//! | kind | the section lasts while |
//! |---|---|
//! | [`Kind::IrqsOff`] | interrupts are masked |
//! | [`Kind::PreemptOff`] | preemption is disabled |
//! | [`Kind::Either`] | the one or the other, or both: their union, once |
//!
//! While tracking is *paused* no section lasts: a CPU that waits for an interrupt with interrupts masked, or prints a
//! report past all threads, is not late for anything that it promised.

/// Which sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With interrupts masked: `irqsoff`.
    IrqsOff,
    /// With preemption disabled: `preemptoff`.
    PreemptOff,
    /// With either: `preemptirqsoff`.
    Either,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::IrqsOff, Self::PreemptOff, Self::Either];

    /// Its name, as Linux calls the tracer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IrqsOff => "irqsoff",
            Self::PreemptOff => "preemptoff",
            Self::Either => "preemptirqsoff",
        }
    }
}

/// A section that is over. `S`: what names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<S> {
    /// How long it was, in the unit of the moments that the tracker was told.
    pub length: u64,
    /// Where it began.
    pub start: S,
    /// Where it ended.
    pub end: S,
}

/// Records kept of each kind.
pub const RECORDS: usize = 16;

/// The threshold asked for would record every section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadThreshold;

/// What is known of the sections of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Findings<S> {
    longest: Option<Section<S>>,
    threshold: Option<u64>,
    records: [Option<Section<S>>; RECORDS],
    recorded: u64,
}

impl<S: Copy> Findings<S> {
    const fn new() -> Self {
        Self { longest: None, threshold: None, records: [None; RECORDS], recorded: 0 }
    }
    /// The longest section; of equally long ones the first.
    pub fn longest(&self) -> Option<Section<S>> {
        self.longest
    }
    /// Sections at least this long are recorded.
    pub fn threshold(&self) -> Option<u64> {
        self.threshold
    }
    /// How many were recorded, those that were overwritten since among them.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }
    /// The last [`RECORDS`] sections that were recorded, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Section<S>> + '_ {
        let oldest = (self.recorded % RECORDS as u64) as usize;
        let (newer, older) = self.records.split_at(oldest);
        older.iter().chain(newer).copied().flatten()
    }
    fn add(&mut self, section: Section<S>) {
        if self.longest.is_none_or(|longest| section.length > longest.length) {
            self.longest = Some(section);
        }
        if self.threshold.is_some_and(|threshold| section.length >= threshold) {
            self.records[(self.recorded % RECORDS as u64) as usize] = Some(section);
            self.recorded += 1;
        }
    }
    fn clear(&mut self) {
        *self = Self { threshold: self.threshold, ..Self::new() };
    }
}

/// One kind's watch.
struct Watch<S> {
    on: bool,
    /// When and where the section that lasts now began, if it counts.
    open: Option<(u64, S)>,
    findings: Findings<S>,
}

/// One CPU's sections. Every kind is watched from the start.
pub struct Tracker<S> {
    masked: bool,
    disabled: bool,
    paused: bool,
    watches: [Watch<S>; 3],
}

impl<S: Copy> Tracker<S> {
    /// A CPU with interrupts and preemption on.
    pub const fn new() -> Self {
        let watches = [const { Watch { on: true, open: None, findings: Findings::new() } }; 3];
        Self { masked: false, disabled: false, paused: false, watches }
    }

    /// Interrupts are masked from `at` on. Nothing if they are masked already.
    pub fn irqs_off(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.masked = true);
    }
    /// Interrupts are unmasked at `at`. Nothing if they are already.
    pub fn irqs_on(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.masked = false);
    }
    /// Preemption is disabled from `at` on. Nothing if it is disabled already.
    pub fn preempt_off(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.disabled = true);
    }
    /// Preemption is enabled at `at`. Nothing if it is already.
    pub fn preempt_on(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.disabled = false);
    }
    /// What follows is not counted: a section that lasts ends here.
    pub fn pause(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.paused = true);
    }
    /// Counts again: what is still off begins a section here.
    pub fn resume(&mut self, at: u64, place: S) {
        self.change(at, place, |t| t.paused = false);
    }

    /// The sections that last now are not counted.
    pub fn ignore(&mut self) {
        self.watches.iter_mut().for_each(|watch| watch.open = None);
    }
    /// Watches sections of this kind, and forgets what was found; one that lasts now is not counted.
    pub fn start(&mut self, kind: Kind) {
        self.watch(kind).on = true;
        self.reset(kind);
    }
    /// Does not watch them any more. What was found is kept.
    pub fn stop(&mut self, kind: Kind) {
        let watch = self.watch(kind);
        (watch.on, watch.open) = (false, None);
    }
    /// Forgets what was found, but not the threshold; a section that lasts now is not counted.
    pub fn reset(&mut self, kind: Kind) {
        let watch = self.watch(kind);
        watch.open = None;
        watch.findings.clear();
    }
    /// Records sections that are at least this long, or none.
    ///
    /// # Errors
    /// [`BadThreshold`]: 0. The threshold is what it was.
    pub fn set_threshold(&mut self, kind: Kind, threshold: Option<u64>) -> Result<(), BadThreshold> {
        if threshold == Some(0) {
            return Err(BadThreshold);
        }
        self.watch(kind).findings.threshold = threshold;
        Ok(())
    }
    /// What was found.
    pub fn findings(&self, kind: Kind) -> &Findings<S> {
        &self.watches[kind as usize].findings
    }

    fn watch(&mut self, kind: Kind) -> &mut Watch<S> {
        &mut self.watches[kind as usize]
    }
    fn lasts(&self) -> [bool; 3] {
        [self.masked, self.disabled, self.masked || self.disabled].map(|off| off && !self.paused)
    }
    fn change(&mut self, at: u64, place: S, change: impl FnOnce(&mut Self)) {
        let before = self.lasts();
        change(self);
        let after = self.lasts();
        for (watch, (before, after)) in self.watches.iter_mut().zip(before.into_iter().zip(after)) {
            if after && !before && watch.on {
                watch.open = Some((at, place));
            } else if before
                && !after
                && let Some((began, start)) = watch.open.take()
            {
                watch.findings.add(Section { length: at.saturating_sub(began), start, end: place });
            }
        }
    }
}

impl<S: Copy> Default for Tracker<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

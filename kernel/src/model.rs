//! Which preemption model is this, and what does it answer? The one place that knows.
//!
//! | | `none` | `voluntary` | `full` | `rtb` | `rt` |
//! |---|---|---|---|---|---|
//! | switch at block, yield, exit | yes | yes | yes | yes | yes |
//! | `cond_resched` is a preemption point | yes | yes | no-op | no-op | no-op |
//! | `might_sleep`, in every blocking call, is one | no | yes | no | no | no |
//! | interrupt return and the end of a section preempt kernel code | no | no | yes | yes | yes |
//! | ordinary interrupt handlers run | in the interrupt | the same | the same | in threads | in threads |
//! | disabling bottom halves is | part of the preempt count | the same | the same | a lock that sleeps | a lock that sleeps |
//! | spinlocks and local locks | spin | spin | spin | spin | sleep, with priority inheritance |
//!
//! With boot argument `threadirqs` ordinary handlers run in threads under every model; under the first three, interrupts are masked
//! there.
//!
//! The model is chosen when the image is built, by the kernel's feature `model-none`, `model-voluntary`, `model-full` or
//! `model-rtb`; without one it is `rt`. In images of `rtb` and `rt` every answer is a constant. The other three are one image but
//! for the default: it reads one byte, which `preempt=` sets at boot (Linux `kernel/sched/core.c`, `sched_dynamic_update`). In the
//! simulation the model is a value of the machine.
use crate::report;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

macro_rules! exclude_each_other {
    ($($one:tt $other:tt;)*) => { $(
        #[cfg(all(feature = $one, feature = $other))]
        compile_error!(concat!("two preemption models at once: `", $one, "` and `", $other, "`"));
    )* };
}
exclude_each_other! {
    "model-none" "model-voluntary";
    "model-none" "model-full";
    "model-none" "model-rtb";
    "model-voluntary" "model-full";
    "model-voluntary" "model-rtb";
    "model-full" "model-rtb";
}

/// A preemption model, in the order of how soon a woken thread gets the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Model {
    /// Kernel code runs until it gives the CPU away or asks whether it should.
    None,
    /// As `None`; and it asks in every call that might sleep.
    Voluntary,
    /// Kernel code is preempted wherever nothing forbids it.
    Full,
    /// As `Full`; ordinary interrupt handlers run in threads, and disabling bottom halves is a lock that sleeps: "basic RT".
    Rtb,
    /// As `Rtb`, and what used to spin sleeps with priority inheritance: PREEMPT_RT.
    Rt,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 5] = [Self::None, Self::Voluntary, Self::Full, Self::Rtb, Self::Rt];

    /// What it is called in the banner and in boot arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Voluntary => "voluntary",
            Self::Full => "full",
            Self::Rtb => "rtb",
            Self::Rt => "rt",
        }
    }
    /// The end of an interrupt, and of a section with preemption or interrupts off, preempts kernel code.
    #[inline(always)]
    pub const fn is_preemptible(self) -> bool {
        matches!(self, Self::Full | Self::Rtb | Self::Rt)
    }
    /// [`cond_resched`](crate::preempt::cond_resched) is a preemption point.
    #[inline(always)]
    pub const fn preempts_in_cond_resched(self) -> bool {
        matches!(self, Self::None | Self::Voluntary)
    }
    /// [`might_sleep`](crate::preempt::might_sleep), and with it the beginning of every blocking call, is a preemption point.
    #[inline(always)]
    pub const fn preempts_in_might_sleep(self) -> bool {
        matches!(self, Self::Voluntary)
    }
    /// Ordinary interrupt handlers run in threads, whether boot argument `threadirqs` asks for it or not.
    pub const fn forces_threads(self) -> bool {
        matches!(self, Self::Rtb | Self::Rt)
    }
    /// An ordinary handler that is forced into a thread runs with interrupts masked.
    pub const fn masks_in_forced_handlers(self) -> bool {
        !self.forces_threads()
    }
    /// Disabling bottom halves is a lock of the CPU's that sleeps, with priority inheritance; with `bh_lock=false` it pins and
    /// counts ([`bh`](crate::bh)).
    #[inline(always)]
    pub const fn bh_is_a_lock(self) -> bool {
        matches!(self, Self::Rtb | Self::Rt)
    }
    /// The real-time model: spinlocks and local locks sleep, with priority inheritance.
    #[inline(always)]
    pub const fn rt(self) -> bool {
        matches!(self, Self::Rt)
    }
    /// It can be exchanged for its like at boot.
    const fn is_dynamic(self) -> bool {
        matches!(self, Self::None | Self::Voluntary | Self::Full)
    }
}

/// The model that the image was built for.
const BUILT: Model = if cfg!(feature = "model-none") {
    Model::None
} else if cfg!(feature = "model-voluntary") {
    Model::Voluntary
} else if cfg!(feature = "model-full") {
    Model::Full
} else if cfg!(feature = "model-rtb") {
    Model::Rtb
} else {
    Model::Rt
};

/// The answers are constants.
const FIXED: bool = cfg!(target_os = "none") && !BUILT.is_dynamic();

hw::global! {
    /// Set before the first thread runs, then only read.
    static CHOSEN: AtomicU8 = AtomicU8::new(BUILT as u8);
}

/// The model of this machine.
#[inline(always)]
pub fn current() -> Model {
    if FIXED {
        return BUILT;
    }
    match CHOSEN.load(Relaxed) {
        0 => Model::None,
        1 => Model::Voluntary,
        2 => Model::Full,
        3 => Model::Rtb,
        _ => Model::Rt,
    }
}

/// As if the image had been built for this model: for the simulation, before boot.
#[cfg(not(target_os = "none"))]
pub(crate) fn build_for(model: Model) {
    CHOSEN.store(model as u8, Relaxed);
}

/// Boot argument `preempt=NAME`. False: there is no such model. One that this image cannot be is warned of; it stays what it is.
pub(crate) fn choose(is: impl Fn(&str) -> bool) -> bool {
    let Some(asked) = Model::ALL.into_iter().find(|model| is(model.name())) else { return false };
    let built = current();
    if built.is_dynamic() && asked.is_dynamic() {
        CHOSEN.store(asked as u8, Relaxed);
    } else if asked != built {
        report::warn!("preempt={} ignored: this image is built for model {}", asked.name(), built.name());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Model::{self, *};

    type Answer = fn(Model) -> bool;

    /// PM-01: the table of the models, row by row.
    #[test]
    fn every_model_answers_as_the_table_says() {
        let rows: [(Answer, [bool; 5]); 7] = [
            (Model::is_preemptible, [false, false, true, true, true]),
            (Model::preempts_in_cond_resched, [true, true, false, false, false]),
            (Model::preempts_in_might_sleep, [false, true, false, false, false]),
            (Model::forces_threads, [false, false, false, true, true]),
            (Model::masks_in_forced_handlers, [true, true, true, false, false]),
            (Model::bh_is_a_lock, [false, false, false, true, true]),
            (Model::rt, [false, false, false, false, true]),
        ];
        for (n, (answer, expected)) in rows.into_iter().enumerate() {
            assert_eq!([None, Voluntary, Full, Rtb, Rt].map(answer), expected, "row {n}");
        }
    }

    /// The byte that a machine keeps is its model's place in the list.
    #[test]
    fn models_stand_in_their_order() {
        for (n, model) in Model::ALL.into_iter().enumerate() {
            assert_eq!(model as usize, n, "{}", model.name());
        }
    }
}

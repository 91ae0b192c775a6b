//! What did the CPUs do last? The steps between two decisions of the schedule, for the report of a run that failed.
use super::{contexts::Id, machine::Machine};
use std::{cell::RefCell, collections::VecDeque, fmt::Write, panic::Location};

/// Steps kept.
const KEPT: usize = 40;

/// Why a CPU stopped where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The schedule let another CPU go first.
    GivesWay,
    /// It waits for an interrupt.
    Waits,
    /// It is busy until a moment.
    Busy,
    /// It leaves this stack for another one.
    Switches,
    /// It does nothing any more.
    Halts,
    /// It takes an interrupt here.
    Interrupted,
}

#[derive(Clone, Copy)]
struct Step {
    cpu: usize,
    context: Id,
    in_interrupt: bool,
    at: &'static Location<'static>,
    why: Why,
    time: u64,
    point: u64,
}

#[derive(Default)]
pub(super) struct Steps(RefCell<VecDeque<Step>>);

impl Machine {
    /// The running CPU stops here.
    pub fn step_ends(&self, at: &'static Location<'static>, why: Why) {
        let cpu = self.cpu();
        let step = Step {
            cpu: self.here.get(),
            context: cpu.runs.get(),
            in_interrupt: cpu.in_interrupt.get(),
            at,
            why,
            time: self.now.get(),
            point: self.count(),
        };
        let mut steps = self.steps.0.borrow_mut();
        // A CPU that waits again and again for the same thing is one step.
        if let Some(last) = steps.back_mut()
            && (last.cpu, last.context, last.in_interrupt, last.why)
                == (step.cpu, step.context, step.in_interrupt, step.why)
            && std::ptr::eq(last.at, step.at)
        {
            *last = step;
            return;
        }
        if steps.len() == KEPT {
            steps.pop_front();
        }
        steps.push_back(step);
    }

    /// What the machine did last, readable.
    pub fn story(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} CPUs, {}; {} ns, {} points, {} switches, {} interrupts",
            self.cpus.len(),
            self.schedule.describe(),
            self.now.get(),
            self.count(),
            self.switches.get(),
            self.interrupts.get()
        );
        let _ = writeln!(text, "{:>10} {:>12}  CPU  thread{:18}stopped at", "point", "ns", "");
        for step in self.steps.0.borrow().iter() {
            let name = self.contexts.name(step.context);
            let name = if step.in_interrupt { format!("{name} (interrupt)") } else { name };
            let why = match step.why {
                Why::GivesWay => "",
                Why::Waits => ", waits for an interrupt",
                Why::Busy => ", busy",
                Why::Switches => ", switches",
                Why::Halts => ", halts",
                Why::Interrupted => ", interrupted",
            };
            let (file, line) = (step.at.file(), step.at.line());
            let _ =
                writeln!(text, "{:>10} {:>12}  {:>3}  {name:<24}{file}:{line}{why}", step.point, step.time, step.cpu);
        }
        let _ = write!(text, "then: CPU {} in {}", self.here.get(), self.contexts.name(self.cpu().runs.get()));
        text
    }
}

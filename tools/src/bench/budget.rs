//! What may each path cost, and what do other kernels need for it?
//!
//! Instructions on a Cortex-A53 under `qemu -icount shift=0`, release builds, one CPU online. The peers were measured the
//! same way. A kernel for one CPU needs no locks between CPUs, so the best of each kind stand apart.

/// One line of the budget.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The row that the kernel prints.
    pub id: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// More than this is a defect.
    pub gate: u64,
    /// What we are after.
    pub goal: u64,
    /// The best small RTOS, built for one CPU.
    pub best_small: &'static str,
    /// The best kernel that is built for several CPUs.
    pub best_smp: &'static str,
    /// Linux 6.12 PREEMPT_RT.
    pub linux: &'static str,
}

const KIB: u64 = 1024;
/// Printed where nobody has measured.
const NONE: &str = "-";

/// The budget, in the order in which it is printed.
pub const BUDGETS: [Budget; 14] = [
    Budget {
        id: "pend-handler",
        what: "SPI pended -> primary handler's first instruction",
        gate: 60,
        goal: 45,
        best_small: "33 FreeRTOS",
        best_smp: "91 NuttX",
        linux: "383",
    },
    Budget {
        id: "pend-thread",
        what: "SPI pended -> IRQ thread's handler",
        gate: 190,
        goal: 150,
        best_small: "238 ThreadX",
        best_smp: "471 Zephyr",
        linux: "3,388",
    },
    Budget {
        id: "round-trip",
        what: "whole threaded interrupt, back in the interrupted thread",
        gate: 310,
        goal: 270,
        best_small: "438 ThreadX",
        best_smp: "944 NuttX",
        linux: "5,836",
    },
    Budget {
        id: "yield",
        what: "yield to an equal-priority thread, one way",
        gate: 80,
        goal: 70,
        best_small: "89 ThreadX",
        best_smp: "210 Zephyr",
        linux: "1,543",
    },
    Budget {
        id: "sem-wake",
        what: "semaphore up -> higher-priority thread runs",
        gate: 130,
        goal: 110,
        best_small: "150 ThreadX",
        best_smp: "373 Zephyr",
        linux: "2,623",
    },
    Budget {
        id: "sem-updown",
        what: "semaphore down + up, uncontended",
        gate: 40,
        goal: 34,
        best_small: "34 Zephyr",
        best_smp: "60 NuttX",
        linux: "148",
    },
    Budget {
        id: "mutex-pair",
        what: "PI mutex lock + unlock, uncontended",
        gate: 24,
        goal: 20,
        best_small: "60 Zephyr",
        best_smp: "102 Zephyr",
        linux: "60",
    },
    Budget {
        id: "mutex-fight",
        what: "PI mutex: block + boost, then unlock + hand over",
        gate: 600,
        goal: 400,
        best_small: "439 Zephyr (one level)",
        best_smp: "816 Zephyr",
        linux: "7,550",
    },
    Budget {
        id: "queue",
        what: "queue send + receive of 16 bytes, uncontended",
        gate: 120,
        goal: 100,
        best_small: "130 Zephyr; 151 ThreadX",
        best_smp: "558 NuttX",
        linux: NONE,
    },
    Budget {
        id: "rcu-read",
        what: "RCU reader section: begin + end",
        gate: 9,
        goal: 8,
        best_small: NONE,
        best_smp: NONE,
        linux: NONE,
    },
    Budget {
        id: "timer-thread",
        what: "timer expires -> the FIFO-99 thread that slept runs",
        gate: 270,
        goal: 250,
        best_small: "281 FreeRTOS",
        best_smp: "727 NuttX",
        linux: "4,187",
    },
    Budget {
        id: IRQS_OFF,
        what: "longest interrupts-off section over the on-target tests",
        gate: 1_000,
        goal: 600,
        best_small: NONE,
        best_smp: NONE,
        linux: NONE,
    },
    Budget {
        id: "boot",
        what: "boot to first thread",
        gate: 1_000_000,
        goal: 700_000,
        best_small: "710 k Zephyr",
        best_smp: NONE,
        linux: "1,230 M (to /init)",
    },
    Budget {
        id: IMAGE_TEXT,
        what: "image text, release, shell and all",
        gate: 200 * KIB,
        goal: 160 * KIB,
        best_small: "24 KB bare kernels",
        best_smp: "187 KB NuttX",
        linux: "44 MB",
    },
];

/// The row that the tool gets from the on-target tests.
pub const IRQS_OFF: &str = "irqs-off";
/// The row that the tool adds itself: the kernel cannot see its ELF file.
pub const IMAGE_TEXT: &str = "image-text";

/// What is counted in a row, whether something is promised of it or not.
pub fn what(id: &str) -> Option<&'static str> {
    of(id).map(|budget| budget.what).or(match id {
        "ipi-thread" => Some("semaphore up -> thread runs on another, idle CPU, by reschedule IPI"),
        "rcu-expedited" => Some("expedited grace period, one CPU, no reader without it"),
        "rcu-call" => Some("RCU callback left in the queue, behind others"),
        "chain-1" => Some("priority through 1 mutex, until its owner runs"),
        "chain-8" => Some("priority along 8 mutexes, until the first one's owner runs"),
        "chain-64" => Some("priority along 64 mutexes, until the first one's owner runs"),
        _ => None,
    })
}

/// The budget of a row.
pub fn of(id: &str) -> Option<&'static Budget> {
    BUDGETS.iter().find(|budget| budget.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goal_is_within_its_gate_and_each_id_is_one_word() {
        for budget in &BUDGETS {
            assert!(budget.goal <= budget.gate && !budget.id.contains(' '));
            assert_eq!(BUDGETS.iter().filter(|other| other.id == budget.id).count(), 1);
        }
    }
}

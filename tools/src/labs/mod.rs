//! Which studies are there?

mod in_kernel;
mod latency_by_model;

use crate::{
    failure::{Failure, USAGE},
    image::model::Model,
    stream::Sink,
};
use anyhow::Result;
use in_kernel::Boot;

/// A study.
#[derive(Clone, Copy, Debug)]
pub struct Lab {
    /// What `lab NAME` runs, and what its picture is called.
    pub name: &'static str,
    /// What one learns.
    pub about: &'static str,
    how: How,
}

/// Where a study happens.
#[derive(Clone, Copy, Debug)]
enum How {
    /// In the kernel, once or several times in different ways.
    Boots(&'static [Boot]),
    /// On the host, which runs kernels and compares them.
    Host(fn(name: &str, sink: &mut dyn Sink) -> Result<u8>),
}

const PLAIN: Boot = Boot { features: &[], bootargs: &[] };

/// All studies.
pub const LABS: [Lab; 4] = [
    Lab {
        name: "irq-path",
        about: "every step of one threaded interrupt, with its instruction count",
        how: How::Boots(&[PLAIN]),
    },
    Lab {
        name: "priority-inversion",
        about: "an urgent thread waits for a lock, without priority inheritance and with it; drawn",
        how: How::Boots(&[Boot { bootargs: &[("pi", "off")], ..PLAIN }, Boot { bootargs: &[("pi", "on")], ..PLAIN }]),
    },
    Lab {
        name: "lock-chain",
        about: "a priority goes along chains of 1, 8 and 64 locks, and what that costs; drawn",
        how: How::Boots(&[PLAIN, Boot { features: &["latency"], bootargs: &[("lab", "lock-chain-sections")] }]),
    },
    Lab {
        name: "latency-by-model",
        about: "how late threads wake up under load, by preemption model; drawn",
        how: How::Host(latency_by_model::run),
    },
];

/// Runs a study, in images of this preemption model unless it compares them all, which says to `sink` what it finds; the exit status says whether everything was as it claims.
pub fn run(name: &str, model: Model, sink: &mut dyn Sink) -> Result<u8> {
    match LABS.iter().find(|lab| lab.name == name).map(|lab| lab.how) {
        Some(How::Boots(boots)) => in_kernel::run(name, boots, model, sink),
        Some(How::Host(run)) => run(name, sink),
        None => Err(Failure::new(format!("there is no lab `{name}`"))
            .status(USAGE)
            .hint("`cargo run -- lab` lists the labs")
            .into()),
    }
}

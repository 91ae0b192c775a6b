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
    /// The models that it shows it on.
    models: &'static [Model],
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

/// Those on which a woken thread takes the CPU from another.
const PREEMPTIBLE: &[Model] = &[Model::Full, Model::Rtb, Model::Rt];

const PLAIN: Boot = Boot { features: &[], bootargs: &[] };

/// All studies.
pub const LABS: [Lab; 5] = [
    Lab {
        name: "irq-path",
        about: "every step of one threaded interrupt, with its instruction count",
        models: PREEMPTIBLE,
        how: How::Boots(&[PLAIN]),
    },
    Lab {
        name: "priority-inversion",
        about: "an urgent thread waits for a lock, without priority inheritance and with it; drawn",
        models: PREEMPTIBLE,
        how: How::Boots(&[Boot { bootargs: &[("pi", "off")], ..PLAIN }, Boot { bootargs: &[("pi", "on")], ..PLAIN }]),
    },
    Lab {
        name: "lock-chain",
        about: "a priority goes along chains of 1, 8 and 64 locks, and what that costs; drawn",
        models: &Model::ALL,
        how: How::Boots(&[PLAIN, Boot { features: &["latency"], bootargs: &[("lab", "lock-chain-sections")] }]),
    },
    Lab {
        name: "rcu-preempted",
        about: "a grace period waits for a reader that lost its CPU, without boosting and with it; drawn",
        models: PREEMPTIBLE,
        how: How::Boots(&[
            Boot {
                bootargs: &[("rcu_boost", "off"), ("rcu_kthread_prio", "20"), ("rcu_boost_delay_ms", "20")],
                ..PLAIN
            },
            Boot {
                bootargs: &[("rcu_boost", "on"), ("rcu_kthread_prio", "20"), ("rcu_boost_delay_ms", "20")],
                ..PLAIN
            },
        ]),
    },
    Lab {
        name: "latency-by-model",
        about: "how late threads wake up under load, by preemption model; drawn",
        models: &Model::ALL,
        how: How::Host(latency_by_model::run),
    },
];

/// Runs a study, in images of this preemption model unless it compares them all, which says to `sink` what it finds; the exit
/// status says whether everything was as it claims.
pub fn run(name: &str, model: Model, sink: &mut dyn Sink) -> Result<u8> {
    match find(name, model)?.how {
        How::Boots(boots) => in_kernel::run(name, boots, model, sink),
        How::Host(run) => run(name, sink),
    }
}

/// The study of this name, if it has something to show on this model.
fn find(name: &str, model: Model) -> Result<&'static Lab, Failure> {
    let Some(lab) = LABS.iter().find(|lab| lab.name == name) else {
        let failure = Failure::new(format!("there is no lab `{name}`"));
        return Err(failure.status(USAGE).hint("`cargo run -- lab` lists the labs"));
    };
    if lab.models.contains(&model) {
        return Ok(lab);
    }
    let names: Vec<&str> = lab.models.iter().map(|model| model.name()).collect();
    Err(Failure::new(format!("lab `{name}` has nothing to show on model {}", model.name()))
        .status(USAGE)
        .hint(format!("it is for images that preempt: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_runs_on_models_that_it_is_about() {
        for lab in &LABS {
            assert!(find(lab.name, Model::Rt).is_ok(), "{}", lab.name);
        }
        assert!(find("lock-chain", Model::None).is_ok());
        let refused = find("irq-path", Model::None).unwrap_err().to_string();
        assert!(refused.contains("`irq-path`") && refused.contains("model none"), "{refused}");
        assert!(find("nosuch", Model::Rt).unwrap_err().to_string().contains("`nosuch`"));
    }
}

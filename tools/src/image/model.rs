//! Which preemption model is an image built for?

use crate::failure::{Failure, USAGE};
use clap::ValueEnum;

/// The kernel's preemption models (`kernel/src/model.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Kernel code runs until it gives the CPU away or asks whether it should
    None,
    /// As none; and it asks in every call that might sleep
    Voluntary,
    /// Kernel code is preempted wherever nothing forbids it
    Full,
    /// As full; ordinary interrupt handlers run in threads, and disabling bottom halves is a lock that sleeps
    Rtb,
    /// As rtb; and spinlocks sleep, with priority inheritance
    #[default]
    Rt,
}

/// The environment variable that tells the runner of on-target tests which model to build (`tests/target.rs`).
pub const VARIABLE: &str = "TOPHALF_MODEL";

impl Model {
    /// Every model, in the order of how soon a woken thread gets the CPU.
    pub const ALL: [Self; 5] = [Self::None, Self::Voluntary, Self::Full, Self::Rtb, Self::Rt];

    /// What it is called on the command line and in the banner.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Voluntary => "voluntary",
            Self::Full => "full",
            Self::Rtb => "rtb",
            Self::Rt => "rt",
        }
    }

    /// The real-time model, under which next to nothing keeps interrupts or preemption off.
    pub const fn rt(self) -> bool {
        matches!(self, Self::Rt)
    }

    /// The cargo feature that an image of this model is built with.
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::None => Some("model-none"),
            Self::Voluntary => Some("model-voluntary"),
            Self::Full => Some("model-full"),
            Self::Rtb => Some("model-rtb"),
            Self::Rt => None,
        }
    }

    /// The model that the environment names, if it names one.
    pub fn of_environment() -> Result<Option<Self>, Failure> {
        std::env::var_os(VARIABLE).map(|name| Self::named(&name.to_string_lossy())).transpose()
    }

    fn named(name: &str) -> Result<Self, Failure> {
        Self::from_str(name, false).map_err(|_| {
            Failure::new(format!("{VARIABLE} is no preemption model: `{name}`"))
                .status(USAGE)
                .hint(format!("the models are {}", Self::ALL.map(Self::name).join(", ")))
        })
    }

    /// The one model that was asked for, by `--model` or by a feature; `rt` if none was.
    pub fn chosen(options: &[Self], features: &[String]) -> Result<Self, Failure> {
        let by_feature = |feature: &String| Self::ALL.into_iter().find(|model| model.feature() == Some(feature));
        let mut asked = options.iter().copied().chain(features.iter().filter_map(by_feature));
        let one = asked.next().unwrap_or_default();
        match asked.find(|&other| other != one) {
            None => Ok(one),
            Some(other) => {
                Err(Failure::new(format!("two preemption models at once: {} and {}", one.name(), other.name()))
                    .status(USAGE)
                    .hint(
                        "an image has one; `none`, `voluntary` and `full` can also be changed at boot, with `preempt=`",
                    ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_names() {
        for model in Model::ALL {
            assert_eq!(Model::from_str(model.name(), false), Ok(model));
        }
    }

    /// PM-01.1: two models are refused by name, wherever they come from.
    #[test]
    fn one_model_or_none() {
        let features = |list: &[&str]| -> Vec<String> { list.iter().map(|&feature| feature.into()).collect() };
        let chosen =
            |models: &[Model], list: &[&str]| Model::chosen(models, &features(list)).map_err(|e| e.to_string());
        assert_eq!(chosen(&[], &["trace"]), Ok(Model::Rt));
        assert_eq!(chosen(&[Model::Full], &["trace"]), Ok(Model::Full));
        assert_eq!(chosen(&[], &["trace", "model-none"]), Ok(Model::None));
        let two = Err("two preemption models at once: none and full".to_owned());
        assert_eq!(chosen(&[Model::None, Model::Full], &[]), two);
        assert_eq!(chosen(&[Model::None], &["model-full"]), two);
        assert_eq!(chosen(&[], &["model-none", "model-full"]), two);
        assert_eq!(chosen(&[Model::Full, Model::Full], &["model-full"]), Ok(Model::Full));
    }

    #[test]
    fn the_environment_names_one_that_there_is() {
        assert_eq!(Model::named("voluntary").ok(), Some(Model::Voluntary));
        for bad in ["bogus", "", "RT"] {
            let text = crate::failure::explain(&Model::named(bad).unwrap_err().into()).0;
            assert!(text.contains(&format!("`{bad}`")) && text.contains("none, voluntary, full, rtb, rt"), "{text}");
        }
    }
}

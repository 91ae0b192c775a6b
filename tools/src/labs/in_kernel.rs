//! How does a study that happens in the kernel run? The labs' image is booted, once or more; what it says is to be drawn is drawn.

use crate::{
    commands::status,
    console::{Input, Session},
    draw::{picture, save, sink::Drawing},
    image::{
        build::{Recipe, build_recipe},
        model::Model,
    },
    qemu::{Bootargs, Console, Machine, boot::BACKSTOP},
    stream::{Renderer, Sink},
};
use anyhow::Result;

/// The package that has the studies.
const PACKAGE: &str = "labs";

/// One boot of a study.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// Cargo features of the image.
    pub features: &'static [&'static str],
    /// Boot arguments besides the study's name; another `lab` takes its place.
    pub bootargs: &'static [(&'static str, &'static str)],
}

/// Boots one after another until one fails, and draws what all of them said in one picture. The last status.
pub fn run(name: &str, boots: &[Boot], model: Model, sink: &mut dyn Sink) -> Result<u8> {
    let (mut panels, mut last) = (Vec::new(), 0);
    for boot in boots {
        let image = build_recipe(&Recipe { features: boot.features, model, ..Recipe::package(PACKAGE) })?;
        let with = |args: Bootargs, (key, value): &(&str, &str)| args.with(key, value);
        let bootargs = boot.bootargs.iter().fold(Bootargs::default().with("lab", name), with);
        let machine = Machine::deterministic(&image, bootargs, Console::Uart);
        let session = Session { machine: &machine, input: Input::None, limit: Some(BACKSTOP) };
        let mut drawing = Drawing::new(&mut *sink);
        last = status(session.run(&mut Renderer::new(&image)?, &mut drawing)?, session.limit);
        if last != 0 {
            break;
        }
        panels.extend(drawing.finish()?);
    }
    if !panels.is_empty() {
        let path = save(name, &picture::render(name, &panels))?;
        sink.text(format!("picture: {}\n", path.display()).as_bytes())?;
    }
    Ok(last)
}

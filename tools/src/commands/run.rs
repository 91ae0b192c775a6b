//! `run`: how does a user get to the kernel's shell, or a script to its answers?

use super::{image, status};
use crate::{
    board::Board,
    cli::RunArgs,
    console::{Input, Session},
    image::Image,
    qemu::{Bootargs, Console, Machine, Qemu, Tree},
    say::say,
    stream::{Renderer, inline::Inline, split::Split},
};
use anyhow::Result;
use std::{
    io::{IsTerminal, stdin, stdout},
    time::Duration,
};

/// Bound of `--exec`, where nobody watches.
const EXEC_LIMIT: Duration = Duration::from_secs(120);

/// Carries the command out.
pub fn execute(args: &RunArgs) -> Result<u8> {
    let board = args.board.board;
    board.check(args.smp, args.memory.as_deref(), args.gic.gic)?;
    if board != Board::Virt {
        // That the QEMU here does not play it is better known before something is built for it.
        Qemu::ensure(board)?;
    }
    let image = image(args.elf.as_deref(), board, &args.model, &args.features)?;
    let machine = machine(args, &image);
    let limit = args.timeout.map(Duration::from_secs).or(args.exec.is_some().then_some(EXEC_LIMIT));
    let mut renderer = Renderer::new(&image)?;
    if let Some(port) = args.gdb {
        say(format_args!("waiting for `gdb-multiarch {} -ex 'target remote :{port}'`", image.elf.display()));
    }
    if args.exec.is_some() {
        let session = Session { machine: &machine, input: Input::None, limit };
        return Ok(status(session.run(&mut renderer, &mut Split::standard())?, limit));
    }
    let input = if stdin().is_terminal() { Input::Terminal } else { Input::Pipe };
    if input == Input::Terminal {
        say("Ctrl-A x leaves, Ctrl-A h shows more keys");
    }
    let mut screen = Inline::new(stdout(), stdout().is_terminal());
    let ending = Session { machine: &machine, input, limit }.run(&mut renderer, &mut screen)?;
    // An output that is gone takes no line end either.
    let _ = screen.end_line();
    Ok(status(ending, limit))
}

fn machine(args: &RunArgs, image: &Image) -> Machine {
    let mut bootargs = Bootargs::default();
    if let Some(level) = &args.loglevel {
        bootargs = bootargs.with("loglevel", level);
    }
    bootargs.extend(args.bootargs.clone());
    if let Some(lines) = &args.exec {
        bootargs = bootargs.with("exec", lines);
    }
    let base = Machine::interactive(image, bootargs, Console::Uart);
    Machine {
        deterministic: args.icount,
        once: args.exec.is_some(),
        gic: args.gic.gic.unwrap_or_default(),
        smp: args.smp,
        board: args.board.board,
        tree: args.dtb.clone().map_or(Tree::Made, Tree::File),
        memory: args.memory.clone().unwrap_or(base.memory),
        gdb: args.gdb,
        extra: args.qemu.clone(),
        ..base
    }
}

//! The image of the labs: `cargo run -- lab NAME`. On a host it is an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;
#[cfg(target_os = "none")]
mod draw;
#[cfg(target_os = "none")]
mod irq_path;
#[cfg(target_os = "none")]
mod lock_chain;
#[cfg(target_os = "none")]
mod priority_inversion;
#[cfg(target_os = "none")]
mod rcu_preempted;

#[cfg(target_os = "none")]
mod image {
    use kernel::{ThreadCx, println};

    /// A lab says whether everything that it claims held.
    type Lab = fn(&mut ThreadCx) -> bool;
    const LABS: &[(&str, Lab)] = &[
        ("irq-path", super::irq_path::run),
        ("priority-inversion", super::priority_inversion::run),
        ("lock-chain", super::lock_chain::run),
        ("rcu-preempted", super::rcu_preempted::run),
        #[cfg(feature = "latency")]
        ("lock-chain-sections", super::lock_chain::sections::run),
    ];
    /// Exit status of a lab that does not exist.
    const USAGE: i32 = 64;

    fn main(cx: &mut ThreadCx) -> i32 {
        let mut buffer = [0; 64];
        let name = kernel::bootargs::value("lab", &mut buffer).unwrap_or("");
        match LABS.iter().find(|(lab, _)| *lab == name) {
            Some((_, run)) => i32::from(!run(cx)),
            None => {
                println!(cx, "no lab {:?}", name);
                USAGE
            }
        }
    }
    kernel::main!(virt::BOARD, main);
}

#[cfg(not(target_os = "none"))]
fn main() {}

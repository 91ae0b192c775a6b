//@ pass
//! G3: masking and unmasking need a started CPU interface, which `start_cpu` alone gives.
use hw::gic::{Gic, GicError};

fn unmask(gic: &Gic) -> Result<(), GicError> {
    let cpu = gic.start_cpu(0, &mut |_| {})?;
    gic.unmask(&cpu, 60);
    Ok(())
}

fn main() {}

//@ pass
//! G3: masking and unmasking need a started CPU interface, which `start_cpu` alone gives.
use hw::gic::{Distributor, Gic, GicError};

fn unmask(gic: &Gic, distributor: &Distributor) -> Result<(), GicError> {
    let cpu = distributor.start_cpu(0, &mut |_| {})?;
    gic.unmask(&cpu, 60);
    Ok(())
}

fn main() {}

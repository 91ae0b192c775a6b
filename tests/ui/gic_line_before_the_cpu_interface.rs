//@ error: E0308
//! G3: masking and unmasking need a started CPU interface, which `start_cpu` alone gives.
use hw::gic::{Distributor, Gic};

fn unmask(gic: &Gic, distributor: &Distributor) {
    gic.unmask(distributor, 60);
}

fn main() {}

//@ error: E0308
//! G3: masking and unmasking need a started CPU interface, which `start_cpu` alone gives.
use hw::gic::Gic;

fn unmask(gic: &Gic) {
    gic.unmask(gic, 60);
}

fn main() {}

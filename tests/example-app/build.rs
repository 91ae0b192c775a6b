//! Links for the board: its crate tells the linker where `tophalf.x` is, and defmt's tells it where `defmt.x` is.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Ttophalf.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
}

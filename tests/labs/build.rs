//! How is the image linked? By the script that the board brings along, and defmt's.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEFMT_LOG");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-Ttophalf.x");
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
}

//! Where does the linker find a board's layout? Dependants pass `-Ttophalf.x` themselves; the path reaches them from here.
fn main() {
    println!("cargo::rerun-if-changed=../build.rs");
    println!("cargo::rerun-if-env-changed=DEFMT_LOG");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    // A board's package and its layout have one name.
    let board = std::env::var("CARGO_PKG_NAME").expect("set by cargo");
    let linker = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../linker");
    println!("cargo::rustc-link-search={}", linker.join(board).display());
    println!("cargo::rustc-link-search={}", linker.display());
    println!("cargo::rustc-link-arg-bins=-Ttophalf.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo::rerun-if-changed={}", linker.display());
}

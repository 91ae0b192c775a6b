//! What does the tool say to models that an image cannot have? That, and nothing else: it builds nothing.
#![forbid(unsafe_code)]

use std::process::Command;

/// Status and standard error of a command line, in a place where nothing can be built.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
    let output = tool.args(arguments).env("PATH", "/nonexistent").env_remove("CARGO").output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// PM-01.1: two models are refused by name, with the status of a command line that cannot be carried out.
#[test]
fn two_models_at_once() {
    for (arguments, names) in [
        (&["run", "--model", "none", "--model", "full"][..], "none and full"),
        (&["run", "--features", "model-none,latency,model-rtb"], "none and rtb"),
        (&["run", "--model", "rt", "--features", "model-voluntary"], "rt and voluntary"),
        (&["test", "--model", "full", "--model", "rt"], "full and rt"),
        (&["bench", "--model", "rtb", "--model", "none"], "rtb and none"),
        (&["lab", "lock-chain", "--model", "rtb", "--model", "none"], "rtb and none"),
        (&["image", "--model", "rt", "--model", "none"], "rt and none"),
        (&["flash", "--to", "/", "--model", "rt", "--model", "none"], "rt and none"),
    ] {
        let (status, said) = refused(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with(&format!("error: two preemption models at once: {names}\nhint: ")), "{said}");
    }
}

/// PM-01: one that does not exist is refused, too, and those that do are listed.
#[test]
fn no_such_model() {
    for command in ["run", "test", "bench", "image"] {
        let (status, said) = refused(&[command, "--model", "bogus"]);
        assert_eq!(status, Some(2), "{said}");
        assert!(
            said.contains("'bogus'") && said.contains("[possible values: none, voluntary, full, rtb, rt]"),
            "{said}"
        );
    }
}

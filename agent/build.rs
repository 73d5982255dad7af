//! Links the agent, which is every hook tool too, at fixed addresses.
//!
//! A static program that may lie anywhere relocates itself at each start: some twenty thousand
//! addresses, which take longer than all that a hook tool does. The flag is for this one binary:
//! what listens on a socket keeps its addresses random.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let linked_in = features.split(',').any(|feature| feature == "crt-static");
    let gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|kind| kind == "gnu");
    if linked_in && gnu {
        // Two, because each of them takes back a part of the compiler's own `-static-pie`.
        for flag in ["-no-pie", "-static"] {
            println!("cargo:rustc-link-arg-bin=muster-agent={flag}");
        }
    }
}

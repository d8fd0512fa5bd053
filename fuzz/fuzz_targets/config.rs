//! Any text as a configuration, and any text as a word for a tenant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watertight_analysis::{Catalog, Config, render};

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            let _ = Catalog::build(&config, &[]);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal without a reason");
            for problem in problems {
                let _ = render(&problem, text);
            }
        }
    }
});

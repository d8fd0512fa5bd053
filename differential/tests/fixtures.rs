//! Every statement and every migration of the fixtures has the same tree for both parsers.

mod common;

use watertight_differential::corpus;

#[test]
fn fixtures_have_the_same_trees() {
    common::with_stack(|| {
        let mut texts = Vec::new();
        for folder in common::folders() {
            for (path, text) in corpus::files(&folder).expect("the fixtures are readable") {
                for sql in corpus::statements(&text) {
                    texts.push((path.display().to_string(), sql));
                }
            }
        }
        let counts = common::all_agree(&texts);
        println!("{counts}");
        assert!(counts.parsed > 900, "{counts}");
    });
}

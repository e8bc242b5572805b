//! Every input of the corpus, without a fuzzer.

use std::fs;
use std::path::Path;

use hayrack_fuzz::TARGETS;

#[test]
fn every_target_takes_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).expect("each target has a corpus");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("it can be read").path();
            println!("{}", path.display());
            target(&fs::read(path).expect("it can be read"));
            count += 1;
        }
        assert!(count > 0, "{name} has no inputs");
    }
}

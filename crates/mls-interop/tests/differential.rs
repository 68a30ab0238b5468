//! Some random histories beside mls-rs. More of them: `cargo xtask differential --start S --count N`.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

mod histories;

use coterie_testkit::Seed;

#[test]
fn groups_of_two_stacks_agree_on_every_epoch_and_read_each_other() {
    for number in 1..=3 {
        let seed = Seed::new(number);
        for suite in histories::SUITES {
            histories::run(seed, suite)
                .unwrap_or_else(|error| panic!("seed {}, suite {suite}: {error}", seed.number()));
        }
    }
}

#[test]
fn two_stacks_agree_where_half_of_the_tree_is_empty() {
    for number in 1..=2 {
        let seed = Seed::new(number);
        for suite in histories::SUITES {
            histories::run_in_half_a_tree(seed, suite)
                .unwrap_or_else(|error| panic!("seed {}, suite {suite}: {error}", seed.number()));
        }
    }
}

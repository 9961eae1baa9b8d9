//! The core against `std::sync`, `parking_lot`, `crossbeam-channel`, `rayon-core` and `threadpool`,
//! without any Python.
//!
//! ```text
//! cargo bench -p ropewalk --bench core                       # every row
//! cargo bench -p ropewalk --bench core -- lock               # rows whose name contains "lock"
//! cargo bench -p ropewalk --bench core -- --smoke            # does every row run?
//! ```
//!
//! Not criterion: the sides of a row must run in turns, so that the noise of the machine hits all
//! of them alike. Rows marked with `*` run pinned to one core, as waking another core costs more,
//! and varies more, than everything that is compared here.

#![expect(clippy::print_stdout, reason = "it is a program")]
#![expect(clippy::disallowed_types, reason = "std's locks and channels are what it compares with")]
#![expect(clippy::disallowed_methods, reason = "the same, and how long a batch lasts is a sleep")]
#![expect(clippy::cast_precision_loss, reason = "counts and times become ratios")]

mod alone;
mod channels;
mod contended;
mod hand_over;
mod harness;
mod pools;
mod things;

use harness::{Plan, Row};

const HELP: &str = "\
usage: cargo bench -p ropewalk --bench core -- [--smoke] [--rounds N] [--list] [words]

Compares the core with std, parking_lot, crossbeam-channel, rayon-core and threadpool. A row runs if its name contains one
of the words. Each number is the time of one operation; the ratio is the other's to Ropewalk's:
more than 1 means that Ropewalk is faster.

  --smoke     one tiny batch of each side: does it run?
  --rounds N  so many batches of each side (15)
  --list      print the names of the rows";

fn main() {
    let mut plan = Plan { rounds: 15, smoke: false };
    let mut words = Vec::new();
    let mut list = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // cargo adds --bench.
            "--bench" => {}
            "--smoke" => plan.smoke = true,
            "--list" => list = true,
            "--rounds" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                plan.rounds = number.expect("--rounds takes a number");
            }
            "--help" | "-h" => return println!("{HELP}"),
            word => words.push(word.to_lowercase()),
        }
    }
    let rows =
        [alone::rows(), contended::rows(), hand_over::rows(), channels::rows(), pools::rows()];
    let rows: Vec<Row> = rows
        .into_iter()
        .flatten()
        .filter(|row| {
            let name = row.name.to_lowercase();
            words.is_empty() || words.iter().any(|word| name.contains(word))
        })
        .collect();
    assert!(!rows.is_empty(), "no row has such a name: see --list");
    for row in rows {
        if list {
            println!("{}", row.name);
        } else {
            println!("{}", row.run(plan));
        }
    }
}

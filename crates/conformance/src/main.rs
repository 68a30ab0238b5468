//! `cargo xtask vectors DIR`: one line a family, the sum last, and exit status 1 if anything failed.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: cargo xtask vectors DIR");
        return ExitCode::from(2);
    };
    // A case that panics is a failed case; its message belongs to the report, not between the lines.
    std::panic::set_hook(Box::new(|_| {}));
    match coterie_conformance::run(Path::new(&folder)) {
        Ok(report) => {
            print!("{report}");
            if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

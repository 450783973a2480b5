//! The `renew` binary: hands the command line to the library and turns its answer into an exit
//! status. It decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    renew::cli::main()
}

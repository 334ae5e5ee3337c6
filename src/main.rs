//! The `kubectl aad` program.

use std::process::ExitCode;

use kubectl_aad::{Host, cli};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    kubectl_aad::keep_out_of_core_dumps();
    ExitCode::from(cli::main(std::env::args_os(), Host::from_process()))
}

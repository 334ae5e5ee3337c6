//! `kubectl aad`: arguments in, exit code out.

use std::process::ExitCode;

use kubectl_aad::{cli, host::Host};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    kubectl_aad::host::keep_out_of_core_dumps();
    ExitCode::from(cli::main(std::env::args_os(), Host::from_process()))
}

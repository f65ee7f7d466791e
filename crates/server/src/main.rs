//! The binary `weir`: command line, settings, listeners, signals. What Weir does is in the engine.

mod config;
mod config_file;
mod dump;
mod healthcheck;
mod listen;
mod observe;
mod serve;
mod shutdown;
mod size;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weir_types::{Error, Result};

use config::ServeFlags;
use dump::DumpFlags;
use healthcheck::HealthcheckFlags;

/// A declarative SQL streaming database: streams, tables and materialized views behind psql.
#[derive(Parser)]
#[command(name = "weir", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(ServeFlags),
    /// Look into the log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Ask a running server whether it can answer queries; exit code 0 if so.
    Healthcheck(HealthcheckFlags),
}

#[derive(Subcommand)]
enum LogCommand {
    /// Print the records of a stream, or the changes of a table, as a line of JSON each; also beside a
    /// running server.
    Dump(DumpFlags),
}

fn main() -> ExitCode {
    // Clap answers bad flags itself: the message on stderr, exit code 2.
    let outcome = match CommandLine::parse().command {
        Command::Serve(flags) => run_server(&flags),
        Command::Log(LogCommand::Dump(flags)) => dump::run(&flags),
        Command::Healthcheck(flags) => healthcheck::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed there is nobody to tell; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "weir: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn run_server(flags: &ServeFlags) -> Result<()> {
    let settings = config::settings(flags)?;
    observe::start_logging(settings.log_format)?;
    observe::log_panics();
    serve::run(settings)
}

/// Everything an error says, on one line.
fn one_line(error: &Error) -> String {
    let mut line = format!("error: {}", error.message());
    if let Some(detail) = error.detail() {
        line.push_str(&format!(" - {detail}"));
    }
    if let Some(hint) = error.hint() {
        line.push_str(&format!(" - hint: {hint}"));
    }
    line.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use weir_types::SqlState;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn an_error_is_told_on_one_line() {
        let error = Error::new(SqlState::ObjectInUse, "the directory\nis in use")
            .with_detail("Process 7 has it.")
            .with_hint("Stop it.");
        assert_eq!(
            one_line(&error),
            "error: the directory is in use - Process 7 has it. - hint: Stop it."
        );
    }
}

//! The command line (`--help` tells it): reads the words, starts what they name, prints, and chooses the exit code.
//!
//! 0 done, 1 failed, 2 wrong usage or configuration.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::addon::StandIn;
use crate::app;
use crate::app::demo::DemoOptions;
use crate::homeassistant::{self, OtherBridge};
use crate::mqtt;
use crate::simulator;
use crate::vehicle::Model;

/// Exit code for wrong usage or configuration.
const WRONG_USAGE: u8 = 2;

#[derive(Parser)]
#[command(name = "leapmotor2mqtt", version, about, disable_help_subcommand = true)]
// A flag before a command would be one of `run`, and lost.
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// The bridge (default command)
    Run(RunArgs),
    /// All on this machine: broker, simulated cloud with three cars, bridge. No account, no network
    Demo(DemoArgs),
    /// Only the simulated cloud
    Simulate(simulator::Options),
    /// Walks broker, certificate, sign-in, cars and rights, with a remedy for each failure
    Check(RunArgs),
    /// The catalog of entities
    Entities(EntitiesArgs),
    /// One raw status object to the values its entities show
    Decode(DecodeArgs),
    /// Asks the running bridge whether it lives: for containers
    Healthcheck(RunArgs),
    /// Removes every retained topic the bridge ever wrote, or what another bridge left
    Purge(PurgeArgs),
}

#[derive(Args, Default)]
struct RunArgs {
    /// Configuration file; without it config.yaml is read if it exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Follow the simulated clock in this file
    #[arg(long, value_name = "FILE")]
    simulated_clock: Option<PathBuf>,
    /// A directory in place of the add-on's /, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    addon_root: Option<PathBuf>,
    /// An address in place of the Supervisor's, for tests
    #[arg(long, value_name = "URL", hide = true)]
    supervisor: Option<String>,
}

#[derive(Args)]
struct DemoArgs {
    /// Let the cars live a day: drive, charge, sleep
    #[arg(long)]
    live: bool,
    /// Put the cars on this broker instead of an own one
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<String>,
    /// Address of the admin page, which this version does not have yet
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct PurgeArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Whose topics; may be given several times. Those of other bridges only below their usual prefixes
    #[arg(long, value_name = "WHOSE", value_enum, value_delimiter = ',', default_values_t = [Whose::Own])]
    of: Vec<Whose>,
    /// Only list them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// This bridge
    Own,
    /// LeapConnect
    Leapconnect,
    /// leapmotor-mate
    Mate,
}

#[derive(Args)]
struct EntitiesArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only what this model can have
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Markdown,
}

#[derive(Args)]
struct DecodeArgs {
    /// The model code
    #[arg(long, value_name = "MODEL", default_value = "C10")]
    model: String,
    /// A file with the status object, or - for standard input
    file: PathBuf,
}

/// Runs the program with the words it was called with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap prints help and version with code 0, everything else as an error of usage.
        Err(error) => {
            let code = if error.use_stderr() { WRONG_USAGE } else { 0 };
            // A closed terminal cannot be told anything.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(cli.command.unwrap_or(Command::Run(cli.run))) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            let is_misuse = error.is::<app::WrongConfiguration>() || error.is::<app::WrongUsage>();
            ExitCode::from(if is_misuse { WRONG_USAGE } else { 1 })
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run(&args.into()),
        Command::Demo(args) => block_on(app::demo::run(
            DemoOptions {
                live: args.live,
                broker: args.mqtt,
                listen: args.listen,
            },
            |description| {
                print(&if args.json {
                    description.json_line()
                } else {
                    description.text()
                })
            },
        )),
        Command::Simulate(options) => block_on(app::simulate(options, print)),
        Command::Check(args) => block_on(app::check::run(&args.into(), print)),
        Command::Entities(args) => entities(&args),
        Command::Decode(args) => decode(&args),
        Command::Healthcheck(args) => app::healthcheck(&args.into(), print),
        Command::Purge(args) => block_on(app::purge(&args.run.into(), &purge(&args.of, args.dry_run), print)),
    }
}

fn purge(of: &[Whose], dry_run: bool) -> mqtt::Purge {
    let other = |whose: &Whose| match whose {
        Whose::Own => None,
        Whose::Leapconnect => Some(OtherBridge::LeapConnect),
        Whose::Mate => Some(OtherBridge::Mate),
    };
    mqtt::Purge {
        own: of.contains(&Whose::Own),
        of: of.iter().filter_map(other).collect(),
        dry_run,
    }
}

fn run(start: &app::Start) -> anyhow::Result<ExitCode> {
    if let Err(reason) = app::step_down(start) {
        complain(&format!(
            "the rights of root cannot be given up, going on with them: {reason}"
        ));
    }
    block_on(app::run(start))
}

fn entities(args: &EntitiesArgs) -> anyhow::Result<ExitCode> {
    let model = args.model.as_deref().map(Model::parse);
    let format = match args.format {
        Format::Table => homeassistant::Format::Table,
        Format::Json => homeassistant::Format::Json,
        Format::Markdown => homeassistant::Format::Markdown,
    };
    print(homeassistant::table(format, model.as_ref()).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn decode(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let text = if args.file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?
    } else {
        std::fs::read_to_string(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?
    };
    print(&app::decode(&text, &Model::parse(&args.model))?)?;
    Ok(ExitCode::SUCCESS)
}

impl From<RunArgs> for app::Start {
    fn from(args: RunArgs) -> Self {
        Self {
            config: args.config,
            simulated_clock: args.simulated_clock,
            stand_in: StandIn {
                root: args.addon_root,
                supervisor: args.supervisor,
            },
        }
    }
}

/// Threads for what must not wait: reading, deciding and publishing are short. An allocator keeps memory for each thread, so
/// more of them would only make the program larger.
const THREADS: usize = 2;

/// Threads for what blocks: writing documents, drawing pictures, and looking up addresses, which may take long when the
/// network is away and must not hold up the documents.
const BLOCKING_THREADS: usize = 8;

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("the asynchronous runtime cannot be started")?;
    let outcome = runtime.block_on(work);
    // Not waited for: a look-up of a name, or a write to a disk that hangs, can take far longer than an end may.
    runtime.shutdown_background();
    outcome
}

/// Prints a line. A reader that went away, such as `head`, is not an error worth a message.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output cannot be written"),
    }
}

fn complain(text: &str) {
    // A closed standard error cannot be told anything.
    let _ = writeln!(std::io::stderr(), "leapmotor2mqtt: {text}");
}

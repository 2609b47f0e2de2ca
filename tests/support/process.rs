//! The program under test as a process of its own, and the JSON line it prints when it is ready.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for a process to say that it is ready or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the program in this directory, with this on its standard input, until it ends.
pub fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(directory, arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it does not care to read is lost.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Runs the program with more variables in its environment, until it ends.
pub fn run_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(directory, arguments)
        .env_remove("RUST_LOG")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    configure(&mut command, directory);
    command.args(arguments);
    command
}

/// The program under test: what the variable `PROGRAM` names, else the one built with the tests.
fn program() -> OsString {
    std::env::var_os("PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_leapmotor2mqtt").into())
}

fn configure(command: &mut Command, directory: &Path) {
    command
        .env("LEAPMOTOR2MQTT_LOOPBACK_ONLY", "true")
        .env("RUST_LOG", "leapmotor2mqtt=debug")
        .current_dir(directory);
}

/// A running `leapmotor2mqtt`. Ends with the test.
pub struct Program {
    child: Child,
    log: std::path::PathBuf,
}

impl Program {
    /// Starts the program; what it logs goes to a file in `directory`.
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(directory, arguments, &[], Stdio::null())
    }

    /// Starts the program with more variables in its environment.
    pub fn start_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_with(directory, arguments, environment, Stdio::null())
    }

    /// Starts the program through another one, such as `sh -c` with a script that ends in `exec "$@"`.
    pub fn start_through(wrapper: &[&str], directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(wrapper[0]);
        configure(&mut command, directory);
        command.args(&wrapper[1..]).arg(program()).args(arguments);
        Self::spawn(command, directory, arguments, Stdio::null())
    }

    /// Starts the program and waits for the line of JSON it prints.
    pub fn start_for_line(directory: &Path, arguments: &[&str]) -> (Self, Value) {
        let mut program = Self::start_with(directory, arguments, &[], Stdio::piped());
        let stdout = program.child.stdout.take().unwrap();
        let (send, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let mut lines = BufReader::new(stdout);
            let _ = lines.read_line(&mut text);
            let _ = send.send(text);
            // Keeps the pipe open, so that the program can go on printing.
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        let text = line.recv_timeout(PATIENCE).unwrap_or_default();
        let value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON line but {text:?}\n{}", program.log()));
        (program, value)
    }

    fn start_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)], stdout: Stdio) -> Self {
        let mut command = command(directory, arguments);
        command.envs(environment.iter().copied());
        Self::spawn(command, directory, arguments, stdout)
    }

    fn spawn(mut command: Command, directory: &Path, arguments: &[&str], stdout: Stdio) -> Self {
        let log = directory.join(format!("{}.log", arguments.first().unwrap_or(&"run")));
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it at once, as a power cut does. Nothing of it is left when this returns.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end and tells its exit code; `None` if a signal ended it.
    pub fn stop(&mut self) -> Option<i32> {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end\n{}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.is_running() {
            // Asked first, so that a coverage build can write what it has measured.
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let deadline = Instant::now() + Duration::from_secs(8);
            while Instant::now() < deadline && self.is_running() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

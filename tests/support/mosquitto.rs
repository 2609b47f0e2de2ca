//! A real broker for a test: mosquitto on a port and in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::skipped;

/// Where Debian and others put it; `PATH` of an ordinary user does not have `sbin`.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/opt/homebrew/sbin"];

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits before it tries again to get its port.
const RETRY: Duration = Duration::from_millis(100);

/// A running mosquitto without persistence. Killed when dropped.
pub struct Mosquitto {
    program: PathBuf,
    dir: TempDir,
    port: u16,
    /// Whether somebody may know the port already.
    has_run: bool,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one that lets everybody in. `None` when it is not installed: then the test is [`skipped`].
    pub fn start() -> Option<Self> {
        Self::start_with("allow_anonymous true\n")
    }

    /// Starts one with these lines in its configuration.
    pub fn start_with(settings: &str) -> Option<Self> {
        Self::prepare().map(|mut broker| {
            broker.configure(settings);
            broker.run();
            broker
        })
    }

    /// One that is not running yet, for those who need its directory first. Its port is certain only once it runs.
    pub fn prepare() -> Option<Self> {
        let Some(program) = installed() else {
            skipped("mosquitto is not installed");
            return None;
        };
        Some(Self {
            program,
            dir: tempfile::tempdir().unwrap(),
            port: free_port(),
            has_run: false,
            child: None,
        })
    }

    /// Writes its configuration anew, for the next [`Self::run`].
    pub fn configure(&self, settings: &str) {
        let user = if is_root() { "user root\n" } else { "" };
        let listener = listener(self.port);
        // Nothing is dropped: a burst of more than a thousand messages waits for a listener that is slow.
        let text = format!("{user}persistence false\nmax_queued_messages 100000\n{listener}{settings}");
        fs::write(self.config_file(), text).unwrap();
    }

    /// Starts it and waits until it listens. If somebody else has its port, it takes another one, or, when it has run
    /// before, waits for its own.
    pub fn run(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.begins(deadline) {
            assert!(
                Instant::now() < deadline,
                "mosquitto does not run on port {}:\n{}",
                self.port,
                fs::read_to_string(self.log_file()).unwrap_or_default()
            );
            if !self.has_run {
                self.move_to(free_port());
            }
            thread::sleep(RETRY);
        }
        self.has_run = true;
    }

    /// Starts it once and tells whether it listens. It ends by itself when its port is taken, and then whoever took it may
    /// answer there.
    fn begins(&mut self, deadline: Instant) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        if TcpStream::connect(address).is_ok() {
            return false;
        }
        let log = fs::File::create(self.log_file()).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.config_file())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        while child.try_wait().unwrap().is_none() {
            if TcpStream::connect(address).is_ok() && child.try_wait().unwrap().is_none() {
                return true;
            }
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        self.child = None;
        false
    }

    /// Has it listen on another port.
    fn move_to(&mut self, port: u16) {
        let text = fs::read_to_string(self.config_file()).unwrap();
        let text = text.replace(&listener(self.port), &listener(port));
        fs::write(self.config_file(), text).unwrap();
        self.port = port;
    }

    /// Ends it at once, as `kill -9` does. It has no store, so it has lost everything when it runs again.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether it was started and not killed.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Makes a password file with one user; the line to put into the configuration.
    pub fn password_file(&self, user: &str, password: &str) -> String {
        let file = self.dir().join("passwords");
        let done = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&file)
            .args([user, password])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        format!("allow_anonymous false\npassword_file {}\n", file.display())
    }

    /// Adds a user to the password file, or changes the password of one; for the next [`Self::run`].
    pub fn set_password(&self, user: &str, password: &str) {
        let done = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(self.dir().join("passwords"))
            .args([user, password])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A directory of its own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn config_file(&self) -> PathBuf {
        self.dir().join("mosquitto.conf")
    }

    fn log_file(&self) -> PathBuf {
        self.dir().join("mosquitto.log")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where it is installed.
fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}

/// The line of the configuration that has it listen on this port.
fn listener(port: u16) -> String {
    format!("listener {port} 127.0.0.1\n")
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// mosquitto started by root changes to a user that cannot read a temporary directory of root's.
fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

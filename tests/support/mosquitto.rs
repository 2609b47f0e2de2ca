//! A real broker for a test: mosquitto on a port and in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian and others put it; `PATH` of an ordinary user does not have `sbin`.
const PLACES: [&str; 4] = [
    "/usr/sbin/mosquitto",
    "/usr/local/sbin/mosquitto",
    "/usr/bin/mosquitto",
    "/opt/homebrew/sbin/mosquitto",
];

/// How long it may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running mosquitto without persistence. Killed when dropped.
pub struct Mosquitto {
    program: PathBuf,
    dir: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one that lets everybody in. `None` when it is not installed: then the test is skipped, which is said, and
    /// which is a failure on a machine that sets `CI=true`.
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

    /// One that is not running yet, for those who need its port or directory first.
    pub fn prepare() -> Option<Self> {
        let Some(program) = PLACES.iter().map(PathBuf::from).find(|path| path.exists()) else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "mosquitto is not installed"
            );
            println!("SKIPPED: mosquitto is not installed");
            return None;
        };
        Some(Self {
            program,
            dir: tempfile::tempdir().unwrap(),
            port: free_port(),
            child: None,
        })
    }

    /// Writes its configuration anew, for the next [`Self::run`].
    pub fn configure(&self, settings: &str) {
        let user = if is_root() { "user root\n" } else { "" };
        let text = format!("{user}persistence false\nlisten_here\n{settings}");
        let text = text.replace("listen_here", &format!("listener {} 127.0.0.1", self.port));
        fs::write(self.config_file(), text).unwrap();
    }

    /// Starts it and waits until it listens.
    pub fn run(&mut self) {
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.config_file())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            thread::sleep(Duration::from_millis(10));
        }
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
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
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

//! A simulated cloud with simulated cars, exact enough that a real client of the maker's cloud can use it unchanged.
//!
//! It shares nothing with the room that talks to the cloud but the arithmetic of `protocol`: what a request must look
//! like, what a command's content means and what a car reports are written down here a second time, from the tables of
//! the protocol, so that a mistake on one side cannot hide behind the same mistake on the other.
//!
//! Start with `endpoints`, the table of all paths; `request` checks what arrives, `world` is all there is to know,
//! `car` is a car, and `control` lets tests play.

mod account;
mod answer;
mod car;
mod control;
mod endpoints;
mod faults;
mod gateway;
mod journal;
mod picture;
mod reads;
mod remote;
mod request;
mod sharing;
mod statistics;
mod tls;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::account::Account;
pub use self::car::profile::CarKind;
use self::faults::Faults;
use self::gateway::Cloud;
use self::journal::Journal;
use self::sharing::{Access, Role};
use self::tls::{Authority, Handshakes, TlsListener};
use self::world::World;
use crate::clock::{Clock, SimulatedClock};

/// The cars of an account when none are named.
const DEFAULT_CARS: [CarKind; 4] = [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev];

/// How long open connections may take to end when the cloud stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Fastest clock: a week in ten minutes is far below it.
const HIGHEST_SPEED: f64 = 100_000.0;

/// What to simulate.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address of the cloud, on this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Address of the control interface, on this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub control: SocketAddr,
    /// Folder for the certificates a client needs
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// A car of every account; repeat it for several
    #[arg(long = "car", value_name = "MODEL", value_enum)]
    pub cars: Vec<CarKind>,
    /// Number of accounts, each with cars of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accounts: usize,
    /// Number of cars of every account, taken from the models in turn; without it, one of each
    #[arg(long, value_name = "CARS")]
    pub count: Option<usize>,
    /// Simulated seconds per real second
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,
    /// Whether the cars drive, charge and sleep by themselves.
    #[arg(skip)]
    pub live: bool,
}

impl Options {
    /// The defaults of the command line, with certificates in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: free_port,
            control: free_port,
            dir,
            cars: Vec::new(),
            accounts: 1,
            count: None,
            speed: 1.0,
            live: false,
        }
    }

    /// The cars of one account.
    fn models(&self) -> impl Iterator<Item = CarKind> + '_ {
        let named: &[CarKind] = if self.cars.is_empty() {
            &DEFAULT_CARS
        } else {
            &self.cars
        };
        named.iter().copied().cycle().take(self.count.unwrap_or(named.len()))
    }
}

/// Why the simulated cloud does not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// It would be reachable from other machines.
    #[error("{what} address {address} is not on this machine; use 127.0.0.1 or [::1]")]
    NotLoopback {
        /// Which of the two addresses.
        what: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Nobody could sign in.
    #[error("at least one account is needed")]
    NoAccounts,
    /// The clock cannot run like this.
    #[error("speed {0} is not above 0 and at most {HIGHEST_SPEED}")]
    Speed(f64),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates cannot be written.
    #[error("cannot write the certificates to {}", directory.display())]
    Directory {
        /// Where to.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A certificate cannot be bundled.
    #[error("cannot bundle a certificate")]
    Bundle(#[from] p12_keystore::error::Error),
    /// The server cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// What a client needs to know, as printed when the simulated cloud starts.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// Where the cloud is.
    pub base_url: String,
    /// Where the control interface is.
    pub control_url: String,
    /// The authority the server's certificate is from.
    pub server_ca: PathBuf,
    /// The app certificate.
    pub app_cert: PathBuf,
    /// Its key.
    pub app_key: PathBuf,
    /// The clock everything follows.
    pub clock: SimulatedClock,
    /// The accounts.
    pub accounts: Vec<AccountDescription>,
}

/// One account of a [`Description`]; all invented.
#[derive(Debug, Clone, Serialize)]
pub struct AccountDescription {
    /// E-mail address.
    pub username: String,
    /// Password.
    pub password: String,
    /// Its cars.
    pub cars: Vec<CarDescription>,
}

/// One car of a [`Description`].
#[derive(Debug, Clone, Serialize)]
pub struct CarDescription {
    /// Its identification number.
    pub vin: String,
    /// Its model, as in the vehicle list.
    pub model: String,
    /// `bev` or `reev`.
    pub powertrain: String,
    /// The PIN of its commands.
    pub pin: String,
}

/// A simulated cloud whose sockets are open, ready to [`run`](Self::run).
pub struct Simulator {
    description: Description,
    cloud: Cloud,
    handshakes: Handshakes,
    connections: TlsListener,
    control: TcpListener,
}

/// Opens the sockets, makes certificates, accounts and cars.
pub async fn start(options: Options) -> Result<Simulator, SimulatorError> {
    for (what, address) in [("listen", options.listen), ("control", options.control)] {
        if !address.ip().is_loopback() {
            return Err(SimulatorError::NotLoopback { what, address });
        }
    }
    if options.accounts == 0 {
        return Err(SimulatorError::NoAccounts);
    }
    if !(options.speed > 0.0 && options.speed <= HIGHEST_SPEED) {
        return Err(SimulatorError::Speed(options.speed));
    }
    let authority = Authority::new()?;
    authority
        .write(&options.dir)
        .map_err(|source| SimulatorError::Directory {
            directory: options.dir.clone(),
            source,
        })?;
    let config = authority.server_config()?;
    let (listener, address) = bind(options.listen).await?;
    let (control, control_address) = bind(options.control).await?;
    let (handshakes, connections) =
        tls::listen(listener, config).map_err(|source| SimulatorError::Listen { address, source })?;
    let started = Timestamp::now();
    let clock = SimulatedClock {
        start: started,
        wall_start: started,
        factor: options.speed,
    };
    let world = populate(&options, authority, started);
    let description = Description {
        base_url: format!("https://{address}"),
        control_url: format!("http://{control_address}"),
        server_ca: options.dir.join("ca.pem"),
        app_cert: options.dir.join("app_cert.pem"),
        app_key: options.dir.join("app_key.pem"),
        clock,
        accounts: describe(&world),
    };
    Ok(Simulator {
        description,
        cloud: Cloud::new(Clock::simulated(clock), world),
        handshakes,
        connections,
        control,
    })
}

impl Simulator {
    /// What a client needs to know.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Serves until cancelled, then for a moment longer so that answers under way arrive.
    pub async fn run(self, cancel: CancellationToken) {
        let cloud = gateway::router(self.cloud.clone()).into_make_service_with_connect_info::<tls::Peer>();
        let serve_cloud = axum::serve(self.connections, cloud).with_graceful_shutdown(cancel.clone().cancelled_owned());
        let serve_control = axum::serve(self.control, control::router(self.cloud))
            .with_graceful_shutdown(cancel.clone().cancelled_owned());
        let all = async {
            let (cloud, control, ()) = tokio::join!(
                serve_cloud.into_future(),
                serve_control.into_future(),
                self.handshakes.run(cancel.clone()),
            );
            for error in [cloud.err(), control.err()].into_iter().flatten() {
                tracing::error!(%error, "the simulated cloud stopped serving");
            }
        };
        let overdue = async {
            cancel.cancelled().await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            () = all => {}
            () = overdue => {}
        }
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SimulatorError> {
    let failed = |source| SimulatorError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Accounts and cars, each account with cars of its own.
fn populate(options: &Options, authority: Authority, now: Timestamp) -> World {
    let mut world = World {
        accounts: Vec::new(),
        cars: Vec::new(),
        access: Vec::new(),
        invitations: Vec::new(),
        messages: Vec::new(),
        faults: Faults::default(),
        journal: Journal::default(),
        authority,
        tickets: Vec::new(),
        speed: options.speed,
        tolerance: clock_tolerance(options.speed),
        next_id: 26_116_182,
    };
    for account in 0..options.accounts {
        let number = account + 1;
        world.accounts.push(Account {
            id: 1_000_000 + number as u64,
            uid: format!("{:016x}", 0x7f3e_9a1c_5b2d_48e6_u64.wrapping_mul(number as u64)),
            username: match number {
                1 => "demo@example.com".to_owned(),
                _ => format!("demo{number}@example.com"),
            },
            // The plus sign must be percent-encoded, the blank too: a client that forgets is found out.
            password: format!("demo + {number}"),
            session: None,
        });
        for kind in options.models() {
            let pin = pin(world.cars.len());
            let car = world.add_car(kind, pin, options.live, now);
            let role = Role::Owner;
            world.access.push(Access { account, car, role });
        }
    }
    world
}

/// Four digits: the second car's begin with a nought, which a client must not lose.
fn pin(car: usize) -> String {
    match car {
        0 => "1234".to_owned(),
        1 => "0420".to_owned(),
        _ => format!("{:04}", (2580 + car * 137) % 10_000),
    }
}

/// On a faster clock the same delay on the way is more time.
fn clock_tolerance(speed: f64) -> SignedDuration {
    let seconds = request::CLOCK_TOLERANCE.as_secs_f64() * speed.max(1.0);
    SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX)
}

fn describe(world: &World) -> Vec<AccountDescription> {
    let cars = |index: usize| {
        world
            .access
            .iter()
            .filter(move |access| access.account == index)
            .map(|access| &world.cars[access.car])
            .map(|car| CarDescription {
                vin: car.vin.clone(),
                model: car.kind.model().to_owned(),
                powertrain: car.kind.powertrain().to_owned(),
                pin: car.pin.clone(),
            })
            .collect()
    };
    world
        .accounts
        .iter()
        .enumerate()
        .map(|(index, account)| AccountDescription {
            username: account.username.clone(),
            password: account.password.clone(),
            cars: cars(index),
        })
        .collect()
}

//! The broker inside the binary, for the demo and for tests on machines without one.
//!
//! It speaks MQTT 5 and 3.1.1 on two ports of the loopback interface. It knows neither no-local nor retain-as-published,
//! so a live message with the retain bit is not told from a plain one. Subscriptions are granted with QoS 0
//! (`front` says why). It runs in threads of its own and cannot be stopped before the process ends.

mod front;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

use front::Version;

/// Keeps the broker's own messages out of the log, as a directive of the log filter. It reports every client that comes
/// and goes.
pub const LOG_DIRECTIVE: &str = "rumqttd=off";

/// The largest message it takes, in bytes.
const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// Retained messages a new subscription gets at once; what is beyond that it never gets.
const MOST_RETAINED: u64 = 100_000;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);

/// Between two looks whether it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Where it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// For MQTT 5.
    pub v5: SocketAddr,
    /// For MQTT 3.1.1.
    pub v311: SocketAddr,
}

/// Starts the broker on two free ports and waits until it listens on both. Blocks for some milliseconds.
pub fn start() -> io::Result<Embedded> {
    let [inner_v5, inner_v311] = free_addresses()?;
    let mut broker = Broker::new(config(inner_v5, inner_v311));
    thread::Builder::new().name("broker".to_owned()).spawn(move || {
        // It returns only when it could not listen, which is noticed below.
        let _ = broker.start();
    })?;
    let deadline = Instant::now() + START;
    for address in [inner_v5, inner_v311] {
        wait_for(address, deadline)?;
    }
    let [v5, v311] = [listen()?, listen()?];
    let addresses = Embedded {
        v5: v5.local_addr()?,
        v311: v311.local_addr()?,
    };
    front::serve(v5, inner_v5, Version::V5)?;
    front::serve(v311, inner_v311, Version::V311)?;
    Ok(addresses)
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// The broker does not tell which port it got, so it has to be given one that was free a moment ago. Both are held
/// until both are known.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listeners = [listen()?, listen()?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

fn wait_for(address: SocketAddr, deadline: Instant) -> io::Result<()> {
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}

fn config(v5: SocketAddr, v311: SocketAddr) -> Config {
    let server = |name: &str, listen| {
        let settings = ServerSettings {
            name: name.to_owned(),
            listen,
            tls: None,
            next_connection_delay_ms: 1,
            connections: ConnectionSettings {
                connection_timeout_ms: 10_000,
                max_payload_size: LARGEST_MESSAGE,
                max_inflight_count: 100,
                auth: None,
                external_auth: None,
                dynamic_filters: true,
            },
        };
        Some(HashMap::from([(name.to_owned(), settings)]))
    };
    Config {
        router: RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: MOST_RETAINED,
            max_segment_size: 1024 * 1024,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v5: server("v5", v5),
        v4: server("v311", v311),
        ..Config::default()
    }
}

//! Asking a running process, from another one: `healthcheck` of a container. Without a runtime and without a client
//! library, because it is started every half minute, on small machines too.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::serve::PATH;

/// How long connecting and answering may take, each.
const PATIENCE: Duration = Duration::from_secs(6);

/// The answer is one line; more is not read.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Why the process is not well, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers.
    #[error("no bridge answers at {address}: {source}")]
    Silent {
        /// Where it was asked.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It says that it is not well, or it is something else.
    #[error("{0}")]
    Unwell(String),
}

/// Asks the process that listens there; its own words when it is well.
pub fn ask(listen: SocketAddr) -> Result<String, AskError> {
    let address = reachable(listen);
    let answer = exchange(address).map_err(|source| AskError::Silent { address, source })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    match (status, body.trim()) {
        ("200", body) => Ok(body.to_owned()),
        ("503", body) => Err(AskError::Unwell(body.to_owned())),
        _ => Err(AskError::Unwell(format!("what answers at {address} is not the bridge"))),
    }
}

/// The address under which this machine reaches a server that listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, listen.port())
}

fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {PATH} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_this_machine() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8098"), "127.0.0.1:8098");
        assert_eq!(reached("[::]:8098"), "[::1]:8098");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
    }
}

//! Stands in front of the embedded broker and asks it for every subscription with QoS 0.
//!
//! To a subscription with a higher QoS that broker hands out the first hundred retained messages and never the rest; with
//! QoS 0 it hands out all. A server may grant less than was asked for, so every client takes it.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The type of a packet stands in the upper half of its first byte.
const SUBSCRIBE: u8 = 8;
/// The bits of a subscription's options that hold its QoS, in both versions.
const QOS: u8 = 0b11;
/// No subscription is larger; in bytes.
const LARGEST_SUBSCRIBE: u64 = 1024 * 1024;

/// The version of MQTT spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1
    V311,
    /// 5
    V5,
}

/// Serves every client of this listener with a connection of its own to the broker, in threads that end with them.
pub(super) fn serve(listener: TcpListener, broker: SocketAddr, version: Version) -> io::Result<()> {
    let accept = move || {
        for client in listener.incoming().flatten() {
            // A client that cannot be served finds its connection closed.
            let _ = spawn("broker client", move || connect(&client, broker, version));
        }
    };
    spawn("broker listener", accept)
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn connect(client: &TcpStream, broker: SocketAddr, version: Version) -> io::Result<()> {
    let broker = TcpStream::connect(broker)?;
    for stream in [client, &broker] {
        stream.set_nodelay(true)?;
    }
    let (mut answers, mut answered) = (broker.try_clone()?, client.try_clone()?);
    spawn("broker answers", move || {
        let _ = io::copy(&mut answers, &mut answered);
        answered.shutdown(Shutdown::Both)
    })?;
    let forwarded = forward(BufReader::new(client), BufWriter::new(&broker), version);
    broker.shutdown(Shutdown::Both)?;
    forwarded
}

/// Passes packets on until there are no more.
fn forward(mut from: impl Read, mut to: impl Write, version: Version) -> io::Result<()> {
    loop {
        let mut first = [0];
        if from.read(&mut first)? == 0 {
            return Ok(());
        }
        let (length, encoded) = read_length(&mut from)?;
        to.write_all(&first)?;
        to.write_all(&encoded)?;
        if first[0] >> 4 == SUBSCRIBE && length <= LARGEST_SUBSCRIBE {
            let mut body = Vec::new();
            from.by_ref().take(length).read_to_end(&mut body)?;
            lower(&mut body, version);
            to.write_all(&body)?;
        } else {
            io::copy(&mut from.by_ref().take(length), &mut to)?;
        }
        to.flush()?;
    }
}

/// The number of bytes that follow, and how it was written.
fn read_length(from: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let mut encoded = Vec::with_capacity(4);
    while encoded.len() < 4 {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        encoded.push(byte[0]);
        if byte[0] < 0x80 {
            break;
        }
    }
    let (length, _) = variable_length(&encoded).ok_or(io::ErrorKind::InvalidData)?;
    Ok((length as u64, encoded))
}

/// A number of up to four bytes, each with seven bits and a mark that another follows; and how many bytes it took.
fn variable_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().take(4).position(|byte| *byte < 0x80)?;
    let value = bytes[..=last]
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    Some((value, last + 1))
}

/// Takes the QoS out of every subscription of a packet. A malformed one is left for the broker to refuse.
fn lower(body: &mut [u8], version: Version) {
    const PACKET_ID: usize = 2;
    let properties = match version {
        Version::V311 => Some(0),
        Version::V5 => body
            .get(PACKET_ID..)
            .and_then(variable_length)
            .map(|(length, size)| length + size),
    };
    let mut at = PACKET_ID + properties.unwrap_or(body.len());
    while let Some(&[high, low]) = body.get(at..at + 2) {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if let Some(options) = body.get_mut(at) {
            *options &= !QOS;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(packets: &[u8], version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        forward(packets, &mut out, version).unwrap();
        out
    }

    #[test]
    fn only_the_qos_of_subscriptions_is_changed() {
        let v311 = [0x82, 12, 0, 1, 0, 1, b'a', 2, 0, 3, b'b', b'/', b'#', 1];
        let lowered = [0x82, 12, 0, 1, 0, 1, b'a', 0, 0, 3, b'b', b'/', b'#', 0];
        assert_eq!(forwarded(&v311, Version::V311), lowered);
        // A subscription identifier, and the options no-local and retain-as-published, which stay.
        let v5 = [0x82, 10, 0, 1, 2, 11, 7, 0, 1, b'a', 0b1101, 0xff];
        let lowered = [0x82, 10, 0, 1, 2, 11, 7, 0, 1, b'a', 0b1100, 0xff];
        assert_eq!(forwarded(&v5, Version::V5), lowered);
    }

    #[test]
    fn everything_else_passes_as_it_is() {
        let mut publish = vec![0x32, 0xc8, 0x01];
        publish.extend([0xff; 200]);
        publish.extend([0xc0, 0x00]);
        assert_eq!(forwarded(&publish, Version::V5), publish);
    }

    #[test]
    fn malformed_packets_do_no_harm() {
        for packet in [
            &[0x82, 0][..],
            &[0x82, 1, 0],
            &[0x82, 3, 0, 1, 0xff],
            &[0x82, 4, 0, 1, 0xff, 0xff],
            &[0x82, 6, 0, 1, 0, 9, b'a', 1],
            &[0x82, 200, 1, 0],
        ] {
            for version in [Version::V311, Version::V5] {
                assert_eq!(forwarded(packet, version), packet);
            }
        }
        assert!(forward(&[0x82, 0xff, 0xff, 0xff, 0xff][..], io::sink(), Version::V5).is_err());
        assert!(forward(&[0x30, 0x80][..], io::sink(), Version::V5).is_err());
    }
}

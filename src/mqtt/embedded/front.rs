//! Stands in front of the embedded broker and makes up for two of its faults.
//!
//! * To a subscription with a QoS above 0 it hands out the first hundred retained messages and never the rest; with QoS 0
//!   it hands out all. So every subscription is asked for with QoS 0: a server may grant less than was asked for.
//! * It acknowledges an UNSUBSCRIBE once for every filter in it. Home Assistant logs an error at the second, so only the
//!   first is passed on.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The type of a packet stands in the upper half of its first byte.
const SUBSCRIBE: u8 = 8;
const UNSUBACK: u8 = 11;
/// The bits of a subscription's options that hold its QoS, in both versions.
const QOS: u8 = 0b11;
/// No packet that is looked into is larger; in bytes.
const LARGEST_READ: u64 = 1024 * 1024;
/// Bytes of the packet identifier, at the front of what is looked into.
const PACKET_ID: usize = 2;

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
    let (answers, answered) = (broker.try_clone()?, client.try_clone()?);
    spawn("broker answers", move || {
        let _ = back(BufReader::new(answers), BufWriter::new(&answered));
        answered.shutdown(Shutdown::Both)
    })?;
    let forwarded = forth(BufReader::new(client), BufWriter::new(&broker), version);
    broker.shutdown(Shutdown::Both)?;
    forwarded
}

/// Passes the client's packets on until there are no more.
fn forth(from: impl Read, to: impl Write, version: Version) -> io::Result<()> {
    pass(from, to, SUBSCRIBE, |body| {
        lower(body, version);
        true
    })
}

/// Passes the broker's packets on until there are no more. It acknowledges all filters of one packet in a row.
fn back(from: impl Read, to: impl Write) -> io::Result<()> {
    let mut acknowledged = None;
    pass(from, to, UNSUBACK, |body| {
        let packet_id = body.first_chunk::<PACKET_ID>().copied();
        packet_id.is_none() || acknowledged.replace(packet_id) != Some(packet_id)
    })
}

/// Passes packets on until there are no more. Those of one type are looked into: what comes out of it goes on, or not.
fn pass(
    mut from: impl Read,
    mut to: impl Write,
    looked_into: u8,
    mut look: impl FnMut(&mut Vec<u8>) -> bool,
) -> io::Result<()> {
    loop {
        let mut first = [0];
        if from.read(&mut first)? == 0 {
            return Ok(());
        }
        let (length, encoded) = read_length(&mut from)?;
        let head = [&first, encoded.as_slice()].concat();
        if first[0] >> 4 == looked_into && length <= LARGEST_READ {
            let mut body = Vec::new();
            from.by_ref().take(length).read_to_end(&mut body)?;
            if look(&mut body) {
                to.write_all(&[head, body].concat())?;
            }
        } else {
            to.write_all(&head)?;
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
        forth(packets, &mut out, version).unwrap();
        out
    }

    fn answered(packets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        back(packets, &mut out).unwrap();
        out
    }

    #[test]
    fn an_unsubscribe_is_acknowledged_once() {
        let once = [0xb0, 2, 0, 7];
        let v5 = [0xb0, 4, 0, 8, 0, 0];
        let publish = [0x30, 4, 0, 1, b'a', 1];
        let all = [&once[..], &once, &publish, &once, &v5, &v5, &once].concat();
        // A packet identifier that comes again after another is a new packet's.
        assert_eq!(answered(&all), [&once[..], &publish, &v5, &once].concat());
        for malformed in [&[0xb0, 0, 0xb0, 0][..], &[0xb0, 1, 0], &[0xb0, 3, 0, 1]] {
            assert_eq!(answered(malformed), malformed);
        }
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
        assert!(forth(&[0x82, 0xff, 0xff, 0xff, 0xff][..], io::sink(), Version::V5).is_err());
        assert!(forth(&[0x30, 0x80][..], io::sink(), Version::V5).is_err());
    }
}

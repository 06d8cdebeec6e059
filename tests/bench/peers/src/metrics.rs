//! A host's `/metrics`, as far as a soak needs it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Every value of a host's metrics by its name, those of one name with different labels added up.
///
/// # Errors
///
/// The host does not answer.
pub(crate) fn read(host: SocketAddr) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut socket = TcpStream::connect(host)?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "/metrics was answered: {head}");
    Ok(sums(body))
}

fn sums(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let name = name.split('{').next().unwrap_or(name);
        *sums.entry(name.to_owned()).or_default() += value.parse().unwrap_or(0.0);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::sums;

    #[test]
    fn labels_are_added_up() {
        let text = "# TYPE a gauge\na{door=\"x y\"} 2\na{door=\"z\"} 3\nb 7\n# EOF\n";
        let sums = sums(text);
        assert_eq!((sums["a"], sums["b"]), (5.0, 7.0));
    }
}

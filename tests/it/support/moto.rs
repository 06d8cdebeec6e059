//! A real S3 server over HTTP: moto (PyPI), installed under the target folder when it is missing.
//!
//! A part that is missing is a failure, never a skip: without it nothing shows that the store works over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use capshare::host::storage::S3Options;

use crate::support::install;

const PACKAGE: &str = "moto[server]==5.2.5";

/// moto answers each request on a thread, and looks whether an object is there before it puts one, without a lock: on a busy
/// machine two creates of one key both succeed now and then. S3's do not, so here its puts go one at a time.
const SERVER: &str = "
import sys, threading
from moto.s3.responses import S3Response
from moto.server import main
lock, put = threading.Lock(), S3Response.put_object
def one_at_a_time(self):
    with lock:
        return put(self)
S3Response.put_object = one_at_a_time
main(sys.argv[1:])
";

/// A server with one empty bucket, `shares`; ended when dropped.
pub(crate) struct Moto {
    server: Child,
    address: SocketAddr,
}

impl Moto {
    pub(crate) fn start() -> Self {
        // Port 0: the system picks a free one, and the server says which.
        let mut server = Command::new(install::python("moto", &[PACKAGE]).join("python"))
            .args(["-c", SERVER, "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("http://127.0.0.1:").nth(1)?.trim().parse().ok())
            .expect("moto says which port it listens on");
        // It logs each request; unread, the pipe would fill up and hold it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let moto = Self { server, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let answer = moto.ask("PUT /shares HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200"), "the bucket was not made: {answer}");
        moto
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            endpoint: Some(format!("http://{}", self.address)),
            access_key_id: Some("key".to_owned()),
            secret_access_key: Some("secret".to_owned()),
            allow_http: true,
            ..S3Options::default()
        }
    }

    /// Switches the bucket's versioning: `Enabled` or `Suspended`.
    pub(crate) fn set_versioning(&self, status: &str) {
        let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        let answer = self.ask_with("PUT /shares?versioning HTTP/1.1", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "the versioning was not switched: {answer}");
    }

    pub(crate) fn remove_bucket(&self) {
        let answer = self.ask("DELETE /shares HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 204"), "the bucket was not removed: {answer}");
    }

    fn ask(&self, request: &str) -> String {
        self.ask_with(request, "")
    }

    fn ask_with(&self, request: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(self.address).expect("moto listens");
        // moto takes the service from the credential's scope.
        let authorization = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, \
                             Signature=0";
        write!(
            connection,
            "{request}\r\nHost: {}\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .expect("moto takes a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("moto answers");
        answer
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

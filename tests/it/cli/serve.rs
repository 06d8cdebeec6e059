//! `capshare serve`: its settings, its start and its end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use super::program::Home;
use crate::support::moto::Moto;

const KEY: &str = "a-key-that-nobody-may-read";

#[test]
fn the_start_up_line_says_address_store_and_mode() {
    let home = Home::new();
    let mut program = home.start(&["serve", "--listen", "127.0.0.1:0"]);
    let line = program.stdout.wait_for(|_| true);
    let store = home.path(".local/share/capshare/shares");
    assert!(line.contains(" listens on 127.0.0.1:"), "{line}");
    assert!(line.contains(store.to_str().unwrap()), "{line}");
    assert!(line.contains("every program of this machine is account local"), "{line}");

    let mut program = home.start(&[
        "serve",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--store",
        "memory:",
        "--key",
        &format!("ann={KEY}"),
    ]);
    let line = program.stdout.wait_for(|_| true);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["store"], &line["access"]), (&json!("memory:"), &json!("stored tokens, 1 shared key")));
}

#[test]
fn a_flag_wins_over_a_variable_that_over_the_file_and_check_says_which() {
    let home = Home::new()
        .set("CAPSHARE_STORE", "s3://variable/prefix")
        .set("CAPSHARE_LISTEN", "127.0.0.1:2")
        .set("CAPSHARE_OPENCODE_ACCOUNT", "ann")
        .set("AWS_ACCESS_KEY_ID", "id")
        .set("AWS_SECRET_ACCESS_KEY", KEY)
        .set("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
    let file = home.write(
        "host.toml",
        "listen = '127.0.0.1:3'\nstore = 'memory:'\nworkers = 3\nconnections_max = 20000\nshare_ttl = '7d'\nkeys = ['bob=another-key-of-the-file']\n[quota]\nbytes_max = '1KiB'\nshares_max = 3\n[s3]\nregion = 'mars'\n",
    );
    let ran = home.run(&["serve", "--check", "--json", "--config", &file, "--listen", "127.0.0.1:1"]).ends_with(0);
    let shown = &ran.objects()[0];
    for (name, value, from) in [
        ("listen", json!("127.0.0.1:1"), "--listen"),
        ("store", json!("s3://variable/prefix"), "CAPSHARE_STORE"),
        ("workers", json!(3), "workers in the file"),
        ("connections_max", json!(20_000), "connections_max in the file"),
        ("open", json!(false), "default"),
        ("opencode_account", json!("ann"), "CAPSHARE_OPENCODE_ACCOUNT"),
        ("single_writer", json!(false), "default"),
        ("linger", json!("0s"), "default"),
        ("drain_within", json!("auto"), "default"),
        ("share_ttl", json!("7days"), "share_ttl in the file"),
        ("quota.bytes_max", json!(1_024), "quota.bytes_max in the file"),
        ("quota.shares_max", json!(3), "quota.shares_max in the file"),
        ("share_ttl_max", json!(null), "default"),
        ("keys", json!(["bob=[secret]"]), "keys in the file"),
        ("s3.endpoint", json!("http://127.0.0.1:9000"), "AWS_ENDPOINT_URL"),
        ("s3.region", json!("mars"), "s3.region in the file"),
        ("s3.secret_access_key", json!("[secret]"), "AWS_ACCESS_KEY_ID"),
    ] {
        assert_eq!(shown[name], json!({ "value": value, "from": from }), "{name}");
    }
    // Where each write is paid for, they are fewer.
    let amazon = Home::new().set("AWS_ACCESS_KEY_ID", "id").set("AWS_SECRET_ACCESS_KEY", KEY).set("AWS_REGION", "mars");
    let shown = amazon.run(&["serve", "--check", "--json", "--store", "s3://bucket"]).ends_with(0).objects()[0].clone();
    assert_eq!(shown["linger"], json!({ "value": "200ms", "from": "default" }));
    let people = home.run(&["serve", "--check", "--config", &file]).ends_with(0);
    for said in [ran.everything(), people.everything()] {
        assert!(!said.contains(KEY) && !said.contains("another-key"), "{said}");
    }
}

#[test]
fn settings_that_cannot_be_right_say_where_they_come_from_and_no_secret() {
    let home = Home::new();
    let short = home.write("keys", "ann=a-key-that-nobody-may-read\nbob=short\n");
    let number = home.write("number.toml", "listen = '127.0.0.1:3'\nkeys = [4711471147114711]\n");
    let unknown = home.write("unknown.toml", "sotre = 'memory:' # a-key-that-nobody-may-read\n");
    for (arguments, says) in [
        (vec!["--listen", "localhost"], "--listen"),
        (vec!["--store", "ftp://x/y"], "s3://BUCKET/PREFIX"),
        (vec!["--store", "s3://bucket"], "AWS_ACCESS_KEY_ID"),
        (vec!["--key", "a-key-that-nobody-may-read"], "ACCOUNT=KEY"),
        (vec!["--key-file", &short], "line 2"),
        (vec!["--config", &number], "line 2"),
        (vec!["--config", &unknown], "sotre"),
        (vec!["--workers", "many"], "--workers"),
        (vec!["--connections-max", "0"], "--connections-max"),
        (vec!["--opencode-account", "../x"], "--opencode-account"),
        (vec!["--linger", "11s"], "--linger"),
        (vec!["--drain-within", "25h"], "--drain-within"),
        (vec!["--account-bytes-max", "7 apples"], "--account-bytes-max"),
        (vec!["--share-ttl", "7"], "--share-ttl"),
        (vec!["--share-ttl", "8d", "--share-ttl-max", "7d"], "--share-ttl-max"),
        (vec!["--public-url", "share.example.org"], "https://share.example.org"),
        (vec!["--public-url", "https://share.example.org/#f"], "without query and fragment"),
        (vec!["--public-url", "https://share.example.org/?q"], "without query and fragment"),
        (vec!["--public-url", "https://share.example.org?"], "without query and fragment"),
        (vec!["--address-connections-max", "0"], "--address-connections-max"),
    ] {
        let ran = home.run(&[&["serve", "--check", "--json"], arguments.as_slice()].concat()).ends_with(2);
        let error = ran.error();
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!((&error["code"], &error["exit"]), (&json!("Usage"), &json!(2)));
        assert!(!ran.everything().contains(KEY) && !ran.everything().contains("4711"), "{}", ran.everything());
    }
}

#[test]
fn without_keys_it_serves_this_machine_only_unless_told() {
    let home = Home::new();
    let refused = home.run(&["serve", "--listen", "0.0.0.0:0"]).ends_with(2);
    assert!(refused.stderr.contains("--key-file") && refused.stderr.contains("--open"), "{}", refused.stderr);

    let mut open = home.start(&["serve", "--listen", "0.0.0.0:0", "--open", "--store", "memory:"]);
    open.stdout.wait_for(|line| line.contains("everybody is account local") && line.contains("URL http://127.0.0.1:"));
    open.stderr.wait_for(|line| line.contains("everybody who reaches this port"));
    open.stderr.wait_for(|line| line.contains("work on this machine only: set --public-url"));
    let mut keyed =
        home.start(&["serve", "--listen", "0.0.0.0:0", "--store", "memory:", "--key", &format!("ann={KEY}")]);
    keyed.stdout.wait_for(|line| line.contains("1 shared key"));
    let mut behind = home.start(&["serve", "--listen", "127.0.0.1:0", "--public-url", "https://share.example.org"]);
    behind.stderr.wait_for(|line| line.contains("without keys nobody may share through it"));
}

#[test]
fn what_cannot_be_had_ends_the_start_with_a_code_of_its_own() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = home.run(&["serve", "--store", "memory:", "--listen", &address]).ends_with(8);
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("--listen"), "{}", ran.stderr);

    let file = home.write("file", "");
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--store", &format!("{file}/inside")]).ends_with(7);
    assert!(ran.stderr.contains("make it writable"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_bucket_is_reached_by_the_usual_variables_and_a_missing_one_is_said() {
    let moto = Moto::start();
    let options = moto.options();
    let home = Home::new()
        .set("AWS_ACCESS_KEY_ID", &options.access_key_id.unwrap())
        .set("AWS_SECRET_ACCESS_KEY", KEY)
        .set("AWS_ENDPOINT_URL", &options.endpoint.unwrap());
    let host = home.serve(&["--store", "s3://shares/below"]);
    home.run(&["push", "--to", &host.url, super::program::EXPORT]).ends_with(0);
    assert_eq!(home.run(&["ls", "--to", &host.url, "--json"]).ends_with(0).objects().len(), 1);
    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    assert!(said.contains("s3://shares/below") && !said.contains(KEY), "{said}");

    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--store", "s3://nothing"]).ends_with(7);
    assert!(ran.stderr.contains("there is no bucket nothing") && !ran.stderr.contains(KEY), "{}", ran.stderr);
}

/// In front of an S3 server: conditions do not get through.
fn careless(endpoint: &str) -> String {
    let to = endpoint.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&to).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server.try_clone().unwrap(), client.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || {
                    let mut bytes = vec![0; 1 << 20];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        let condition = b"if-none-match";
                        let found = bytes[..count].windows(condition.len()).position(|at| at == condition);
                        if let Some(at) = found {
                            bytes[at..at + condition.len()].copy_from_slice(b"x-of-no-worth");
                        }
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn a_bucket_that_ignores_conditional_writes_is_refused_unless_this_is_its_only_host() {
    let moto = Moto::start();
    let options = moto.options();
    let home = Home::new()
        .set("AWS_ACCESS_KEY_ID", &options.access_key_id.unwrap())
        .set("AWS_SECRET_ACCESS_KEY", KEY)
        .set("AWS_ENDPOINT_URL", &careless(&options.endpoint.unwrap()));
    let store = ["--store", "s3://shares/careless"];
    let refused = home.run(&[&["serve", "--listen", "127.0.0.1:0"], &store[..]].concat()).ends_with(7);
    assert!(refused.stderr.contains("ignores conditional writes"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--single-writer"), "{}", refused.stderr);

    let host = home.serve(&[&["--single-writer"], &store[..]].concat());
    let pushed = home.run(&["push", "--to", &host.url, super::program::EXPORT, "--json"]).ends_with(0).objects();
    home.run(&["rm", "--to", &host.url, pushed[0]["id"].as_str().unwrap()]).ends_with(0);
    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0);
    assert_eq!(said.stderr.lines().filter(|line| line.contains("a second host over it would lose")).count(), 1);
}

#[test]
fn a_first_signal_ends_it_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let home = Home::new();
        let mut host = home.serve(&[]);
        let share = home.run(&["push", "--to", &host.url, super::program::EXPORT]).ends_with(0);
        assert!(share.stdout.contains("synced"), "{}", share.stdout);
        host.program.signal(signal);
        host.program.stderr.wait_for(|line| line.contains("stopping"));
        host.program.wait().ends_with(0);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let mut host = home.serve(&[]);
    // A peer that never answers the Close frame, which the host waits for.
    let mut peer = TcpStream::connect(host.url.strip_prefix("http://").unwrap()).unwrap();
    let upgrade = "GET /rpc/share HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    peer.write_all(upgrade.as_bytes()).unwrap();
    let mut answer = [0; 12];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    host.program.signal("-INT");
    host.program.stderr.wait_for(|line| line.contains("stopping"));
    host.program.signal("-INT");
    host.program.wait().ends_with(130);
}

#!/usr/bin/env bash
# Squid 5.7 (Debian 12): the protocol name of its own example lets no browser's WebSocket through.
#
# Since Squid 5 an upgrade passes only with `http_upgrade_request_protocols`. Its documentation gives "WebSocket" as an example of a name,
# and says in the next sentence that names are case sensitive. RFC 9110 (7.8) says that a recipient should compare them without regard
# to case; browsers and nearly all libraries send `Upgrade: websocket`. So with the example's spelling Squid removes the header, the origin
# sees a plain GET, and the client gets its 426. In lower case it works. One Squid for each spelling, before an origin that upgrades.
#
# Output seen:
#     Squid 5.7, rule WebSocket, client websocket: origin saw no upgrade, client got 426
#     Squid 5.7, rule WebSocket, client WebSocket: origin saw WebSocket, client got 101
#     Squid 5.7, rule websocket, client websocket: origin saw websocket, client got 101
# Exits 0 as long as that is so. Needs Debian 12 with apt and python3; nothing is installed, packages are unpacked.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq squid=5.7-2+deb12u6 squid-common=5.7-2+deb12u6 squid-langpack libecap3 libltdl7 libnetfilter-conntrack3 \
    libnfnetlink0 libtdb1 ||
    { echo "these packages cannot be had: run apt-get update, or change the versions" >&2; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" unpacked; done
export LD_LIBRARY_PATH=$folder/unpacked/usr/lib/$(uname -m)-linux-gnu
mkdir -p state && chmod 777 state

cat > scene.py <<'PYTHON'
import os, socket, subprocess, sys, threading, time

folder, squid = sys.argv[1], sys.argv[1] + "/unpacked/usr/sbin/squid"
seen = []


def head(peer):
    text = b""
    while b"\r\n\r\n" not in text:
        more = peer.recv(4096)
        if not more:
            break
        text += more
    return text.decode("latin-1").split("\r\n")


def field(lines, name):
    return next((line.split(":", 1)[1].strip() for line in lines[1:] if line.lower().startswith(name + ":")), None)


def serve(listener):
    while True:
        peer, _ = listener.accept()
        upgrade = field(head(peer), "upgrade")
        seen.append(upgrade)
        if upgrade:
            peer.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n\r\n".encode())
        else:
            peer.sendall(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n")
        peer.close()


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, name):
    with socket.create_connection(("127.0.0.1", port), 20) as peer:
        peer.sendall(
            f"GET /chat HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: {name}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return head(peer)[0].split(" ")[1]


origin = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(origin,), daemon=True).start()
version = subprocess.run([squid, "-v"], capture_output=True, text=True).stdout.split("Version ")[1].split()[0]
told = []
for rule, clients in (("WebSocket", ("websocket", "WebSocket")), ("websocket", ("websocket",))):
    port = free()
    with open(f"{folder}/{rule}.conf", "w") as file:
        file.write(f"""
http_port 127.0.0.1:{port} accel defaultsite=example.test no-vhost
cache_peer 127.0.0.1 parent {origin.getsockname()[1]} 0 no-query no-digest originserver
http_upgrade_request_protocols {rule} allow all
http_access allow all
cache deny all
cache_mem 1 MB
pid_filename none
access_log none
cache_log {folder}/state/{rule}.log
netdb_filename none
mime_table {folder}/unpacked/usr/share/squid/mime.conf
icon_directory {folder}/unpacked/usr/share/squid/icons
error_directory {folder}/unpacked/usr/share/squid-langpack/en
unlinkd_program /bin/true
pinger_enable off
coredump_dir {folder}/state
cache_effective_user nobody
shutdown_lifetime 1 seconds
""")
    one = subprocess.Popen([squid, "-N", "-f", f"{folder}/{rule}.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        for name in clients:
            seen.clear()
            status = ask(port, name)
            told.append(f"Squid {version}, rule {rule}, client {name}: origin saw {seen[-1] if seen and seen[-1] else 'no upgrade'}, client got {status}")
    finally:
        one.kill()
        one.wait()
print("\n".join(told))
PYTHON
python3 scene.py "$folder" | tee output || { cat state/*.log >&2; exit 1; }
diff output - <<'SEEN'
Squid 5.7, rule WebSocket, client websocket: origin saw no upgrade, client got 426
Squid 5.7, rule WebSocket, client WebSocket: origin saw WebSocket, client got 101
Squid 5.7, rule websocket, client websocket: origin saw websocket, client got 101
SEEN

#!/bin/sh
# Builds the C++ client: build.sh SCHEMA OUT. Needs capnp, libcapnp 0.9 or newer with its headers, pkg-config and g++.
set -eu
schema=$1 out=$2 here=$(dirname "$0")
if [ "$out/client" -nt "$schema" ] && [ "$out/client" -nt "$here/client.cpp" ] && [ "$out/client" -nt "$0" ]; then
    exit 0
fi
mkdir -p "$out"
capnp compile -oc++:"$out" --src-prefix="$(dirname "$schema")" "$schema"
# Debian's package tells where its libraries are. Without optimisation: it is the quicker build that counts here.
flags=$(pkg-config --cflags --libs capnp-websocket capnp-rpc kj-http kj-async)
g++ -std=c++14 -O0 -I"$out" -o "$out/client.new" "$here/client.cpp" "$out/share.capnp.c++" $flags
mv "$out/client.new" "$out/client"

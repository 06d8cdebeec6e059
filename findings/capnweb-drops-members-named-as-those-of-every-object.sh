#!/usr/bin/env bash
# capnweb 0.12.0 (npm): members of plain objects whose names every JavaScript object has are left out by the receiver, without a word.
#
# One end sends {"name", "constructor", "valueOf", "toJSON"}; the method of the other end gets {"name"}. The members are on the wire:
# what drops them is the reading side, by name, and neither end is told, so the text of a JSON document is not what comes back of it.
# Data with free keys (a table of word counts has "constructor" sooner or later) has to cross as a string. 0.4.0 and 0.6.1 do so too.
#
# Output seen:
#     sent:     {"name":"a","constructor":"b","valueOf":"c","toJSON":"d"}
#     received: {"name":"a"}
# Exits 0 as long as that is so, 2 if it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --no-audit --no-fund --silent capnweb@0.12.0 || exit 2
cat > both.mjs <<'JS'
import { RpcTarget, newMessagePortRpcSession } from "capnweb";

class Keeper extends RpcTarget {
  asText(value) {
    return JSON.stringify(value);
  }
}

const { port1, port2 } = new MessageChannel();
newMessagePortRpcSession(port1, new Keeper());
const keeper = newMessagePortRpcSession(port2);
const value = { name: "a", constructor: "b", valueOf: "c", toJSON: "d" };
console.log("sent:    ", JSON.stringify(value));
console.log("received:", await keeper.asText(value));
process.exit(0);
JS
node both.mjs | tee seen
diff - seen <<'SEEN'
sent:     {"name":"a","constructor":"b","valueOf":"c","toJSON":"d"}
received: {"name":"a"}
SEEN

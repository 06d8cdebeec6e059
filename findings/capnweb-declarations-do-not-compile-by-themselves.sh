#!/usr/bin/env bash
# capnweb 0.12.0 (npm): its own declarations do not pass the TypeScript compiler, so each project that imports it needs `skipLibCheck`.
#
# `dist/index.d.ts` spreads `Unstubify<Tail>`, a conditional type, inside a tuple type, which TypeScript allows only of what it knows to
# be an array. A project of one line that imports one function fails in that file and not in its own. 0.6.1 does too.
#
# Output seen, TypeScript 5.9.3:
#     node_modules/capnweb/dist/index.d.ts(63,333): error TS2574: A rest element type must be an array type.
#     node_modules/capnweb/dist/index.d.ts(63,469): error TS2574: A rest element type must be an array type.
#     with skipLibCheck: 0
# Exits 0 as long as that is so, 2 if it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --no-audit --no-fund --silent capnweb@0.12.0 typescript@5.9.3 @types/node@24.0.0 || exit 2
echo 'import { newWebSocketRpcSession } from "capnweb"; export const session = newWebSocketRpcSession;' > index.ts
check() { npx --no-install tsc --noEmit --strict --target esnext --module nodenext "$@" index.ts; }
{
    check || true
    check --skipLibCheck && echo "with skipLibCheck: 0"
} | tee seen
diff - seen <<'SEEN'
node_modules/capnweb/dist/index.d.ts(63,333): error TS2574: A rest element type must be an array type.
node_modules/capnweb/dist/index.d.ts(63,469): error TS2574: A rest element type must be an array type.
with skipLibCheck: 0
SEEN

@0xd5c9f2a81b7e4630;
# capshare: the contract between a host and its clients, version 1.
#
# A *producer* (a coding agent, or another service) publishes a live *session* as a *share*: it creates the share, syncs
# what changes, and deletes it. *Viewers* follow a share. The *host* keeps shares in a bucket and calls clients back over
# the connection that they opened. A client needs one connection: a WebSocket on `/rpc/share` (or any byte stream,
# such as an in-process pipe) that carries two-party Cap'n Proto RPC, level 1. `ShareRpc` is the bootstrap capability.
#
# Bytes. The sender puts exactly one message, framed with its segment table, into one binary WebSocket message; the
# receiver concatenates binary payloads and reads them as a byte stream, so that bridges may cut them anywhere. A text
# frame is refused with close code 1003.
#
# The same calls are served in Cap'n Web, JSON RPC for TypeScript and browsers, on `/rpc/share/web`: with values in place of structs,
# errors in place of `refused`, and the capability itself in place of a result with one. Its types are at `/rpc/share/web.d.ts`.
#
# Shares. A share is a set of *items*, each under a *key*, each a JSON text that the host keeps as it came (but for white
# space around it, which is dropped, and line breaks between tokens, which become spaces). A sync upserts and removes items; the
# newest value of a key wins, in order of arrival at the share's log. Every accepted sync raises `syncCount` by one. Every
# accepted sync that changed anything raises `revision` by one: revision numbers the states of a share, so a follower that
# holds revision r needs exactly what came after r. What has been answered with success is in the bucket; followers are
# told only what is in the bucket.
#
# Ids and capabilities. A share can be reached by id and secret (`syncShare`, `deleteShare`) or by a capability (`Share`,
# `ShareWriter`, `ShareView`), which its secret, a saved token or its account's own credential gives. A capability is the
# better form: its interface is what its holder may do; it can be narrowed and handed on, and never widened; it ends when it
# is revoked or when its connection ends.
#
# Refusals and faults. An expected "no" is a refusal, which is data: each result is a union with `refused`, whose facts a
# program can use.
# An exception means a fault: *disconnected* (dial again; what was pending may or may not have happened), *overloaded*
# (the reason begins with `LimitExceeded`; slow down), *failed* (a fault of the host, or a call that breaks the contract;
# do not repeat it), *unimplemented* (the peer is older than the call). Capabilities in results stand outside the unions, so that calls can be
# pipelined on them before the answer is there; where the result is `refused`, the capability answers each call with that
# refusal.
#
# Dropping. Dropping a promise cancels the call that it stands for: its handler stops, but what it has already handed to
# the log is committed all the same, and the call is returned as `canceled`. A call that is cancelled while it waits for a
# promise cannot be returned: of those a host keeps 10,000 and then closes with 1012. Dropping a `Share`, `ShareWriter` or
# `ShareView` releases it on the host and nothing more: the share lives on. Dropping a `Watch` ends the watch. Dropping a
# `Registration` withdraws what was registered. When the connection ends, every capability that went over it, in both
# directions, is released, and every call cancelled.
#
# Evolution. Members are never renumbered or removed; new ones get the next ordinal. A change that an old peer would
# misread raises `contractVersion`, and peers of different versions refuse each other at `hello` (and at the WebSocket
# upgrade, by the subprotocol `capshare.1`). Parts of the contract that this host does not serve yet answer `notYet`.
#
# Third parties and tail calls. This is level 1: a capability that is offered by way of a third party (`thirdPartyHosted`) is
# called through its vine. A call whose results are to go elsewhere (`sendResultsTo.yourself`) is not run: it is returned as
# `resultsSentElsewhere`, and the host's own call that was to take them fails as *unimplemented*.
#
# Closing. A WebSocket that the host closes carries a code, and a client does this on each:
#
#     1000  done: do nothing; if the client had sent an Abort: come back if there is more to do
#     1008  too slow to read or to authenticate: come back
#     1002  not this protocol: give up                   1009  a message past `messageBytesMax`: send smaller ones
#     1003  a text frame: give up                        1011  a fault of the host: come back later
#     1012  the host is restarting or drained, or keeps too many cancelled calls: come back, here or elsewhere; the reason
#           may name at most two URLs of other hosts, each after a space
#     1013  the host is full, and others have shown a credential: come back later
#     4001  the credential was revoked or has expired, or an administrator closed the connection: final
#     4002  the host was silent for too long (sent by clients): come back
#     4003  the client was silent for too long: come back
#     4004  the account, or without a credential the address, has more connections than it may, and this was its oldest:
#           final
#
# Final: the client does not connect again by itself, at no host, and what it had queued fails with the reason. Coming back means with
# growing, jittered delays; a client that knows several hosts tries each of them at once before the first delay. After a close nothing of the connection is dispatched or delivered.
#
# The Rust code for this file is generated from `share.req`, the compiler's own request, so that nobody who builds
# capshare needs the compiler. After each change: capnp compile --src-prefix=schema -o- schema/share.capnp > schema/share.req

using Rev = UInt64;
# A revision: the number of a share's state. 0 is the empty state before the first change.

using Milliseconds = Int64;
# A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.

const contractVersion :UInt32 = 1;
# The contract's version, which `hello` compares.

# ======================================================================================================================
# Limits. A host may be configured with lower ones, never with higher ones; a call that is past a limit is answered
# `limitExceeded` with the limit's name.

const messageBytesMax :UInt64 = 4194304;
# Bytes of one message, and so of one WebSocket frame: 4 MiB. A larger one ends the connection with close code 1009. Larger states
# travel in chunks.

const chunkBytesMax :UInt64 = 262144;
# Bytes of one chunk of a read or of an event, unless a single item is larger.

const itemBytesMax :UInt64 = 4128768;
# Bytes of one item's JSON text: a message less 64 KiB for everything around it.

const itemNestingMax :UInt32 = 100;
# Arrays and objects inside one another in an item's JSON text.

const syncItemsMax :UInt32 = 2000;
# Items in one sync.

const shareItemsMax :UInt32 = 100000;
# Items that a share holds.

const shareBytesMax :UInt64 = 268435456;
# Bytes of keys and JSON texts that a share holds: 256 MiB.

const shareGrantsMax :UInt32 = 256;
# Saved capabilities (grants) of a share that are valid at once.

const grantLabelBytesMax :UInt32 = 128;
# Bytes of the label of a saved capability. A label has no control characters.

const idBytesMax :UInt32 = 256;
# Bytes of an id inside an item (message, part, model), or of the type of an `other` item.

const sessionIdBytesMax :UInt32 = 128;
# Bytes of a session id, which has letters, digits and `_ . : @ = + ~ -`, with no dot first.

const shareTtlMsMax :UInt64 = 3155760000000;
# Milliseconds after which a share expires at the latest, if it expires: 100 years.

# Limits without a constant, because the host's operator sets them, or not: `accountSharesMax` (shares of the account),
# `accountBytesMax` (bytes of keys and JSON texts in all of them) and `accountBytesPerDayMax` (such bytes synced in 24
# hours). `max` is then the operator's figure, and the refusal's message says what to do.

const callsInFlightMax :UInt32 = 512;
# Calls of one connection that are unanswered at once.

const capabilitiesHeldMax :UInt32 = 1024;
# Capabilities (shares, views, watches) that the host holds for one connection.

const hostUrlsToldMax :UInt32 = 16;
# URLs of other hosts in one answer or push, each of at most `hostUrlBytesMax` bytes.

const hostUrlBytesMax :UInt32 = 256;
# Bytes of the URL of a host.

const listPageMax :UInt32 = 1000;
# Entries in one page of `listShares`.

const titleTextBytesMax :UInt32 = 256;
# Bytes of the text in a `ShareFilter`'s title.

const pushBytesMax :UInt32 = 65536;
# Bytes of one push (its name and its text), and of its answer. Larger things belong in a share.

const pushesInFlightMax :UInt32 = 64;
# Pushes to one connection that its client has not answered.

# ======================================================================================================================
# The root

interface ShareRpc {
  # The bootstrap capability. On a connection that was opened with a credential (or on a host that needs none) it has the rights
  # of the credential's account. On a connection that was opened for authentication in-band it serves only `hello`,
  # `authenticate` and the probes.

  hello @0 (contractVersion :UInt32, agent :Text, mover :Mover) -> (result :HelloResult);
  # The first call of a connection. `agent` names the client for the host's logs, such as "opencode/1.18.33". A version
  # that the host does not speak is refused with `protocolMismatch`, and so is every later call on this connection.
  # A client that never calls `hello` is assumed to speak the host's version. A client that can go to another host without a
  # pause gives a `mover`; without one it is told where to go by the reason of close code 1012.

  authenticate @1 (token :Text) -> (result :AuthenticateResult, rpc :ShareRpc);
  # Authenticates in-band, for clients that cannot set headers: `rpc` is a `ShareRpc` with the rights of the token's account.
  # The rights of this capability stay as they are.

  createShare @2 (sessionId :Text, initialData :List(SyncItem), stamp :BatchStamp, ttlMs :UInt64, visibility :Visibility)
      -> (result :CreateResult, share :Share);
  # Publishes a session. If there is `initialData`, which may be an empty list, the data is in the bucket and `syncCount` is 1
  # when this returns. An account that shares a session again gets the share that it has, with a further secret that is as good
  # as the first, and its `initialData` counts as a sync. Sessions of other accounts are never touched.
  # A caller that shows no credential, on a host that lets everybody in, gets a new share each time, because a share shows the
  # id of its session to everybody who sees it. In `ShareInfo.sessionId` and in listings its share has another name than the
  # session's id: `~` and 26 characters of a-z and 2-7 (and perhaps as many again), which the host makes. Such a name is
  # `invalidInput` as a `sessionId`. The holder of a share's secret goes on with the share by `openShare`.
  # After `ttlMs` milliseconds, by the host's clock, the share expires, which is as if it were deleted; 0 means the host's
  # default for a new share, and no change for one that was shared before. See `ShareWriter.setExpiry`. `visibility` says who
  # may see the share, from the first moment; `unset` means the host's default for a new share, and no change for one that was
  # shared before.

  syncShare @3 (shareId :Text, secret :Text, data :List(SyncItem), stamp :BatchStamp) -> (result :SyncResult);
  # Applies one batch, whole or not at all. Calls are applied in the order in which they were made on one connection.

  deleteShare @4 (shareId :Text, secret :Text) -> (result :DeleteResult);
  # Deletes a share for ever: its content is erased from the bucket, its followers are told, and its id is never used again.

  openShare @5 (shareId :Text, secret :Text) -> (result :OpenResult, share :Share);
  # Opens the share that has this secret as a capability.

  viewShare @6 (shareId :Text) -> (result :OpenResult, view :ShareView);
  # Opens a share for reading, for callers who may see it (see `Visibility`); others are answered `unauthorized`. Everybody who
  # knows its id may see a share that is visible by its link. The holder of a saved token uses `restore`. When the share becomes
  # visible to fewer, the views of those who may not see it any more answer `unauthorized`, and their watches end, on other
  # hosts within a second.

  listShares @7 (cursor :Text, limit :UInt32, everyAccount :Bool) -> (result :ListResult);
  # Lists the account's own shares, in no particular order. Begin with an empty cursor and go on with `nextCursor` until it is
  # empty. `limit` is at most `listPageMax`; 0 means 100. `everyAccount` needs the scope `admin`.

  probeValue @8 (input :ProbeValue) -> (output :ProbeValue);
  # Returns its argument: a time, bytes and a struct within a struct.

  probeCallback @9 (callback :ProbeCallback) -> (reply :Text);
  # Calls `callback` once with "server-called" and returns its answer. An exception of the callback becomes this call's,
  # and so does an answer that does not come within 30 s.

  offerSink @10 (sink :ClientSink) -> (result :OfferResult, registration :Registration);
  # Gives the host a sink to push to this client, until the registration is dropped or the connection ends.

  restore @11 (token :Text) -> (result :RestoreResult, share :Share, writer :ShareWriter, view :ShareView);
  # Restores the capability that was saved as this token. The result says which of the three it is; the other two refuse. A
  # token that is wrong, revoked or expired is answered `unauthorized`, and a token of a share that is gone `notFound`. To write
  # through the capability, the connection's own credential must have the scope `share:write`, as for `syncShare`.

  admin @12 () -> (result :AdminResult, admin :Admin);
  # Opens the interface for administrators, for credentials with the scope `admin`.

  call @13 (procedure :Text, data :Text, withinMs :UInt32) -> (result :CallResult);
  # Calls a procedure of the service that embeds the host. `data` is JSON within `itemBytesMax` and `itemNestingMax`. While the
  # call is open the service may push to the sink of this connection; such pushes end with the call. `withinMs` is how long the
  # caller waits, which the host's own limit (30 s unless set otherwise) can only shorten; 0 leaves it to the host.

  ownShare @14 (shareId :Text) -> (result :OpenResult, share :Share);
  # Opens a share of the caller's own account as a capability, without its secret. The caller must show a credential of the
  # account that created the share, with the scope `share:write`. A caller without such a credential is answered `unauthorized`
  # whatever the id is, and a share of another account is answered `notFound`. The capability ends with the connection, and the
  # connection with the credential.
}

struct HelloResult {
  union {
    welcome :group {
      contractVersion @0 :UInt32;
      agent @1 :Text;
      # The host's name and version, such as "capshare/0.1.0".
      connectionId @2 :Text;
      # The connection's id, by which the host's logs and administrators name it.
      account @3 :Text;
      # The account whose rights this connection has; empty before authentication in-band.
      hosts @5 :List(Text);
      # The URLs of the other hosts of this deployment, at most `hostUrlsToldMax`, such as "https://b.example.org"; without a path,
      # the path is that of RPC. Empty if the host knows of none. A client that loses this host goes on at one of them. It shows a
      # credential only to hosts that its user named, or that were named over TLS and are reached over TLS.
      store @6 :Text;
      # The id of the store, 26 characters of a-z and 2-7, which all hosts over one bucket have in common; empty if the host does
      # not know it. It is not secret and proves nothing. Clients keep the secrets of shares under it.
    }
    refused @4 :Refusal;
  }
}

interface Mover {
  # Implemented by a client that can go to another host without a pause.

  moveTo @0 (urls :List(Text), withinMs :UInt32) -> ();
  # The host is going to close this connection with code 1012, at the latest after `withinMs` milliseconds: go to one of these
  # hosts, at most `hostUrlsToldMax`, each with a URL as in `hosts`; empty if the host knows of none, and the client then goes where
  # it knows, or to its own URL, behind which another host may be by then. The client opens the new connection first, goes on
  # there, has what is in flight here answered, and then closes this connection.
}

struct AuthenticateResult {
  union {
    account @0 :Text;
    refused @1 :Refusal;
  }
}

struct CreateResult {
  union {
    created :group {
      id @0 :Text;
      # 26 characters of a-z and 2-7, from 128 random bits.
      url @1 :Text;
      # The address of the share's page, for people.
      secret @2 :Text;
      # "capsec_" and 43 characters of base64url, from 256 random bits; the host keeps only its hash. Keep it: `syncShare` and
      # `deleteShare` ask for it. The 32 newest secrets of a share are valid.
      syncCount @3 :UInt64;
      revision @4 :Rev;
      existed @5 :Bool;
      # Whether the account had shared this session already, so that this is the share that it has.
    }
    refused @6 :Refusal;
  }
}

struct SyncResult {
  union {
    synced :group {
      syncCount @0 :UInt64;
      # The number of this batch, which no other batch of the share has.
      revision @1 :Rev;
      # The share's revision after this batch.
      duplicate @2 :Bool;
      # Whether the batch had been applied before (see `BatchStamp`); the numbers are then those of that time.
    }
    refused @3 :Refusal;
  }
}

struct DeleteResult {
  union {
    deleted @0 :Void;
    refused @1 :Refusal;
  }
}

struct OpenResult {
  union {
    info @0 :ShareInfo;
    refused @1 :Refusal;
  }
}

struct ListResult {
  union {
    page :group {
      shares @0 :List(ShareListing);
      nextCursor @1 :Text;
      # Empty after the last page.
      damaged @3 :List(DamagedListing);
      # Sessions of this page of which the host cannot tell which share they are.
    }
    refused @2 :Refusal;
  }
}

struct DamagedListing {
  # A session whose claim is damaged in the bucket. Its share may be whole, and can be read by its link; the host's operator
  # mends the claim with `capshare store check --repair`.
  account @0 :Text;
  sessionId @1 :Text;
}

struct OfferResult {
  union {
    registered @0 :Void;
    refused @1 :Refusal;
  }
}

struct RestoreResult {
  union {
    share @0 :Void;
    writer @1 :Void;
    view @2 :Void;
    refused @3 :Refusal;
  }
}

struct AdminResult {
  union {
    admitted @0 :Void;
    refused @1 :Refusal;
  }
}

struct CallResult {
  union {
    answer @0 :Text;
    # JSON.
    refused @1 :Refusal;
    unknown @2 :Void;
    # No such procedure is served.
    failed :group {
      # The service's own error.
      code @3 :Text;
      # For programs. "timeout": the service did not answer in time. "internal": it failed, and tells no more.
      message @4 :Text;
      # For people.
    }
  }
}

struct ExpiryResult {
  union {
    expiresAt @0 :Milliseconds;
    # When the share expires, by the host's clock; 0: never.
    refused @1 :Refusal;
  }
}

struct VisibilityResult {
  union {
    visibility @0 :Visibility;
    refused @1 :Refusal;
  }
}

struct ShareListing {
  # One line of a listing, read from the index alone.
  id @0 :Text;
  sessionId @1 :Text;
  account @2 :Text;
  url @3 :Text;
  createdAt @4 :Milliseconds;

  title @5 :Text;
  # The title in the session's own record, at most 256 characters; empty if it has none. This field and those below are as of
  # the share's last fold, and may be a minute old; they are 0 or empty if the share was not folded yet.

  updatedAt @6 :Milliseconds;
  # When the newest sync was accepted; 0 if the share was not folded yet.

  syncCount @7 :UInt64;
  itemCount @8 :UInt64;
  byteCount @9 :UInt64;
  # Bytes of the items' keys and JSON texts.

  expiresAt @10 :Milliseconds;
  # When the share expires; 0: never, or that is not known yet.
}

# ======================================================================================================================
# Items

struct SyncItem {
  # One change to a share. The texts are JSON (RFC 8259), UTF-8, within `itemBytesMax` and `itemNestingMax`. The host
  # reads only the members named here and keeps the whole. Keys are made of these parts, each with `%`, `/` and control
  # characters percent-encoded:
  #
  #     session                     session_diff
  #     message/<id>                part/<messageID>/<id>
  #     model/<providerID>/<id>     other/<type>  or  other/<type>/<id>
  union {
    session @0 :Text;
    # An object. Replaces the session.

    message @1 :Text;
    # An object with `id`. Replaces the message of that id.

    part @2 :Text;
    # An object with `id` and `messageID`. Replaces that part of that message. It may come before its message.

    sessionDiff @3 :Text;
    # An array: the complete list of the session's file changes. Replaces the list.

    model @4 :Text;
    # An object with `id` (and `providerID`, empty when absent), or an array of such objects. Each replaces the model of
    # its key. Events and reads carry one object each.

    remove @5 :Text;
    # A key. Removes that item, and with a message its parts. It is no error if there is no such item.

    other :group {
      # Any type that this version does not know, kept as it came.
      type @6 :Text;
      data @7 :Text;
      # Any JSON value. If it is an object with a string `id`, the item is kept under its type and id, else under its type alone.
    }
  }
}

struct BatchStamp {
  # Makes it safe to send a batch again. A producer picks an id at random, numbers its batches to a share 1, 2, 3, ..., and sends one
  # at a time. A batch with a number that was applied already is not applied again. Without a stamp a batch that is sent
  # twice is applied twice. The host remembers the 64 producers of a share that it heard from last.
  producer @0 :Text;
  # 1 to 64 characters of A-Z a-z 0-9 _ -. Empty: no stamp.
  epoch @1 :UInt64;
  # Raised by a producer that takes over; batches of a lower epoch are then refused with `staleProducer`. A new epoch
  # begins again at sequence 1.
  sequence @2 :UInt64;
}

struct Change {
  # An item with its value, or the fact that it was removed.
  key @0 :Text;
  revision @1 :Rev;
  # The revision that gave the item this value, or removed it.
  union {
    put @2 :SyncItem;
    removed @3 :Void;
  }
  first @4 :Rev;
  # The revision with which the item first came, if it was put; 0 if that is not known.
}

struct ShareInfo {
  id @0 :Text;
  sessionId @1 :Text;
  url @2 :Text;
  createdAt @3 :Milliseconds;
  updatedAt @4 :Milliseconds;
  # When the newest sync was accepted; before the first sync, when the share was created.
  syncCount @5 :UInt64;
  revision @6 :Rev;
  itemCount @7 :UInt64;
  byteCount @8 :UInt64;
  # Bytes of the items' keys and JSON texts.
  expiresAt @9 :Milliseconds;
  # When the share expires, by the host's clock; 0: never.
  visibility @10 :Visibility;
  # Who may see the share. An older host sends `unset`, which means `link`.
}

enum Visibility {
  # Who may see a share, besides those who hold its secret or a capability on it.
  unset @0;
  # No choice; each call says what it means.
  link @1;
  # Everybody who knows the share's id.
  account @2;
  # Everybody who shows a valid credential of any account with the scope `share:read`.
  grant @3;
  # The share's own account, with the scope `share:read`, and everybody who shows a saved token of it.
}

# ======================================================================================================================
# A share as capabilities

interface Saved {
  # The base of every capability on a share: it can be saved as a token.

  save @0 (label :Text, expiresAt :Milliseconds) -> (result :SaveResult);
  # Saves this capability as a token, which restores it on any connection (`ShareRpc.restore`) until the token expires (0: never)
  # or is revoked. `label`, of at most `grantLabelBytesMax` bytes, is for the owner's list. A token of a capability that ends by
  # itself expires no later than that, and a token of a capability that was restored is revoked with the token that restored
  # it. A view that was opened by the id alone cannot be saved (`unauthorized`): its id is as good as a token.
}

struct SaveResult {
  union {
    saved :group {
      token @0 :Text;
      grantId @1 :Text;
    }
    refused @2 :Refusal;
  }
}

interface ShareWriter extends(Saved) {
  # May add to a share, and nothing else.

  sync @0 (data :List(SyncItem), stamp :BatchStamp) -> (result :SyncResult);
  # As `ShareRpc.syncShare`.

  setExpiry @1 (ttlMs :UInt64) -> (result :ExpiryResult);
  # Lets the share expire after `ttlMs` milliseconds from now, which may be earlier or later than before. 0: never, or as late as
  # the host grants if it grants no share to stay for ever. It does not count as a sync.

  setVisibility @2 (visibility :Visibility) -> (result :VisibilityResult);
  # Sets who may see the share from now on; `unset` is `invalidInput`. Only a `Share` may do it: a writer that was narrowed from one
  # answers `unauthorized`, because it cannot read the share and must not let others read it. It does not count as a sync.
}

interface ShareView extends(Saved) {
  # May read a share, and nothing else. On a `Share`, a read sees the syncs that were called on it before, answered or not.

  info @0 () -> (result :OpenResult);

  read @1 (since :Rev, cursor :UInt64) -> (result :ReadResult);
  # Reads every item whose revision is above `since`, in the order in which the items first came, in chunks: begin with cursor 0
  # and go on with `nextCursor` until it is 0. Each chunk is read from the state at that time; after more than one chunk, read
  # again with `since` set to the `revision` of the first chunk, until a read fits into one chunk.

  watch @2 (observer :Observer, since :Rev) -> (result :WatchResult, watch :Watch);
  # Follows the share from revision `since`; 0 begins with the whole state. Drop `watch` to end it.
}

struct ReadResult {
  union {
    chunk :group {
      revision @0 :Rev;
      # The share's revision when this chunk was read.
      syncCount @1 :UInt64;
      reset @2 :Bool;
      # The host no longer knows what was removed after `since`, or never had that revision: forget all items that you hold. The
      # read is then one of the whole state.
      changes @3 :List(Change);
      nextCursor @4 :UInt64;
    }
    refused @5 :Refusal;
  }
}

struct WatchResult {
  union {
    watching @0 :Rev;
    # The share's revision when the watch began.
    refused @1 :Refusal;
  }
}

interface Watch {
  # A running watch. Dropping it ends the watch: the observer is released and no further call to it is begun.
}

interface Observer {
  # Implemented by a follower. Returning acknowledges a call: the host keeps at most one call to an observer open, and merges what
  # changes meanwhile by key into the next call. So a slow observer is late but never flooded, and holds nobody up. An observer
  # that does not return within 30 s, or throws, is dropped with its watch.

  changed @0 (event :Event) -> ();

  ended @1 (reason :Refusal) -> ();
  # The last call to an observer: the share was deleted (`notFound`), or the host has ended the watch.
}

struct Event {
  # The changes that lead from revision `base` to `revision`. Apply them in order.
  base @0 :Rev;
  revision @1 :Rev;
  syncCount @2 :UInt64;
  reset @3 :Bool;
  # Forget all items that you hold: what follows is the whole state. `base` is then 0.
  more @4 :Bool;
  # Another chunk of this step follows; the follower is at `revision` only when `more` is false.
  changes @5 :List(Change);
}

interface Share extends(ShareWriter, ShareView) {
  # The whole share: what the producer that created or opened it holds.

  remove @0 () -> (result :DeleteResult);
  # Deletes the share, as `ShareRpc.deleteShare`.

  narrowToWrite @1 () -> (result :OpenResult, writer :ShareWriter);

  narrowToRead @2 (until :Milliseconds) -> (result :OpenResult, view :ShareView);
  # Gives a view that answers `unauthorized` from `until` on; 0: it does not end by itself.

  grants @3 () -> (result :GrantsResult);
  # Lists the saved tokens of this share that are valid.

  revokeGrant @4 (grantId :Text) -> (result :DeleteResult);
  # Revokes one saved token, every capability that it restored, and every token that was saved of one of those. They answer
  # `unauthorized` from then on, and their watches end; on other hosts within a second.

  ask @5 (question :Text, choices :List(Text), needed :UInt32, withinMs :UInt64) -> (result :AskResult);
  # Puts a question to the viewers that follow the share on this host (`schema/viewer.md`), and returns when one of the
  # choices has `needed` answers, or after `withinMs`. Dropping the call withdraws the question. At most 8 are open at once.
}

struct AskResult {
  union {
    settled :group {
      outcome @0 :AskOutcome;
      choice @1 :Text;
      # The choice that was agreed on; empty for other outcomes.
      counts @2 :List(ChoiceCount);
      # The number of answers of every choice, in no particular order.
    }
    refused @3 :Refusal;
  }
}

enum AskOutcome {
  agreed @0;
  expired @1;
  # No choice had enough answers in time.
  withdrawn @2;
  # The host drains or is shutting down, or the right by which it was asked has ended. At a host that drains a question is withdrawn when the
  # drain begins, because its viewers go to other hosts one by one: ask again there, when the connection has moved.
}

struct ChoiceCount {
  choice @0 :Text;
  count @1 :UInt64;
}

struct GrantsResult {
  union {
    grants @0 :List(Grant);
    refused @1 :Refusal;
  }
}

struct Grant {
  id @0 :Text;
  label @1 :Text;
  right @2 :Right;
  createdAt @3 :Milliseconds;
  expiresAt @4 :Milliseconds;
  # When the token expires; 0: never.
}

enum Right {
  full @0;
  write @1;
  read @2;
}

# ======================================================================================================================
# Probes

struct ProbeValue {
  when @0 :Milliseconds;
  bytes @1 :Data;
  nested @2 :Nested;

  struct Nested {
    x @0 :Float64;
  }
}

interface ProbeCallback {
  call @0 (message :Text) -> (reply :Text);
}

# ======================================================================================================================
# Pushes from the host

interface ClientSink {
  # Implemented by a client, so that the host can push to it. Returning acknowledges a push. Pushes come in the order in which
  # they were made, and more than one may be open. The host does not cancel a push whose time is over: it counts as in flight
  # until the client returns, and its answer is then ignored. A connection has one sink: a second one takes the place of the
  # first, and dropping the first one's registration then changes nothing.

  push @0 (action :PushAction) -> (answer :PushAnswer);
}

struct PushAction {
  union {
    ping @0 :UInt64;
    # Answer `pong` with this number.
    notice @1 :Text;
    # A text for people: show it, and answer `done`.
    custom :group {
      name @2 :Text;
      # 1 to `idBytesMax` bytes.
      data @3 :Text;
      # JSON. Answer `custom`. The answers to a push to many (`broadcast`, `sendToAccount`) are ignored.
    }
  }
}

struct PushAnswer {
  union {
    done @0 :Void;
    pong @1 :UInt64;
    custom @2 :Text;
    # JSON.
  }
}

interface Registration {
  # A registration with the host. Dropping it withdraws what was registered.
}

# ======================================================================================================================
# Administration

interface Admin {
  # For administrators: needs the scope `admin`, which nobody has without a credential. The calls on connections (`connections`,
  # `close`, `sendToAccount`, `broadcast`, `drain`, `undrain`,
  # `stats`) are about those of the host that is asked; the calls on shares are
  # about all shares in its bucket.

  connections @0 (cursor :Text, limit :UInt32) -> (result :ConnectionsResult);
  # Lists the admitted connections, the oldest first. Begin with an empty cursor and go on with `nextCursor` until it is empty.
  # `limit` is at most `listPageMax`; 0 means 100.

  close @1 (which :CloseWhich) -> (result :CountResult);
  # Closes the matching connections with close code 4001, and returns their number. If the caller is among them, it gets its answer
  # first.

  sendToAccount @2 (account :Text, action :PushAction) -> (result :CountResult);
  # Pushes to every connection of an account, and returns the number of connections to which the push is on its way. Connections
  # without a sink, or with a full queue, are skipped. Nobody waits for answers, so a `ping` is refused.

  broadcast @3 (action :PushAction, except :List(Text), filter :BroadcastFilter) -> (result :CountResult);
  # Pushes as `sendToAccount`, to every connection that meets the filter but for those with an id in `except`.

  drain @4 (deadline :Milliseconds) -> (result :CountResult);
  # Lets all connections go until `deadline` (0: at once; at most a day from now), so that clients come back elsewhere, and returns
  # their number. Each is told to move at a time of its own within the first 0.8 of the time, where its protocol has a word for it,
  # and closed with code 1012 a fifth of the time later, but at most 2 s, as soon as its calls are answered; at `deadline` all that
  # are left are closed. From now on the host accepts new connections only from administrators who show their credential with the
  # upgrade, and says that it is not ready. Connections that have asked for `Admin`, the caller's among them, are not counted and
  # stay until the host ends, which it may do by itself when all others are gone. A second call replaces the first.

  stats @5 () -> (result :StatsResult);
  # Returns the host's counts.

  shares @6 (filter :ShareFilter, cursor :Text, limit :UInt32) -> (result :ListResult);
  # Lists the shares of all accounts that meet the filter, in no particular order. Begin with an empty cursor and go on with
  # `nextCursor` until it is empty. `limit` is the number of shares to look at, at most `listPageMax`; 0 means 100. A page may
  # hold fewer, or none, and still have a next page.

  hideShare @7 (shareId :Text) -> (result :VisibilityResult);
  # Sets a share's visibility to `grant`, so that only its own account and the holders of its saved tokens still see it. Its owner
  # may set it back.

  deleteShare @8 (shareId :Text) -> (result :DeleteResult);
  # Deletes a share, as `ShareRpc.deleteShare`, without its secret.

  eraseAccount @9 (account :Text, cursor :Text) -> (result :EraseResult);
  # Deletes at most 100 of an account's shares. Begin with an empty cursor and go on with `nextCursor` until it is empty. Shares that
  # the account creates meanwhile may be passed over: the account is erased when a whole run has deleted nothing and failed at
  # nothing. A call that was cut off may be made again. The account's tokens are not touched.

  undrain @10 () -> (result :CountResult);
  # Takes `drain` back: the host accepts connections again, and closes none that it has not closed yet. Returns the number of
  # connections that there are. A host that does not drain stays as it is.

  hosts @11 () -> (result :HostsResult);
  # Lists the hosts of the deployment that the host which is asked knows, itself the first.

  at @12 (hostId :Text) -> (result :AdminResult, admin :Admin);
  # Gives the interface of another host, as the host that is asked reaches it: of its calls `connections`, `close`,
  # `sendToAccount`, `broadcast` and `stats` are served, each with the same meaning there. A call that the other host does not answer
  # within 5 s is refused as `unavailable`, and one of more than 1 MiB as `invalidInput`. With the id of the host that is asked it gives
  # this interface.
}

struct HostsResult {
  union {
    hosts @0 :List(HostStanding);
    refused @1 :Refusal;
  }
}

struct HostStanding {
  # A host of the deployment, as it says of itself: in a deployment of ten at most 20 s ago, of 256 at most 5 minutes; but for the host
  # that is asked, which says it now.
  id @0 :Text;
  urls @1 :List(Text);
  # Where clients and other hosts reach it; empty if it did not say.
  version @2 :Text;
  since @3 :Milliseconds;
  # When it was started, by its own clock.
  draining @4 :Bool;
  shares @5 :UInt64;
  # Shares in its memory.
  connections @6 :UInt64;
  clockAheadMs @7 :Int64;
  # Milliseconds by which its machine's clock is ahead of the bucket's, at least; negative if it is behind. It counts if `clockIsKnown`.
  isAsked @8 :Bool;
  # Whether it is the host that is asked.
  isLinked @9 :Bool;
  # Whether there is a connection between it and the host that is asked, over which `at` reaches it.
  clockIsKnown @10 :Bool;
}

struct ShareFilter {
  # Which shares to list: those that meet every member that is not empty or 0.
  account @0 :Text;
  olderThanMs @1 :UInt64;
  # Only shares that were created longer ago than this, by the host's clock.
  largerThanBytes @2 :UInt64;
  # Only shares with more bytes than this, as `ShareListing.byteCount` counts them.
  title @3 :Text;
  # Only shares whose title contains this text, of at most `titleTextBytesMax` bytes, whatever the case of its letters.
}

struct EraseResult {
  union {
    erased :group {
      deleted @0 :UInt64;
      # Number of shares that this call deleted.
      failed @1 :List(Text);
      # The ids of the shares that it could not delete; the host's log says why.
      nextCursor @2 :Text;
      # Empty if no shares are left.
    }
    refused @3 :Refusal;
  }
}

struct CloseWhich {
  union {
    account @0 :Text;
    session @1 :Text;
    # The connections that showed the login session with this id; not the agent's session that is shared.
    token @2 :Text;
    # The connections that showed the token with this id.
    connection @3 :Text;
  }
}

struct BroadcastFilter {
  # Which connections to push to: those that meet every member that is not empty.
  account @0 :Text;
  door @1 :Text;
  state @2 :Text;
  # The name of a state that the connection must have.
}

struct CountResult {
  union {
    count @0 :UInt64;
    refused @1 :Refusal;
  }
}

struct ConnectionsResult {
  union {
    page :group {
      connections @0 :List(ConnectionInfo);
      nextCursor @1 :Text;
    }
    refused @2 :Refusal;
  }
}

struct ConnectionInfo {
  id @0 :Text;
  account @1 :Text;
  credential @2 :Text;
  # The kind of credential that the connection showed: "session", "token" or "key"; "machine" if it showed none, on a host for its
  # own machine; "none" if it showed none on any other host.
  door @3 :Text;
  # "rpc", "web", "viewer" or "sse".
  since @4 :Milliseconds;
  bytesIn @5 :UInt64;
  bytesOut @6 :UInt64;
  callsInFlight @7 :UInt32;
  queuedBytes @8 :UInt64;
  # Bytes that wait to be sent because the client has not read them yet.

  credentialId @9 :Text;
  # The id of the login session or token, which is not secret; empty for other kinds.

  states @10 :List(Text);
  # The names of the states that were set on the connection.
}

struct StatsResult {
  union {
    stats @0 :HostStats;
    refused @1 :Refusal;
  }
}

struct HostStats {
  # Connections, calls, accounts, rooms and followers are current figures, and those of RPC are of both its doors; the others are totals since the host started.
  rpcConnections @0 :UInt64;
  viewers @1 :UInt64;
  pending @2 :UInt64;
  # Connections that wait to be admitted.
  accounts @3 :UInt64;
  # Accounts that have a connection.
  callsInFlight @4 :UInt64;
  capabilitiesHeld @5 :UInt64;
  rooms @6 :UInt64;
  # Shares that are in the host's memory.
  followers @7 :UInt64;
  syncs @8 :UInt64;
  sharesCreated @9 :UInt64;
  sharesDeleted @10 :UInt64;
  storageFailures @11 :UInt64;
  draining @12 :Bool;
}

# ======================================================================================================================
# Between hosts

interface HostPeer {
  # What each of two hosts of a deployment has of the other, while a connection between them is open. Clients never get one: it is
  # the bootstrap capability of the path `/rpc/host`, where a host shows a ticket that the host which it calls finds in their
  # bucket (`schema/storage.md`, "A host's record"). Either of two hosts may open the connection; over it both do the same.
  # A host that does not answer `meet`, `follow` or `news` within 5 s is cut off.

  meet @0 (peer :HostPeer) -> (hostId :Text);
  # The first call, of the host that opened the connection, made once: hands over its own end. Returns the id of the host that
  # was called.

  follow @1 (shares :List(Text), wanted :Bool) -> ();
  # The caller wants to be told of these shares, at most 1,000 in a call; with `wanted` false it does not any more. From when this returns,
  # every hint of them is told by `news`, or lost.

  news @2 (messages :List(Data)) -> ();
  # Messages of the caller to this host, at most 256 of at most 8 KiB: hints of shares that this host follows, and control messages. Each is a JSON
  # object; a kind that is not known is passed over. Without messages it says that the caller is there, which it does every 5 s at least.
  # Messages may be lost, doubled and late. They say what to look for in the bucket, and only a message that connections are to be closed is
  # believed by itself.

  ask @3 (question :HostQuestion) -> (answer :HostAnswer);
  # A question, and its answer. The caller waits for 5 s, and for `append` 2 s.
}

struct HostQuestion {
  # What an administrator asks another host, which the calling host has made sure of: each as the call of `Admin` with that name. And
  # what a host asks by itself: `append`.
  account @0 :Text;
  # The account of the administrator, for the log.
  union {
    connections :group {
      cursor @1 :Text;
      limit @2 :UInt32;
    }
    close @3 :CloseWhich;
    send :group {
      to @4 :Text;
      # An account.
      action @5 :PushAction;
    }
    broadcast :group {
      action @6 :PushAction;
      except @7 :List(Text);
      filter @8 :BroadcastFilter;
    }
    stats @9 :Void;
    append :group {
      # Asks the host to append batches to the log of a share that both of them write, with its own and never by way of a third host.
      # The caller believes nothing of the answer but where to look: it reads the log, and appends what it does not find there.
      share @10 :Text;
      parcel @11 :Data;
      # As a segment of the log, with number 0 (`schema/storage.md`). All its entries are batches with a stamp. At most 512 KiB.
    }
  }
}

struct HostAnswer {
  union {
    unknown @0 :Void;
    # This version does not know the question.
    connections @1 :ConnectionsResult;
    count @2 :CountResult;
    stats @3 :StatsResult;
    appended @4 :UInt64;
    # The number of a segment up to which all batches are in the log; 0: some may not be.
  }
}

# ======================================================================================================================
# Refusals

struct Refusal {
  # Why a request was refused. `message` is one or two sentences for people: what is wrong and what to do next. It holds no
  # secret, and nothing of the host's inside. Programs use the union.
  message @0 :Text;

  retry @1 :Retry;

  union {
    unspecified @2 :Void;
    # A reason for which this version of the contract has no member.

    unauthorized @3 :Void;
    # The request has no credential, a wrong one, or one without the right that the request needs.

    notFound @4 :Text;
    # The share id that is unknown, deleted or expired.

    invalidSecret @5 :Text;
    # The id of the share that the secret does not open.

    routeMismatch @6 :Text;
    # The path of the request, which serves another protocol.

    protocolMismatch :group {
      expected @7 :Text;
      # The protocol that the host speaks, such as "capshare.1".
      got @8 :Text;
    }

    storageFailure :group {
      operation @9 :Text;
      # The operation that the bucket did not carry out: "create", "sync", "delete", "read" or "list". A failed create or delete
      # changed nothing that can be seen; a failed sync may have been applied all the same, so send it again with its stamp.
      trouble @20 :StorageTrouble;
    }

    upgradeFailed :group {
      status @10 :UInt16;
      reason @11 :Text;
    }

    limitExceeded :group {
      limit @12 :Text;
      # The limit's name: that of a constant in this file, or of a limit that the host's operator sets.
      max @13 :UInt64;
      got @14 :UInt64;
      # How much the request asked for; 0 if that was not counted to the end.
    }

    invalidInput :group {
      index @15 :UInt32;
      # The place of the invalid item in its list, counted from 0; 0 for an argument that is not a list.
      reason @16 :Text;
    }

    staleProducer @17 :UInt64;
    # The epoch of the producer that has taken over.

    notYet @18 :Text;
    # The part of this contract that the host does not serve.

    unavailable :group {
      # The host is shutting down, or is full; try again after this many milliseconds, here or at another host.
      retryAfterMs @19 :UInt32;
    }
  }
}

enum StorageTrouble {
  # What is wrong with the bucket. A reader that does not know a value goes by `retry`.
  passing @0;
  # The bucket did not answer, or cannot do it now.
  damaged @1;
  # What is stored cannot be read: an object is missing, empty or cut off. It stays so until the host's operator restores it, who
  # finds it with `capshare store check`. The share was not deleted.
  unconditional @2;
  # The bucket has stopped honouring conditional writes, so the host writes nothing until it honours them again.
}

enum Retry {
  never @0;
  # The request gets the same answer again: change it or give up.
  later @1;
  # The request may succeed later as it is.
}

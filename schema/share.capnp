@0xd5c9f2a81b7e4630;
# capshare: the contract between a host and its clients, version 1.
#
# A *producer* (a coding agent, or another service) publishes a live *session* as a *share*: it creates the share, syncs
# what changes, and deletes it. *Viewers* follow a share. The *host* keeps shares in a bucket and calls clients back over
# the connection that they opened. All of it happens on one connection: a WebSocket on `/rpc/share` (or any byte stream,
# such as an in-process pipe) that carries two-party Cap'n Proto RPC, level 1. `ShareRpc` is the bootstrap capability.
#
# Bytes. The sender puts exactly one message, framed with its segment table, into one binary WebSocket message; the
# receiver concatenates binary payloads and reads them as a byte stream, so that bridges may cut them anywhere. A text
# frame is refused with close code 1003.
#
# What a share is. A set of *items*, each under a *key*, each a JSON text that the host keeps as it came (but for white
# space around it, which goes, and line breaks between tokens, which become spaces). A sync upserts and removes items; the
# newest value of a key wins, in order of arrival at the share's log. Every accepted sync raises `syncCount` by one. Every
# accepted sync that changed anything raises `revision` by one: revision numbers the states of a share, so a follower that
# holds revision r needs exactly what came after r. What has been answered with success is in the bucket; followers are
# told only what is in the bucket.
#
# Ids and capabilities. A share can be reached by id and secret (`syncShare`, `deleteShare`) or by a capability (`Share`,
# `ShareWriter`, `ShareView`), which its secret, a saved token or its account's own credential gives. Both do the same. A
# capability is the better form: what its holder may do is the interface it has; it can be narrowed and handed on, never
# widened; it is dead when it is revoked or its connection ends.
#
# Refusals and faults. An expected "no" is data: each result is a union with `refused`, whose facts a program can use.
# An exception means a fault: *disconnected* (dial again; what was pending may or may not have happened), *overloaded*
# (the reason begins with `LimitExceeded`; slow down), *failed* (a fault of the host, or a call that breaks the contract;
# do not repeat), *unimplemented* (an older peer). Capabilities in results stand outside the unions, so that calls can be
# pipelined on them before the answer is there; where the result is `refused`, the capability answers each call with
# the same refusal.
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
#     1000  done: nothing; or the client said Abort: it comes back if it has more to do
#     1008  too slow to read or to authenticate: come back
#     1002  not this protocol: give up                   1009  a message past `messageBytesMax`: send smaller ones
#     1003  a text frame: give up                        1011  a fault of the host: come back later
#     1012  the host is restarting or drained, or keeps too many cancelled calls: come back, here or elsewhere
#     1013  the host is full, and others have shown a credential: come back later
#     4001  the credential was revoked or has expired, or an administrator closed the connection: final
#     4002  the client saw silence (sent by clients): come back
#     4003  the host saw silence: come back
#     4004  the account, or without a credential the address, has more connections than it may, and this was its oldest:
#           final
#
# Final: the client does not connect again by itself, and what it had queued fails with the reason. Coming back means with
# growing, jittered delays. After a close nothing of the connection is dispatched or delivered.
#
# The Rust code for this file is generated from `share.req`, the compiler's own request, so that nobody who builds
# capshare needs the compiler. After each change: capnp compile --src-prefix=schema -o- schema/share.capnp > schema/share.req

using Rev = UInt64;
# The number of a share's state. 0 is the empty state before the first change.

using Milliseconds = Int64;
# A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.

const contractVersion :UInt32 = 1;
# What `hello` compares.

# ======================================================================================================================
# Limits. A host may be configured lower, never higher; a call past one is answered `limitExceeded` with its name.

const messageBytesMax :UInt64 = 4194304;
# One message, and so one WebSocket frame: 4 MiB. A larger one ends the connection with close code 1009. Larger states
# travel in chunks.

const chunkBytesMax :UInt64 = 262144;
# What one chunk of a read or of an event carries, unless a single item is larger.

const itemBytesMax :UInt64 = 4128768;
# One item's JSON text: a message less 64 KiB for everything around it.

const itemNestingMax :UInt32 = 100;
# Arrays and objects inside one another in an item's JSON text.

const syncItemsMax :UInt32 = 2000;
# Items in one sync.

const shareItemsMax :UInt32 = 100000;
# Items that a share holds.

const shareBytesMax :UInt64 = 268435456;
# Bytes of keys and JSON texts that a share holds: 256 MiB.

const shareGrantsMax :UInt32 = 256;
# Saved capabilities of a share that are good at once.

const grantLabelBytesMax :UInt32 = 128;
# The label of a saved capability. It has no control characters.

const idBytesMax :UInt32 = 256;
# An id inside an item (message, part, model), or the type of an `other` item.

const sessionIdBytesMax :UInt32 = 128;
# A session id: letters, digits and `_ . : @ = + ~ -`, not beginning with a dot.

const shareTtlMsMax :UInt64 = 3155760000000;
# Milliseconds that a share may be given to live: 100 years. A share may also be given no end.

# Without a constant, because the host's operator sets them, or not: `accountSharesMax` (shares of the account),
# `accountBytesMax` (bytes of keys and JSON texts in all of them) and `accountBytesPerDayMax` (such bytes synced in 24
# hours). `max` is then the operator's figure, and the refusal's message says what to do.

const callsInFlightMax :UInt32 = 512;
# Unanswered calls of one connection.

const capabilitiesHeldMax :UInt32 = 1024;
# Capabilities that the host holds open for one connection (shares, views, watches).

const listPageMax :UInt32 = 1000;
# Entries in one page of `listShares`.

const titleTextBytesMax :UInt32 = 256;
# The text in a `ShareFilter`'s title.

const pushBytesMax :UInt32 = 65536;
# What one push carries, and its answer: the name and the text. What is larger belongs into a share.

const pushesInFlightMax :UInt32 = 64;
# Pushes to one connection that its client has not answered.

# ======================================================================================================================
# The root

interface ShareRpc {
  # What `bootstrap` gives. On a connection that carried credentials (or on a host that needs none) it has the rights of
  # its account. On one opened for authentication in-band it serves only `hello`, `authenticate` and the probes.

  hello @0 (contractVersion :UInt32, agent :Text) -> (result :HelloResult);
  # The first call of a connection. `agent` names the client for the host's logs, such as "opencode/1.18.33". A version
  # that the host does not speak is refused with `protocolMismatch`, and so is every later call on this connection.
  # A client that never says hello is taken to speak the host's version.

  authenticate @1 (token :Text) -> (result :AuthenticateResult, rpc :ShareRpc);
  # An authorised root, for clients that cannot set headers. This capability itself gains nothing.

  createShare @2 (sessionId :Text, initialData :List(SyncItem), stamp :BatchStamp, ttlMs :UInt64, visibility :Visibility)
      -> (result :CreateResult, share :Share);
  # Publishes a session. With `initialData` (also an empty list, as opposed to none) the data is in the bucket and
  # `syncCount` is 1 when this returns. An account that shares a session again gets the same share, with a further secret
  # that is as good as the first, and its `initialData` counts as a sync. Sessions of other accounts are never touched.
  # A caller that shows no credential, on a host that lets everybody in, gets a new share each time: everybody could name a
  # session that a share shows. Its share goes by another name than the session's id in `ShareInfo.sessionId` and in listings:
  # `~` and 26 characters of a-z and 2-7, which the host makes (and perhaps as many again). Such a name is `invalidInput`
  # as a `sessionId`. Whoever has a share's secret goes on with it by `openShare`.
  # After `ttlMs` milliseconds, by the host's clock, the share is gone as if it were deleted; 0 means the host's default for
  # a new share, and no change for one that was shared before. See `ShareWriter.setExpiry`. `visibility` says who may see
  # it; `unset` means the same as 0 there. It holds from the first moment.

  syncShare @3 (shareId :Text, secret :Text, data :List(SyncItem), stamp :BatchStamp) -> (result :SyncResult);
  # Applies one batch, whole or not at all. Calls are applied in the order in which they were made on one connection.

  deleteShare @4 (shareId :Text, secret :Text) -> (result :DeleteResult);
  # Deletes a share for good: its content leaves the bucket, its followers are told, its id is never given again.

  openShare @5 (shareId :Text, secret :Text) -> (result :OpenResult, share :Share);
  # The share as a capability.

  viewShare @6 (shareId :Text) -> (result :OpenResult, view :ShareView);
  # The share for reading, for whoever may see it: see `Visibility`. Of a share that is visible by its link, that is whoever
  # knows the id. Another is `unauthorized` for those who may not; whoever has a token of it comes by `restore`. When the
  # share becomes visible to fewer, the views of those who may not see it any more answer `unauthorized`, and their watches
  # end: on other hosts once these have looked, within a second.

  listShares @7 (cursor :Text, limit :UInt32, everyAccount :Bool) -> (result :ListResult);
  # The account's own shares, in no promised order. Begin with an empty cursor and go on with `nextCursor` until it is
  # empty. `limit` 0 means 100; at most `listPageMax`. `everyAccount` needs the scope `admin`.

  probeValue @8 (input :ProbeValue) -> (output :ProbeValue);
  # Gives back what it got: a time, bytes and a struct within a struct.

  probeCallback @9 (callback :ProbeCallback) -> (reply :Text);
  # Calls `callback` once with "server-called" and returns its answer. An exception of the callback becomes this call's,
  # and so does an answer that does not come within 30 s.

  offerSink @10 (sink :ClientSink) -> (result :OfferResult, registration :Registration);
  # Hands the host a way to push to this client, until the registration is dropped or the connection ends.

  restore @11 (token :Text) -> (result :RestoreResult, share :Share, writer :ShareWriter, view :ShareView);
  # The capability that was saved under this token. The result says which of the three it is; the others refuse. A token
  # that is wrong, revoked or expired is `unauthorized`; one of a share that is gone is `notFound`. To write through it the
  # connection's own credential must have the scope `share:write`, as for `syncShare`.

  admin @12 () -> (result :AdminResult, admin :Admin);
  # For credentials with the scope `admin`.

  call @13 (procedure :Text, data :Text, withinMs :UInt32) -> (result :CallResult);
  # A call that is not the host's own but that of the service around it, which serves it as `procedure`. `data` is JSON within
  # `itemBytesMax` and `itemNestingMax`. While it is open the service may push to the sink of this same connection.
  # `withinMs` is how long the caller will wait, which the host's own limit (30 s unless set otherwise) can only shorten; 0
  # leaves it to the host. What the service pushes back to its caller does not outlast it.

  ownShare @14 (shareId :Text) -> (result :OpenResult, share :Share);
  # A share of the caller's own account as a capability, without its secret: for a credential of the account that created the
  # share, with the scope `share:write`, from any machine. Any other caller of that account, one without a credential among
  # them, is `unauthorized` whatever the id is, and a share of another account is `notFound`. What it gives ends with the
  # connection, and the connection with the credential.
}

struct HelloResult {
  union {
    welcome :group {
      contractVersion @0 :UInt32;
      agent @1 :Text;
      # The host's name and version, such as "capshare/0.1.0".
      connectionId @2 :Text;
      # The host's name for this connection, for its logs and administrators.
      account @3 :Text;
      # Whose rights this connection has; empty before authentication in-band.
    }
    refused @4 :Refusal;
  }
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
      # Where people look at it.
      secret @2 :Text;
      # "capsec_" and 43 characters of base64url, from 256 random bits; the host keeps only its hash. Keep it: it is what
      # `syncShare` and `deleteShare` ask for. The 32 newest secrets of a share are valid.
      syncCount @3 :UInt64;
      revision @4 :Rev;
      existed @5 :Bool;
      # The account had shared this session already; this is that share.
    }
    refused @6 :Refusal;
  }
}

struct SyncResult {
  union {
    synced :group {
      syncCount @0 :UInt64;
      # This batch's own number: unlike for any two batches of a share.
      revision @1 :Rev;
      # The share's revision with this batch applied.
      duplicate @2 :Bool;
      # The batch had been applied before (see `BatchStamp`); the numbers are those of its first time.
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
      # Sessions that belong on this page, and of which the host cannot tell which share they are.
    }
    refused @2 :Refusal;
  }
}

struct DamagedListing {
  # A session whose claim is damaged in the bucket. Its share may be whole, and is found by its link; the host's operator
  # mends the claim by `capshare store check --repair`.
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
      # The service's own error, as it words it.
      code @3 :Text;
      # For programs. "timeout": it did not answer in time. "internal": it broke, and says no more.
      message @4 :Text;
      # For people.
    }
  }
}

struct ExpiryResult {
  union {
    expiresAt @0 :Milliseconds;
    # By the host's clock. 0: never.
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
  # The title in the session's own record, at most 256 characters; empty if it has none. This and what follows is as of the
  # host's last fold of the share, up to a minute behind; 0 or empty if it was not folded yet.

  updatedAt @6 :Milliseconds;
  # When the newest sync was accepted; 0: the share was not folded yet.

  syncCount @7 :UInt64;
  itemCount @8 :UInt64;
  byteCount @9 :UInt64;
  # Of keys and JSON texts.

  expiresAt @10 :Milliseconds;
  # From when on the share is gone; 0: it stays until it is deleted, or that is not known yet.
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
    # A key. Removes that item; removing a message removes its parts as well. A key that is not there is no error.

    other :group {
      # Any type that this version does not know, kept as it came.
      type @6 :Text;
      data @7 :Text;
      # Any JSON value. If it is an object with a text `id`, items of this type are kept by id, else one of each type.
    }
  }
}

struct BatchStamp {
  # Makes sending again safe. A producer picks an id at random, numbers its batches to a share 1, 2, 3, ..., and sends one
  # at a time. A batch with a number that was applied already is not applied again. Without a stamp a batch sent twice
  # counts twice. The host remembers the 64 producers of a share that were heard last.
  producer @0 :Text;
  # 1 to 64 characters of A-Z a-z 0-9 _ -. Empty: no stamp.
  epoch @1 :UInt64;
  # Raised by a producer that takes over; batches of a lower epoch are then refused with `staleProducer`. A new epoch
  # begins again at sequence 1.
  sequence @2 :UInt64;
}

struct Change {
  # An item as it stands, or the fact that it went.
  key @0 :Text;
  revision @1 :Rev;
  # The revision that brought the item to this value, or removed it.
  union {
    put @2 :SyncItem;
    removed @3 :Void;
  }
  first @4 :Rev;
  # The revision with which the item came, for one that was put. 0: not known.
}

struct ShareInfo {
  id @0 :Text;
  sessionId @1 :Text;
  url @2 :Text;
  createdAt @3 :Milliseconds;
  updatedAt @4 :Milliseconds;
  # When the newest sync was accepted; at first, when the share was created.
  syncCount @5 :UInt64;
  revision @6 :Rev;
  itemCount @7 :UInt64;
  byteCount @8 :UInt64;
  # Of keys and JSON texts.
  expiresAt @9 :Milliseconds;
  # From when on the share is gone, by the host's clock. 0: never.
  visibility @10 :Visibility;
  # `unset` comes from a host that knows none: whoever knows the id may see the share.
}

enum Visibility {
  # Who may see a share, besides those who hold its secret or a capability on it.
  unset @0;
  # Not said: what it means, the place says.
  link @1;
  # Whoever knows its id.
  account @2;
  # Whoever comes with a credential of any account, with the scope `share:read`.
  grant @3;
  # Its own account, with the scope `share:read`, and whoever comes with a saved token that reads.
}

# ======================================================================================================================
# A share as capabilities

interface Saved {
  # What every capability on a share can do.

  save @0 (label :Text, expiresAt :Milliseconds) -> (result :SaveResult);
  # A token that gives this same capability again, on any connection (`ShareRpc.restore`), until it expires (0: never) or
  # is revoked. `label` is for the owner's list, at most `grantLabelBytesMax`. What is saved of a capability that ends by
  # itself ends no later, and what is saved of one that was restored is revoked with that one's token. A view that came by
  # the id alone cannot be saved (`unauthorized`): its id is as good as a token.
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
  # Gives the share that long to live from now on, shorter or longer than before. 0: no end or, on a host that grants none,
  # the longest that it grants. It counts as no sync.

  setVisibility @2 (visibility :Visibility) -> (result :VisibilityResult);
  # Says who may see the share from now on; `unset` is `invalidInput`. Only the whole share may: what was narrowed to writing
  # answers `unauthorized`, because it cannot read and must not let others. It counts as no sync.
}

interface ShareView extends(Saved) {
  # May read a share, and nothing else. On a `Share`, a read sees the syncs that were called on it before, answered or not.

  info @0 () -> (result :OpenResult);

  read @1 (since :Rev, cursor :UInt64) -> (result :ReadResult);
  # Every item whose revision is above `since`, in the order in which the items first came, in chunks: begin with cursor
  # 0 and go on with `nextCursor` until it is 0. Chunks are read one by one from the living state; whoever read for more
  # than one chunk reads again with `since` = the `revision` of the first chunk, until that one chunk says it all.

  watch @2 (observer :Observer, since :Rev) -> (result :WatchResult, watch :Watch);
  # Follows the share from revision `since`; 0 means from the whole state. Drop `watch` to end it.
}

struct ReadResult {
  union {
    chunk :group {
      revision @0 :Rev;
      # The share's revision when this chunk was read.
      syncCount @1 :UInt64;
      reset @2 :Bool;
      # The host no longer knows what was removed since `since`, or never had that revision: forget everything held.
      # This read is then one of the whole state.
      changes @3 :List(Change);
      nextCursor @4 :UInt64;
    }
    refused @5 :Refusal;
  }
}

struct WatchResult {
  union {
    watching @0 :Rev;
    # The share's revision as the watch began.
    refused @1 :Refusal;
  }
}

interface Watch {
  # A running watch. Dropping it ends the watch: the observer is released and no further call to it is begun.
}

interface Observer {
  # What a follower implements. Its return is the acknowledgement: the host keeps at most one call to an observer open.
  # What changed in the meantime is merged by key into the next call, so a slow observer is late, never flooded, and
  # holds nobody up. An observer that does not return within 30 s, or throws, is dropped with its watch.

  changed @0 (event :Event) -> ();

  ended @1 (reason :Refusal) -> ();
  # The last call: the share was deleted (`notFound`), or the watch was ended by the host.
}

struct Event {
  # The way from revision `base` to `revision`. Fold the changes in order.
  base @0 :Rev;
  revision @1 :Rev;
  syncCount @2 :UInt64;
  reset @3 :Bool;
  # Forget everything held: what follows is the whole state. `base` is then 0.
  more @4 :Bool;
  # Another chunk of the same step follows; the follower stands at `revision` only when `more` is false.
  changes @5 :List(Change);
}

interface Share extends(ShareWriter, ShareView) {
  # Everything: what the producer who created or opened a share holds.

  remove @0 () -> (result :DeleteResult);
  # As `ShareRpc.deleteShare`.

  narrowToWrite @1 () -> (result :OpenResult, writer :ShareWriter);

  narrowToRead @2 (until :Milliseconds) -> (result :OpenResult, view :ShareView);
  # A view that answers `unauthorized` from `until` on; 0: no end.

  grants @3 () -> (result :GrantsResult);
  # The saved tokens of this share that are good.

  revokeGrant @4 (grantId :Text) -> (result :DeleteResult);
  # Revokes one saved token, every capability that came through it, and every token that was saved of one of those. They
  # answer `unauthorized` from then on, and their watches end; on other hosts once these have looked, within a second.

  ask @5 (question :Text, choices :List(Text), needed :UInt32, withinMs :UInt64) -> (result :AskResult);
  # Puts a question to the viewers that follow the share on this host (`schema/viewer.md`), and returns when one of the
  # choices has `needed` answers, or after `withinMs`. Dropping the call takes the question back. At most 8 are open at once.
}

struct AskResult {
  union {
    settled :group {
      outcome @0 :AskOutcome;
      choice @1 :Text;
      # What was agreed on, else empty.
      counts @2 :List(ChoiceCount);
      # Every choice, in no promised order.
    }
    refused @3 :Refusal;
  }
}

enum AskOutcome {
  agreed @0;
  expired @1;
  # Its time was over.
  withdrawn @2;
  # The host is going away.
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
  # 0: never.
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
  # What a client hands over so that the host can call it. The return is the acknowledgement. Calls come in the order in
  # which they were made, and more than one may be open. The host does not cancel a push whose time is over: until the client
  # returns, it counts as in flight, and what it returns then changes nothing. A connection has one sink: another that is
  # offered takes the place of the first, and dropping the first's registration then changes nothing.

  push @0 (action :PushAction) -> (answer :PushAnswer);
}

struct PushAction {
  union {
    ping @0 :UInt64;
    # Answer `pong` with the same number.
    notice @1 :Text;
    # For people: show it. Answer `done`.
    custom :group {
      name @2 :Text;
      # 1 to `idBytesMax` bytes.
      data @3 :Text;
      # JSON. Answer `custom`. Of a push to many (`broadcast`, `sendToAccount`) nobody reads the answer.
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
  # Something registered with the host. Dropping it withdraws it.
}

# ======================================================================================================================
# Administration

interface Admin {
  # Reachable only with the scope `admin`, which nobody has without a credential. What is about connections (`connections`,
  # `close`, `sendToAccount`, `broadcast`, `drain`, `stats`) is about those of the one host that is asked; what is about
  # shares is about all shares in its bucket.

  connections @0 (cursor :Text, limit :UInt32) -> (result :ConnectionsResult);
  # The admitted connections, the oldest first. Begin with an empty cursor and go on with `nextCursor` until it is empty.
  # `limit` 0 means 100; at most `listPageMax`.

  close @1 (which :CloseWhich) -> (result :CountResult);
  # Closes exactly the matching connections with close code 4001 and says how many they were. A caller among them gets its
  # answer first.

  sendToAccount @2 (account :Text, action :PushAction) -> (result :CountResult);
  # Pushes to every connection of an account and says how many were reached: on how many it is on its way. One without a
  # sink is not, nor one whose queue is full. Nobody waits for answers, so a `ping` is refused.

  broadcast @3 (action :PushAction, except :List(Text), filter :BroadcastFilter) -> (result :CountResult);
  # Pushes to every connection that the filter lets through, but for the connection ids in `except`; as `sendToAccount`.

  drain @4 (deadline :Milliseconds) -> (result :CountResult);
  # Accepts no more, tells the clients to come back elsewhere (close code 1012), and says how many there were. The idle are told
  # at once, the others when their calls are answered, and from `deadline` on (0: at once) all that are left. The host says
  # that it is not ready from now on, until it is started again. The caller is told after its answer.

  stats @5 () -> (result :StatsResult);
  # What the host counts.

  shares @6 (filter :ShareFilter, cursor :Text, limit :UInt32) -> (result :ListResult);
  # The shares of all accounts that the filter lets through, in no promised order. Begin with an empty cursor and go on with
  # `nextCursor` until it is empty. `limit` is how many are looked at, 0 means 100, at most `listPageMax`: a page may hold
  # fewer, also none, and yet have a next one.

  hideShare @7 (shareId :Text) -> (result :VisibilityResult);
  # Sets a share's visibility to `grant`: who has no more than its link, or another account, does not see it any more. Its own
  # account and the holders of its saved tokens do, and its owner may show it again.

  deleteShare @8 (shareId :Text) -> (result :DeleteResult);
  # As `ShareRpc.deleteShare`, without the secret.

  eraseAccount @9 (account :Text, cursor :Text) -> (result :EraseResult);
  # Deletes at most 100 of an account's shares. Begin with an empty cursor and go on with `nextCursor` until it is empty. What the
  # account creates meanwhile may lie before the cursor: the account is erased when a whole run deleted nothing and failed at
  # nothing. Made again, a call that was cut off goes on where it came to. The account's tokens are not touched.
}

struct ShareFilter {
  # Empty members, and 0, let everything through.
  account @0 :Text;
  olderThanMs @1 :UInt64;
  # Created longer ago than this, by the host's clock.
  largerThanBytes @2 :UInt64;
  # More bytes of keys and JSON texts than this, as `ShareListing.byteCount` has them.
  title @3 :Text;
  # The title has this text in it, in capitals or not. At most `titleTextBytesMax`.
}

struct EraseResult {
  union {
    erased :group {
      deleted @0 :UInt64;
      # Shares that this call deleted.
      failed @1 :List(Text);
      # The ids of those that it could not delete now; the host's log says why.
      nextCursor @2 :Text;
      # Empty after the last.
    }
    refused @3 :Refusal;
  }
}

struct CloseWhich {
  union {
    account @0 :Text;
    session @1 :Text;
    # The connections that came with this login session of an account; not the agent's session that is shared.
    token @2 :Text;
    # The connections that came with the token of this id.
    connection @3 :Text;
  }
}

struct BroadcastFilter {
  # Empty members let everything through.
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
  # "session", "token" or "key"; "machine" for whoever shows nothing on a host for its own machine; "none" for all others.
  door @3 :Text;
  # "rpc", "viewer" or "sse".
  since @4 :Milliseconds;
  bytesIn @5 :UInt64;
  bytesOut @6 :UInt64;
  callsInFlight @7 :UInt32;
  queuedBytes @8 :UInt64;
  # Bytes that wait for the client to read.

  credentialId @9 :Text;
  # The id of the session or token, which is no secret; empty for the other kinds.

  states @10 :List(Text);
  # The names of the states that the connection has.
}

struct StatsResult {
  union {
    stats @0 :HostStats;
    refused @1 :Refusal;
  }
}

struct HostStats {
  # Connections, calls and shares are those of now; totals are since the host started.
  rpcConnections @0 :UInt64;
  viewers @1 :UInt64;
  pending @2 :UInt64;
  # Connections that wait to be admitted.
  accounts @3 :UInt64;
  # With a connection.
  callsInFlight @4 :UInt64;
  capabilitiesHeld @5 :UInt64;
  rooms @6 :UInt64;
  # Shares in memory.
  followers @7 :UInt64;
  syncs @8 :UInt64;
  sharesCreated @9 :UInt64;
  sharesDeleted @10 :UInt64;
  storageFailures @11 :UInt64;
  draining @12 :Bool;
}

# ======================================================================================================================
# Refusals

struct Refusal {
  # Why the answer is no. `message` is one or two sentences for people: what is wrong and what to do next. It holds no
  # secret and nothing of the host's inside. Programs use the union.
  message @0 :Text;

  retry @1 :Retry;

  union {
    unspecified @2 :Void;
    # A reason that this version of the contract has no member for.

    unauthorized @3 :Void;
    # No credential, a wrong one, or one without the right that this needs.

    notFound @4 :Text;
    # The share id that is unknown, deleted or expired.

    invalidSecret @5 :Text;
    # The share id whose secret is another.

    routeMismatch @6 :Text;
    # The path of the request: this is not the door for it.

    protocolMismatch :group {
      expected @7 :Text;
      # Such as "capshare.1".
      got @8 :Text;
    }

    storageFailure :group {
      operation @9 :Text;
      # The operation that the bucket did not carry out: "create", "sync", "delete", "read" or "list". Nothing of a failed
      # create or delete is visible; a failed sync may turn out to have been applied, so send it again with its stamp.
      trouble @20 :StorageTrouble;
    }

    upgradeFailed :group {
      status @10 :UInt16;
      reason @11 :Text;
    }

    limitExceeded :group {
      limit @12 :Text;
      # The name of the constant in this file.
      max @13 :UInt64;
      got @14 :UInt64;
      # 0 when it was not counted to the end.
    }

    invalidInput :group {
      index @15 :UInt32;
      # Which item of the list, from 0; 0 for anything that is not a list.
      reason @16 :Text;
    }

    staleProducer @17 :UInt64;
    # The epoch that has taken over.

    notYet @18 :Text;
    # The part of this contract that the host does not serve yet.

    unavailable :group {
      # The host is going away, or has no room; come back, here or at another host.
      retryAfterMs @19 :UInt32;
    }
  }
}

enum StorageTrouble {
  # Why the bucket did not do what it was asked. A reader that does not know a value goes by `retry`.
  passing @0;
  # It did not answer, or cannot do it just now.
  damaged @1;
  # What is stored cannot be read: an object is missing, empty or torn. It stays so until the host's operator restores it,
  # who finds it by `capshare store check`. The share was not deleted.
  unconditional @2;
  # The bucket has stopped honouring conditional writes, so the host writes nothing until it honours them again.
}

enum Retry {
  never @0;
  # Sending the same again gets the same answer: mend it or give up.
  later @1;
  # The same call may succeed later.
}

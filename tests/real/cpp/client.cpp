// A client of capshare that shares no code with it: the official C++ library over its own WebSocket stream.
//
//     client HOST:PORT [--token TOKEN] [--admin TOKEN] [--ping]
//
// It calls every method of the contract, passes callbacks, and goes to the limit of a message and past it. The exit code
// is 0 if all held. Written for libcapnp 0.9.2 (Debian 12), the first with this stream being 0.9.
//
// kj's WebSocket answers pings and hides them; it cannot send any. So with --ping the stream below it does, between two
// of its frames, each second, while calls are open. This library leaves by dropping TCP: its way to end an RPC
// connection politely throws ("close code 1005 cannot have a reason").

#include <capnp/compat/websocket-rpc.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/http.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "share.capnp.h"

#define CHECK(fact, ...) KJ_REQUIRE(fact, ##__VA_ARGS__)

namespace {

// What is expected at once comes within this: far past what a busy machine needs.
constexpr auto WITHIN = 20 * kj::SECONDS;

// Keys that mask what is sent; a test needs no secret ones.
class Entropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    for (auto& byte : buffer) byte = static_cast<kj::byte>(next = next * 1103515245 + 12345);
  }

 private:
  unsigned next = 1;
};

// The socket, with pings between the frames that the WebSocket above writes: each write of it is one frame.
class PingingStream final : public kj::AsyncIoStream {
 public:
  PingingStream(kj::Own<kj::AsyncIoStream> inner) : inner(kj::mv(inner)) {}

  kj::Promise<void> pingEvery(kj::Timer& timer, kj::Duration interval) {
    return timer.afterDelay(writing ? 1 * kj::MILLISECONDS : interval).then([this, &timer, interval]() {
      if (!writing) {
        static const kj::byte PING[] = {0x89, 0x84, 1, 2, 3, 4, 'p' ^ 1, 'i' ^ 2, 'n' ^ 3, 'g' ^ 4};
        ++pings;
        pinging = inner->write(PING, sizeof(PING)).fork();
      }
      return pingEvery(timer, interval);
    });
  }

  kj::Promise<size_t> tryRead(void* buffer, size_t min, size_t max) override {
    return inner->tryRead(buffer, min, max);
  }
  kj::Promise<void> write(const void* buffer, size_t size) override {
    return afterPing([this, buffer, size]() { return inner->write(buffer, size); });
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return afterPing([this, pieces]() { return inner->write(pieces); });
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner->whenWriteDisconnected(); }
  void shutdownWrite() override { inner->shutdownWrite(); }
  void abortRead() override { inner->abortRead(); }

  unsigned pings = 0;

 private:
  template <typename Write>
  kj::Promise<void> afterPing(Write write) {
    ++writing;
    return pinging.addBranch().then(kj::mv(write)).attach(kj::defer([this]() { --writing; }));
  }

  kj::Own<kj::AsyncIoStream> inner;
  kj::ForkedPromise<void> pinging = kj::Promise<void>(kj::READY_NOW).fork();
  unsigned writing = 0;
};

struct Options {
  const char* address;
  const char* token = nullptr;
  // Of an administrator, to be shown in-band.
  const char* admin = nullptr;
  bool ping = false;
};

// One connection, and the ShareRpc at its end.
class Link {
 public:
  Link(kj::AsyncIoContext& io, const Options& options) : io(io) {
    auto address = io.provider->getNetwork().parseAddress(options.address).wait(io.waitScope);
    stream = kj::heap<PingingStream>(address->connect().wait(io.waitScope));
    kj::HttpHeaderTable::Builder builder;
    auto authorization = builder.add("Authorization");
    auto protocol = builder.add("Sec-WebSocket-Protocol");
    table = builder.build();
    kj::HttpClientSettings settings;
    settings.entropySource = entropy;
    http = kj::newHttpClient(*table, *stream, settings);
    kj::HttpHeaders headers(*table);
    headers.set(kj::HttpHeaderId::HOST, kj::str(options.address));
    headers.set(protocol, "capshare.1");
    if (options.token) headers.set(authorization, kj::str("Bearer ", options.token));
    auto answer = http->openWebSocket("/rpc/share", headers).wait(io.waitScope);
    status = answer.statusCode;
    if (status != 101) return;
    webSocket = kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
    messages = kj::heap<capnp::WebSocketMessageStream>(*webSocket);
    network = kj::heap<capnp::TwoPartyVatNetwork>(*messages, capnp::rpc::twoparty::Side::CLIENT);
    system = kj::heap(capnp::makeRpcClient(*network));
    if (options.ping) {
      pings = stream->pingEvery(io.provider->getTimer(), 1 * kj::SECONDS).eagerlyEvaluate(nullptr);
    }
  }

  ShareRpc::Client rpc() {
    capnp::MallocMessageBuilder message;
    auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    return system->bootstrap(vat).castAs<ShareRpc>();
  }

  unsigned pingCount() { return stream->pings; }
  unsigned status = 0;

 private:
  kj::AsyncIoContext& io;
  Entropy entropy;
  kj::Own<kj::HttpHeaderTable> table;
  kj::Own<PingingStream> stream;
  kj::Own<kj::HttpClient> http;
  kj::Own<kj::WebSocket> webSocket;
  kj::Own<capnp::WebSocketMessageStream> messages;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;
  kj::Promise<void> pings = kj::Promise<void>(nullptr);
};

class Callback final : public ProbeCallback::Server {
 public:
  // `hold`: when to answer.
  Callback(kj::Promise<void> hold = kj::READY_NOW) : hold(kj::mv(hold)) {}

  kj::Promise<void> call(CallContext context) override {
    auto reply = kj::str("heard ", context.getParams().getMessage());
    return hold.then([context, reply = kj::mv(reply)]() mutable { context.getResults().setReply(reply); });
  }

 private:
  kj::Promise<void> hold;
};

class Thrower final : public ProbeCallback::Server {
  kj::Promise<void> call(CallContext) override { KJ_FAIL_REQUIRE("no such luck"); }
};

// What a follower knows; it outlives the object that the host holds.
struct Known {
  std::map<std::string, std::string> items;
  uint64_t revision = 0;
  unsigned events = 0, open = 0;
  std::string end;
};

std::string textOf(SyncItem::Reader item) {
  switch (item.which()) {
    case SyncItem::SESSION: return item.getSession().cStr();
    case SyncItem::MESSAGE: return item.getMessage().cStr();
    case SyncItem::PART: return item.getPart().cStr();
    case SyncItem::SESSION_DIFF: return item.getSessionDiff().cStr();
    case SyncItem::MODEL: return item.getModel().cStr();
    case SyncItem::REMOVE: return item.getRemove().cStr();
    case SyncItem::OTHER: return item.getOther().getData().cStr();
  }
  KJ_FAIL_REQUIRE("an item of no kind");
}

class Follower final : public Observer::Server {
 public:
  Follower(Known& known, kj::Timer& timer, kj::Duration delay) : known(known), timer(timer), delay(delay) {}

  kj::Promise<void> changed(ChangedContext context) override {
    auto event = context.getParams().getEvent();
    CHECK(known.open++ == 0, "two calls at once to one observer");
    CHECK(known.end.empty(), "a call after the last");
    CHECK(event.getReset() || event.getBase() == known.revision, event.getBase(), known.revision);
    if (event.getReset()) known.items.clear();
    for (auto change : event.getChanges()) {
      if (change.isRemoved()) {
        known.items.erase(change.getKey().cStr());
      } else {
        known.items[change.getKey().cStr()] = textOf(change.getPut());
      }
    }
    if (!event.getMore()) known.revision = event.getRevision();
    return timer.afterDelay(delay).then([this]() {
      --known.open;
      ++known.events;
    });
  }

  kj::Promise<void> ended(EndedContext context) override {
    auto reason = context.getParams().getReason();
    CHECK(reason.isNotFound(), reason.getMessage());
    known.end = reason.getNotFound().cStr();
    return kj::READY_NOW;
  }

 private:
  Known& known;
  kj::Timer& timer;
  kj::Duration delay;
};

class Sink final : public ClientSink::Server {
 public:
  explicit Sink(kj::Own<kj::PromiseFulfiller<void>> heard) : heard(kj::mv(heard)) {}

  kj::Promise<void> push(PushContext context) override {
    context.getResults().initAnswer().setDone();
    heard->fulfill();
    return kj::READY_NOW;
  }

 private:
  kj::Own<kj::PromiseFulfiller<void>> heard;
};

// The client, with the calls it makes often.
class Client {
 public:
  Client(kj::AsyncIoContext& io, const Options& options) : io(io), options(options), link(io, options) {
    CHECK(link.status == 101, link.status);
  }

  void everyMethod() {
    auto rpc = link.rpc();

    auto hello = rpc.helloRequest();
    hello.setContractVersion(CONTRACT_VERSION);
    hello.setAgent("libcapnp");
    auto welcomed = get(hello.send());
    auto welcome = welcomed.getResult().getWelcome();
    CHECK(welcomed.getResult().isWelcome() && welcome.getAgent().startsWith("capshare/"));
    CHECK(welcome.getAccount().size() > 0 && welcome.getConnectionId().size() > 0);

    auto authenticate = rpc.authenticateRequest();
    authenticate.setToken(options.token ? options.token : "any");
    auto authenticated = get(authenticate.send());
    CHECK(authenticated.getResult().getAccount() == welcome.getAccount());
    rpc = authenticated.getRpc();

    // The probes: every bit of a value, and the host calls back.
    auto probe = rpc.probeValueRequest();
    auto value = probe.initInput();
    value.setWhen(-(1ll << 62));
    for (auto& byte : value.initBytes(256)) byte = static_cast<kj::byte>(&byte - value.getBytes().begin());
    value.initNested().setX(0.1);
    auto probed = get(probe.send());
    CHECK(probed.getOutput().getWhen() == -(1ll << 62) && probed.getOutput().getNested().getX() == 0.1);
    CHECK(probed.getOutput().getBytes().size() == 256 && probed.getOutput().getBytes()[255] == 255);
    CHECK(call(rpc, kj::heap<Callback>()) == "heard server-called");
    fails(kj::Exception::Type::FAILED, [&]() { call(rpc, kj::heap<Thrower>()); });
    fails(kj::Exception::Type::FAILED, [&]() { get(rpc.probeCallbackRequest().send()); });

    // A share with data; the same session again is the same share.
    auto create = rpc.createShareRequest();
    create.setSessionId("cpp-1");
    auto items = create.initInitialData(7);
    items[0].setSession("{\"title\":\"t\"}");
    items[1].setMessage("{\"id\":\"m1\"}");
    items[2].setPart("{\"id\":\"p1\",\"messageID\":\"m1\"}");
    items[3].setSessionDiff("[1]");
    items[4].setModel("[{\"id\":\"a\",\"providerID\":\"x\"},{\"id\":\"b\"}]");
    auto other = items[5].initOther();
    other.setType("todo");
    other.setData("{\"id\":\"t1\"}");
    items[6].setRemove("message/never");
    auto created = get(create.send());
    CHECK(created.getResult().isCreated(), created.getResult());
    auto facts = created.getResult().getCreated();
    CHECK(facts.getSyncCount() == 1 && facts.getRevision() == 1 && !facts.getExisted());
    CHECK(facts.getId().size() == 26 && facts.getSecret().startsWith("capsec_"));
    CHECK(facts.getUrl().endsWith(facts.getId()));
    auto id = kj::str(facts.getId()), secret = kj::str(facts.getSecret());
    auto again = rpc.createShareRequest();
    again.setSessionId("cpp-1");
    auto same = get(again.send());
    CHECK(same.getResult().getCreated().getExisted() && same.getResult().getCreated().getId() == id);

    // Synced by id and secret, twice with one stamp.
    for (bool duplicate : {false, true}) {
      auto sync = rpc.syncShareRequest();
      sync.setShareId(id);
      sync.setSecret(secret);
      sync.initData(1)[0].setMessage("{\"id\":\"m2\"}");
      auto stamp = sync.initStamp();
      stamp.setProducer("cpp");
      stamp.setSequence(1);
      auto synced = get(sync.send());
      CHECK(synced.getResult().isSynced(), synced.getResult());
      CHECK(synced.getResult().getSynced().getSyncCount() == 2);
      CHECK(synced.getResult().getSynced().getDuplicate() == duplicate);
    }

    // The share as a capability, used before the answer that carries it is there.
    auto opening = rpc.openShareRequest();
    opening.setShareId(id);
    opening.setSecret(secret);
    auto promise = opening.send();
    auto early = get(promise.getShare().infoRequest().send());
    CHECK(early.getResult().getInfo().getSessionId() == "cpp-1");
    auto opened = get(kj::mv(promise));
    CHECK(opened.getResult().getInfo().getItemCount() == 8);
    auto share = opened.getShare();
    CHECK(sync(share, "{\"id\":\"m3\"}") == 3);
    CHECK(get(share.infoRequest().send()).getResult().getInfo().getRevision() == 3);
    auto held = readAll(share);
    CHECK(held.size() == 9 && held["model/x/a"] == "{\"id\":\"a\",\"providerID\":\"x\"}");

    // Watched live, by an observer at once and by a slow one: both end at the same state.
    Known quick, slow;
    auto watch = follow(share, quick, 0 * kj::SECONDS), slowWatch = follow(share, slow, 30 * kj::MILLISECONDS);
    until([&]() { return quick.revision == 3; });
    CHECK(quick.items == held);
    for (uint64_t revision = 4; revision < 14; ++revision) {
      CHECK(sync(share, kj::str("{\"id\":\"m3\",\"at\":", revision, "}")) == revision);
      until([&]() { return quick.revision == revision; });
    }
    until([&]() { return slow.revision == 13; });
    CHECK(quick.items == readAll(share) && slow.items == quick.items);

    // Dropped, it ends.
    slowWatch = Watch::Client(nullptr);
    until([&]() { return slow.open == 0; });

    // An hour to live, then no end again.
    auto expiring_soon = share.setExpiryRequest();
    expiring_soon.setTtlMs(3600000);
    CHECK(get(expiring_soon.send()).getResult().getExpiresAt() > 0);
    CHECK(get(share.setExpiryRequest().send()).getResult().getExpiresAt() == 0);

    // To be seen by its own account alone, which this is, and again by everybody who has the link.
    for (auto visibility : {Visibility::GRANT, Visibility::LINK}) {
      auto visible = share.setVisibilityRequest();
      visible.setVisibility(visibility);
      CHECK(get(visible.send()).getResult().getVisibility() == visibility);
      CHECK(get(share.infoRequest().send()).getResult().getInfo().getVisibility() == visibility);
    }

    // Narrowed.
    auto narrowed = get(share.narrowToWriteRequest().send());
    CHECK(narrowed.getResult().getInfo().getId() == id);
    CHECK(sync(narrowed.getWriter(), "{\"id\":\"w\"}") == 14);
    CHECK(slow.revision == 13, "a watch that was dropped went on");
    auto reading = share.narrowToReadRequest();
    auto narrow = get(reading.send());
    CHECK(narrow.getResult().isInfo() && get(narrow.getView().infoRequest().send()).getResult().isInfo());
    auto expiring = share.narrowToReadRequest();
    expiring.setUntil(1);
    auto expired = get(expiring.send());
    CHECK(get(expired.getView().infoRequest().send()).getResult().getRefused().isUnauthorized());
    fails(kj::Exception::Type::UNIMPLEMENTED,
          [&]() { get(rpc.castAs<Share>().removeRequest().send()); });
    auto viewing = rpc.viewShareRequest();
    viewing.setShareId(id);
    auto viewed = get(viewing.send());
    CHECK(viewed.getResult().isInfo() && readAll(viewed.getView()) == readAll(share));

    // The same by its account's credential, without its secret.
    auto owning = rpc.ownShareRequest();
    owning.setShareId(id);
    auto own = get(owning.send());
    CHECK(own.getResult().getInfo().getId() == id);
    CHECK(get(own.getShare().grantsRequest().send()).getResult().isGrants());

    grants(rpc, share);
    administration(rpc);
    refusals(rpc, share, id);
    pages(rpc);

    // Deleted in both ways.
    auto remove = rpc.deleteShareRequest();
    remove.setShareId(id);
    remove.setSecret(secret);
    CHECK(get(remove.send()).getResult().isDeleted());
    until([&]() { return !quick.end.empty(); });
    CHECK(quick.end == id.cStr());
    CHECK(get(share.removeRequest().send()).getResult().getRefused().getNotFound() == id);
    CHECK(get(share.infoRequest().send()).getResult().getRefused().getNotFound() == id);
  }

  // Saved, restored, listed and revoked; a wrong token refuses, and so do the capabilities that come with it.
  void grants(ShareRpc::Client rpc, Share::Client share) {
    auto wrong = rpc.restoreRequest();
    wrong.setToken("any");
    auto nothing = get(wrong.send());
    CHECK(nothing.getResult().getRefused().isUnauthorized());
    CHECK(get(nothing.getShare().infoRequest().send()).getResult().getRefused().isUnauthorized());
    CHECK(get(nothing.getWriter().syncRequest().send()).getResult().getRefused().isUnauthorized());
    CHECK(get(nothing.getView().readRequest().send()).getResult().getRefused().isUnauthorized());
    auto save = share.saveRequest();
    save.setLabel("x");
    auto answer = get(save.send());
    auto saved = answer.getResult().getSaved();
    auto listing = get(share.grantsRequest().send());
    auto listed = listing.getResult().getGrants();
    CHECK(listed.size() == 1 && listed[0].getId() == saved.getGrantId() && listed[0].getRight() == Right::FULL);
    auto restore = rpc.restoreRequest();
    restore.setToken(saved.getToken());
    auto restored = get(restore.send());
    CHECK(restored.getResult().isShare());
    CHECK(get(restored.getShare().infoRequest().send()).getResult().isInfo());
    CHECK(get(restored.getView().readRequest().send()).getResult().getRefused().isUnauthorized());
    CHECK(get(share.revokeGrantRequest().send()).getResult().getRefused().isInvalidInput());
    auto revoke = share.revokeGrantRequest();
    revoke.setGrantId(saved.getGrantId());
    CHECK(get(revoke.send()).getResult().isDeleted());
    CHECK(get(restored.getShare().infoRequest().send()).getResult().getRefused().isUnauthorized());
  }

  void administration(ShareRpc::Client rpc) {
    auto heard = kj::newPromiseAndFulfiller<void>();
    auto offer = rpc.offerSinkRequest();
    offer.setSink(kj::heap<Sink>(kj::mv(heard.fulfiller)));
    auto offered = get(offer.send());
    CHECK(offered.getResult().isRegistered());
    auto administered = get(rpc.adminRequest().send());
    auto admin = administered.getAdmin();
    // Whoever shows nothing, or no token of an administrator, is none.
    CHECK(administered.getResult().getRefused().isUnauthorized());
    CHECK(get(admin.connectionsRequest().send()).getResult().getRefused().isUnauthorized());
    CHECK(get(admin.drainRequest().send()).getResult().getRefused().isUnauthorized());
    CHECK(get(admin.deleteShareRequest().send()).getResult().getRefused().isUnauthorized());
    if (!options.admin) return;
    auto authenticate = rpc.authenticateRequest();
    authenticate.setToken(options.admin);
    auto administrator = get(get(authenticate.send()).getRpc().adminRequest().send());
    CHECK(administrator.getResult().isAdmitted());
    admin = administrator.getAdmin();
    auto shares = admin.sharesRequest();
    shares.initFilter().setTitle("no title has this in it");
    CHECK(get(shares.send()).getResult().getPage().getShares().size() == 0);
    auto create = rpc.createShareRequest();
    create.setSessionId("cpp-to-be-deleted");
    auto created = get(create.send());
    auto unwanted = created.getResult().getCreated().getId();
    auto hide = admin.hideShareRequest();
    hide.setShareId(unwanted);
    CHECK(get(hide.send()).getResult().getVisibility() == Visibility::GRANT);
    auto remove = admin.deleteShareRequest();
    remove.setShareId(unwanted);
    CHECK(get(remove.send()).getResult().isDeleted());
    auto erase = admin.eraseAccountRequest();
    erase.setAccount("nobody");
    CHECK(get(erase.send()).getResult().getErased().getDeleted() == 0);
    CHECK(get(admin.connectionsRequest().send()).getResult().getPage().getConnections().size() >= 1);
    auto broadcast = admin.broadcastRequest();
    broadcast.initAction().setNotice("hello");
    CHECK(get(broadcast.send()).getResult().getCount() >= 1);
    heard.promise.wait(io.waitScope);
  }

  void refusals(ShareRpc::Client rpc, Share::Client share, kj::StringPtr id) {
    auto wrong = rpc.openShareRequest();
    wrong.setShareId(id);
    wrong.setSecret("wrong");
    auto refused = get(wrong.send());
    CHECK(refused.getResult().getRefused().getInvalidSecret() == id);
    CHECK(refused.getResult().getRefused().getRetry() == Retry::NEVER);
    CHECK(get(refused.getShare().infoRequest().send()).getResult().getRefused().getInvalidSecret() == id);
    auto nobody = rpc.viewShareRequest();
    nobody.setShareId("nobody");
    CHECK(get(nobody.send()).getResult().getRefused().getNotFound() == "nobody");
    auto bad = share.syncRequest();
    auto data = bad.initData(2);
    data[0].setMessage("{\"id\":\"ok\"}");
    data[1].setMessage("no json");
    CHECK(get(bad.send()).getResult().getRefused().getInvalidInput().getIndex() == 1);
  }

  void pages(ShareRpc::Client rpc) {
    std::set<std::string> shared, listed;
    kj::Vector<Share::Client> shares;
    for (auto session : {"cpp-2", "cpp-3", "cpp-4", "cpp-5"}) {
      auto create = rpc.createShareRequest();
      create.setSessionId(session);
      shares.add(create.send().getShare());
      shared.insert(session);
    }
    for (auto& share : shares) CHECK(get(share.infoRequest().send()).getResult().isInfo());
    kj::String cursor = kj::str();
    unsigned pages = 0;
    do {
      auto list = rpc.listSharesRequest();
      list.setCursor(cursor);
      list.setLimit(2);
      auto answer = get(list.send());
      CHECK(answer.getResult().isPage());
      for (auto entry : answer.getResult().getPage().getShares()) listed.insert(entry.getSessionId().cStr());
      cursor = kj::str(answer.getResult().getPage().getNextCursor());
      ++pages;
    } while (cursor.size() > 0);
    CHECK(pages >= 3);
    for (auto& session : shared) CHECK(listed.count(session) == 1, session.c_str());
    for (auto& share : shares) CHECK(get(share.removeRequest().send()).getResult().isDeleted());
  }

  // Pings pass in both directions while a call of each side is open.
  void pings() {
    auto rpc = link.rpc();
    auto held = kj::newPromiseAndFulfiller<void>();
    auto request = rpc.probeCallbackRequest();
    request.setCallback(kj::heap<Callback>(kj::mv(held.promise)));
    auto open = request.send();
    auto before = link.pingCount();
    until([&]() {
      CHECK(probe(rpc, 20000) == 20000);
      return link.pingCount() >= before + 3;
    });
    held.fulfiller->fulfill();
    CHECK(get(kj::mv(open)).getReply() == "heard server-called");
  }

  // Capabilities that are only promised when they are passed: kept, broken, or found to be the host's own.
  void promised() {
    auto rpc = link.rpc();
    auto pass = [&](auto keep) {
      auto promise = kj::newPromiseAndFulfiller<ProbeCallback::Client>();
      auto request = rpc.probeCallbackRequest();
      request.setCallback(kj::mv(promise.promise));
      auto open = request.send();
      CHECK(probe(rpc, 1) == 1);  // By now the host has begun to call it.
      keep(*promise.fulfiller);
      return kj::str(get(kj::mv(open)).getReply());
    };
    using Fulfiller = kj::PromiseFulfiller<ProbeCallback::Client>;
    CHECK(pass([](Fulfiller& promise) { promise.fulfill(kj::heap<Callback>()); }) == "heard server-called");
    fails(kj::Exception::Type::FAILED,
          [&]() { pass([](Fulfiller& promise) { promise.reject(KJ_EXCEPTION(FAILED, "not to be had")); }); });

    // Found to be the host's own: this library then sends the call back with `sendResultsTo.yourself`, which capnp-rpc
    // 0.27.3 takes and never runs (nothing polls it). So that call stays open until it is dropped; the rest goes on.
    for (bool early : {false, true}) {
      auto promise = kj::newPromiseAndFulfiller<ProbeCallback::Client>();
      auto request = rpc.probeCallbackRequest();
      request.setCallback(kj::mv(promise.promise));
      auto open = request.send();
      CHECK(probe(rpc, 1) == 1);
      auto own = early ? rpc.openShareRequest().send().getShare().castAs<ProbeCallback>() : rpc.castAs<ProbeCallback>();
      promise.fulfiller->fulfill(kj::mv(own));
      for (int at = 0; at < 20; ++at) CHECK(probe(rpc, 100) == 100);
    }
    CHECK(probe(rpc, 1) == 1);

    // One object for many calls at once.
    class Echo final : public ProbeCallback::Server {
      kj::Promise<void> call(CallContext context) override {
        context.getResults().setReply(context.getParams().getMessage());
        return kj::READY_NOW;
      }
    };
    ProbeCallback::Client callback = kj::heap<Echo>();
    kj::Vector<capnp::RemotePromise<ShareRpc::ProbeCallbackResults>> calls;
    for (int at = 0; at < 100; ++at) {
      auto request = rpc.probeCallbackRequest();
      request.setCallback(callback);
      calls.add(request.send());
    }
    for (auto& open : calls) CHECK(get(kj::mv(open)).getReply() == "server-called");

    // An observer that is promised sees everything, once it is there.
    auto create = rpc.createShareRequest();
    create.setSessionId("cpp-promised");
    auto share = create.send().getShare();
    Known known;
    auto observer = kj::newPromiseAndFulfiller<Observer::Client>();
    auto request = share.watchRequest();
    request.setObserver(kj::mv(observer.promise));
    auto watching = get(request.send());
    for (uint64_t at = 1; at <= 5; ++at) CHECK(sync(share, kj::str("{\"id\":\"m", at, "\"}")) == at);
    observer.fulfiller->fulfill(kj::heap<Follower>(known, io.provider->getTimer(), 0 * kj::SECONDS));
    until([&]() { return known.revision == 5; });
    CHECK(known.items == readAll(share) && known.items.size() == 5);
    CHECK(get(share.removeRequest().send()).getResult().isDeleted());
    until([&]() { return !known.end.empty(); });
  }

  // Near the limit of a message and past it: that ends the connection, and no other.
  void large() {
    auto rpc = link.rpc();
    CHECK(probe(rpc, 3 << 20) == 3 << 20);
    Client other(io, options);
    auto otherRpc = other.link.rpc();
    fails(kj::Exception::Type::DISCONNECTED, [&]() { probe(otherRpc, 5 << 20); });
    fails(kj::Exception::Type::DISCONNECTED, [&]() { probe(otherRpc, 1); });
    CHECK(probe(rpc, 1) == 1);
  }

  // Connections that are dropped with calls of both sides open.
  void leaves() {
    for (int at = 0; at < 5; ++at) {
      Known known;
      Client other(io, options);
      auto rpc = other.link.rpc();
      auto create = rpc.createShareRequest();
      create.setSessionId("cpp-left");
      auto share = create.send().getShare();
      auto watch = other.follow(share, known, WITHIN);
      auto request = rpc.probeCallbackRequest();
      request.setCallback(kj::heap<Callback>(kj::Promise<void>(kj::NEVER_DONE)));
      auto open = request.send();
      other.until([&]() { return known.open == 1 || at == 0; });
    }
    CHECK(probe(link.rpc(), 1) == 1);
  }

 private:
  // An answer, within the time that there is.
  template <typename Results>
  capnp::Response<Results> get(capnp::RemotePromise<Results>&& answer) {
    kj::Promise<capnp::Response<Results>> promise = kj::mv(answer);
    return io.provider->getTimer().timeoutAfter(WITHIN, kj::mv(promise)).wait(io.waitScope);
  }

  kj::String call(ShareRpc::Client rpc, kj::Own<ProbeCallback::Server> callback) {
    auto request = rpc.probeCallbackRequest();
    request.setCallback(kj::mv(callback));
    return kj::str(get(request.send()).getReply());
  }

  size_t probe(ShareRpc::Client rpc, size_t size) {
    auto request = rpc.probeValueRequest();
    memset(request.initInput().initBytes(size).begin(), 'b', size);
    auto answer = get(request.send());
    auto bytes = answer.getOutput().getBytes();
    CHECK(bytes.size() == 0 || bytes.back() == 'b');
    return bytes.size();
  }

  uint64_t sync(ShareWriter::Client share, kj::StringPtr json) {
    auto request = share.syncRequest();
    request.initData(1)[0].setMessage(json);
    auto answer = get(request.send());
    CHECK(answer.getResult().isSynced(), answer.getResult());
    return answer.getResult().getSynced().getRevision();
  }

  std::map<std::string, std::string> readAll(ShareView::Client view) {
    std::map<std::string, std::string> held;
    uint64_t cursor = 0;
    do {
      auto request = view.readRequest();
      request.setCursor(cursor);
      auto answer = get(request.send());
      CHECK(answer.getResult().isChunk());
      auto chunk = answer.getResult().getChunk();
      for (auto change : chunk.getChanges()) held[change.getKey().cStr()] = textOf(change.getPut());
      cursor = chunk.getNextCursor();
    } while (cursor != 0);
    return held;
  }

  Watch::Client follow(ShareView::Client view, Known& known, kj::Duration delay) {
    auto request = view.watchRequest();
    request.setObserver(kj::heap<Follower>(known, io.provider->getTimer(), delay));
    auto answer = get(request.send());
    CHECK(answer.getResult().isWatching());
    return answer.getWatch();
  }

  template <typename Fact>
  void until(Fact fact) {
    auto& timer = io.provider->getTimer();
    auto deadline = timer.now() + WITHIN;
    while (!fact()) {
      CHECK(timer.now() < deadline, "it did not come");
      timer.afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
    }
  }

  template <typename Action>
  void fails(kj::Exception::Type type, Action action) {
    KJ_IF_MAYBE (exception, kj::runCatchingExceptions(action)) {
      CHECK(exception->getType() == type, *exception);
    } else {
      KJ_FAIL_REQUIRE("no exception");
    }
  }

  kj::AsyncIoContext& io;
  Options options;
  Link link;
};

}  // namespace

int main(int count, char** arguments) {
  Options options{count > 1 ? arguments[1] : ""};
  for (int at = 2; at < count; ++at) {
    if (!strcmp(arguments[at], "--ping")) options.ping = true;
    if (!strcmp(arguments[at], "--token") && at + 1 < count) options.token = arguments[++at];
    if (!strcmp(arguments[at], "--admin") && at + 1 < count) options.admin = arguments[++at];
  }
  auto failed = kj::runCatchingExceptions([&]() {
    auto io = kj::setupAsyncIo();
    if (options.token) {
      Options stranger = options;
      stranger.token = "wrong-wrong-wrong";
      CHECK(Link(io, stranger).status == 401);
    }
    Client client(io, options);
    client.everyMethod();
    if (options.ping) client.pings();
    client.promised();
    client.leaves();
    client.large();
  });
  KJ_IF_MAYBE (exception, failed) {
    fprintf(stderr, "%s\n", kj::str(*exception).cStr());
    return 1;
  }
  return 0;
}

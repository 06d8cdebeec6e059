"""A client of capshare that shares no code with it: pycapnp, over a WebSocket, with the schema file and nothing else.

    client.py --schema share.capnp --url ws://HOST/rpc/share [--token T] [--admin T] [--cut] [--ping-interval S] SCENE...

Each scene is a function below that connects, asserts and closes; afterwards the host must be at rest, as its metrics
tell. The exit code is 0 if all held. Scenes do not disturb one another, but expect a host that nobody else uses.
"""

import argparse
import asyncio
import json
import time
import urllib.parse
import urllib.request

import capnp
import websockets

from bridge import dial

WITHIN = 20  # seconds for what is expected at once: far past what a busy machine needs


class World:
    """What a scene needs: the schema, the host, and how to reach it."""

    def __init__(self, options):
        self.schema = capnp.load(options.schema)
        self.url = options.url
        self.token = options.token
        self.admin = options.admin
        self._ways = {"cut": options.cut, "ping_interval": options.ping_interval}
        self.called = set()

    def dial(self, **ways):
        return dial(self.schema, self.url, **{"token": self.token, **self._ways, **ways})

    def seen(self, capability):
        return Seen(capability, self.called)

    def methods(self):
        interfaces = ("ShareRpc", "Saved", "ShareWriter", "ShareView", "Share", "Admin")
        return {method for name in interfaces for method in getattr(self.schema, name).schema.method_names}

    async def metrics(self):
        page = self.url.replace("ws", "http", 1).replace("/rpc/share", "/metrics")
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(page, timeout=WITHIN).read().decode())
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    async def rest(self):
        """Waits until the host holds nothing for anybody; and nothing in it may have panicked."""
        names = ("capshare_calls_in_flight", "capshare_capabilities_held", "capshare_followers")
        deadline = time.monotonic() + WITHIN
        while True:
            metrics = await self.metrics()
            opened = [name for name in metrics if name.startswith("capshare_connections_open")]
            held = {name: metrics[name] for name in (*names, *opened) if metrics[name] != 0}
            assert metrics["capshare_calls_panicked_total"] == 0, "a call panicked"
            if not held:
                return
            assert time.monotonic() < deadline, f"the host still holds {held}"
            await asyncio.sleep(0.02)


class Seen:
    """A capability that notes which of its methods are called."""

    def __init__(self, capability, called):
        self._capability = capability
        self._called = called

    def __getattr__(self, name):
        method = getattr(self._capability, name)

        def call(*positional, **arguments):
            self._called.add(name)
            return method(*positional, **arguments)

        return call


def facts(result, which):
    """The member of a result union that there must be."""
    got = result.which()
    assert got == which, f"{got} instead of {which}: {result.refused.message if got == 'refused' else result}"
    return getattr(result, which)


def refusal(result, which, retry="never"):
    """The facts of a refusal, of which there must be this one."""
    refused = facts(result, "refused")
    assert refused.which() == which, f"{refused.which()} instead of {which}: {refused.message}"
    assert refused.message and str(refused.retry) == retry, refused
    return getattr(refused, which)


async def fault(promise, kind, text=""):
    """What must end in an exception of this kind."""
    try:
        answer = await asyncio.wait_for(promise, WITHIN)
    except capnp.KjException as error:
        assert error.type == kind and text in error.description, (error.type, error.description)
        return
    raise AssertionError(f"{answer} instead of an exception, {kind}")


def message(id, **members):
    return {"message": json.dumps({"id": id, **members})}


def text_of(change):
    item = change.put
    return item.other.data if item.which() == "other" else getattr(item, item.which())


async def read_all(share, since=0):
    """All chunks of a read, and how many they were."""
    held, cursor, chunks = {}, 0, 0
    while True:
        chunk = facts((answer := await share.read(since=since, cursor=cursor)).result, "chunk")
        held.update({c.key: text_of(c) if c.which() == "put" else None for c in chunk.changes})
        chunks += 1
        cursor = chunk.nextCursor
        if cursor == 0:
            return held, chunks, answer


def observers(schema):
    """The classes of what this client offers to the host."""

    class Follower(schema.Observer.Server):
        """Folds what it is told into a copy of the share, and checks that the host keeps the rules of a watch."""

        def __init__(self, hold=None):
            self.items, self.revision, self.sync_count, self.end = {}, 0, 0, None
            self.events, self.open, self._hold, self._news = 0, 0, hold, asyncio.Event()

        async def changed(self, event, **_):
            assert self.open == 0, "two calls at once to one observer"
            assert self.end is None, "a call after the last"
            assert event.base == self.revision or event.reset, f"{event.base} after {self.revision}"
            if event.reset:
                self.items.clear()
            for change in event.changes:
                if change.which() == "removed":
                    self.items.pop(change.key, None)
                else:
                    self.items[change.key] = text_of(change)
            if not event.more:
                assert event.revision >= self.revision
                self.revision, self.sync_count = event.revision, event.syncCount
            self.open += 1
            if self._hold:
                await self._hold.wait()
            self.open -= 1
            self.events += 1
            self._news.set()

        async def ended(self, reason, **_):
            self.end = (reason.which(), str(getattr(reason, reason.which())))
            self._news.set()

        async def until(self, fact):
            async with asyncio.timeout(WITHIN):
                while not fact(self):
                    self._news.clear()
                    await self._news.wait()

    class Callback(schema.ProbeCallback.Server):
        def __init__(self, answer):
            self._answer, self.called = answer, asyncio.Event()

        async def call(self, message, **_):
            self.called.set()
            answer = self._answer(message)
            return await answer if asyncio.iscoroutine(answer) else answer

    class Sink(schema.ClientSink.Server):
        def __init__(self):
            self.heard = asyncio.Queue()

        async def push(self, action, _context, **_):
            self.heard.put_nowait(action.notice)
            _context.results.answer.done = None

    return Follower, Callback, Sink


async def every_method(world):
    """Calls every method of ShareRpc and of the capabilities that it gives."""
    follower_of, callback_of, sink_of = observers(world.schema)
    async with world.dial() as link:
        rpc = world.seen(link.rpc)
        welcome = facts((answer := await rpc.hello(contractVersion=world.schema.contractVersion, agent="pycapnp")).result, "welcome")
        account = welcome.account
        assert welcome.agent.startswith("capshare/") and welcome.contractVersion == 1 and account and welcome.connectionId
        if world.token:
            rpc = world.seen((answer := await rpc.authenticate(token=world.token)).rpc)
            assert facts(answer.result, "account") == account
        else:
            assert facts((answer := await rpc.authenticate(token="any")).result, "account") == account

        # The probes: every bit of a value, and the host calls back.
        sent = {"when": -(2**62), "bytes": bytes(range(256)), "nested": {"x": 0.1}}
        assert (await rpc.probeValue(input=sent)).output.to_dict() == sent
        assert (await rpc.probeCallback(callback=callback_of(lambda text: f"heard {text}"))).reply == "heard server-called"

        # A share without data, then the same session with some: the same share, and both secrets are good.
        empty = facts((answer := await rpc.createShare(sessionId="py-1")).result, "created")
        assert (empty.syncCount, empty.revision, empty.existed) == (0, 0, False) and len(empty.id) == 26
        assert empty.url.endswith(f"/share/{empty.id}") and empty.secret.startswith("capsec_") and len(empty.secret) == 50
        id, old_secret = empty.id, empty.secret
        items = [
            {"session": '{"title":"é\\u0000"}'},
            message("m/1"),
            {"part": '{"id":"p1","messageID":"m/1","text":"hi"}'},
            {"sessionDiff": "[1]"},
            {"model": '[{"id":"a","providerID":"x"},{"id":"b"}]'},
            {"other": {"type": "todo", "data": '{"id":"t1"}'}},
            {"other": {"type": "mood", "data": "7"}},
        ]
        again = facts((created := await rpc.createShare(sessionId="py-1", initialData=items)).result, "created")
        assert (again.syncCount, again.revision, again.existed) == (1, 1, True) and again.id == id
        secret = again.secret
        assert secret != old_secret

        # Sync by id and secret, with a stamp: sent twice it counts once.
        stamp = {"producer": "py", "epoch": 3, "sequence": 1}
        for duplicate in (False, True):
            data = [message("m2"), {"remove": "message/m%2F1"}]
            synced = facts((answer := await rpc.syncShare(shareId=id, secret=old_secret, data=data, stamp=stamp)).result, "synced")
            assert (synced.syncCount, synced.revision, synced.duplicate) == (2, 2, duplicate)
        stamp["epoch"] = 2
        assert refusal((answer := await rpc.syncShare(shareId=id, secret=secret, data=[], stamp=stamp)).result, "staleProducer") == 3

        # The share as a capability, before the answer that carries it is there.
        promise = link.rpc.openShare(shareId=id, secret=secret)
        early = promise.share.info()
        assert facts((answer := await early).result, "info").sessionId == "py-1"
        share = world.seen((opened := await promise).share)
        assert facts(opened.result, "info").itemCount == 7
        synced = facts((answer := await share.sync(data=[message("m3")], stamp={})).result, "synced")
        assert (synced.syncCount, synced.revision) == (3, 3)
        info = facts((answer := await share.info()).result, "info")
        assert (info.syncCount, info.revision, info.itemCount, info.id) == (3, 3, 8, id) and info.updatedAt >= info.createdAt > 0
        held, _, _ = await read_all(share)
        keys = ["session", "session_diff", "model/x/a", "model//b", "other/todo/t1", "other/mood", "message/m2", "message/m3"]
        assert list(held) == keys, list(held)
        assert held["session"] == '{"title":"é\\u0000"}' and held["other/mood"] == "7"
        held, _, _ = await read_all(share, since=1)
        assert held["message/m%2F1"] is None and held["message/m3"]

        # Watched live from the start, and by one that begins at a revision.
        follower, late = follower_of(), follower_of()
        watched = await share.watch(observer=follower, since=0)
        assert facts(watched.result, "watching") == 3
        await follower.until(lambda f: f.revision == 3)
        assert list(follower.items) == keys and follower.sync_count == 3
        late.revision = 3
        late_watch = await share.watch(observer=late, since=3)
        assert facts(late_watch.result, "watching") == 3
        for at in range(4, 14):
            await share.sync(data=[message("m3", at=at), message(f"x{at}")], stamp={})
            await follower.until(lambda f: f.revision == at)
        await late.until(lambda f: f.revision == 13)
        held, _, _ = await read_all(share)
        assert follower.items == held and late.items == {k: v for k, v in held.items() if k.startswith(("message/x", "message/m3"))}

        # An hour to live, then no end again.
        expires = facts((answer := await share.setExpiry(ttlMs=3_600_000)).result, "expiresAt")
        assert expires > info.createdAt and facts((answer := await share.info()).result, "info").expiresAt == expires
        assert facts((answer := await share.setExpiry(ttlMs=0)).result, "expiresAt") == 0
        refusal((answer := await share.setExpiry(ttlMs=2**63)).result, "limitExceeded")

        # Visible to who is granted it, then by its link again.
        for visibility in ("grant", "link"):
            told = facts((answer := await share.setVisibility(visibility=visibility)).result, "visibility")
            assert str(told) == visibility and str((await share.info()).result.info.visibility) == visibility
        refusal((answer := await share.setVisibility(visibility="unset")).result, "invalidInput")

        # Nobody answers a question that is over at once; one without choices is none.
        settled = facts((answer := await share.ask(question="Go on?", choices=["yes", "no"], needed=1, withinMs=1)).result, "settled")
        assert str(settled.outcome) == "expired" and not settled.choice
        assert {each.choice: each.count for each in settled.counts} == {"yes": 0, "no": 0}
        refusal((answer := await share.ask(question="Go on?", choices=[], needed=1, withinMs=1)).result, "invalidInput")

        # Narrowed: a writer cannot read, a view cannot write, and one that has run out does nothing.
        writer = world.seen((narrowed := await share.narrowToWrite()).writer)
        assert facts(narrowed.result, "info").id == id
        assert facts((answer := await writer.sync(data=[message("w")], stamp={})).result, "synced").revision == 14
        assert not hasattr(narrowed.writer, "read")
        view = world.seen((viewed := await share.narrowToRead(until=0)).view)
        assert facts(viewed.result, "info").id == id and not hasattr(viewed.view, "sync")
        assert facts((answer := await view.info()).result, "info").revision == 14
        expired = (answer_expired := await share.narrowToRead(until=1)).view
        refusal((answer := await expired.info()).result, "unauthorized")
        refusal((answer := await expired.read(since=0, cursor=0)).result, "unauthorized")
        refusal((answer := await expired.watch(observer=follower_of(), since=0)).result, "unauthorized")
        own = (opened_own := await rpc.ownShare(shareId=id)).share
        assert facts(opened_own.result, "info").revision == 14
        assert list(facts((answer := await own.grants()).result, "grants")) == []
        assert refusal((answer := await rpc.ownShare(shareId="a" * 26)).result, "notFound") == "a" * 26
        view = (viewed := await rpc.viewShare(shareId=id)).view
        assert facts(viewed.result, "info").revision == 14
        assert (await read_all(view))[0] == (await read_all(share))[0]

        # Saved, restored, listed and revoked; a wrong token refuses, and so do the capabilities that come with it.
        restored = await rpc.restore(token="any")
        refusal(restored.result, "unauthorized")
        refusal((answer := await restored.share.info()).result, "unauthorized")
        refusal((answer := await restored.writer.sync(data=[], stamp={})).result, "unauthorized")
        refusal((answer := await restored.writer.setExpiry(ttlMs=1)).result, "unauthorized")
        refusal((answer := await restored.writer.setVisibility(visibility="link")).result, "unauthorized")
        refusal((answer := await restored.view.read(since=0, cursor=0)).result, "unauthorized")
        saved = facts((answer_saved := await share.save(label="x", expiresAt=0)).result, "saved")
        grants = facts((answer_grants := await share.grants()).result, "grants")
        assert [(grant.id, grant.label, str(grant.right)) for grant in grants] == [(saved.grantId, "x", "full")]
        restored = await rpc.restore(token=saved.token)
        facts(restored.result, "share")
        assert facts((answer := await restored.share.info()).result, "info").revision == 14
        refusal((answer := await restored.writer.sync(data=[], stamp={})).result, "unauthorized")
        refusal((answer := await restored.view.read(since=0, cursor=0)).result, "unauthorized")
        refusal((answer := await share.revokeGrant(grantId="x")).result, "invalidInput")
        facts((answer := await share.revokeGrant(grantId=saved.grantId)).result, "deleted")
        refusal((answer := await restored.share.info()).result, "unauthorized")

        # The host pushes to a client that offers a sink, and tells an administrator about its connections.
        sink = sink_of()
        offered = await rpc.offerSink(sink=sink)
        facts(offered.result, "registered")
        administered = await rpc.admin()
        admin = world.seen(administered.admin)
        if not world.admin:
            why = "unauthorized"
            refusal(administered.result, why)
            refusal((answer := await admin.connections(cursor="", limit=1)).result, why)
            refusal((answer := await admin.close(which={"account": account})).result, why)
            refusal((answer := await admin.sendToAccount(account=account, action={"notice": "x"})).result, why)
            refusal((answer := await admin.broadcast(action={"notice": "x"}, filter={}, **{"except": []})).result, why)
            refusal((answer := await admin.stats()).result, why)
            refusal((answer := await admin.drain(deadline=0)).result, why)
            refusal((answer := await admin.undrain()).result, why)
            refusal((answer := await admin.hosts()).result, why)
            refusal((answer := await admin.at(hostId="none")).result, why)
            refusal((answer := await admin.shares(filter={}, cursor="", limit=1)).result, why)
            refusal((answer := await admin.hideShare(shareId=id)).result, why)
            refusal((answer := await admin.deleteShare(shareId=id)).result, why)
            refusal((answer := await admin.eraseAccount(account=account, cursor="")).result, why)
        else:
            # Whoever shows nothing is no administrator.
            refusal(administered.result, "unauthorized")
            root = (answer := await rpc.authenticate(token=world.admin)).rpc
            facts(answer.result, "account")
            administered = await root.admin()
            admin = world.seen(administered.admin)
            facts(administered.result, "admitted")
            page = facts((answer := await admin.shares(filter={"account": account}, cursor="", limit=1000)).result, "page")
            assert (id, account) in [(share.id, share.account) for share in page.shares]
            page = facts((answer := await admin.shares(filter={"title": "no title has this in it"}, cursor="", limit=9)).result, "page")
            assert not list(page.shares)
            unwanted = facts((answer_unwanted := await rpc.createShare(sessionId="py-to-be-deleted")).result, "created").id
            assert str(facts((answer := await admin.hideShare(shareId=unwanted)).result, "visibility")) == "grant"
            facts((answer := await admin.deleteShare(shareId=unwanted)).result, "deleted")
            assert refusal((answer := await admin.deleteShare(shareId=unwanted)).result, "notFound") == unwanted
            erased = facts((answer := await admin.eraseAccount(account="nobody", cursor="")).result, "erased")
            assert (erased.deleted, list(erased.failed), erased.nextCursor) == (0, [], "")
            page = facts((answer := await admin.connections(cursor="", limit=9)).result, "page")
            assert welcome.connectionId in [connection.id for connection in page.connections]
            assert facts((answer := await admin.close(which={"token": "nobodys"})).result, "count") == 0
            assert facts((answer := await admin.sendToAccount(account=account, action={"notice": "one"})).result, "count") == 1
            sent = admin.broadcast(action={"notice": "two"}, filter={}, **{"except": []})
            assert facts((answer := await sent).result, "count") == 1
            assert [await asyncio.wait_for(sink.heard.get(), WITHIN) for _ in range(2)] == ["one", "two"]
            assert facts((answer := await admin.stats()).result, "stats").rpcConnections >= 1
            assert facts((answer := await admin.undrain()).result, "count") >= 1
            own = facts((answer := await admin.hosts()).result, "hosts")[0].id
            facts((answer := await admin.at(hostId=own)).result, "admitted")
            # It would end the host for the scenes that follow.
            world.called.add("drain")
        del offered
        facts((answer := await rpc.call(procedure="nobody serves this", data="{}")).result, "unknown")

        # Listed over pages.
        others = {f"py-{at}" for at in range(2, 7)}
        for session in others:
            facts((answer := await rpc.createShare(sessionId=session, initialData=[])).result, "created")
        listed, cursor, pages = {}, "", 0
        while True:
            page = facts((answer := await rpc.listShares(cursor=cursor, limit=2, everyAccount=False)).result, "page")
            assert len(page.shares) <= 2
            listed.update({s.sessionId: (s.id, s.account, s.url) for s in page.shares})
            pages, cursor = pages + 1, page.nextCursor
            if not cursor:
                break
        assert others | {"py-1"} <= set(listed) and pages >= 3
        assert listed["py-1"] == (id, account, created.result.created.url)
        limit = refusal((answer := await rpc.listShares(cursor="", limit=1001, everyAccount=False)).result, "limitExceeded")
        assert (limit.limit, limit.max, limit.got) == ("listPageMax", 1000, 1001)

        # Refused, each with its facts.
        nobody = "a" * 26
        assert refusal((answer := await rpc.openShare(shareId=nobody, secret=secret)).result, "notFound") == nobody
        assert refusal((answer := await answer.share.info()).result, "notFound") == nobody
        assert refusal((answer := await rpc.viewShare(shareId="no id")).result, "notFound") == "no id"
        assert refusal((answer := await rpc.openShare(shareId=id, secret="wrong")).result, "invalidSecret") == id
        assert refusal((answer := await rpc.syncShare(shareId=id, secret="", data=[], stamp={})).result, "invalidSecret") == id
        assert refusal((answer := await rpc.deleteShare(shareId=id, secret="wrong")).result, "invalidSecret") == id
        data = [message("ok"), {"message": "{}"}]
        assert refusal((answer := await share.sync(data=data, stamp={})).result, "invalidInput").index == 1
        data = [{"part": "no json"}]
        assert refusal((answer := await share.sync(data=data, stamp={})).result, "invalidInput").index == 0
        data = [{"remove": "x"}] * 2001
        assert refusal((answer := await share.sync(data=data, stamp={})).result, "limitExceeded").got == 2001
        refusal((answer := await rpc.createShare(sessionId=".dot")).result, "invalidInput")
        refusal((answer := await rpc.syncShare(shareId=id, secret=secret, data=[], stamp={"producer": "no name"})).result, "invalidInput")

        # Deleted in both ways: the followers hear it, and the id is never good again.
        assert facts((answer := await rpc.deleteShare(shareId=id, secret=secret)).result, "deleted") is None
        await follower.until(lambda f: f.end)
        await late.until(lambda f: f.end)
        assert follower.end == late.end == ("notFound", id)
        assert refusal((answer := await share.info()).result, "notFound") == id
        assert refusal((answer := await share.remove()).result, "notFound") == id
        for session in others:
            promise = link.rpc.createShare(sessionId=session)
            assert facts((answer := await promise.share.remove()).result, "deleted") is None
            assert facts((answer := await promise).result, "created").existed

        # An older or newer contract, last, because from then on nothing is served.
        mismatch = refusal((answer := await rpc.hello(contractVersion=2, agent="new")).result, "protocolMismatch")
        assert (mismatch.expected, mismatch.got) == ("capshare.1", "capshare.2")
        refusal((answer := await rpc.createShare(sessionId="py-1")).result, "protocolMismatch")
    assert world.called == world.methods(), f"not called: {world.methods() - world.called}"


async def credentials(world):
    """Without a token nothing, in-band only the door to it, with a token the rights of its account."""
    for ways, status in (
        ({"token": None}, 401),
        ({"token": "wrong-wrong-wrong"}, 401),
    ):
        await refused_at_the_door(world, status, **ways)
    inside, url = world.url + "?auth=inband", world.url
    world.url = f"{url}?token={urllib.parse.quote(world.token)}"
    await refused_at_the_door(world, 401, token=None)
    world.url = inside
    try:
        async with world.dial(token=None) as link:
            _, callback_of, sink_of = observers(world.schema)
            rpc = link.rpc
            assert facts((answer := await rpc.hello(contractVersion=1, agent="x")).result, "welcome").account == ""
            assert (await rpc.probeValue(input={"when": 5})).output.when == 5
            assert (await rpc.probeCallback(callback=callback_of(str.upper))).reply == "SERVER-CALLED"
            promise = rpc.createShare(sessionId="x")
            refusal((answer := await promise.share.sync(data=[], stamp={})).result, "unauthorized")
            refusal((answer := await promise).result, "unauthorized")
            for promise in (
                rpc.syncShare(shareId="x", secret="x", data=[{"message": "no json"}], stamp={}),
                rpc.deleteShare(shareId="x", secret="x"),
                rpc.openShare(shareId="x", secret="x"),
                rpc.viewShare(shareId="a" * 26),
                rpc.ownShare(shareId="a" * 26),
                rpc.listShares(cursor="", limit=0, everyAccount=False),
                rpc.offerSink(sink=sink_of()),
                rpc.restore(token="x"),
                rpc.admin(),
            ):
                refusal((answer := await promise).result, "unauthorized")
            wrong = rpc.authenticate(token="wrong-wrong-wrong")
            refusal((answer := await wrong.rpc.createShare(sessionId="x")).result, "unauthorized")
            refusal((answer := await wrong).result, "unauthorized")
            await fault(answer.rpc.probeValue(input={}), "FAILED")
            promise = rpc.authenticate(token=world.token)
            created = facts((answer := await promise.rpc.createShare(sessionId="in-band")).result, "created")
            assert facts((right := await promise).result, "account")
            # The capability is what has the right; the root that it came from gained nothing.
            refusal((answer := await rpc.listShares(cursor="", limit=0, everyAccount=False)).result, "unauthorized")
            rpc = right.rpc
            refusal((answer := await rpc.listShares(cursor="", limit=0, everyAccount=True)).result, "unauthorized")
            refusal((answer := await rpc.admin()).result, "unauthorized")
            assert facts((answer := await rpc.deleteShare(shareId=created.id, secret=created.secret)).result, "deleted") is None
    finally:
        world.url = url


async def refused_at_the_door(world, status, **ways):
    try:
        async with world.dial(**ways):
            raise AssertionError(f"let in, instead of {status}")
    except websockets.exceptions.InvalidStatus as error:
        assert error.response.status_code == status, error.response


async def pings(world):
    """Pings of both sides pass while calls of both sides are open. Needs `--ping-interval` and a host that pings as often."""
    follower_of, callback_of, _ = observers(world.schema)
    hold = asyncio.Event()

    async def slowly(text):
        await hold.wait()
        return "late"

    async with world.dial() as link:
        share = (created := await link.rpc.createShare(sessionId="pings", initialData=[])).share
        follower = follower_of(hold=hold)
        watched = await share.watch(observer=follower, since=0)
        callback = callback_of(slowly)
        call = asyncio.ensure_future(pending(link.rpc.probeCallback(callback=callback)))
        await asyncio.wait_for(callback.called.wait(), WITHIN)
        async with asyncio.timeout(WITHIN):
            while link.ws.pings < 3 or link.ws.latency == 0:
                # Messages go both ways in between.
                await link.rpc.probeValue(input={"bytes": b"x" * 20000})
                await asyncio.sleep(0.05)
        assert not call.done() and follower.open == 1
        facts((answer := await share.sync(data=[message("m")], stamp={})).result, "synced")
        hold.set()
        assert (await asyncio.wait_for(call, WITHIN)).reply == "late"
        await follower.until(lambda f: f.revision == 1)
        assert facts((answer := await share.remove()).result, "deleted") is None


async def pending(promise):
    return await promise


async def large(world):
    """Messages near the limit of 4 MiB, and one past it, which ends that connection and no other."""
    follower_of, callback_of, _ = observers(world.schema)
    async with world.dial() as other, world.dial() as link:
        blob = bytes(range(256)) * (3 << 12)
        assert (await link.rpc.probeValue(input={"bytes": blob})).output.bytes == blob
        text = "x" * (3 << 20)
        share = (created := await link.rpc.createShare(sessionId="large", initialData=[message("big", text=text)])).share
        facts(created.result, "created")
        for at in range(8):
            facts((answer := await share.sync(data=[message(f"part{at}", text="y" * 200_000)], stamp={})).result, "synced")
        held, chunks, _ = await read_all(share)
        assert len(held) == 9 and json.loads(held["message/big"])["text"] == text and chunks > 5
        follower = follower_of()
        watched = await share.watch(observer=follower, since=0)
        await follower.until(lambda f: f.revision == 9)
        assert follower.items == held and follower.events > 5
        assert facts((answer := await share.remove()).result, "deleted") is None
        # The largest item there may be, and one byte more.
        most = world.schema.itemBytesMax
        share = (created := await link.rpc.createShare(sessionId="largest")).share
        for at, (size, end) in enumerate(((most, "synced"), (most, "synced"), (most + 1, "refused"))):
            item = '{"id":"%d","text":"' % at
            item += "x" * (size - len(item) - 2) + '"}'
            answer = await share.sync(data=[{"message": item}], stamp={})
            facts(answer.result, end)
        limit = refusal(answer.result, "limitExceeded")
        assert (limit.limit, limit.max, limit.got) == ("itemBytesMax", most, most + 1)
        held, chunks, _ = await read_all(share)
        assert [len(text) for text in held.values()] == [most, most] and chunks >= 2
        follower = follower_of()
        watched = await share.watch(observer=follower, since=0)
        await follower.until(lambda f: f.revision == 2)
        assert follower.items == held and follower.events == 2
        assert facts((answer := await share.remove()).result, "deleted") is None
        await fault(link.rpc.probeValue(input={"bytes": bytes(5 << 20)}), "DISCONNECTED")
        assert link.ws.close_code == 1009, link.ws.close_code
        await fault(share.info(), "DISCONNECTED")
        assert (await other.rpc.probeValue(input={"when": 1})).output.when == 1


async def accidents(world):
    """What a client may do by mistake. Each costs at most its own connection; `other` is served all the while."""
    follower_of, callback_of, sink_of = observers(world.schema)
    async with world.dial() as other:
        watching = follower_of()
        share = (created := await other.rpc.createShare(sessionId="accidents", initialData=[])).share
        id, secret = created.result.created.id, created.result.created.secret
        watched = await share.watch(observer=watching, since=0)
        synced = 0

        async def others_are_served():
            nonlocal synced
            synced += 1
            facts((answer := await share.sync(data=[message("m", at=synced)], stamp={})).result, "synced")
            await watching.until(lambda f: f.revision == synced)

        # Nothing where a capability should be.
        async with world.dial() as link:
            await fault(link.rpc.probeCallback(), "FAILED", "null")
            mine = (opened := await link.rpc.openShare(shareId=id, secret=secret)).share
            await fault(mine.watch(since=0), "FAILED", "null")
            await fault(link.rpc.offerSink(), "FAILED", "null")
            await others_are_served()

        # The host's own capabilities back, as if they were ours: resolved, promised, refused.
        async with world.dial() as link:
            promise = link.rpc.openShare(shareId=id, secret=secret)
            await fault(link.rpc.probeCallback(callback=promise.share.cast_as(world.schema.ProbeCallback)), "UNIMPLEMENTED")
            mine = (opened := await promise).share
            await fault(link.rpc.probeCallback(callback=mine.cast_as(world.schema.ProbeCallback)), "UNIMPLEMENTED")
            await fault(link.rpc.probeCallback(callback=link.rpc.cast_as(world.schema.ProbeCallback)), "UNIMPLEMENTED")
            odd = await mine.watch(observer=mine.cast_as(world.schema.Observer), since=0)
            refused = link.rpc.openShare(shareId="x", secret="x")
            await fault(link.rpc.probeCallback(callback=refused.share.cast_as(world.schema.ProbeCallback)), "UNIMPLEMENTED")
            # A watch on a share that is only promised, with a capability among the arguments.
            early = follower_of()
            watch = await link.rpc.openShare(shareId=id, secret=secret).share.watch(observer=early, since=0)
            await early.until(lambda f: f.revision == synced)
            # A method that the object does not have.
            await fault(link.rpc.cast_as(world.schema.Admin).drain(deadline=0), "UNIMPLEMENTED")
            await others_are_served()
            await early.until(lambda f: f.revision == synced)

        # Callbacks that throw or give nothing, and one that calls the host from within.
        async with world.dial() as link:

            def throw(text):
                raise ValueError("no such luck")

            async def call_back(text):
                inner = await link.rpc.probeCallback(callback=callback_of(lambda text: "inner"))
                return f"outer of {inner.reply}"

            await fault(link.rpc.probeCallback(callback=callback_of(throw)), "FAILED", "no such luck")
            assert (await link.rpc.probeCallback(callback=callback_of(lambda text: None))).reply == ""
            assert (await link.rpc.probeCallback(callback=callback_of(call_back))).reply == "outer of inner"
            await others_are_served()

        # An observer that throws loses its watch, and only that.
        async with world.dial() as link:
            mine = (opened := await link.rpc.openShare(shareId=id, secret=secret)).share

            class Thrower(world.schema.Observer.Server):
                told = 0

                async def changed(self, event, **_):
                    self.told += 1
                    raise ValueError("I do not want to know")

            thrower, beside = Thrower(), follower_of()
            odd, even = await mine.watch(observer=thrower, since=0), await mine.watch(observer=beside, since=0)
            for _ in range(3):
                await others_are_served()
                await beside.until(lambda f: f.revision == synced)
            assert thrower.told == 1, thrower.told

        # Observers and callbacks that never return, calls dropped half-way, and then TCP cut under all of it.
        never = asyncio.Event()

        async def wait(text):
            await never.wait()
            return ""

        for _ in range(3):
            async with world.dial() as link:
                mine = (opened := await link.rpc.openShare(shareId=id, secret=secret)).share
                stuck = follower_of(hold=never)
                watch = await mine.watch(observer=stuck, since=0)
                callbacks = [callback_of(wait) for _ in range(20)]
                calls = [asyncio.ensure_future(pending(link.rpc.probeCallback(callback=c))) for c in callbacks]
                for callback in callbacks:
                    await asyncio.wait_for(callback.called.wait(), WITHIN)
                for call in calls[:10]:
                    call.cancel()
                await others_are_served()
                assert (await link.rpc.probeValue(input={"when": 2})).output.when == 2
                link.cut()
                for call in calls[10:]:
                    await fault(call, "DISCONNECTED")
                await fault(mine.info(), "DISCONNECTED")
            await others_are_served()

        # Cut in the middle of a call: what was handed over is kept or not, but never half.
        for at in range(5):
            async with world.dial() as link:
                mine = (opened := await link.rpc.openShare(shareId=id, secret=secret)).share
                data = [message(f"cut{at}-{n}", text="z" * 10_000) for n in range(30)]
                calls = [asyncio.ensure_future(pending(mine.sync(data=data, stamp={}))) for _ in range(5)]
                await asyncio.sleep(0.003 * at)
                link.cut()
                await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0.05)
        held, _, _ = await read_all(share)
        for at in range(5):
            assert sum(key.startswith(f"message/cut{at}-") for key in held) in (0, 30)

        # Half a message, and then gone; and what is no message at all.
        for garbage in (b"\0\0\0\0\2\0\0\0\0\0", b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n"):
            headers = {"Authorization": f"Bearer {world.token}"} if world.token else None
            async with websockets.connect(world.url, additional_headers=headers) as ws:
                await ws.send(garbage)
                if garbage[:1] == b"\0":
                    ws.transport.abort()
                else:
                    try:
                        async with asyncio.timeout(WITHIN):
                            while True:
                                await ws.recv()
                    except websockets.exceptions.ConnectionClosed:
                        assert ws.close_code == 1002, ws.close_code

        # More calls than a connection may have open: the excess is told so, the rest is answered.
        async with world.dial() as link:
            open_calls = [callback_of(wait) for _ in range(512)]
            calls = [asyncio.ensure_future(pending(link.rpc.probeCallback(callback=c))) for c in open_calls]
            for callback in open_calls:
                await asyncio.wait_for(callback.called.wait(), WITHIN)
            await fault(link.rpc.probeValue(input={}), "OVERLOADED", "LimitExceeded callsInFlightMax max=512")
            never.set()
            for call in calls:
                assert (await asyncio.wait_for(call, WITHIN)).reply == ""
            assert (await link.rpc.probeValue(input={"when": 3})).output.when == 3

        # More capabilities than it may hold: a refusal, until one is dropped.
        async with world.dial() as link:
            held = [await link.rpc.viewShare(shareId=id) for _ in range(1024)]
            limit = refusal((answer := await link.rpc.viewShare(shareId=id)).result, "limitExceeded")
            assert (limit.limit, limit.max) == ("capabilitiesHeldMax", 1024)
            held.pop()
            del answer
            async with asyncio.timeout(WITHIN):
                while (await link.rpc.viewShare(shareId=id)).result.which() == "refused":
                    pass

        # A share that goes while it is watched, and calls on what is gone.
        revision = facts((answer := await share.info()).result, "info").revision
        await watching.until(lambda f: f.revision == revision)
        async with world.dial() as link:
            facts((answer := await link.rpc.deleteShare(shareId=id, secret=secret)).result, "deleted")
        await watching.until(lambda f: f.end)
        for promise in (share.info(), share.read(since=0, cursor=0), share.sync(data=[], stamp={}), share.remove()):
            assert refusal((answer := await promise).result, "notFound") == id
        assert (await other.rpc.probeValue(input={"when": 4})).output.when == 4


SCENES = {scene.__name__: scene for scene in (every_method, credentials, pings, large, accidents)}


async def main(options):
    world = World(options)
    for name in options.scenes:
        began = time.monotonic()
        async with asyncio.timeout(120):
            await SCENES[name](world)
            await world.rest()
        print(f"{name}: {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--schema", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token")
    parser.add_argument("--admin", help="a token of an administrator, shown in-band")
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--ping-interval", type=float, default=20)
    parser.add_argument("scenes", nargs="+", choices=SCENES)
    asyncio.run(capnp.run(main(parser.parse_args())))

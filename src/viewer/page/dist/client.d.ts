/**
 * Opens a channel to a share: its page's URL, or its id if this page is the host's own. Of a share that is at several hosts,
 * the URLs at all of them: the channel begins at a random one.
 */

/**
 * The frames of the viewer channel, as types. `schema/viewer.md` is their contract; this is what a program sees of it.
 */
/** A change of one item: its new value, what is different from the one that a viewer holds, or that it is gone. */
export type Change = Put | Patch | Removal;
/** An item has this value now. */
export interface Put {
    /** Such as `session`, `message/<id>`, `part/<messageID>/<id>`, `model/<provider>/<id>`, `other/<type>/<id>`. */
    key: string;
    /** The revision with which it got this value. */
    revision: number;
    /** The revision with which it first came; left out when that is `revision`. */
    first?: number;
    /** `session`, `message`, `part`, `session_diff`, `model`, or what the producer called it. */
    type: string;
    value: unknown;
}
/** An item has another value now: the one of revision `base` with these operations. Applied by `Replica`. */
export interface Patch {
    key: string;
    revision: number;
    first?: number;
    type: string;
    base: number;
    patch: Operation[];
}
/** One place of a value, as a JSON pointer, and what becomes of it: more at its end, another value, or nothing. */
export type Operation = {
    path: string;
    append: string | unknown[];
} | {
    path: string;
    value: unknown;
} | {
    path: string;
    removed: true;
};
/** An item is gone. */
export interface Removal {
    key: string;
    revision: number;
    removed: true;
}
/** An item of the document of a share's state. */
export interface Placed extends Put {
    /** Its place in the order in which items first came. */
    place: number;
    /** Bytes of the whole value, if this one has its long texts cut. */
    size?: number;
}
/** The way from revision `base` to `revision`; there is more of it in the next step if `more`. */
export interface Step {
    base: number;
    revision: number;
    syncCount: number;
    more: boolean;
    changes: Change[];
    /** On a snapshot that replaces what a viewer held: why it could not go on from there. */
    resync?: string;
}
/** Why something was refused; `transient` says that trying again may help. */
export interface RefusalFrame {
    code: string;
    message: string;
    transient?: boolean;
}
export interface Ready {
    revision: number;
    /** Names this stream towards the host. */
    channel?: string;
    /** URLs of other hosts where the share is. */
    hosts?: string[];
}
/** The host lets its viewers go: the channel connects to one of `urls`, or to another host that it knows, and leaves this one then. */
export interface Moving {
    urls: string[];
    /** After so long this connection is ended. */
    withinMs: number;
}
/** Who watches, of those who are with the same host. */
export interface Presence {
    viewers: number;
    names: string[];
}
/** A question of the producer to its viewers: `needed` equal answers before `deadline` (ms since 1970) settle it. */
export interface Ask {
    ask: string;
    question: string;
    choices: string[];
    needed: number;
    deadline: number;
    counts: Record<string, number>;
}
export interface Settled {
    ask: string;
    outcome: "agreed" | "expired" | "withdrawn";
    choice: string | null;
    counts: Record<string, number>;
    /** Why the host withdrew it: it drains, and the question may be asked again at another host. */
    reason?: "draining";
}
/**
 * Where a channel stands.
 *
 * - `connecting`: a connection is being made, or its first step is on the way;
 * - `live`: all is here, and changes come as they happen;
 * - `waiting`: the connection was lost; the next attempt begins in `retryInMs`;
 * - `closed`: for good, by `close()` or because the host said no (`error`).
 */
export type State = {
    name: "connecting";
    transport: Transport;
} | {
    name: "live";
    transport: Transport;
} | {
    name: "waiting";
    retryInMs: number;
    attempt: number;
} | {
    name: "closed";
    error?: ChannelError;
};
export type Transport = "websocket" | "sse";
/** What each event gives its listeners; other names of the host's are passed on with their payload as it is. */
export interface Events {
    snapshot: Step;
    changes: Step;
    ready: Ready;
    presence: Presence;
    ask: Ask;
    settled: Settled;
    moving: Moving;
    state: State;
}
/**
 * A change does not fit what is held. A listener of `snapshot` or `changes` that throws this is told everything anew: the
 * channel drops its connection, and comes back from nothing.
 */
export declare class OutOfStep extends Error {
    name: string;
}
/** The refusal that the body of an HTTP answer is, if it is the host's own word: a proxy that answers in its place says anything else. */
export declare function hostsWord(body: unknown): RefusalFrame | undefined;
/** A refusal of the host, or that the channel could not do what was asked of it. */
export declare class ChannelError extends Error {
    /** A refusal's name, such as `NotFound`; or `Disconnected`, `Closed`, `Timeout`, `TooManyCalls`. */
    readonly code: string;
    /** Trying again may help. */
    readonly transient: boolean;
    name: string;
    constructor(
    /** A refusal's name, such as `NotFound`; or `Disconnected`, `Closed`, `Timeout`, `TooManyCalls`. */
    code: string, message: string, 
    /** Trying again may help. */
    transient: boolean);
    static from(frame: Partial<RefusalFrame> | undefined): ChannelError;
}

/** An item as a replica holds it. */
export interface Item {
    readonly key: string;
    readonly type: string;
    readonly value: unknown;
    /** The revision with which it got this value. */
    readonly revision: number;
    /** The revision with which it first came. */
    readonly first: number;
    /** Its place in the order in which items came: it is only to be compared. */
    readonly order: number;
    /** Bytes of the whole value, if this one is short: its long texts are cut, and `share.items` gives all of it. */
    readonly size?: number;
}
/** Which keys a step touched; `all` when what was held before is forgotten. */
export interface Touched {
    readonly all: boolean;
    readonly keys: ReadonlySet<string>;
}
/**
 * A copy of a share, folded from the steps of its channel.
 *
 * A snapshot that replaces a copy is gathered aside until it is whole, so that what is shown never shrinks to its first
 * piece. A change that is older than what is held is left out: a step that was cut and is sent again does no harm. Values
 * are never changed in place: what a patch is not about stays the same object.
 *
 * A copy may begin with the document of the share's state (`GET /state/{id}`) instead of a snapshot: `begin` with its first line,
 * then the channel from that revision on, and `add` with each line that follows, in whatever order these come.
 */
export declare class Replica {
    #private;
    /** The revision of the last step that is here in full; 0 before the first. */
    revision: number;
    syncCount: number;
    /** Every item by its key, in the order in which they came. */
    get items(): ReadonlyMap<string, Item>;
    /** A document of the state is being loaded, which has this revision. */
    begin(revision: number, syncCount: number): void;
    /** Adds items of that document, but for those of which the channel has told more. `isLast`: it is here in full. */
    add(items: readonly Placed[], isLast?: boolean): void;
    /**
     * Folds one step in, and tells what it touched.
     *
     * @throws OutOfStep if a patch is not for the value that is held, which the channel that tells the step answers.
     */
    apply(event: "snapshot" | "changes", step: Step): Touched;
}

/** How to connect. Everything may be left out. */
export interface Options {
    /** The revision that the caller holds: what comes begins after it. Default: from nothing. */
    cursor?: number;
    /** Merged under the input of each call by the host; a call's own keys win. */
    input?: Record<string, unknown>;
    /**
     * A grant or an account's token, for a private share. It travels in-band or in a header, never in a URL, and only to the hosts of
     * the URLs that were given to `connect`, and to those that one of them named over TLS and that are reached by TLS.
     */
    token?: string;
    /** `whole`: items come with their values and never as patches, for listeners that keep no `Replica`. */
    values?: "whole";
    /** Which transport: `auto`, the default, begins with `first`, and changes over after 5 attempts in a row without a frame. */
    transport?: "auto" | Transport;
    /** Which transport `auto` begins with. Default `websocket`; `sse` where the host is known to take no WebSocket of this page. */
    first?: Transport;
    /** The wait when every host has failed once; it doubles with each time, with jitter. Default 1,000 ms. */
    backoffMs?: number;
    /** The longest such wait. Default 30,000 ms. */
    backoffMaxMs?: number;
    /** How long a call may take. Default 30,000 ms. */
    callTimeoutMs?: number;
    /** A connection that is silent for this long is given up; the host says something every 30 s. Default 75,000 ms. */
    silenceMs?: number;
    /** Instead of the global one; for runtimes that have none. */
    WebSocket?: typeof globalThis.WebSocket;
    /** Instead of the global one. */
    fetch?: typeof globalThis.fetch;
}
/** A channel. */
export interface Channel {
    /** The share's id. */
    readonly id: string;
    /** The URL of the host that it is with, or that it tries. */
    readonly host: string;
    /** Where it stands; the event `state` tells of each change. */
    readonly state: State;
    /** The revision up to which everything was told to the listeners; 0 while nothing is whole. */
    readonly revision: number;
    /** Calls `fn` with each such event, until the function that this returns is called. */
    on<E extends keyof Events>(event: E, fn: (payload: Events[E]) => void): () => void;
    on(event: string, fn: (payload: unknown) => void): () => void;
    /**
     * Calls a command, such as `share.ping`, and gives what the host answers. Made while no connection stands, it waits for
     * the next.
     *
     * @throws ChannelError with the host's refusal; `Disconnected` if the connection was lost before the answer, which may
     * or may not have been carried out then; `Timeout`; `TooManyCalls` beyond 64 at a time; `Closed`.
     */
    call<T = unknown>(command: string, input?: Record<string, unknown>): Promise<T>;
    /** Ends it for good. */
    close(): void;
}

export declare function connect(share: string | URL | readonly (string | URL)[], options?: Options): Channel;

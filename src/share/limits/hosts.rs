//! The limits of what the hosts of a deployment tell each other.

/// Bytes of the URL at which a host is reached.
pub const HOST_URL_BYTES_MAX: usize = 256;

/// URLs of one host: a few names and networks.
pub const HOST_URLS_MAX: usize = 8;

/// URLs of other hosts that a client is told: enough to find one that lives.
pub const HOST_URLS_TOLD_MAX: usize = 16;

/// Hosts of a deployment that a host keeps in mind: more than a bucket's share of requests allows to look at each other. At some
/// 3 kB each they take less than 1 MB. Further ones are passed over.
pub const HOSTS_MAX: usize = 256;

/// Objects of hosts that are listed at once: one page, of hosts that live and of those that were killed and not cleared away yet.
pub const HOSTS_LISTED_MAX: usize = 1_000;

/// Bytes of the object of a host. With the longest URLs 4 kB, and with 64 tickets of 100 bytes 6 kB more. A larger one is not read.
pub const HOST_RECORD_BYTES_MAX: u64 = 16 << 10;

/// Characters of a host's version that are kept.
pub const HOST_VERSION_CHARS_MAX: usize = 64;

/// Hosts that one host calls, and that it answers: at 14 kB a connection less than 2 MB. A deployment with more needs a carrier that
/// is a service of its own.
pub const HOST_LINKS_MAX: usize = 64;

/// Connections between this host and others: of each pair of hosts either may call the other.
pub const HOST_CONNECTIONS_MAX: usize = 2 * HOST_LINKS_MAX;

/// Bytes of messages that wait for one other host to take them: some 20,000 hints. Past it a message is dropped, and counted.
pub const PEER_QUEUE_BYTES_MAX: usize = 4 << 20;

/// Messages in one call to another host: with the longest messages 2 MiB, half of what a call may have.
pub const PEER_NEWS_MAX: usize = 256;

/// Shares in one call that tells another host what is followed here: 30 kB.
pub const PEER_FOLLOWS_MAX: usize = 1_000;

/// Shares that another host follows here, at some 100 bytes each, 5 MB: five times the connections that a host has. Past it that
/// host is told of all shares.
pub const PEER_FOLLOWED_MAX: usize = 50_000;

/// Bytes of batches that a host hands to another at once, for that to append them: half of what a question may have, so that the keys and
/// stamps around them always fit. A round with more is written by the host itself.
pub const HANDED_BYTES_MAX: usize = PEER_ASK_BYTES_MAX / 2;

/// Rounds of batches that a host has handed to others and waits for: half of the questions that one host may have, so that
/// administrators find a place. Past it a host writes by itself.
pub const HANDED_AT_ONCE_MAX: usize = PEER_ASKS_MAX / 2;

/// Questions to one other host that are not answered yet. Past it a question is refused at once.
pub const PEER_ASKS_MAX: usize = 16;

/// Bytes of one question to another host: a quarter of what a message may have, so that one question more never breaks the connection
/// that carries the news. It holds a push, and the names of 20,000 connections that are to be left out.
pub const PEER_ASK_BYTES_MAX: usize = 1 << 20;

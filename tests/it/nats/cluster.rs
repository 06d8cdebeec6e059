//! What a viewer sees while a server of a cluster of two is killed, or leaves in order.

use capshare::__internal::hints::Why;

use super::viewers::{Scene, host_with_floor, memory, until_connected};
use super::*;
use crate::support::door::Served;
use crate::support::looks::looks;
use crate::support::nats::NatsServer;

/// How often a host looks by itself, with NATS or without: what the viewer has came by NATS, or by a look for which NATS was the reason.
const NEVER: Duration = Duration::from_secs(1 << 20);

/// Two hosts over one bucket, each at a server of its own: a writer's and a viewer's.
struct Cluster {
    servers: [NatsServer; 2],
    hosts: [Served; 2],
    scene: Scene,
}

impl Cluster {
    async fn begin(settings: &str) -> Self {
        let settings = format!("debug: true\n{settings}");
        let servers = NatsServer::two([&settings; 2]).await;
        let objects = memory();
        // Each is told of the other server by its own.
        let [a, b] = [0, 1].map(|at: usize| quick(&servers[at].url()));
        let hosts =
            [host_with_floor(&objects, &a, NEVER, NEVER).await, host_with_floor(&objects, &b, NEVER, NEVER).await];
        for host in &hosts {
            until_connected(host, true).await;
        }
        let scene = Scene::begin(&hosts[0], &hosts[1]).await;
        // A room that somebody begins to follow looks after 1 and 5 s, whatever is heard.
        tokio::time::sleep(Duration::from_secs(6)).await;
        Self { servers, hosts, scene }
    }

    /// Syncs until the log of a server has a line this often. Gives the longest time until the viewer had one.
    async fn sync_until(&mut self, server: usize, line: &'static str, times: usize) -> Duration {
        let mut most = Duration::ZERO;
        within(line, async {
            while self.servers[server].log().matches(line).count() < times {
                most = most.max(self.scene.sync().await);
            }
        })
        .await;
        most
    }

    fn clients_so_far(&self, server: usize) -> usize {
        self.servers[server].log().matches(CAME).count()
    }

    /// How often the viewer's host looked because hints may have been lost.
    fn looks(&self) -> u64 {
        looks(self.hosts[1].host.hub(), &[Why::Reconnect])
    }

    /// The viewer's host looks once more than this, because it reaches another server.
    async fn until_it_looks(&self, looks: u64) {
        within("a look of the viewer's host", async {
            while self.looks() <= looks {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Both hosts are at one server now: the viewer has everything at once again.
    async fn is_well_again(&mut self) {
        for host in &self.hosts {
            until_connected(host, true).await;
        }
        // The first of them may be seen only when it is told of again, if its hint came before the subscription.
        drop(self.scene.syncs(5).await);
        let took = self.scene.syncs(20).await;
        assert!(took[10] < Duration::from_secs(1), "a hint that got lost is sent again after a second: {took:?}");
    }
}

const CAME: &str = "Client connection created";
const GONE: &str = "Client connection closed";

/// S100: whichever server of the cluster is killed, its host goes to the other one, the viewer sees each revision once and in order, and the
/// viewer's host looks for what it was not told of meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn a_viewer_misses_nothing_when_a_server_of_the_cluster_is_killed() {
    for doomed in [0, 1] {
        let mut cluster = Cluster::begin("").await;
        drop(cluster.scene.syncs(10).await);
        let (left, looks) = (1 - doomed, cluster.looks());
        let before = cluster.clients_so_far(left);
        cluster.servers[doomed].kill();
        let most = cluster.sync_until(left, CAME, before + 1).await.max(cluster.scene.syncs(20).await[19]);
        eprintln!("the server of the {} is killed: most {most:?}", ["writer", "viewer"][doomed]);
        if doomed == 1 {
            cluster.until_it_looks(looks).await;
        }
        cluster.is_well_again().await;
    }
}

/// S100: a server that leaves in order closes its connections after its time of grace, and the hosts go to the other one meanwhile. The
/// viewer sees each revision once and in order, and the viewer's host looks for what it was not told of meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn a_viewer_misses_nothing_when_a_server_of_the_cluster_leaves() {
    for leaving in [0, 1] {
        let mut cluster = Cluster::begin("lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"").await;
        drop(cluster.scene.syncs(10).await);
        let looks = cluster.looks();
        cluster.servers[leaving].signal("-USR2");
        let most = cluster.sync_until(leaving, GONE, 1).await.max(cluster.scene.syncs(20).await[19]);
        eprintln!("the server of the {} leaves: most {most:?}", ["writer", "viewer"][leaving]);
        if leaving == 1 {
            cluster.until_it_looks(looks).await;
        }
        cluster.is_well_again().await;
    }
}

//! Snapshots of a share that goes on meanwhile.

use std::collections::BTreeMap;

use capshare::client::Items;
use capshare::share::revision::Revision;
use capshare::testing::{Scene, run};
use tokio::task::spawn_local;

use crate::support::items::held;

/// S89: more is removed at once than the host remembers, at every moment of a snapshot in chunks: it is whole all the same.
#[test]
fn a_snapshot_is_whole_whatever_is_removed_while_it_is_read() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.limits.chunk_bytes_max = 1 << 10).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let (id, reader) = (share.id().clone(), scene.client());
        let changing = spawn_local(async move {
            let (mut states, mut state, mut revision) = (BTreeMap::new(), BTreeMap::new(), Revision::EMPTY);
            for round in 0..60 {
                let mut first = Items::new();
                for n in 0..12 {
                    let text = format!(r#"{{"id":"{n}","round":{round},"x":"{}"}}"#, "x".repeat(200));
                    first.put("note", &text).unwrap();
                    state.insert(format!("other/note/{n}"), text);
                }
                revision = share.sync(first).await.unwrap().revision;
                states.insert(revision, state.clone());
                // Keys of 147 KB, of which a share remembers 128 KiB.
                let keys: Vec<_> = (0..560).map(|n| format!("{n:0>250}")).collect();
                let (mut puts, mut removals) = (Items::new(), Items::new());
                for key in &keys {
                    puts.put("bulk", &format!(r#"{{"id":"{key}"}}"#)).unwrap();
                    removals.remove(&format!("other/bulk/{key}")).unwrap();
                }
                let with_bulk = share.sync(puts).await.unwrap().revision;
                let mut full = state.clone();
                full.extend(keys.iter().map(|key| (format!("other/bulk/{key}"), format!(r#"{{"id":"{key}"}}"#))));
                states.insert(with_bulk, full);
                revision = share.sync(removals).await.unwrap().revision;
                states.insert(revision, state.clone());
            }
            (states, revision)
        });
        let mut seen = Vec::new();
        while !changing.is_finished() {
            let replica = reader.snapshot(&id).await.unwrap();
            seen.push((replica.revision(), held(&replica)));
        }
        let (states, last) = changing.await.unwrap();
        let replica = reader.snapshot(&id).await.unwrap();
        assert_eq!(replica.revision(), last);
        seen.push((last, held(&replica)));
        for (revision, items) in seen {
            let items: BTreeMap<_, _> = items.into_iter().collect();
            let expected = states.get(&revision).cloned().unwrap_or_default();
            assert!(items == expected, "at revision {revision}: {} items of {}", items.len(), expected.len());
        }
    });
}

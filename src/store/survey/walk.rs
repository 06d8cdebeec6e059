//! Goes through a bucket in groups: all objects of a share, or of a session, together.
//!
//! Where keys are listed in order, the objects of a group follow one another, so one listing suffices. Elsewhere the groups are
//! listed as folders first, level by level, and then each by itself, so that only the names of one level are in memory.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::super::Store;
use super::super::bucket::Listed;
use super::super::error::StoreError;

/// The objects of a share or of a session.
pub(super) struct Group {
    /// The prefix of the objects' keys.
    pub(super) prefix: Path,
    pub(super) objects: Vec<Listed>,
    /// Whether the objects are outside all groups, with keys that are none of the store's.
    pub(super) stray: bool,
}

/// The objects below a prefix, grouped by the first `depth` parts of their keys.
pub(super) struct Groups<'a> {
    store: &'a Store,
    depth: usize,
    way: Way<'a>,
}

enum Way<'a> {
    Sorted { listing: BoxStream<'a, Result<Listed, StoreError>>, next: Option<Listed> },
    Folders(VecDeque<Path>),
}

impl<'a> Groups<'a> {
    pub(super) fn of(store: &'a Store, prefix: &Path, depth: usize) -> Self {
        let way = if store.settings.sorted_listings {
            Way::Sorted { listing: store.bucket.list(prefix, None), next: None }
        } else {
            Way::Folders([prefix.clone()].into())
        };
        Self { store, depth, way }
    }

    /// The groups, one after the other.
    pub(super) fn stream(self) -> BoxStream<'a, Result<Group, StoreError>> {
        stream::try_unfold(self, |mut groups| async move { Ok(groups.next().await?.map(|group| (group, groups))) })
            .boxed()
    }

    async fn next(&mut self) -> Result<Option<Group>, StoreError> {
        let (store, depth) = (self.store, self.depth);
        match &mut self.way {
            Way::Sorted { listing, next } => {
                let Some(first) = (match next.take() {
                    Some(first) => Some(first),
                    None => listing.try_next().await?,
                }) else {
                    return Ok(None);
                };
                let (prefix, stray) = begins(&first.key, depth);
                let mut objects = vec![first];
                while let Some(listed) = listing.try_next().await? {
                    if begins(&listed.key, depth) != (prefix.clone(), stray) {
                        *next = Some(listed);
                        break;
                    }
                    objects.push(listed);
                }
                Ok(Some(Group { prefix, objects, stray }))
            }
            Way::Folders(folders) => loop {
                let Some(prefix) = folders.pop_front() else { return Ok(None) };
                if prefix.parts_count() == depth {
                    let objects = store.bucket.list_all(&prefix, None).await?;
                    return Ok(Some(Group { prefix, objects, stray: false }));
                }
                let (inside, objects) = store.bucket.folders(&prefix).await?;
                // The innermost first, so that only the names of one level are in memory.
                inside.into_iter().rev().for_each(|folder| folders.push_front(folder));
                if !objects.is_empty() {
                    return Ok(Some(Group { prefix, objects, stray: true }));
                }
            },
        }
    }
}

/// The prefix of a key's group, and whether the key is too short to be in one.
fn begins(key: &Path, depth: usize) -> (Path, bool) {
    let parts: Vec<_> = key.parts().collect();
    if parts.len() <= depth {
        return (parts.into_iter().take(1).collect(), true);
    }
    (parts.into_iter().take(depth).collect(), false)
}

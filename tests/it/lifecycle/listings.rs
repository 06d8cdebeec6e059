//! Listings of shares.

use super::*;

/// S18: a listing reads only `index/`, goes on past 1,000 entries, and shows an account its own shares; all of them only to
/// an administrator.
#[test]
fn a_listing_shows_an_account_its_own_shares() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let roots_key = "roots-key-0123456789";
        let of = [("ann", ANNS_KEY, Scopes::SHARE), ("bob", BOBS_KEY, Scopes::SHARE), ("root", roots_key, Scopes::ALL)];
        let access = SharedKeys::new(of.map(|(name, key, scopes)| (name.parse().unwrap(), key.into(), scopes)));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).access(access).build();
        let client = |key: &str| scene.client_builder().token(key).build_local().unwrap();
        let (ann, bob) = (client(ANNS_KEY), client(BOBS_KEY));
        let mut created = Vec::new();
        for n in 0..1_050 {
            created.push(ann.create(&session(&format!("ses_{n}")), None).await.unwrap().id().clone());
        }
        let bobs = bob.create(&session("ses_b"), None).await.unwrap();
        bucket.counts.reset();
        let mut listed = Vec::new();
        let mut listing = ann.list(ListScope::OwnAccount);
        while let Some(share) = listing.try_next().await.unwrap() {
            assert_eq!(share.account.as_str(), "ann");
            listed.push(share.id);
        }
        assert!(
            bucket.counts.touched().iter().all(|key| key.starts_with("index/ann")),
            "{:?}",
            bucket.counts.touched()
        );
        created.sort();
        listed.sort();
        assert_eq!(listed, created);
        let page = bob.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap();
        assert_eq!(page.shares.iter().map(|share| &share.id).collect::<Vec<_>>(), [bobs.id()]);
        let everybodys = ann.list_page(ListScope::EveryAccount, PageRequest::first()).await;
        assert!(matches!(everybodys, Err(ClientError::Refused(Refusal::Unauthorized { .. }))), "{everybodys:?}");

        bucket.counts.reset();
        let root = client(roots_key);
        assert!(
            root.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares.is_empty(),
            "it has none of its own"
        );
        let mut all = Vec::new();
        let mut listing = root.list(ListScope::EveryAccount);
        while let Some(share) = listing.try_next().await.unwrap() {
            all.push((share.account.to_string(), share.id));
        }
        let touched = bucket.counts.touched();
        assert!(touched.iter().all(|key| key.starts_with("index")), "{touched:?}");
        let mut expected: Vec<_> = created.into_iter().map(|id| ("ann".to_owned(), id)).collect();
        expected.push(("bob".to_owned(), bobs.id().clone()));
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
    });
}

/// A title and counts come from what was kept when the share was folded; a share that was not says nothing of them.
#[test]
fn a_listing_shows_what_was_last_folded_of_a_share() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let folded = client.create(&session("ses_1"), Some(part("p", "x"))).await.unwrap();
        let fresh = client.create(&session("ses_2"), Some(part("p", "x"))).await.unwrap();
        let info = folded.info().await.unwrap();
        let about = Summary {
            account: client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares[0]
                .account
                .clone(),
            session: info.session.clone(),
            created_at: info.created_at,
            updated_at: info.updated_at,
            title: Some("A <title> \u{1F980}".to_owned()),
            sync_count: 1,
            item_count: 2,
            byte_count: 300,
            log_bytes: 4_000,
            segments: 9,
            expires_at: Some(Timestamp(info.created_at.0 + 5)),
        };
        scene.host().hub().rooms().store().describe(folded.id(), &about).await.unwrap();
        let shares = client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares;
        let line = |id: &ShareId| shares.iter().find(|line| line.id == *id).unwrap();
        let known = line(folded.id());
        assert_eq!(known.title, about.title);
        assert_eq!((known.created_at, known.updated_at), (info.created_at, Some(info.updated_at)));
        assert_eq!(known.expires_at, about.expires_at);
        assert_eq!((known.sync_count, known.item_count, known.byte_count), (1, 2, 300));
        let unknown = line(fresh.id());
        assert_eq!((&unknown.title, unknown.updated_at, unknown.expires_at), (&None, None, None));
        assert_eq!((unknown.sync_count, unknown.item_count, unknown.byte_count), (0, 0, 0));
    });
}

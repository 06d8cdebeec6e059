//! Keys and tokens that do not leave the machine: the rules, the JSON around them, the client's queue, and `push`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use capshare::client::redact::{Redact, Redactor};
use capshare::client::{ClientError, Items};
use capshare::share::error::Refusal;
use capshare::share::limits::Limit;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::program::{EXPORT, Home, RECORDING, files};
use crate::support::bucket::{TestBucket, dump};
use crate::support::door::{Served, next_json};

mod examples;

use examples::{BASE32, BASE62, examples, pem, some};

/// What is left of a text, as the value of a part of a session.
fn masked(redactor: &Redactor, text: &str) -> Option<String> {
    let part = json!({ "id": "p", "messageID": "m", "type": "text", "text": text }).to_string();
    let redacted = redactor.redact(&part)?;
    let value: Value = serde_json::from_str(&redacted).unwrap();
    assert_eq!((&value["id"], &value["messageID"], &value["type"]), (&"p".into(), &"m".into(), &"text".into()));
    Some(value["text"].as_str().unwrap().to_owned())
}

#[test]
fn every_rule_finds_what_it_is_for_and_leaves_what_is_around_it() {
    let mut without = BTreeSet::from_iter(Redactor::rules());
    for (rule, text, secret) in examples() {
        without.remove(rule);
        let redactor = Redactor::new();
        let left = masked(&redactor, &text).unwrap_or_else(|| panic!("{rule} does not find {text}"));
        assert_eq!(left, text.replace(&secret, &format!("[redacted:{rule}]")));
        assert_eq!(redactor.masked().by_rule, BTreeMap::from([(rule, 1)]));
        // In a text within a text, as tools print it, and once more.
        for depth in 1..=2 {
            let quoted = (0..depth).fold(text.clone(), |text, _| serde_json::to_string(&text).unwrap());
            let left = masked(&redactor, &quoted).unwrap_or_else(|| panic!("{rule} does not find {quoted}"));
            let some_of_it = secret.split(['\n', 'ä']).find(|piece| piece.len() > 20).unwrap_or(&secret);
            assert!(!left.contains(some_of_it), "{rule}: {left}");
        }
    }
    assert!(without.is_empty(), "rules without an example: {without:?}");
}

#[test]
fn what_is_assigned_is_found_however_much_stands_before_the_sign() {
    let secret = some(24, BASE62);
    for name in ["secret", "secret_key", "SECRET-KEY", "api_key", "token", "password", "passwd", "pwd", "credentials"] {
        for sign in [":", "=", "=>", ":="] {
            for between in ["", " ", "\\\"' ", &format!("{}   ", "\\\"".repeat(4))] {
                let text = format!("the {name}{between}{sign} {secret} and more");
                let left = masked(&Redactor::new(), &text).unwrap_or(text);
                assert!(!left.contains(&secret), "{left}");
            }
        }
    }
    // And a token that ends a text is found behind whatever is no part of one.
    for before in ["é", "-. ", "\n"] {
        let text = format!("{before}{}{}", ["gh", "p_"].concat(), &secret[..8]);
        assert!(masked(&Redactor::new(), &text).is_some(), "{text}");
    }
}

#[test]
fn a_key_that_is_cut_off_or_shown_with_line_numbers_is_masked() {
    let key = pem("PRIVATE KEY", 64);
    let lines: Vec<_> = key.lines().collect();
    let numbered: String = lines.iter().enumerate().map(|(n, line)| format!("{:05}| {line}\n", n + 1)).collect();
    let diff: String = lines.iter().map(|line| format!("+{line}\n")).collect();
    for text in [numbered, diff, lines[..4].join("\n"), key.replace('\n', "\\n"), key.replace('\n', "\r\n")] {
        let left = masked(&Redactor::new(), &text).unwrap();
        for line in &lines[1..4] {
            assert!(!left.contains(&line[4..]), "{left}");
        }
    }
    assert_eq!(masked(&Redactor::new(), "It begins with -----BEGIN PRIVATE KEY----- and goes on."), None);
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    for text in [
        "export API_KEY=$OTHER_KEY1234 TOKEN=${TOKEN_2024_A} PASSWORD=<your-password-123>",
        "const accessKey: AccessKeyV2Provider = makeProvider()",
        "token = process.env.GITHUB_TOKEN; apiKey: config.keys.openai2024",
        "max_tokens: 4096000000000 total_tokens=123456789012345",
        "postgres://app:${DB_PASSWORD}@db:5432 and redis://:***@cache and http://localhost:8080/@user",
        "password=/run/secrets/db_password_2024_01",
        "the key is sk-... or ghp_ followed by 36 characters, AKIA and 16 more",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b, integrity sha512-abc",
        "task-0123456789abcdef0123456789abcdef disk-image",
        "msg_01aryz6s41tsv4rrffq69g5fav ses_e04c5f21effeI8gLqiRejqb71y",
        "passwords, tokens and secrets: nothing of it is here",
    ] {
        assert_eq!(masked(&Redactor::new(), text), None);
    }
}

/// What a session of an agent holds is left alone: nothing in the recordings is a secret.
#[test]
fn nothing_in_the_recorded_sessions_is_taken_for_a_secret() {
    let redactor = Redactor::new();
    let recording = std::fs::read_to_string(RECORDING).unwrap();
    let mut texts: Vec<String> = vec![std::fs::read_to_string(EXPORT).unwrap()];
    for line in recording.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        texts.extend(request["body"]["data"].as_array().into_iter().flatten().map(Value::to_string));
    }
    assert!(texts.len() > 100);
    for text in texts {
        let changed = redactor.redact(&text);
        assert_eq!(changed, None, "{:?}", redactor.masked());
    }
}

#[test]
fn the_json_around_a_secret_stays_as_it_was_to_the_byte() {
    let token = ["gh", "p_"].concat() + &some(36, BASE62);
    let json = format!(
        "{{ \"id\" : \"p\",\"a\":[1.50, 1e3,{{\"{token}\":null}}],\"s\":\"\\u00e9\\/{token}\\n\",\"t\":\"\\u00e9\\/ \\\" \\\\\"}}"
    );
    let redacted = Redactor::new().redact(&json).unwrap();
    let mask = "[redacted:github-token]";
    assert_eq!(
        redacted,
        format!(
            "{{ \"id\" : \"p\",\"a\":[1.50, 1e3,{{\"{mask}\":null}}],\"s\":\"é/{mask}\\n\",\"t\":\"\\u00e9\\/ \\\" \\\\\"}}"
        )
    );
    // What an item's key is made of is left as it is, or the item would become another.
    let id = json!({ "id": token, "messageID": token, "nested": { "id": token } }).to_string();
    let redacted: Value = serde_json::from_str(&Redactor::new().redact(&id).unwrap()).unwrap();
    assert_eq!(redacted, json!({ "id": token, "messageID": token, "nested": { "id": mask } }));
    // A secret written in escapes is one all the same.
    let escaped: String = token.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    assert_eq!(Redactor::new().redact(&format!("\"{escaped}\"")).unwrap(), format!("\"{mask}\""));
    // A member says what its value is.
    let member =
        json!({ "env": { "DB_PASSWORD": some(16, BASE62), "apiKeys": [some(20, BASE62)], "name": some(20, BASE62) } });
    let redacted: Value = serde_json::from_str(&Redactor::new().redact(&member.to_string()).unwrap()).unwrap();
    assert_eq!(redacted["env"]["DB_PASSWORD"], "[redacted:secret-assignment]");
    assert_eq!(redacted["env"]["name"], member["env"]["name"]);
}

/// Any JSON; texts have quotes, escapes and other alphabets in them.
fn any_json() -> impl Strategy<Value = Value> {
    let text = r#"[a-z :/="'\\\n\u{0}\u{e9}\u{1f600}\u{2028}{}\[\],-]{0,24}"#;
    let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), text.prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text, inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Puts a secret into every text, names of members included; and what is to be left of it.
fn with_secret(value: &Value, secret: &str) -> Value {
    let put = |text: &str| format!("{text} {secret} {text}");
    match value {
        Value::String(text) => put(text).into(),
        Value::Array(list) => list.iter().map(|value| with_secret(value, secret)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (put(name), with_secret(value, secret))).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_json_a_secret_stands_in_it_stays_json_and_the_secret_goes(value in any_json(), spaced: bool, ascii: bool) {
        let secret = ["gh", "p_"].concat() + &some(36, BASE62);
        let write = |value: &Value| {
            let text = if spaced { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap();
            if !ascii { return text; }
            text.chars().flat_map(|c| {
                let mut units = [0; 2];
                let escape = |unit: &u16| format!("\\u{unit:04x}");
                let text = if c.is_ascii() { c.to_string() } else { c.encode_utf16(&mut units).iter().map(escape).collect() };
                text.chars().collect::<Vec<_>>()
            }).collect()
        };
        let redactor = Redactor::new();
        prop_assert_eq!(redactor.redact(&write(&value)), None);
        let redacted = redactor.redact(&write(&with_secret(&value, &secret)));
        let expected = with_secret(&value, "[redacted:github-token]");
        match redacted {
            Some(redacted) => prop_assert_eq!(serde_json::from_str::<Value>(&redacted).unwrap(), expected),
            None => prop_assert_eq!(value, expected),
        }
    }
}

#[test]
fn a_token_is_not_shown_while_it_grows_and_counts_once() {
    let redactor = Redactor::new();
    for (beginning, rest) in [
        (["gh", "p_"].concat(), some(36, BASE62)),
        (["sk-", "ant-"].concat(), format!("api03-{}", some(95, BASE62))),
        (["AK", "IA"].concat(), some(16, BASE32)),
    ] {
        let whole = format!("{beginning}{rest}");
        for end in beginning.len() + 4..=whole.len() {
            let text = format!("The key is {}", &whole[..end]);
            let left = masked(&redactor, &text).unwrap_or(text);
            assert!(!left.contains(&whole[..beginning.len() + 4]), "{left}");
        }
    }
    let counts = redactor.masked();
    assert_eq!(counts.by_rule["aws-access-key-id"], 1);
    assert!(counts.by_rule["github-token"] == 1, "{counts}");
}

/// A header of these tokens holds no secret, but says what follows. What a text before a token says changes nothing.
#[test]
fn a_json_web_token_is_not_shown_while_it_grows_wherever_it_stands() {
    let (header, payload) = (["eyJ", "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"].concat(), ["eyJ", "pZCI6N30"].concat());
    let whole = format!("{header}.{payload}.{}", some(43, BASE62));
    for before in ["", "The token: ", "token=", "Bearer ", "\"", "é", "a.", "-", "the secret of a key\n"] {
        for end in 14..=whole.len() {
            let text = format!("{before}{}", &whole[..end]);
            let left = masked(&Redactor::new(), &text).unwrap_or(text);
            assert!(!left.contains(&whole[..14]) && !left.contains(&payload[..4]), "{left}");
        }
    }
}

/// The time is linear in the text, or this takes an hour.
#[test]
fn texts_that_begin_like_secrets_all_the_way_are_read_in_time() {
    let redactor = Redactor::new();
    for beginning in [
        "-----BEGIN PRIVATE KEY-----\n",
        "token=",
        "password: ",
        "a://b:",
        "eyJ",
        "sk-",
        "Authorization: Bearer ",
        "S",
        "\\",
        "AAAA",
    ] {
        let text = beginning.repeat((1 << 20) / beginning.len());
        masked(&redactor, &text);
    }
}

#[test]
fn what_stands_in_for_a_secret_must_fit_too() {
    run(async {
        let scene = Scene::new();
        let client = scene.client_builder().redact(Redactor::new()).build_local().unwrap();
        let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
        // Short passwords, which are longer when they are masked.
        let text = "ab://c:xyz@d ".repeat(310_000);
        let mut items = Items::new();
        items.put_value("notes", &text).unwrap();
        let refused = share.queue(items).await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Refused(Refusal::LimitExceeded { limit, .. }) if *limit == Limit::ItemBytesMax),
            "{refused}"
        );
    });
}

/// S17: what the client was told to mask is in no call, no object and no frame, by whichever way it is sent.
#[test]
fn a_client_masks_whatever_way_an_item_goes() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).build();
        let redactor = Redactor::new();
        let client = scene.client_builder().redact(redactor.clone()).build_local().unwrap();
        let secrets: Vec<_> = (36..41).map(|count| ["gh", "p_"].concat() + &some(count, BASE62)).collect();
        let item = |n: usize| {
            let mut items = Items::new();
            items.put_value("build", &json!({ "id": n.to_string(), "log": format!("using {}", secrets[n]) })).unwrap();
            items
        };
        let share = client.create(&"ses_1".parse().unwrap(), Some(item(0))).await.unwrap();
        share.sync(item(1)).await.unwrap();
        share.queue(item(2)).await.unwrap();
        share.try_queue(item(3)).unwrap();
        client.create(&"ses_1".parse().unwrap(), Some(item(4))).await.unwrap();
        share.flush().await.unwrap();
        let held = client.snapshot(share.id()).await.unwrap();
        let texts: Vec<_> = held.iter().map(|(_, value)| value.as_str().to_owned()).collect();
        assert_eq!(texts.len(), 5);
        assert!(texts.iter().all(|text| text.contains("using [redacted:github-token]")), "{texts:?}");
        for (key, text) in dump(bucket.as_ref()).await {
            assert!(!secrets.iter().any(|secret| text.contains(&secret[..20])), "{key}: {text}");
        }
        assert_eq!(redactor.masked().by_rule, BTreeMap::from([("github-token", 5)]));
        assert!(!format!("{redactor:?} {client:?}").contains(&secrets[0][4..]));
        // One that was not told to sends what it is given.
        let open = scene.client().create(&"ses_2".parse().unwrap(), Some(item(0))).await.unwrap();
        assert!(
            scene
                .client()
                .snapshot(open.id())
                .await
                .unwrap()
                .iter()
                .any(|(_, value)| value.as_str().contains(&secrets[0]))
        );
    });
}

/// S17: `push` masks, says how many of which kind, and never what they were; who wants it otherwise says so.
#[test]
fn a_pushed_file_has_no_keys_in_it_and_push_says_what_it_masked() {
    let home = Home::new();
    let host = home.serve(&[]);
    let (token, key) = (["gh", "p_"].concat() + &some(36, BASE62), pem("RSA PRIVATE KEY", 64));
    let line = |id: &str, text: &str| {
        json!({ "type": "part", "data": { "id": id, "messageID": "m", "type": "text", "text": text } }).to_string()
    };
    let session = json!({ "type": "session", "data": { "id": "ses_1", "title": format!("with {token}") } }).to_string();
    let text = [session, line("p1", &format!("a {token}")), line("p2", &format!("{key}\n{token}"))].join("\n");
    let file = home.write("secrets.jsonl", &(text + "\n"));
    let lines: Vec<_> = key.lines().collect();
    let shows = |said: &str| said.contains(&token[..20]) || said.contains(lines[2]);

    let pushed = home.run(&["push", "--to", &host.url, &file, "--json"]).ends_with(0);
    assert!(!shows(&pushed.everything()), "{}", pushed.everything());
    assert_eq!(pushed.objects()[1]["masked"], json!({ "github-token": 1, "private-key": 1 }));
    assert!(pushed.stderr.contains("2 secrets were masked"), "{}", pushed.stderr);
    let id = pushed.objects()[0]["id"].as_str().unwrap().to_owned();
    let mut watch = home.start(&["watch", "--to", &host.url, &id]);
    let seen = watch.stdout.wait_for(|line| line.contains("redacted:private-key"));
    assert!(!shows(&seen) && seen.contains("[redacted:github-token]"), "{seen}");
    drop(watch);
    for file in files(&home.path(".local/share/capshare")) {
        assert!(!shows(&String::from_utf8_lossy(&std::fs::read(&file).unwrap())), "{}", file.display());
    }

    let quiet = home.run(&["push", "--to", &host.url, EXPORT]).ends_with(0);
    assert!(!quiet.stderr.contains("masked"), "{}", quiet.stderr);
    let pushed = home.run(&["push", "--to", &host.url, &file, "--json", "--no-redact"]).ends_with(0);
    assert_eq!(pushed.objects()[1]["masked"], json!({}));
    let mut watch = home.start(&["watch", "--to", &host.url, &id]);
    watch.stdout.wait_for(|line| line.contains(&token));
}

/// S17: nor does a viewer at the socket see what was masked.
#[tokio::test]
async fn a_viewer_of_a_masked_share_sees_no_key() {
    let served = Served::open().await;
    let client = capshare::Client::builder(served.url("")).redact(Redactor::new()).build().unwrap();
    let token = ["sk-", "ant-", "api03-"].concat() + &some(95, BASE62);
    let mut items = Items::new();
    let output = json!({ "stdout": format!("ANTHROPIC_API_KEY={token}\n") });
    items
        .put_value("part", &json!({ "id": "p", "messageID": "m", "state": { "output": output.to_string() } }))
        .unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), Some(items)).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let snapshot = next_json(&mut viewer).await;
    let output: Value =
        serde_json::from_str(snapshot["payload"]["changes"][0]["value"]["state"]["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["stdout"], "ANTHROPIC_API_KEY=[redacted:anthropic-key]\n");
}

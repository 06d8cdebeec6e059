//! Plain data, to a session and back.

use capshare::capnweb::{Json, Limits, Value};
use proptest::prelude::*;

use super::app::App;

/// JSON texts with white space, brackets in strings, and halves of surrogate pairs.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\ud83d [\" ]\\\\""#.to_owned()),
    ];
    leaf.prop_recursive(6, 64, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[ {} ]", list.join(" , "))),
            prop::collection::vec(inner, 0..5).prop_map(|list| {
                let members = list.into_iter().enumerate().map(|(at, value)| format!("\"k{at}[]\" : {value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// The data of a text, with U+FFFD for halves of surrogate pairs.
fn meant(text: &str) -> serde_json::Value {
    serde_json::from_str(&text.replace(r"\ud83d", r"\ufffd")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Plain data of any shape comes back as it was sent, and half a surrogate pair harms nobody.
    #[test]
    fn plain_data_comes_back_as_it_was_sent(text in json()) {
        let data = Json::from_json(text.as_str(), 100).unwrap();
        prop_assert_eq!(meant(&data.to_json()), meant(&text));
        let mut app = App::new(Limits::default());
        app.frame(&format!(r#"["push",["pipeline",0,["wrap"],[{}]]]"#, data.wire().as_str()));
        let sent = app.frame(r#"["pull",1]"#).pop().unwrap();
        let whole = sent.strip_prefix(r#"["resolve",1,"#).and_then(|rest| rest.strip_suffix(']')).unwrap();
        // What comes back is read by the client's end of this module.
        let mut client = capshare::capnweb::Session::new(Limits::default(), None);
        let call = client.call(capshare::capnweb::Import::MAIN, &[], None).unwrap();
        client.pull(call);
        client.receive(format!(r#"["resolve",1,{whole}]"#).into()).unwrap();
        let Some(capshare::capnweb::Event::Settled(_, Ok(back))) = client.poll_event() else { panic!("a result") };
        prop_assert_eq!(plain(back.get("value").unwrap()), meant(&text));
    }
}

/// The plain data of a tree.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Number(number) => serde_json::from_str(number.as_str()).unwrap(),
        Value::Text(text) => text.as_str().into(),
        Value::Array(elements) => elements.iter().map(plain).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.as_str().to_owned(), plain(value))).collect(),
        Value::Json(json) => meant(&json.to_json()),
        other => panic!("{other:?}"),
    }
}

//! Reading and writing, put to each other.

use super::json::Json;
use super::limits::Limits;
use super::message;
use super::read::{Expression, Reader};
use super::scan::Malformed;
use super::text::Text;
use super::value::{Container, Fault, Value};
use super::write;

fn expression(text: &str) -> Result<Expression, Malformed> {
    let frame = Text::from(text);
    let limits = Limits::default();
    Reader::new(&frame, frame.bytes(), &limits).expression()
}

fn read(text: &str) -> Value {
    let read = expression(text).expect(text);
    assert_eq!(read.fault, None, "{text}");
    read.value
}

fn written(value: &Value) -> String {
    let mut out = String::new();
    write::value(&mut out, value, usize::MAX, &mut |_| None);
    out
}

#[test]
fn every_kind_of_value_is_read_and_written_back() {
    for text in [
        "null",
        "true",
        "-12.50e+3",
        r#""ä😀""#,
        r#"["undefined"]"#,
        r#"["inf"]"#,
        r#"["-inf"]"#,
        r#"["nan"]"#,
        r#"["bigint","-5"]"#,
        r#"["date",1700000000123]"#,
        r#"["date",0.5]"#,
        r#"["date",null]"#,
        r#"["bytes","AQID"]"#,
        r#"["bytes","AAE","Uint16Array"]"#,
        r#"["error","TypeError","m"]"#,
        r#"["error","Error","m","stack"]"#,
        r#"["error","Error","m",null,{"code":"x","list":[[1,["undefined"]]]}]"#,
        "[[]]",
        r#"[[1,[[2]],{"a":{"b":{"c":{"d":[[[[]]]]}}}}]]"#,
        r#"{"toString":1,"__proto__":{"constructor":2}}"#,
    ] {
        assert_eq!(written(&read(text)), text);
    }
}

#[test]
fn what_others_write_differently_is_read() {
    for (text, value) in [
        (" { \"a\" : [ [ 1 , 2 ] ] } ", r#"{"a":[[1,2]]}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"["bytes","AQI="]"#, r#"["bytes","AQI"]"#),
        (r#"["date",1e300]"#, r#"["date",null]"#),
        (r#"["date",1700000000123.0]"#, r#"["date",1700000000123]"#),
        (r#"["undefined",1,[2]]"#, r#"["undefined"]"#),
        (r#"["error","Error","m",null]"#, r#"["error","Error","m"]"#),
        (r#""\u00e4\ud83d\ude00\/\b\f\n\r\t\"\\""#, "\"ä😀/\\u0008\\u000c\\n\\r\\t\\\"\\\\\""),
        (r#""half \ud83d and \ude00""#, "\"half \u{fffd} and \u{fffd}\""),
    ] {
        assert_eq!(written(&read(text)), value);
    }
}

#[test]
fn plain_data_below_the_tree_is_a_slice_of_the_frame() {
    let frame = Text::from(r#"[[{"type":"part","data":{"id":"p","list":[[1]]}}]]"#);
    let limits = Limits { tree_levels: 2, ..Limits::default() };
    let value = Reader::new(&frame, frame.bytes(), &limits).expression().expect("a value").value;
    let Value::Array(items) = value else { panic!("an array") };
    let Some(Value::Json(data)) = items[0].get("data") else { panic!("data") };
    assert_eq!(data.wire().as_str(), r#"{"id":"p","list":[[1]]}"#);
    assert_eq!(data.to_json().as_str(), r#"{"id":"p","list":[1]}"#);
    assert!(frame.bytes().as_ptr_range().contains(&data.wire().bytes().as_ptr()));
    let Value::Object(members) = data.open() else { panic!("an object") };
    assert_eq!(members.len(), 2);
}

#[test]
fn special_values_deep_in_plain_data_are_read() {
    let text = r#"{"a":{"b":{"c":{"d":[["x",["date",1],{"e":{"f":1}}]]},"g":{"h":[[1]]}}}}"#;
    assert_eq!(written(&read(text)), text);
    let nested = format!("{}[\"undefined\"]{}", "{\"a\":".repeat(200), "}".repeat(200));
    assert_eq!(written(&read(&nested)), nested);
}

#[test]
fn what_this_side_does_not_read_is_a_fault_of_the_call_and_its_exports_are_listed() {
    for (text, exports) in [
        (r#"["url","http://a.b/"]"#, 0),
        (r#"["headers",[["a","b"]]]"#, 0),
        (r#"["request","http://a.b/",{"headers":[["a","b"]],"body":["readable",1]}]"#, 0),
        (r#"["response",["readable",1],{}]"#, 0),
        (r#"["blob","text/plain",["readable",1]]"#, 0),
        (r#"["readable",1]"#, 0),
        (r#"["writable",-1]"#, 1),
        (r#"["remap",1,["a"],[["import",1],["export",-1]],[["pipeline",-1,["f"],[["pipeline",0]]]]]"#, 1),
        (r#"["something new",1,{"a":[1]}]"#, 0),
        (r#"["bytes","@@@"]"#, 0),
        (r#"["bytes","AQID","Uint16Array"]"#, 0),
        (r#"["bytes","AQID","FloatArray"]"#, 0),
        (r#"["bigint",""]"#, 0),
        (r#"["bigint","0x5"]"#, 0),
        (r#"[[["url","x"],["export",-1],{"a":["promise",-2]}]]"#, 2),
    ] {
        let read = expression(text).expect(text);
        assert!(read.fault.is_some(), "{text}");
        assert_eq!(read.references.len(), exports, "{text}");
    }
}

#[test]
fn what_is_no_frame_is_malformed() {
    for text in [
        "",
        " ",
        "{}",
        "1",
        "[]",
        "[1]",
        r#"["push"]"#,
        r#"["push","x""#,
        r#"["push","x"] 1"#,
        r#"["push","x"]["push","x"]"#,
        r#"["unknown",1]"#,
        r#"["ping"]"#,
        r#"["pull"]"#,
        r#"["pull","1"]"#,
        r#"["pull",1.5]"#,
        r#"["pull",1e99]"#,
        r#"["release",1]"#,
        r#"["resolve",1]"#,
        r#"["push",[1,2]]"#,
        r#"["push",[]]"#,
        r#"["push",[[1],2]]"#,
        r#"["push",["date","x"]]"#,
        r#"["push",["date"]]"#,
        r#"["push",["bytes",1]]"#,
        r#"["push",["error","Error"]]"#,
        r#"["push",["error","Error","m",null,1]]"#,
        r#"["push",["export",1]]"#,
        r#"["push",["export",-1.5]]"#,
        r#"["push",["promise",0]]"#,
        r#"["push",["pipeline"]]"#,
        r#"["push",["pipeline","0"]]"#,
        r#"["push",["pipeline",0,"path"]]"#,
        r#"["push",["pipeline",0,[null]]]"#,
        r#"["push",["pipeline",0,["f"],{}]]"#,
        r#"["push",["remap",1,[],[["other",1]],[]]]"#,
        r#"["push",["remap",1,[],[["export",1]],[]]]"#,
        "[\"push\",\"\u{1}\"]",
        "[object ArrayBuffer]",
    ] {
        assert!(message::read(&Text::from(text), &Limits::default()).is_err(), "{text}");
    }
}

#[test]
fn members_of_errors_lose_their_stubs() {
    let fault = Fault::new("m").with("n", 1_i64).with("stub", Value::Stub(super::Stub::Local(super::Target(1))));
    assert_eq!(written(&fault.into()), r#"["error","Error","m",null,{"n":1,"stub":["undefined"]}]"#);
}

#[test]
fn plain_data_is_looked_for_once_however_deep_the_special_values_lie() {
    let filler = "0,".repeat(400);
    let text = format!("{}[\"undefined\"]{}", format!("[[{filler}").repeat(250), "]]".repeat(250));
    let limits = Limits { values: usize::MAX, ..Limits::default() };
    let frame = Text::from(text.as_str());
    let mut reader = Reader::new(&frame, frame.bytes(), &limits);
    assert_eq!(written(&reader.expression().expect("deep").value), text);
    assert!(reader.looked_through <= text.len(), "{} of {}", reader.looked_through, text.len());
}

#[test]
fn what_is_too_long_is_not_written_to_its_end() {
    let long = "\u{1}".repeat(100);
    for value in [
        long.as_str().into(),
        Value::Bytes(vec![0; 100].into(), Container::Plain),
        Value::Array(vec!["12345".into(); 100]),
        Value::object((0..100).map(|n| (n.to_string(), Value::Null))),
        Fault::new(long.as_str()).with("more", long.as_str()).into(),
        Value::Json(Json::from_json(format!(r#"{{"ä":"{}"}}"#, "ä".repeat(100)), 9).expect("JSON")),
    ] {
        let whole = written(&value);
        for max in [20, 50, whole.len() - 1, whole.len()] {
            let mut out = String::new();
            write::value(&mut out, &value, max, &mut |_| None);
            let is_short = whole.len() <= max;
            assert!(if is_short { out == whole } else { out.len() > max && out.len() <= max + 40 }, "{max}: {out}");
        }
    }
}

//! `capshare store check`, `stats` and `gc`: what is done with a bucket directly, beside the hosts that run on it.

use std::fmt::Write as _;
use std::sync::Arc;

use capshare::__internal::store::{
    CheckOptions, Checked, Finding, Freed, FreedKind, GcOptions, ShareSize, Stats, Store, StoreError, StoreSettings,
    Tally, WriterId,
};
use capshare::host::ambient::{Ambient, NoEntropy};
use capshare::host::storage::{self, StoreLocation, Versions};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::cli::args::{self, StoreCommand};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::progress;
use crate::cli::settings::serve::ServeSettings;
use crate::cli::time::time;

/// Runs one of the `store` commands on the bucket that the settings name.
pub(crate) async fn run(command: StoreCommand, settings: ServeSettings, output: &mut Output) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let bits = || ambient.bits().map_err(|error: NoEntropy| Failure::of(Exit::Failed, &error));
    let store = open(&settings, WriterId(bits()?), &ambient).await?;
    let now = ambient.clock.now();
    let bar = progress::objects(*output);
    let count = |objects| bar.inc(objects);
    match command {
        StoreCommand::Check(args::StoreCheck { repair, settled_after, .. }) => {
            let mut options = CheckOptions::at(now);
            (options.repair, options.settled_after) = (repair, settled_after);
            let checked = finish(&bar, store.check(&options, &count).await)?;
            let versions = storage::versions(&settings.store.value, &settings.s3()).await;
            output_checked(&checked, &options, &versions, output)
        }
        StoreCommand::Stats(_) => {
            let stats = finish(&bar, store.stats(&count).await)?;
            output.result(stats_text(&stats).trim_end(), &stats_json(&stats))
        }
        StoreCommand::Gc(args::StoreGc { dry_run, tombstones_after, .. }) => {
            let mut options = GcOptions::at(now, bits()?);
            (options.dry_run, options.tombstones_after) = (dry_run, tombstones_after);
            let mut freed = finish(&bar, store.gc(&options, &count).await)?;
            let half_written = storage::remove_half_written(&settings.store.value, dry_run);
            if half_written.objects > 0 {
                freed.kinds.insert(FreedKind::HalfWritten, half_written);
            }
            output.result(freed_text(&freed, dry_run).trim_end(), &freed_json(&freed, dry_run))
        }
    }
}

/// Opens the store that the settings name; fails if it is not there.
pub(crate) async fn open(settings: &ServeSettings, writer: WriterId, ambient: &Ambient) -> Result<Store, Failure> {
    let location = &settings.store.value;
    if let StoreLocation::Directory(path) = location
        && !path.is_dir()
    {
        // A host would make it; here it is more likely a slip.
        let message = format!("there is no directory {}: name the store by --store", path.display());
        return Err(Failure::new(Exit::Store, message));
    }
    let s3 = settings.s3();
    let objects = storage::open(location, &s3).await.map_err(|error| {
        let failure = Failure::of(Exit::Store, &error);
        failure.without(s3.secret_access_key.as_deref()).without(s3.session_token.as_deref())
    })?;
    let mut store_settings = StoreSettings::default();
    store_settings.sorted_listings = location.lists_sorted();
    Ok(Store::new(objects, store_settings, writer, Arc::clone(&ambient.clock)))
}

fn finish<T>(bar: &ProgressBar, done: Result<T, StoreError>) -> Result<T, Failure> {
    bar.finish_and_clear();
    done.map_err(|error| Failure::of(Exit::Store, &error))
}

fn counted(problems: u64) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

/// Prints what the check found. Any problem that is left makes the command fail, so that a script sees it.
fn output_checked(
    checked: &Checked,
    options: &CheckOptions,
    versions: &Versions,
    output: &mut Output,
) -> Result<(), Failure> {
    let problems = checked.problems();
    let Checked { objects, shares, sessions, tokens, findings, more, young } = checked;
    let mut summary = match (problems, findings.len(), young) {
        (0, 0, 0) => "clean".to_owned(),
        (0, 0, _) => "no problems".to_owned(),
        (0, all, _) => format!("{}, all mended", counted(all as u64)),
        (problems, ..) => counted(problems),
    };
    if *young > 0 {
        let things = if *young == 1 { "thing is" } else { "things are" };
        let again = humantime::format_duration(options.settled_after);
        let _never = write!(summary, "; {young} {things} too young to judge: check again in {again}");
    }
    let mut text = String::new();
    for finding in findings {
        text.push_str(&finding_text(finding, options.repair));
    }
    if let Some(advice) = versions.advice() {
        let _never = writeln!(text, "{advice}");
    } else if let Versions::Unknown { reason } = versions {
        let _never = writeln!(text, "it is unknown whether the bucket keeps old versions of deleted objects: {reason}");
    }
    let _never = writeln!(text, "{objects} objects, {shares} shares, {sessions} sessions, {tokens} tokens: {summary}");
    output.result(
        text.trim_end(),
        &json!({
            "objects": objects,
            "shares": shares,
            "sessions": sessions,
            "tokens": tokens,
            "clean": checked.is_clean(),
            "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
            "more": more,
            "young": young,
            "versions": versions.as_str(),
        }),
    )?;
    match problems {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failed, "1 problem was found")),
        more => Err(Failure::new(Exit::Failed, format!("{more} problems were found"))),
    }
}

fn finding_text(finding: &Finding, repair: bool) -> String {
    let Finding { problem, key, detail, mended } = finding;
    let detail = detail.as_ref().map(|detail| format!(" ({})", clean::word(detail))).unwrap_or_default();
    let remedy = match (mended, problem.is_mendable() && !repair) {
        (true, _) => "mended".to_owned(),
        (false, true) => format!("{}: --repair", problem.remedy()),
        (false, false) => problem.remedy().to_owned(),
    };
    let key = clean::word(key);
    format!("{:<22}  {key}\n    {}{detail}\n    {remedy}\n", problem.code(), problem.meaning())
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "code": finding.problem.code(),
        "key": finding.key,
        "meaning": finding.problem.meaning(),
        "detail": finding.detail,
        "remedy": finding.problem.remedy(),
        "mendable": finding.problem.is_mendable(),
        "mended": finding.mended,
    })
}

/// The rows of a table of objects and bytes.
fn rows(text: &mut String, rows: &[(&str, Tally)]) {
    for (name, Tally { objects, bytes }) in rows {
        let _never =
            writeln!(text, "{name:<12} {objects:>10} objects  {:>12}", indicatif::HumanBytes(*bytes).to_string());
    }
}

fn kinds(stats: &Stats) -> [(&'static str, Tally); 9] {
    [
        ("log", stats.segments),
        ("runs", stats.runs),
        ("stubs", stats.stubs),
        ("index", stats.index),
        ("tombstones", stats.tombstones),
        ("tokens", stats.tokens),
        ("hosts", stats.hosts),
        ("other", stats.other),
        ("all", stats.all),
    ]
}

fn stats_text(stats: &Stats) -> String {
    let mut text = format!(
        "shares       {}\ndeleted      {}\naccounts     {}\nsessions     {}\nobjects a share {:.1}\n\n",
        stats.shares,
        stats.deleted,
        stats.accounts,
        stats.sessions,
        stats.objects_a_share()
    );
    rows(&mut text, &kinds(stats));
    let line = |name: &str, size: &ShareSize| {
        let (all, at) = (size.all, time(size.written_at));
        let bytes = indicatif::HumanBytes(all.bytes).to_string();
        format!("{name:<8} {}  {:>8} objects  {bytes:>12}  written {at}\n", size.share, all.objects)
    };
    if !stats.largest.is_empty() {
        text.push('\n');
    }
    text.extend(stats.largest.iter().map(|size| line("largest", size)));
    text.extend(stats.oldest.iter().map(|size| line("oldest", size)));
    text.extend(stats.newest.iter().map(|size| line("newest", size)));
    text
}

fn stats_json(stats: &Stats) -> Value {
    let size = |size: &ShareSize| {
        json!({
            "id": size.share.as_str(),
            "objects": size.all.objects,
            "bytes": size.all.bytes,
            "written_at": time(size.written_at),
        })
    };
    json!({
        "shares": stats.shares,
        "deleted": stats.deleted,
        "accounts": stats.accounts,
        "sessions": stats.sessions,
        "objects_a_share": stats.objects_a_share(),
        "kinds": tallies(kinds(stats)),
        "largest": stats.largest.iter().map(size).collect::<Vec<_>>(),
        "oldest": stats.oldest.as_ref().map(size),
        "newest": stats.newest.as_ref().map(size),
    })
}

fn freed_text(freed: &Freed, dry_run: bool) -> String {
    let mut text = String::new();
    let all = freed.kinds.iter().map(|(kind, tally)| (kind.name(), *tally)).chain([("all", freed.all())]);
    rows(&mut text, &all.collect::<Vec<_>>());
    if let Some(ahead_ms) = freed.clock_wrong_by_ms {
        let (seconds, which) = (ahead_ms.unsigned_abs() / 1_000, if ahead_ms > 0 { "ahead of" } else { "behind" });
        let _never = writeln!(
            text,
            "the clock of this machine is {seconds} s {which} the store's: nothing was freed because it had expired; set the clock \
             right, and collect again"
        );
    }
    let _never = writeln!(
        text,
        "{}{} shares had expired; {} shares cannot be read and were passed over (see capshare store check)",
        if dry_run { "nothing was changed; " } else { "" },
        freed.expired_shares,
        freed.passed_over
    );
    text
}

fn freed_json(freed: &Freed, dry_run: bool) -> Value {
    json!({
        "dry_run": dry_run,
        "objects": freed.all().objects,
        "bytes": freed.all().bytes,
        "kinds": tallies(freed.kinds.iter().map(|(kind, tally)| (kind.name(), *tally))),
        "expired_shares": freed.expired_shares,
        "clock_wrong_by_ms": freed.clock_wrong_by_ms,
        "passed_over": freed.passed_over,
    })
}

fn tallies(kinds: impl IntoIterator<Item = (&'static str, Tally)>) -> Value {
    let kind = |(name, Tally { objects, bytes }): (&str, Tally)| {
        (name.to_owned(), json!({ "objects": objects, "bytes": bytes }))
    };
    Value::Object(kinds.into_iter().map(kind).collect())
}

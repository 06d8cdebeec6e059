//! The rules: the forms by which credentials are recognised.
//!
//! Most issuers give their tokens a beginning that nothing else has, so that scanners know them; those rules are exact. The
//! last few go by what stands around a secret, and by how random it looks. The forms are the issuers' own, as they document
//! them; a rule is added here with an example in `tests/it/redact.rs`.
//!
//! A rule is tried only on texts that hold one of its words, and compiled when that first happens. The patterns are of the
//! `regex` crate, on bytes and without Unicode: each search takes time that is linear in the text.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// A form of credentials.
#[derive(Debug)]
pub(super) struct Rule {
    /// The rule's name, which stands in place of a secret and in reports.
    pub(super) id: &'static str,
    /// Words of which a text must hold one, in upper or lower case, to have a secret of this form.
    pub(super) words: &'static [&'static str],
    /// A regular expression for the secret. If it has a group, the group is the secret, else the whole match.
    pattern: &'static str,
    /// Whether the secret must also look random, because the pattern alone finds too much.
    pub(super) random: bool,
    compiled: OnceLock<Option<Regex>>,
}

impl Rule {
    /// The compiled pattern. A test compiles the patterns of all rules.
    pub(super) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| RegexBuilder::new(self.pattern).unicode(false).build().ok()).as_ref()
    }
}

const fn exact(id: &'static str, words: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule { id, words, pattern, random: false, compiled: OnceLock::new() }
}

const fn random(id: &'static str, words: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule { id, words, pattern, random: true, compiled: OnceLock::new() }
}

/// Name of the rule for members and assignments whose names say that they are secret.
pub(super) const ASSIGNED: &str = "secret-assignment";

/// All rules. Where two of them find overlapping parts of a text, the part that begins first counts; of parts that begin
/// together, the one whose rule stands first here.
pub(super) static RULES: [Rule; 58] = [
    exact(
        "private-key",
        &["private key"],
        // Also one that is cut off, with line numbers before its lines, or within a text within a text.
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?:\s|\\+[nrt]|[0-9]{1,6}(?:[|:]|→)|[>|-])*[A-Z][A-Za-z-]{2,20}: [^\n\\]{1,100})*(?:(?:\s|\\+[nrt]|[0-9]{1,6}(?:[|:]|→)|[>|-])*[A-Za-z0-9+/=]{24,})+(?:(?:\s|\\+[nrt]|[0-9]{1,6}(?:[|:]|→)|[>|-])+[A-Za-z0-9+/=]{1,24})?(?:(?:\s|\\+[nrt]|[0-9]{1,6}(?:[|:]|→)|[>|-])*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
    ),
    exact("age-secret-key", &["age-secret-key-1"], r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    exact("capshare-secret", &["capsec_"], r"\bcapsec_[A-Za-z0-9_-]{43}"),
    exact("capshare-token", &["captok_"], r"\bcaptok_[a-z2-7]{16}_[A-Za-z0-9_-]{43}"),
    exact("capshare-grant", &["capgr_"], r"\bcapgr_[a-z2-7]{26}_[a-z2-7]{16}_[A-Za-z0-9_-]{43}"),
    exact("aws-access-key-id", &["akia", "asia"], r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    exact(
        "aws-secret-access-key",
        &["secret_access_key", "secretaccesskey", "secret-access-key"],
        r#"(?i)secret[_-]?access[_-]?key[\\"'`]{0,8}\s{0,3}[:=]{1,2}>?\s{0,3}[\\"'`]{0,8}([a-z0-9/+=]{40})"#,
    ),
    exact("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"\bgh[pousr]_[A-Za-z0-9]{36,255}"),
    exact("github-fine-grained-token", &["github_pat_"], r"\bgithub_pat_[A-Za-z0-9_]{40,255}"),
    exact(
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"],
        r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_.-]{20,}",
    ),
    exact("anthropic-key", &["sk-ant-"], r"\bsk-ant-[a-z]{2,10}[0-9]{2}-[A-Za-z0-9_-]{20,}"),
    exact("openrouter-key", &["sk-or-"], r"\bsk-or-(?:v[0-9]-)?[A-Za-z0-9]{32,}"),
    exact(
        "openai-key",
        &["sk-"],
        r"\bsk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|[A-Za-z0-9]{48}\b)",
    ),
    random("generic-sk-key", &["sk-"], r"\bsk-[A-Za-z0-9]{24,64}\b"),
    exact("groq-key", &["gsk_"], r"\bgsk_[A-Za-z0-9]{40,60}\b"),
    exact("xai-key", &["xai-"], r"\bxai-[A-Za-z0-9]{60,100}\b"),
    exact("perplexity-key", &["pplx-"], r"\bpplx-[A-Za-z0-9]{40,60}\b"),
    exact("hugging-face-token", &["hf_"], r"\bhf_[A-Za-z0-9]{34,40}\b"),
    exact("replicate-token", &["r8_"], r"\br8_[A-Za-z0-9]{37}\b"),
    exact("google-api-key", &["aiza"], r"\bAIza[A-Za-z0-9_-]{35}"),
    exact("google-oauth", &["gocspx-", "ya29."], r"\b(?:GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{30,})"),
    exact("slack-token", &["xox", "xapp-"], r"\b(?:xox[abceoprs](?:\.xox[bp])?|xapp)-[A-Za-z0-9-]{20,}"),
    exact(
        "slack-webhook",
        &["hooks.slack.com"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{20,})",
    ),
    exact(
        "discord-webhook",
        &["/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/([A-Za-z0-9_-]{50,80})",
    ),
    exact("telegram-bot-token", &[":aa"], r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    exact("stripe-key", &["sk_live_", "sk_test_", "rk_live_", "rk_test_"], r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    exact("webhook-secret", &["whsec_"], r"\bwhsec_[A-Za-z0-9+/=]{24,}"),
    exact("square-token", &["sq0"], r"\bsq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}"),
    exact("shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_"], r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b"),
    exact("npm-token", &["npm_"], r"\bnpm_[A-Za-z0-9]{36}\b"),
    exact("pypi-token", &["pypi-"], r"\bpypi-[A-Za-z0-9_-]{50,}"),
    exact("crates-io-token", &["cio"], r"\bcio[A-Za-z0-9]{32}\b"),
    exact("rubygems-key", &["rubygems_"], r"\brubygems_[a-f0-9]{48}\b"),
    exact("docker-token", &["dckr_"], r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    exact("digitalocean-token", &["_v1_"], r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    exact("sendgrid-key", &["sg."], r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}"),
    exact("mailgun-key", &["key-"], r"\bkey-[a-f0-9]{32}\b"),
    exact("twilio-key", &["sk"], r"\bSK[a-f0-9]{32}\b"),
    exact("databricks-token", &["dapi"], r"\bdapi[a-f0-9]{32}\b"),
    exact("linear-key", &["lin_"], r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    exact("notion-token", &["ntn_", "secret_"], r"\b(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}\b)"),
    exact("sentry-token", &["sntry"], r"\bsntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    exact("grafana-token", &["glsa_", "glc_"], r"\b(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})"),
    exact("vault-token", &["hvs.", "hvb.", "hvr."], r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    exact("terraform-token", &[".atlasv1."], r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    exact("postman-key", &["pmak-"], r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b"),
    exact("new-relic-key", &["nrak-", "nrjs-"], r"\b(?:NRAK-[A-Z0-9]{27}|NRJS-[a-f0-9]{19})\b"),
    exact("atlassian-token", &["atatt3", "atctt3"], r"\bAT[AC]TT3[A-Za-z0-9_=-]{60,}"),
    exact("doppler-token", &["dp."], r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b"),
    exact("fly-token", &["fm1", "fm2_", "fo1_"], r"\b(?:fm1[ar]|fm2|fo1)_[A-Za-z0-9+/=_-]{40,}"),
    exact("supabase-key", &["sbp_", "sb_secret_"], r"\b(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,})\b"),
    exact("figma-token", &["figd_"], r"\bfigd_[A-Za-z0-9_-]{36,}"),
    exact("tailscale-key", &["tskey-"], r"\btskey-[a-z]{2,10}-[A-Za-z0-9_-]{16,}"),
    exact("azure-storage-key", &["accountkey="], r"(?i)\baccountkey=([a-z0-9+/]{86}==)"),
    exact("json-web-token", &["eyj"], r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"),
    exact(
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/?#@"'<>\\]{0,64}:([^\s/?#@"'<>\\]{3,256})@[A-Za-z0-9\[]"#,
    ),
    exact(
        "authorization-header",
        &["authorization", "x-api-key"],
        r#"(?i)\b(?:authorization[\\"'`]{0,8}\s{0,3}[:=]\s{0,3}[\\"'`]{0,8}(?:bearer|basic|token|apikey)\s{1,3}|x-api-key[\\"'`]{0,8}\s{0,3}[:=]\s{0,3}[\\"'`]{0,8})([a-z0-9._~+/=-]{20,})"#,
    ),
    random(
        ASSIGNED,
        &["key", "secret", "token", "passw", "pwd", "credential"],
        r#"(?i)(?:(?:api|access|auth|private|signing|encryption|master|account|client)[_.-]?key|secret(?:[_.-]?key)?|token|passw(?:or)?d|pwd|credentials?)[\\"'`]{0,8}\s{0,3}(?::=|=>|[:=])\s{0,3}[\\"'`]{0,8}([a-z0-9+/_~!$%^&*=-]{12,512})"#,
    ),
];

/// Whether the name of an object's member says that its value is secret.
pub(super) fn says_secret(name: &str) -> bool {
    static SECRET: OnceLock<Option<Regex>> = OnceLock::new();
    let pattern = r"(?i)(?:(?:api|access|auth|private|signing|encryption|master|account|client)[_.-]?key|secret(?:[_.-]?key)?|token|passw(?:or)?d|pwd|credentials?|^authorization)$";
    let regex = SECRET.get_or_init(|| RegexBuilder::new(pattern).unicode(false).build().ok());
    regex.as_ref().is_some_and(|regex| regex.is_match(name.as_bytes()))
}

/// A token at the end of a text that may still grow: its beginning must not be shown meanwhile. Of a JSON Web Token that is the header, by the
/// name of its first member (`alg`, `typ`, `kid`, `enc`, `cty`, `x5t`, `x5c`, `zip`, `jku`, `jwk`); any other JSON in base64 begins as it does.
pub(super) static UNFINISHED: Rule = exact(
    "unfinished",
    &[],
    r"\b(?:(?:gh[pousr]_|github_pat_|glpat-|sk-ant-|sk-proj-|sk-svcacct-|sk-or-|[sr]k_live_|gsk_|AIza|GOCSPX-|xox[abeoprs]-|cap(?:sec|tok|gr)_)[A-Za-z0-9_-]{4,}|AKIA[A-Z2-7]{4,}|eyJ(?:hbGci|0eXAi|raWQi|lbmMi|jdHki|4NXQi|4NWMi|6aXAi|qa3Ui|qd2si)[A-Za-z0-9_-]{2,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)$",
);

/// Whether a text looks random: it has letters, at least two digits, and 3 bits of entropy a character. Names of variables, words,
/// numbers, paths and placeholders of examples do not.
pub(super) fn looks_random(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let stands_for_one = secret.starts_with(['$', '%', '<', '{', '*', '/']) || secret.contains("...");
    if stands_for_one || count(u8::is_ascii_digit) < 2 || count(u8::is_ascii_alphabetic) == 0 {
        return false;
    }
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let share = |count: &u32| f64::from(*count) / bytes.len() as f64;
    let entropy: f64 = counts.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum();
    entropy >= 3.0
}

//! Texts with secrets of each kind that is masked, made here.

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const HEX: &str = "0123456789abcdef";
pub(super) const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CAPITALS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(super) const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// So many characters of an alphabet, which look random and are always the same.
pub(super) fn some(count: usize, of: &str) -> String {
    let mut state = count as u64 + 41;
    let letters = of.as_bytes();
    let next = move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[(state >> 33) as usize % letters.len()])
    };
    (0..count).map(next).collect()
}

/// A private key in PEM, of lines of this length.
pub(super) fn pem(kind: &str, line: usize) -> String {
    let body: Vec<_> = (0..6).map(|n| some(line + n, BASE62)[n..].to_owned()).collect();
    format!("-----BEGIN {kind}-----\n{}\n{}\n-----END {kind}-----", body.join("\n"), some(20, BASE62) + "==")
}

/// For each rule texts with a secret of its kind, and the secret. No credential of anybody: they are made here, and put
/// together here, so that no scanner takes this file for a leak.
pub(super) fn examples() -> Vec<(&'static str, String, String)> {
    let whole = |rule, parts: &[&str], rest: String| {
        let secret = parts.concat() + &rest;
        (rule, format!("it is {secret} now"), secret)
    };
    let within = |rule, before: &str, secret: String, after: &str| (rule, format!("{before}{secret}{after}"), secret);
    let jwt = ["ey", "JhbGciOiJIUzI1NiJ9", ".ey", "JzdWIiOiIxMjM0NTY3ODkwIn0", "."].concat() + &some(43, BASE62);
    vec![
        ("private-key", pem("RSA PRIVATE KEY", 64), pem("RSA PRIVATE KEY", 64)),
        ("private-key", format!("cat id\n{}\n$ ", pem("OPENSSH PRIVATE KEY", 70)), pem("OPENSSH PRIVATE KEY", 70)),
        whole("age-secret-key", &["AGE-SECRET", "-KEY-1"], some(58, CAPITALS)),
        whole("capshare-secret", &["cap", "sec_"], some(43, BASE62)),
        whole("capshare-token", &["cap", "tok_", &some(16, LOWER), "_"], some(43, BASE62)),
        whole("capshare-grant", &["cap", "gr_", &some(26, LOWER), "_", &some(16, LOWER), "_"], some(43, BASE62)),
        whole("aws-access-key-id", &["AK", "IA"], some(16, BASE32)),
        within("aws-secret-access-key", "AWS_SECRET_ACCESS_KEY=", some(40, BASE62), "\n"),
        within("aws-secret-access-key", r#"{"SecretAccessKey": ""#, some(40, BASE62), r#"", "x": 1}"#),
        whole("github-token", &["gh", "p_"], some(36, BASE62)),
        whole("github-token", &["gh", "s_"], some(36, BASE62)),
        whole("github-fine-grained-token", &["github", "_pat_", &some(22, BASE62), "_"], some(59, BASE62)),
        whole("gitlab-token", &["gl", "pat-"], some(20, BASE62)),
        whole("anthropic-key", &["sk-", "ant-", "api03-"], some(95, BASE62)),
        whole("openrouter-key", &["sk-", "or-v1-"], some(64, HEX)),
        whole("openai-key", &["sk-", "proj-"], some(120, BASE62)),
        whole("openai-key", &["sk-", &some(20, BASE62), "T3Blbk", "FJ"], some(20, BASE62)),
        whole("generic-sk-key", &["sk-"], some(32, HEX)),
        whole("groq-key", &["gsk", "_"], some(52, BASE62)),
        whole("xai-key", &["xai", "-"], some(80, BASE62)),
        whole("perplexity-key", &["pplx", "-"], some(48, BASE62)),
        whole("hugging-face-token", &["hf", "_"], some(34, BASE62)),
        whole("replicate-token", &["r8", "_"], some(37, BASE62)),
        whole("google-api-key", &["AI", "za"], some(35, BASE62)),
        whole("google-oauth", &["GOC", "SPX-"], some(28, BASE62)),
        whole("slack-token", &["xo", "xb-", &some(12, "0123456789"), "-"], some(24, BASE62)),
        within(
            "slack-webhook",
            "https://hooks.slack.com/services/",
            format!("T{}/B{}/{}", some(9, CAPITALS), some(10, CAPITALS), some(24, BASE62)),
            " ",
        ),
        within("discord-webhook", "https://discord.com/api/webhooks/123456789012345678/", some(68, BASE62), ""),
        whole("telegram-bot-token", &["123456789", ":AA"], some(33, BASE62)),
        whole("stripe-key", &["sk_", "live_"], some(24, BASE62)),
        whole("webhook-secret", &["wh", "sec_"], some(32, BASE62)),
        whole("square-token", &["sq0", "atp-"], some(22, BASE62)),
        whole("shopify-token", &["shp", "at_"], some(32, HEX)),
        whole("npm-token", &["npm", "_"], some(36, BASE62)),
        whole("pypi-token", &["pypi", "-AgEIcHlwaS5vcmc"], some(70, BASE62)),
        whole("crates-io-token", &["ci", "o"], some(32, BASE62)),
        whole("rubygems-key", &["rubygems", "_"], some(48, HEX)),
        whole("docker-token", &["dckr", "_pat_"], some(27, BASE62)),
        whole("digitalocean-token", &["dop", "_v1_"], some(64, HEX)),
        whole("sendgrid-key", &["S", "G.", &some(22, BASE62), "."], some(43, BASE62)),
        whole("mailgun-key", &["key", "-"], some(32, HEX)),
        whole("twilio-key", &["S", "K"], some(32, HEX)),
        whole("databricks-token", &["da", "pi"], some(32, HEX)),
        whole("linear-key", &["lin", "_api_"], some(40, BASE62)),
        whole("notion-token", &["nt", "n_"], some(46, BASE62)),
        whole("sentry-token", &["snt", "ryu_"], some(64, HEX)),
        whole("grafana-token", &["gl", "sa_", &some(32, BASE62), "_"], some(8, HEX)),
        whole("vault-token", &["hv", "s."], some(24, BASE62)),
        whole("terraform-token", &[&some(14, BASE62), ".atlas", "v1."], some(67, BASE62)),
        whole("postman-key", &["PM", "AK-", &some(24, HEX), "-"], some(34, HEX)),
        whole("new-relic-key", &["NR", "AK-"], some(27, CAPITALS)),
        whole("atlassian-token", &["AT", "ATT3"], some(186, BASE62)),
        whole("doppler-token", &["dp", ".pt."], some(43, BASE62)),
        whole("fly-token", &["fm", "2_"], some(120, BASE62)),
        whole("supabase-key", &["sb", "p_"], some(40, HEX)),
        whole("figma-token", &["fig", "d_"], some(40, BASE62)),
        whole("tailscale-key", &["ts", "key-auth-"], some(30, BASE62)),
        within("azure-storage-key", "AccountName=x;AccountKey=", some(86, BASE62) + "==", ";EndpointSuffix=y"),
        whole("json-web-token", &[], jwt),
        within("url-password", "postgres://app:", some(16, BASE62), "@db.example.org:5432/app"),
        within("url-password", "mongodb+srv://app:", "päss-wörd".to_owned(), "@cluster0.example.org"),
        within("url-password", "https://ann:", "not a word"[4..5].repeat(3) + "-hunter2", "@example.org/repo.git"),
        within("authorization-header", "curl -H 'Authorization: Bearer ", some(40, BASE62), "' https://example.org"),
        within("authorization-header", r#"{"authorization":"Basic "#, some(28, BASE62), r#""}"#),
        within("secret-assignment", "export MY_API_KEY=", some(32, BASE62), "\n"),
        within("secret-assignment", r#"const client = new Client({ password: ""#, some(20, BASE62), r#"" })"#),
        within("secret-assignment", r#"{\"accessToken\": \""#, some(24, BASE62), r#"\"}"#),
    ]
}

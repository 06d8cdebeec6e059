//! The origin of a host's URL, by which hosts are told from one another.

/// The scheme, name and port of a URL, in one spelling.
pub(crate) fn origin(url: &str) -> Option<String> {
    let url: http::Uri = url.parse().ok()?;
    let (scheme, usual_port) = match url.scheme_str()? {
        "http" | "ws" => ("http", 80),
        "https" | "wss" => ("https", 443),
        _ => return None,
    };
    let name = url.host().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(usual_port);
    Some(if port == usual_port { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_has_one_origin() {
        for url in ["https://A.example", "wss://a.example/rpc/share", "https://a.example:443/"] {
            assert_eq!(origin(url).as_deref(), Some("https://a.example"), "{url}");
        }
        assert_eq!(origin("ws://[::1]:7420/x").as_deref(), Some("http://[::1]:7420"));
        for bad in ["", "a.example", "/x", "ftp://a.example", "http://"] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }
}

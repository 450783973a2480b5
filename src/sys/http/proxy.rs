//! Which proxy the environment asks for, by the rules docker itself follows: the variable of the
//! scheme, `NO_PROXY`, and never for this host. It never connects to anything.

use std::net::IpAddr;

use super::Cidr;

/// The proxy for a request to `url`, or none. `var` reads the environment.
pub(super) fn proxy_for(url: &str, var: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (scheme, host) = scheme_and_host(url)?;
    let names = match scheme {
        "https" => ["HTTPS_PROXY", "https_proxy"],
        _ => ["HTTP_PROXY", "http_proxy"],
    };
    if is_this_host(host) {
        return None;
    }
    let exempt = var("NO_PROXY").or_else(|| var("no_proxy")).unwrap_or_default();
    if exempt.split(',').any(|entry| covers(entry.trim(), host)) {
        return None;
    }
    names.iter().find_map(|name| var(name))
}

fn scheme_and_host(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some((scheme, host))
}

fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one entry of `NO_PROXY` covers `host`: `*`, an address or block, a domain and all below.
fn covers(entry: &str, host: &str) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return entry.parse::<Cidr>().is_ok_and(|block| block.contains(address));
    }
    let entry = entry.split(':').next().unwrap_or(entry).to_ascii_lowercase();
    let domain = entry.trim_start_matches('*').trim_start_matches('.');
    let host = host.to_ascii_lowercase();
    let below = host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'));
    // `.example.com` covers what is below it, `example.com` also itself.
    below || (host == domain && !entry.starts_with(['.', '*']))
}

#[cfg(test)]
mod tests {
    use super::proxy_for;

    #[test]
    fn the_environment_decides() {
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://secure:1".to_owned()),
            "http_proxy" => Some("http://plain:2".to_owned()),
            "NO_PROXY" => Some("lan, .below.example,10.0.0.0/8,exact.example:443".to_owned()),
            _ => None,
        };
        for (url, wanted) in [
            ("https://ghcr.io/v2/", Some("http://secure:1")),
            ("http://ghcr.io/v2/", Some("http://plain:2")),
            ("https://localhost:5000/", None),
            ("http://127.3.2.1:5000/", None),
            ("http://[::1]:5000/", None),
            ("https://lan/", None),
            ("https://registry.lan:5000/", None),
            ("https://wlan/", Some("http://secure:1")),
            ("https://a.below.example/", None),
            ("https://below.example/", Some("http://secure:1")),
            ("https://exact.example/", None),
            ("https://10.2.3.4/", None),
            ("https://11.2.3.4/", Some("http://secure:1")),
            ("no url", None),
        ] {
            assert_eq!(proxy_for(url, env).as_deref(), wanted, "{url}");
        }
        assert_eq!(proxy_for("https://ghcr.io/", |_| None), None);
        let all = |name: &str| (name != "no").then(|| "*".to_owned());
        assert_eq!(proxy_for("https://ghcr.io/", all), None);
    }
}

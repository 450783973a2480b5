//! How a registry is reached: https with certificates that docker would trust, and for this host and
//! the engine's insecure list also without, or over plain http. It never falls back for others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::RegistryConfig;
use crate::sys::fs::read_bounded;
use crate::sys::http::{Client, Head, Http, HttpError, Request, Response, Trust, Via};

/// No bundle of certificate authorities comes near this.
const CERTIFICATES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A host with its port, and how it may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// As in a URL.
    pub authority: String,
    /// Only this way, if a URL said so.
    pub scheme: Option<Scheme>,
}

/// The first part of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn prefix(self) -> &'static str {
        match self {
            Scheme::Http => "http://",
            Scheme::Https => "https://",
        }
    }
}

impl Site {
    pub(super) fn of(authority: &str) -> Site {
        Site { authority: authority.to_owned(), scheme: None }
    }

    /// The host without its port, in lower case.
    pub(super) fn host(&self) -> String {
        let end = match self.authority.rfind(']') {
            Some(bracket) => bracket + 1,
            None => self.authority.find(':').unwrap_or(self.authority.len()),
        };
        self.authority.get(..end).unwrap_or_default().to_ascii_lowercase()
    }
}

/// Splits a URL into its site and the rest, which begins with a slash. User names are refused.
pub(super) fn split_url(url: &str) -> Option<(Site, String)> {
    let (scheme, rest) = match url.split_once("://")? {
        ("https", rest) => (Scheme::Https, rest),
        ("http", rest) => (Scheme::Http, rest),
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    if authority.is_empty() || !authority.bytes().all(plain) {
        return None;
    }
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((Site { authority: authority.to_owned(), scheme: Some(scheme) }, path))
}

/// Where an answer sends us, if it does. Only https will do.
pub(super) fn redirect_target(head: &Head) -> Option<String> {
    match head.status {
        301 | 302 | 307 | 308 => {}
        _ => return None,
    }
    let (site, path) = split_url(head.header("location")?)?;
    match site.scheme {
        Some(Scheme::Https) => Some(format!("https://{}{path}", site.authority)),
        _ => None,
    }
}

/// One way to a site.
#[derive(Debug, Clone)]
struct Route {
    scheme: Scheme,
    client: Client,
}

/// Ways to sites, remembered once they worked.
pub(super) struct Routes {
    config: RegistryConfig,
    known: Mutex<BTreeMap<String, Route>>,
}

impl Routes {
    pub(super) fn new(config: RegistryConfig) -> Routes {
        Routes { config, known: Mutex::default() }
    }

    /// Whether credentials for this site may travel without a verified certificate.
    pub(super) fn is_insecure(&self, site: &Site) -> bool {
        self.config.insecure.contains(&site.authority)
    }

    /// Sends a request whose URL is only a path, by the way that worked before, or by the first of
    /// the permitted ones that leads to an answer.
    pub(super) fn send(&self, site: &Site, request: &Request) -> Result<Response, HttpError> {
        let key = format!("{:?} {}", site.scheme, site.authority);
        let known = self.known().get(&key).cloned();
        if let Some(route) = known {
            return route.send(site, request);
        }
        let mut failure = HttpError::Tls("there is no permitted way to it".to_owned());
        for ways in self.ways(site) {
            let (scheme, trust) = match ways {
                Ok(way) => way,
                Err(cause) => {
                    failure = cause;
                    continue;
                }
            };
            let route = Route { scheme, client: Client::tcp(&trust, Via::Environment)? };
            match route.send(site, request) {
                Ok(answer) => {
                    self.known().insert(key, route);
                    return Ok(answer);
                }
                Err(cause) => {
                    let insecure = self.is_insecure(site);
                    let untrusted = matches!(cause, HttpError::Tls(_));
                    failure = cause;
                    // A dead host is as dead the second time, unless the other way is another port.
                    if !untrusted && !insecure {
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    /// Sends a request to a whole https URL that only a verified host may answer.
    pub(super) fn send_verified(&self, request: &Request) -> Result<Response, HttpError> {
        let Some((site, path)) = split_url(&request.url) else {
            return Err(HttpError::Protocol("not a URL".to_owned()));
        };
        let mut below = request.clone();
        below.url = path;
        self.send(&site, &below)
    }

    /// The permitted ways, the best first. As docker does: with certificates from its own folder
    /// and the system's, and for insecure registries without any, then over plain http.
    fn ways(&self, site: &Site) -> Vec<Result<(Scheme, Trust), HttpError>> {
        let mut ways = Vec::new();
        if self.is_insecure(site) {
            ways.push(Ok((Scheme::Https, Trust::Anyone)));
            ways.push(Ok((Scheme::Http, Trust::Public)));
        } else {
            let own = self.own_certificates(&site.authority);
            let system = read_bounded(&self.config.system_roots, CERTIFICATES_BYTES_MAX).ok();
            match own {
                Ok(files) if files.is_empty() => {
                    ways.push(Ok((Scheme::Https, Trust::Public)));
                    ways.extend(system.map(|file| Ok((Scheme::Https, Trust::Only(vec![file])))));
                }
                Ok(mut files) => {
                    files.extend(system);
                    ways.push(Ok((Scheme::Https, Trust::Only(files))));
                    ways.push(Ok((Scheme::Https, Trust::Public)));
                }
                Err(cause) => ways.push(Err(cause)),
            }
        }
        ways.retain(|way| match (way, site.scheme) {
            (Ok((offered, _)), Some(wanted)) => *offered == wanted,
            (Ok(_), None) | (Err(_), _) => true,
        });
        ways
    }

    /// The certificate authorities that docker keeps for this registry.
    fn own_certificates(&self, authority: &str) -> Result<Vec<Vec<u8>>, HttpError> {
        let Ok(entries) = fs::read_dir(self.config.certs_dir.join(authority)) else {
            return Ok(Vec::new());
        };
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "crt") {
                let read = read_bounded(&path, CERTIFICATES_BYTES_MAX);
                files.push(read.map_err(|cause| unreadable(&path, &cause))?);
            }
        }
        Ok(files)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Route>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(path: &Path, cause: &std::io::Error) -> HttpError {
    HttpError::Tls(format!("cannot read {}: {cause}", path.display()))
}

impl Route {
    fn send(&self, site: &Site, request: &Request) -> Result<Response, HttpError> {
        let mut whole = request.clone();
        whole.url = format!("{}{}{}", self.scheme.prefix(), site.authority, request.url);
        self.client.send(&whole)
    }
}

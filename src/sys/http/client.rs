//! The one implementation of [`Http`], on ureq. Settings that could surprise are set here, once:
//! no redirects, no errors by status, small buffers, no proxy unless asked for.

use std::io;
use std::path::Path;
use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::http;
use ureq::typestate::AgentScope;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::names::Names;
use super::proxy::proxy_for;
use super::unix_transport::{BUFFER_BYTES, NoNames, UnixConnector, is_cancelled};
use super::{Head, Http, HttpError, Lines, Method, Request, Response};
use crate::sys::env;
use crate::sys::exec::Cancel;
use crate::sys::fs::read_bounded;

/// No part of a connection's making may take longer, whatever the request allows.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Where this host keeps all certificate authorities that it trusts, private ones included, on
/// Debian, Alpine, Arch and their kin; docker reads it too.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// No bundle of certificate authorities comes near this.
const ROOTS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whose certificate is good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// What Mozilla's list of authorities signed; the list is built in.
    Public,
    /// What one of these authorities signed, and nobody else: PEM, each any number of certificates.
    Only(Vec<Vec<u8>>),
    /// Any certificate at all: encryption without knowing with whom.
    Anyone,
}

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Straight to the host.
    Direct,
    /// Through the proxy that the environment names, if it names one for this host.
    Environment,
}

/// Sends requests over TCP, or over one Unix socket.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    via: Via,
}

impl Client {
    /// A client over TCP.
    ///
    /// # Errors
    /// [`HttpError::Tls`] if a certificate of `trust` cannot be read.
    pub fn tcp(trust: &Trust, via: Via) -> Result<Client, HttpError> {
        let config = tls::configure(common(), trust)?.build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Names::default());
        Ok(Client { agent, via })
    }

    /// A client over TCP that trusts the authorities in the file `roots`, normally [`SYSTEM_ROOTS`],
    /// or the built-in list if there are none in it.
    ///
    /// # Errors
    /// None in practice; see [`Client::tcp`].
    pub fn tcp_with_roots(roots: &Path, via: Via) -> Result<Client, HttpError> {
        if let Ok(file) = read_bounded(roots, ROOTS_BYTES_MAX)
            && let Ok(client) = Client::tcp(&Trust::Only(vec![file]), via)
        {
            return Ok(client);
        }
        Client::tcp(&Trust::Public, via)
    }

    /// A client over the Unix socket at `path`; all its requests end when `cancel` is set.
    #[must_use]
    pub fn unix(path: &Path, cancel: &Cancel) -> Client {
        let connector = UnixConnector { path: path.to_owned(), cancel: cancel.clone() };
        let agent = Agent::with_parts(common().build(), connector, NoNames);
        Client { agent, via: Via::Direct }
    }

    fn run(&self, request: &Request, life: Life) -> Result<http::Response<Body>, HttpError> {
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Delete => http::Method::DELETE,
        };
        let mut builder = http::Request::builder().method(method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let fail = |cause: ureq::Error| error_from(cause, request.timeout);
        let broken = |cause: http::Error| HttpError::Protocol(format!("bad request: {cause}"));
        match request.method {
            Method::Post => {
                let asked = builder.body(request.body.clone()).map_err(broken)?;
                self.agent.run(self.bound(asked, request, life)?).map_err(fail)
            }
            Method::Get | Method::Head | Method::Delete => {
                let asked = builder.body(()).map_err(broken)?;
                self.agent.run(self.bound(asked, request, life)?).map_err(fail)
            }
        }
    }

    fn bound<S: ureq::AsSendBody>(
        &self,
        asked: http::Request<S>,
        request: &Request,
        life: Life,
    ) -> Result<http::Request<S>, HttpError> {
        let limit = Some(request.timeout);
        let mut config = self
            .agent
            .configure_request(asked)
            .timeout_connect(Some(request.timeout.min(CONNECT_MAX)));
        config = match life {
            Life::Whole => config.timeout_global(limit),
            Life::Stream => config
                .timeout_send_request(limit)
                .timeout_send_body(limit)
                .timeout_recv_response(limit)
                .timeout_per_read(limit)
                .timeout_per_write(limit),
        };
        if self.via == Via::Environment
            && let Some(proxy) = proxy_for(&request.url, env::text)
        {
            let proxy = ureq::Proxy::new(&proxy).map_err(|_| {
                HttpError::Protocol("the proxy named by the environment is not a URL".to_owned())
            })?;
            config = config.proxy(Some(proxy));
        }
        Ok(config.build())
    }
}

/// What the timeout of a request bounds.
#[derive(Clone, Copy)]
enum Life {
    Whole,
    Stream,
}

impl Http for Client {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let mut answer = self.run(request, Life::Whole)?;
        let head = head_of(&answer);
        let limit = request.body_bytes_max;
        // The limit of ureq refuses a body of exactly that size.
        let body = answer.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec();
        match body.map_err(|cause| error_from(cause, request.timeout)) {
            Ok(body) if body.len() as u64 > limit => Err(HttpError::TooLarge(limit)),
            Ok(body) => Ok(Response { head, body }),
            Err(HttpError::TooLarge(_)) => Err(HttpError::TooLarge(limit)),
            Err(error) => Err(error),
        }
    }

    fn head(&self, request: &Request) -> Result<Head, HttpError> {
        let answer = self.run(request, Life::Whole)?;
        Ok(head_of(&answer))
    }

    fn open(&self, request: &Request) -> Result<Lines, HttpError> {
        let answer = self.run(request, Life::Stream)?;
        let head = head_of(&answer);
        let body = answer.into_body().into_reader();
        Ok(Lines::new(head, Box::new(body), request.timeout))
    }
}

fn common() -> ConfigBuilder<AgentScope> {
    Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("renew/", env!("CARGO_PKG_VERSION")))
        .accept("")
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .max_idle_connections(4)
        .max_idle_connections_per_host(2)
        .max_idle_age(Duration::from_secs(10))
}

fn head_of(answer: &http::Response<Body>) -> Head {
    let headers = answer.headers().iter();
    Head {
        status: answer.status().as_u16(),
        headers: headers
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect(),
    }
}

/// What an error of ureq means to us.
pub(super) fn error_from(cause: ureq::Error, limit: Duration) -> HttpError {
    match cause {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            HttpError::Timeout(limit.min(CONNECT_MAX))
        }
        ureq::Error::Timeout(_) => HttpError::Timeout(limit),
        ureq::Error::HostNotFound => HttpError::HostNotFound,
        ureq::Error::BodyExceedsLimit(limit) => HttpError::TooLarge(limit),
        ureq::Error::Tls(why) => HttpError::Tls(why.to_owned()),
        ureq::Error::TlsRequired => HttpError::Tls(tls::MISSING.to_owned()),
        ureq::Error::Io(cause) if is_cancelled(&cause) => HttpError::Cancelled,
        // rustls wraps what it says about the other end's TLS in this kind.
        ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => {
            HttpError::Tls(cause.to_string())
        }
        ureq::Error::Io(cause) => HttpError::Io(cause),
        #[cfg(feature = "tls")]
        ureq::Error::Rustls(cause) => HttpError::Tls(cause.to_string()),
        other => HttpError::Protocol(other.to_string()),
    }
}

#[cfg(feature = "tls")]
mod tls {
    //! Certificates and whom to trust.

    use ureq::config::ConfigBuilder;
    use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
    use ureq::typestate::AgentScope;

    use super::{HttpError, Trust};

    /// What is said when a request needs TLS and there is none.
    pub(super) const MISSING: &str = "the connection is not encrypted";

    pub(super) fn configure(
        config: ConfigBuilder<AgentScope>,
        trust: &Trust,
    ) -> Result<ConfigBuilder<AgentScope>, HttpError> {
        let tls = TlsConfig::builder();
        let tls = match trust {
            Trust::Public => tls.root_certs(RootCerts::WebPki),
            Trust::Only(files) => tls.root_certs(roots(files)?),
            Trust::Anyone => tls.disable_verification(true),
        };
        Ok(config.tls_config(tls.build()))
    }

    fn roots(files: &[Vec<u8>]) -> Result<RootCerts, HttpError> {
        let mut certificates = Vec::new();
        for item in files.iter().flat_map(|file| parse_pem(file)) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(cause) => return Err(HttpError::Tls(format!("bad certificate: {cause}"))),
            }
        }
        if certificates.is_empty() {
            return Err(HttpError::Tls("no certificate authority to trust".to_owned()));
        }
        Ok(RootCerts::new_with_certs(&certificates))
    }
}

#[cfg(not(feature = "tls"))]
mod tls {
    //! Stands in where TLS is left out of the build.

    use ureq::config::ConfigBuilder;
    use ureq::typestate::AgentScope;

    use super::{HttpError, Trust};

    /// What is said when a request needs TLS and there is none.
    pub(super) const MISSING: &str = "this renew was built without TLS; use a build that has it";

    pub(super) fn configure(
        config: ConfigBuilder<AgentScope>,
        _: &Trust,
    ) -> Result<ConfigBuilder<AgentScope>, HttpError> {
        Ok(config)
    }
}

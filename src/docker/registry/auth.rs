//! Answering a registry that asks who we are. Credentials go to that registry or to its own token
//! server, and to nobody else, whatever a realm says.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

use super::challenge::Challenge;
use super::error::{RegistryError, check};
use super::route::{Scheme, Site, split_url};
use super::{HUB_HOST, RegistryClient};
use crate::docker::credentials::RegistryAuth;
use crate::docker::reference::Named;
use crate::sys::http::{Head, Method, Request, escape};

/// Registries whose token server has another name, well known and https.
const TOKEN_SERVERS: &[(&str, &str)] =
    &[(HUB_HOST, "auth.docker.io"), ("docker.elastic.co", "docker-auth.elastic.co")];

/// The value of an `Authorization` header. Never shown.
#[derive(Clone)]
pub(super) struct Authorization(String);

impl Authorization {
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an authorization")
    }
}

/// Gets what the registry at `site` wants to see, as the head of its 401 says.
pub(super) fn authorize(
    client: &RegistryClient,
    name: &Named,
    site: &Site,
    head: &Head,
) -> Result<Authorization, RegistryError> {
    let credentials =
        client.credentials.find(name.registry()).map_err(RegistryError::Credentials)?;
    match Challenge::in_head(head) {
        None => Err(RegistryError::denied(name, "the registry does not say what it wants to see")),
        Some(Challenge::Basic) => match credentials.as_ref().and_then(RegistryAuth::basic) {
            Some(header) => Ok(Authorization(header)),
            None => Err(RegistryError::denied(
                name,
                &format!("it wants a password; `docker login {}`", name.registry()),
            )),
        },
        Some(Challenge::Bearer { realm, service, scope }) => {
            let mut desk = Desk::of(client, name, site, &realm)?;
            desk.own = desk.own || desk.has_the_same(client, credentials.as_ref());
            let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", name.repository()));
            let request = desk.request(client, credentials.as_ref(), service.as_deref(), &scope);
            desk.token(client, name, &request, credentials.is_some())
        }
    }
}

/// A token server.
struct Desk {
    site: Site,
    path: String,
    /// Whether it belongs to the registry, so that it may see credentials.
    own: bool,
}

impl Desk {
    /// The token server a realm names. Plain http only beside an insecure registry on the same
    /// host; strangers only over https, and without credentials.
    fn of(
        client: &RegistryClient,
        name: &Named,
        registry: &Site,
        realm: &str,
    ) -> Result<Desk, RegistryError> {
        let refuse = |why: &str| {
            Err(RegistryError::denied(name, &format!("its token server {realm:?} {why}")))
        };
        let Some((site, path)) = split_url(realm) else { return refuse("is not a URL") };
        let insecure = client.routes.is_insecure(registry);
        let same_host = site.host() == registry.host();
        match site.scheme {
            Some(Scheme::Https) => {}
            _ if insecure && same_host && client.routes.is_insecure(&site) => {}
            _ => return refuse("would be asked without encryption, which is not permitted"),
        }
        let own = same_host || is_own(&registry.host(), &site.host());
        Ok(Desk { site, path, own })
    }

    /// Whether docker keeps the very same credentials for the token server: an operator's word that
    /// both are one. Others that are kept for it stay where they are: the registry, which gets the
    /// token and says what it is to be for, has no right to them.
    fn has_the_same(&self, client: &RegistryClient, credentials: Option<&RegistryAuth>) -> bool {
        let kept = || client.credentials.find(&self.site.authority).ok().flatten();
        credentials.is_some() && kept().as_ref() == credentials
    }

    fn request(
        &self,
        client: &RegistryClient,
        credentials: Option<&RegistryAuth>,
        service: Option<&str>,
        scope: &str,
    ) -> Request {
        let shown = credentials.filter(|_| self.own);
        let mut query = format!("scope={}", escape(scope));
        if let Some(service) = service {
            query.push_str(&format!("&service={}", escape(service)));
        }
        if let Some(RegistryAuth::IdentityToken(token)) = shown {
            let form = format!(
                "grant_type=refresh_token&client_id=renew&{query}&refresh_token={}",
                escape(token)
            );
            let request = client.request(Method::Post, &self.path);
            return request.body("application/x-www-form-urlencoded", form);
        }
        let mark = if self.path.contains('?') { '&' } else { '?' };
        let request = client.request(Method::Get, &format!("{}{mark}{query}", self.path));
        match shown.and_then(RegistryAuth::basic) {
            Some(basic) => request.header("Authorization", basic),
            None => request,
        }
    }

    fn token(
        &self,
        client: &RegistryClient,
        name: &Named,
        request: &Request,
        have_credentials: bool,
    ) -> Result<Authorization, RegistryError> {
        #[derive(Deserialize)]
        struct Granted {
            token: Option<String>,
            access_token: Option<String>,
        }
        let answer = client.send(name, &self.site, request)?;
        match answer.head.status {
            400 | 401 | 403 | 404 if have_credentials && !self.own => {
                return Err(RegistryError::denied(
                    name,
                    &format!(
                        "its token server {desk} may be a stranger's, so the credentials for {} \
                         were not sent there; if it is yours, give {desk} the same entry in \
                         docker's config.json",
                        name.registry(),
                        desk = self.site.authority
                    ),
                ));
            }
            400 | 401 | 403 | 404 => {
                return Err(RegistryError::denied(
                    name,
                    "the registry's token server refuses us; `docker login` again",
                ));
            }
            _ => check(name, &answer.head)?,
        }
        // Never quoted: it holds the token.
        let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
        let token = granted
            .and_then(|granted| granted.token.or(granted.access_token))
            .filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
        match token {
            Some(token) => Ok(Authorization(format!("Bearer {token}"))),
            None => Err(RegistryError::unexpected(name, "its token server gave no token")),
        }
    }
}

/// Whether a token server belongs to a registry by its name: a known pair, or a domain above the
/// registry (`gitlab.com` for `registry.gitlab.com`). Whoever has the domain above could take the
/// registry itself over, name and certificate; who has a name beside it may be a stranger, as in
/// `a.example-host.net` and `b.example-host.net`, and no rule on names can tell.
fn is_own(registry: &str, server: &str) -> bool {
    if TOKEN_SERVERS.contains(&(registry, server)) {
        return true;
    }
    let is_name = |host: &str| host.parse::<IpAddr>().is_err() && host.contains('.');
    let above = registry.strip_suffix(server).is_some_and(|front| front.ends_with('.'));
    is_name(registry) && is_name(server) && above
}

#[cfg(test)]
mod tests;

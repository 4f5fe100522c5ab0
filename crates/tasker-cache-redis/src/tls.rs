//! TLS by rustls: whom to trust, and who this client is.

use std::path::Path;
use std::sync::Arc;

use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use fred::rustls::{ClientConfig, RootCertStore, crypto};
use fred::types::config::{TlsConfig, TlsConnector};

use crate::{ConfigError, RedisConfig};

/// Reads the files that a configuration names.
///
/// The provider of cryptography is named: where a program has several, rustls would panic.
pub(crate) fn configured(config: &RedisConfig) -> Result<TlsConfig, ConfigError> {
    let trusted = match &config.tls_ca_file {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigError::TlsNotCompiled)?
        .with_root_certificates(trusted);
    let client = match &config.tls_identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|_| unusable(key, "holds no key that fits the certificate"))?,
    };
    Ok(TlsConnector::from(client).into())
}

fn from_file(path: &Path) -> Result<RootCertStore, ConfigError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|_| unusable(path, "holds a certificate of no use"))?;
    }
    Ok(store)
}

fn from_system() -> Result<RootCertStore, ConfigError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(fred::rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(ConfigError::NoSystemCertificates) } else { Ok(store) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|_| unusable(path, "can't be read, or is not PEM"))?;
    if found.is_empty() { Err(unusable(path, "holds no certificate")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|_| unusable(path, "can't be read, or holds no private key"))
}

fn unusable(path: &Path, problem: &'static str) -> ConfigError {
    ConfigError::TlsFile { path: path.to_owned(), problem }
}

//! A private certificate authority, good for one test.

use std::error::Error;
use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::server::TlsFiles;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl TlsFiles {
    /// Makes an authority, and what it signs.
    pub(crate) fn make() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cache-tls-").tempdir()?;
        let files = Self { folder };
        let authority = authority("the authority of one test")?;
        fs::write(files.ca(), authority.pem())?;
        fs::write(files.wrong_ca(), self::authority("an authority that nobody asked")?.pem())?;

        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let (certificate, key) = signed_by(&authority, &names, usage)?;
        fs::write(files.server_certificate(), certificate)?;
        fs::write(files.server_key(), key)?;

        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        let (certificate, key) = signed_by(&authority, &["client".to_owned()], usage)?;
        fs::write(files.client_certificate(), certificate)?;
        fs::write(files.client_key(), key)?;
        Ok(files)
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Returns a certificate and its private key, as PEM.
fn signed_by(
    authority: &CertifiedIssuer<'_, KeyPair>,
    names: &[String],
    usage: ExtendedKeyUsagePurpose,
) -> Result<(String, String)> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    // A primary is a client too, of its replica's and its cluster's other nodes.
    params.extended_key_usages = match usage {
        ExtendedKeyUsagePurpose::ServerAuth => vec![usage, ExtendedKeyUsagePurpose::ClientAuth],
        _ => vec![usage],
    };
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

//! Leases: a stub under the key itself, so that whatever touches the key revokes them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::interfaces::KeysInterface;
use fred::types::{Expiration, Key as ClientKey, SetOptions, Value};
use tasker_cache_core::envelope::{self, Decoded, HEADER_LEN};
use tasker_cache_core::{Bytes, Entry, Fill, Key, Lease, Lookup, Nonce, Refusal, Ttl};

use crate::cause::Cause;
use crate::coalesce;
use crate::owned;
use crate::scripts::{FILL, LEASE, RELEASE, REPLACE};
use crate::session::{Core, Session, Timed, entry, size};

/// How often a value that can't be read may turn out to have been replaced in the meantime.
const TRIES: usize = 3;

/// Reads a key, and asks for the right to fill it if there is nothing.
pub(crate) async fn get_or_lease(
    core: &Arc<Core>,
    key: &Key,
    hold: Duration,
) -> Result<Lookup, Cause> {
    let deadline = core.deadline();
    let found = coalesce::read(core, key, deadline).await?;
    if let Some(lookup) = found.as_ref().and_then(|bytes| settled(core, key, bytes)) {
        return Ok(lookup);
    }
    let session = core.session_until(deadline).await?;
    let (returning, key) = (session.clone(), key.clone());
    let asking = async move { acquire(&session, &key, hold, found).await };
    // Boxed: it would make the future of every hit as large.
    Box::pin(owned::write(asking, async move |lookup| {
        if let Lookup::Leased(lease) = lookup {
            // One that can't be given back expires.
            let _ = release(&returning, &lease).await;
        }
    }))
    .await
}

/// Tells what the bytes under a key mean; `None` where they stand in the way.
fn settled(core: &Arc<Core>, key: &Key, bytes: &Bytes) -> Option<Lookup> {
    match envelope::decode_slice(key, bytes) {
        Decoded::Value { payload, .. } => Some(Lookup::Hit(entry(bytes, payload))),
        Decoded::Stub(nonce) => Some(Lookup::Held(nonce)),
        Decoded::Newer => Some(Lookup::Unleased),
        Decoded::Unreadable => {
            core.suspect();
            None
        }
    }
}

/// Asks for a lease, in the place of what was found there if that can't be read.
async fn acquire(
    session: &Session,
    key: &Key,
    hold: Duration,
    mut found: Option<Bytes>,
) -> Result<Lookup, Cause> {
    let Some(nonce) = Nonce::random() else {
        return Ok(Lookup::Unleased);
    };
    // A hold of nothing is the shortest there is.
    let hold =
        Ttl::new(hold.max(Duration::from_nanos(1))).map_or(1, |ttl| session.core.milliseconds(ttl));
    let asking = Asking {
        session,
        name: ClientKey::from(key.as_str()),
        slots: session.slots([key.as_str().as_bytes()]),
        stub: envelope::stub(key, nonce),
        hold,
    };
    for _ in 0..TRIES {
        let answer = match &found {
            None => asking.ask().await,
            Some(unreadable) => asking.replace(unreadable).await,
        };
        found = match answer {
            Ok(answer) => answer,
            Err(Cause::OutOfMemory | Cause::NoPermission | Cause::WrongType | Cause::Moving) => {
                return Ok(Lookup::Unleased);
            }
            Err(cause) => return Err(cause),
        };
        let Some(bytes) = &found else {
            return Ok(Lookup::Leased(Lease::new(key.clone(), token(nonce))));
        };
        match settled(&session.core, key, bytes) {
            Some(Lookup::Held(holder)) if holder == nonce => {
                return Ok(Lookup::Leased(Lease::new(key.clone(), token(nonce))));
            }
            Some(lookup) => return Ok(lookup),
            None => {}
        }
    }
    Ok(Lookup::Unleased)
}

/// One stub that wants to be under its key.
struct Asking<'a> {
    session: &'a Session,
    name: ClientKey,
    slots: Vec<u16>,
    stub: Bytes,
    hold: i64,
}

impl Asking<'_> {
    /// Puts the stub where nothing is; returns what is there instead.
    async fn ask(&self) -> Result<Option<Bytes>, Cause> {
        let by_script = &self.session.live.leases_by_script;
        if !by_script.load(Ordering::Relaxed) {
            let bytes = size([&self.name]) + self.stub.len();
            let ask = |client: Timed| {
                let (name, stub, hold) = (self.name.clone(), self.stub.clone(), self.hold);
                let hold = Some(Expiration::PX(hold));
                async move { client.set(name, stub, hold, Some(SetOptions::NX), true).await }
            };
            match self.session.follow(&self.slots, bytes, ask).await {
                Ok(answer) => return self.session.bulk(answer),
                // Redis takes NX with GET since 7.0.
                Err(Cause::Syntax) => by_script.store(true, Ordering::Relaxed),
                Err(cause) => return Err(cause),
            }
        }
        let arguments = vec![self.stub.clone().into(), self.hold.into()];
        self.session.bulk(self.session.run(&LEASE, &self.name, arguments).await?)
    }

    /// Puts the stub where this is; returns what is there instead, as [`ask`](Self::ask) finds it.
    async fn replace(&self, unreadable: &Bytes) -> Result<Option<Bytes>, Cause> {
        let length = i64::try_from(unreadable.len()).unwrap_or(i64::MAX);
        let begin = unreadable.slice(..unreadable.len().min(HEADER_LEN));
        let arguments =
            vec![length.into(), begin.into(), self.stub.clone().into(), self.hold.into()];
        if self.session.decide(&REPLACE, &self.name, arguments).await? {
            return Ok(None);
        }
        self.ask().await
    }
}

/// Stores an entry if its lease still stands.
pub(crate) async fn fill(
    session: &Session,
    lease: &Lease,
    entry: &Entry,
    ttl: Ttl,
) -> Result<Fill, Cause> {
    let nonce = nonce(lease);
    let value = encoded(session, lease.key(), nonce, entry);
    let Some(value) = value else {
        release(session, lease).await?;
        return Ok(Fill::Refused(Refusal::TooLarge));
    };
    let name = ClientKey::from(lease.key().as_str());
    let (identity, ttl) = (identity(nonce), session.core.milliseconds(ttl));
    match session.run(&FILL, &name, vec![identity.clone(), value.into(), ttl.into()]).await {
        Ok(answer) if answer.as_bytes() == identity.as_bytes() => Ok(Fill::Stored),
        Ok(Value::Integer(0)) | Err(Cause::WrongType) => Ok(Fill::Refused(Refusal::Revoked)),
        Ok(_) => Err(session.garbled()),
        Err(Cause::OutOfMemory) => Ok(Fill::Refused(Refusal::OutOfMemory)),
        Err(cause) => Err(cause),
    }
}

/// Deletes the stub of a lease, and nothing else.
pub(crate) async fn release(session: &Session, lease: &Lease) -> Result<(), Cause> {
    let name = ClientKey::from(lease.key().as_str());
    match session.decide(&RELEASE, &name, vec![identity(nonce(lease))]).await {
        Ok(_) | Err(Cause::WrongType) => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Encodes an entry; `None` if it is over the limit.
pub(crate) fn encoded(session: &Session, key: &Key, nonce: Nonce, entry: &Entry) -> Option<Bytes> {
    let payload = entry.payload();
    let fits = payload.len() <= session.core.limits.max_value_bytes;
    fits.then(|| envelope::value(key, nonce, payload)).flatten()
}

fn identity(nonce: Nonce) -> Value {
    Value::Bytes(Bytes::copy_from_slice(&envelope::stub_identity(nonce)))
}

/// A lease's token is the nonce of its stub.
fn token(nonce: Nonce) -> [u8; 32] {
    let mut token = [0; 32];
    token[..16].copy_from_slice(nonce.as_bytes());
    token
}

fn nonce(lease: &Lease) -> Nonce {
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&lease.token()[..16]);
    Nonce::new(nonce)
}

//! How a simulated store behaves, and which fault is planted in it.

/// What a simulated store can do, and how it and its network misbehave.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The longest that a request or a reply usually takes, in milliseconds. One in eight takes
    /// up to twenty times as long, so that much can happen in between.
    pub latency_ms: u64,
    /// How many of a thousand requests never arrive.
    pub lost_requests: u32,
    /// How many of a thousand replies never arrive, although the request was executed.
    pub lost_replies: u32,
    /// How many of a thousand requests are reported as failed and executed later all the same.
    pub late: u32,
    /// Whether each key of a batch takes a round trip of its own.
    pub one_by_one: bool,
    /// Whether prefixes can be deleted.
    pub prefixes: bool,
    /// Whether leases are numbered by a counter that begins anew with the store.
    pub counter: bool,
    /// What is wrong with the store.
    pub planted: Option<Planted>,
}

/// A fault of the store that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A fill stores whatever its lease is worth.
    BlindFill,
    /// A fill goes out on another connection than the one its lease came in on.
    OtherConnection,
    /// A delete leaves a mark that keeps fills away for 10 ms, in place of leases.
    ExpiringTombstone,
}

impl Weather {
    /// Delays and nothing else.
    pub const CALM: Self = Self {
        latency_ms: 3,
        lost_requests: 0,
        lost_replies: 0,
        late: 0,
        one_by_one: false,
        prefixes: true,
        counter: false,
        planted: None,
    };

    /// A network that loses a good part of what is sent.
    pub const STORMY: Self = Self { lost_requests: 60, lost_replies: 60, late: 60, ..Self::CALM };

    /// Makes it a store like Memcached: no prefixes, and numbers that begin anew with it.
    #[must_use]
    pub const fn counting(self) -> Self {
        Self { prefixes: false, counter: true, ..self }
    }

    /// Plants a fault.
    #[must_use]
    pub const fn planted(self, fault: Planted) -> Self {
        Self { planted: Some(fault), ..self }
    }
}

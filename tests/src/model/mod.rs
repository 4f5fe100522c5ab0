//! The protocol as a small machine, searched in every state that it can get into.
//!
//! One key, two processes, up to three readers and two writers, and a world that evicts, times
//! out, cuts off and restarts. [`search`](search::search) walks breadth first through all
//! interleavings of their steps, so that a violation comes with its shortest trace, and a row that
//! holds has been looked at completely. It is a search of its own rather than a framework because
//! the whole of it is a queue and a set: there is nothing to configure, and the steps read as the
//! protocol does.
//!
//! The property: a read returns no version older than the highest whose invalidation was applied
//! before the read began, or deferred before it in the same process.
//!
//! # Where each step is in the code
//!
//! | here | there |
//! |---|---|
//! | `begins`, `asks again`: what is pending is checked, then the request is sent | `look` in `region/read.rs` |
//! | the store answers with a value, a lease, or another's stub | `Backend::get_or_lease` |
//! | `enters`: one critical section joins a flight or starts one | `Ledger::enter`, `Flights::{arrive, supersede}` |
//! | a leader looks again before it loads | `wait_for_holder` and `read_as_leader` in `region/read.rs` |
//! | `loads`, after counting who waits already | `Flights::begin` |
//! | `sends its fill`, or must not since the flight is sealed or the key pending | `Ledger::send` |
//! | the end of a flight: who gets the value, who reads again, who leads next | `Flights::finish` |
//! | a leader's future is dropped and a follower takes over, with the lease | `Leading::drop`, `Flights::abandon` |
//! | `commits, marks and seals` | `Ledger::mark` in `invalidation.rs` |
//! | an acknowledgement clears what was marked before its delete was sent | `Journal::clear` |
//! | the journal is full, and the key's mark becomes the region's | `Journal::widen` |
//! | recovery: delete, then clear | `replay_keys` and `replay_prefixes` in `recovery.rs` |
//!
//! # What it leaves out
//!
//! - One key. A prefix is a key here that only recovery deletes; that the text of a prefix covers
//!   the right keys is for the tests of keys and of the journal.
//! - Time. Whatever ends by a clock (a stub's hold, a TTL, a follower's patience) may end at any
//!   moment: a stub that expires is an eviction.
//! - How often a reader waits before it loads for itself: a load without lease and followers is
//!   among the steps of any reader, so a limit only removes interleavings.
//! - Steps that only make things safer when something comes in between, which are one step here:
//!   a commit and its mark, counting who waits and the load, a hit and its return, a replay's
//!   snapshot and its delete. What matters is split: a lease and entering with it, a load and its
//!   fill, the fill's execution and its reply, a delete's execution and its acknowledgement.
//! - Recovery before anything was deferred: there is nothing that it would be started for.
//! - The circuit breaker, which answers a read as an unreachable store does.
//! - Which follower takes over: always the first, since the rule treats all alike.
//! - Requests that are executed late, other than fills: a late delete or a late stub only revokes.

mod reader;
pub mod rules;
mod search;
mod state;
mod store;
mod world;
mod writer;

pub use rules::{Bounds, Fill, Full, Join, Journal, Numbers, Protocol};
pub use search::{Verdict, search};
pub use state::{Actor, Step};

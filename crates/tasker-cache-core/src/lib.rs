//! The backend contract of tasker-cache: keys, leases, entries, the envelope and the Backend trait.

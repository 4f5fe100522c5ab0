//! A circuit breaker on one atomic word, and a guard that puts it in front of a tasker-cache backend.

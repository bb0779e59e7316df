//! The suites for service clients, run against the services of the testkit, an adapter that speaks HTTP, and liars.

mod acme;
mod liars;
mod memory;
mod provider;

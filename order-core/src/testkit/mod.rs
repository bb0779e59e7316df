//! What proves that the engine is right: services with faults, a simulator, an auditor.

pub mod executor;
pub mod services;

//! The embedded shop.

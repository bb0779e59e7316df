//! PostgreSQL storage for `order-core`. Nothing lives here yet: SQLite is the store so far.

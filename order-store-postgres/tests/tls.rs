//! TLS to the server: what is verified, what is refused, and what is said then.

mod common;
mod tls_front;

use common::cluster::Cluster;
use common::{block_on, options};
use order_core::store::{OrderStore, StoreError, StoreErrorKind};
use order_core::testkit::orders::{place, plain};
use order_store_postgres::{PostgresStore, migrate};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// Over TCP the server takes connections by TLS only, if any.
const HBA: &str = "local all postgres trust\nlocal all all scram-sha-256\n";
const HBA_TLS: &str = "hostssl all certified 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 scram-sha-256
";
const TLS: &str =
    "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.pem'\n";

/// A server of the name `localhost` with a store.
struct Server {
    _cluster: Cluster,
    port: u16,
    /// The address at which it speaks TLS: the same port, or that of somebody who does it for a
    /// server that was built without.
    tls_port: u16,
}

impl Server {
    async fn start() -> Self {
        let files = [
            ("server.pem", include_str!("tls/server.pem")),
            ("server.key", include_str!("tls/server.key")),
            ("ca.pem", include_str!("tls/ca.pem")),
        ];
        let speaks_tls = Cluster::built_with_tls();
        let (cluster, port) = match speaks_tls {
            true => Cluster::start_with(TLS, &format!("{HBA}{HBA_TLS}"), &files),
            false => Cluster::start_with("", HBA, &files),
        };
        // Through the socket, where there is no TLS whatever the URL says of it.
        let url = format!("{}&port={port}&sslmode=verify-full", cluster.url());
        migrate(&url, &options(None))
            .await
            .unwrap_or_else(|e| panic!("{e}: {:?}", e.source));
        let roles = "CREATE ROLE secured LOGIN PASSWORD 'open-sesame' SUPERUSER; \
             CREATE ROLE certified LOGIN SUPERUSER PASSWORD 'by certificate'";
        let connect: PgConnectOptions = format!("{}&port={port}", cluster.url()).parse().unwrap();
        sqlx::raw_sql(roles)
            .execute(&mut connect.connect().await.unwrap())
            .await
            .unwrap();
        let tls_port = if speaks_tls {
            port
        } else {
            tls_front::start(cluster.socket(port))
        };
        Server {
            _cluster: cluster,
            port,
            tls_port,
        }
    }

    fn url(&self, user: &str, host: &str, tls: &str) -> String {
        let port = if tls.contains("disable") {
            self.port
        } else {
            self.tls_port
        };
        format!("postgres://{user}@{host}:{port}/postgres?{tls}")
    }

    async fn open(&self, user: &str, host: &str, tls: &str) -> Result<PostgresStore, StoreError> {
        PostgresStore::open(&self.url(user, host, tls), options(None)).await
    }

    /// Returns the message for somebody whose mistake it is; without the password, with what the
    /// server or the driver said.
    async fn refused(&self, user: &str, host: &str, tls: &str) -> String {
        let error = self
            .open(user, host, tls)
            .await
            .err()
            .unwrap_or_else(|| panic!("{tls} was accepted"));
        assert_eq!(error.kind, StoreErrorKind::Misconfigured, "{error:?}");
        let whole = format!(
            "{error}: {}",
            error
                .source
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        assert!(
            !format!("{error:?} {whole}").contains("sesame"),
            "{error:?}"
        );
        assert!(whole.contains("orders of database postgres at"), "{whole}");
        whole
    }
}

fn file(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn of(mode: &str, ca: &str) -> String {
    format!("sslmode={mode}&sslrootcert={}", file(ca))
}

const USER: &str = "secured:open-sesame";

/// One server for all of them: it takes seconds to start.
#[test]
fn a_connection_is_as_safe_as_it_was_asked_to_be_or_there_is_none() {
    block_on(async {
        let server = Server::start().await;

        // The right authority, and the right name.
        let store = server
            .open(USER, "localhost", &of("verify-full", "ca.pem"))
            .await
            .unwrap();
        store.commit(place(plain(1))).await.unwrap();
        assert!(
            store
                .load(plain(1).id.into(), None)
                .await
                .unwrap()
                .is_some()
        );

        // Another authority.
        for mode in ["verify-full", "verify-ca", "require"] {
            let said = server
                .refused(USER, "localhost", &of(mode, "other-ca.pem"))
                .await;
            assert!(
                said.contains("sslrootcert names the file") && said.contains("UnknownIssuer"),
                "{said}"
            );
        }
        // None that this machine trusts.
        let said = server
            .refused(USER, "localhost", "sslmode=verify-full")
            .await;
        assert!(said.contains("sslrootcert names the file"), "{said}");
        // Another name matters if it is to be verified.
        let said = server
            .refused(USER, "127.0.0.1", &of("verify-full", "ca.pem"))
            .await;
        assert!(
            said.contains("connect by the name that it is for") && said.contains("localhost"),
            "{said}"
        );
        for tls in [
            of("verify-ca", "ca.pem"),
            of("require", "ca.pem"),
            "sslmode=require".into(),
            "sslmode=prefer".into(),
            String::new(),
        ] {
            assert!(server.open(USER, "127.0.0.1", &tls).await.is_ok(), "{tls}");
        }

        // Without TLS the server does not want us.
        let said = server.refused(USER, "localhost", "sslmode=disable").await;
        assert!(
            said.contains("sslmode of the URL") && said.contains("no encryption"),
            "{said}"
        );
        // A wrong password is no matter of TLS.
        let said = server
            .refused("secured:sesame", "localhost", "sslmode=require")
            .await;
        assert!(said.contains("the password of the URL"), "{said}");

        // A user that the server knows by a certificate.
        let own = format!(
            "{}&sslcert={}&sslkey={}",
            of("verify-full", "ca.pem"),
            file("client.pem"),
            file("client.key")
        );
        assert!(
            server
                .open("certified:by%20certificate", "localhost", &own)
                .await
                .is_ok()
        );
        let said = server
            .refused("certified", "localhost", &of("verify-full", "ca.pem"))
            .await;
        // The server says it itself, or whoever speaks TLS for it breaks off, or it asks for a
        // password.
        assert!(
            said.contains("certificate") || said.contains("password"),
            "{said}"
        );
    });
}

#[test]
fn a_server_without_tls_is_refused_where_it_was_asked_for() {
    block_on(async {
        let (cluster, port) = Cluster::start_with(
            "",
            "local all all trust\nhost all all 127.0.0.1/32 trust\n",
            &[],
        );
        migrate(&format!("{}&port={port}", cluster.url()), &options(None))
            .await
            .unwrap();
        let server = Server {
            _cluster: cluster,
            port,
            tls_port: port,
        };
        let said = server
            .refused("postgres", "localhost", &of("verify-full", "ca.pem"))
            .await;
        assert!(
            said.contains("does not speak TLS: turn on ssl there"),
            "{said}"
        );
        assert!(
            server
                .open("postgres", "localhost", "sslmode=prefer")
                .await
                .is_ok()
        );
    });
}

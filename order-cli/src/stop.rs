//! Being told to stop: by Ctrl-C, or on Unix also by SIGTERM, which service managers send.

use crate::exit::Outcome;

#[cfg(unix)]
mod listening {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use crate::exit::{Code, Failure, Outcome};

    pub struct Listening {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Listening {
        pub fn begin() -> Outcome<Self> {
            let listen = |kind| {
                signal(kind).map_err(|e| {
                    Failure::caused(Code::Unavailable, &e).context("cannot listen for signals")
                })
            };
            Ok(Listening {
                interrupt: listen(SignalKind::interrupt())?,
                terminate: listen(SignalKind::terminate())?,
            })
        }

        pub async fn told(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
mod listening {
    use crate::exit::Outcome;

    pub struct Listening;

    impl Listening {
        pub fn begin() -> Outcome<Self> {
            Ok(Listening)
        }

        pub async fn told(&mut self) {
            // Without a console there is no Ctrl-C, and nobody to stop the program by it.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Hears when the program is told to stop. While it exists, neither signal ends the program by
/// itself.
pub struct Stop(listening::Listening);

impl Stop {
    /// Begins to listen; what comes before it is told is not missed.
    pub fn listen() -> Outcome<Self> {
        listening::Listening::begin().map(Stop)
    }

    /// Waits until the program is told to stop. Dropping the future and asking again misses
    /// nothing.
    pub async fn told(&mut self) {
        self.0.told().await;
    }
}

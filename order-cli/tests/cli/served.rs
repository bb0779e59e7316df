//! A server of the built binary, and what clients ask of it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{
    CreateOrderRequest, GetOrderRequest, OrderAddressInput, OrderItemInput,
    get_order_request::Identifier,
};
use tonic::transport::{Channel, Endpoint};

use crate::bench::{Bench, USER};

/// A server that is killed with the test.
pub struct Served {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub said: String,
    pub address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts it in the bench's directory, and waits until it listens.
    pub fn start(bench: &Bench, args: &[&str], env: &[(&str, &str)]) -> Self {
        Served::by(bench, &["serve"], args, env)
    }

    /// The same for another command that serves.
    pub fn by(bench: &Bench, command_line: &[&str], args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = bench.order();
        command
            .args(command_line)
            .args(args)
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        let address = said
            .split("listening on ")
            .nth(1)
            .unwrap_or_else(|| panic!("it says {said:?}"));
        let address = address.trim_end().trim_end_matches("\"}").to_owned();
        Served {
            child,
            stderr,
            said,
            address,
        }
    }

    pub async fn client(&self) -> OrderServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        OrderServiceClient::new(endpoint.connect().await.unwrap())
    }

    /// The memory that it keeps, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("Linux tells this in /proc");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a process has a resident size");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number of KiB")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits until it is gone.
    pub fn wait(&mut self) {
        self.child.wait().unwrap();
    }

    /// Sends a signal and waits for the end; the exit code, and everything it said.
    pub fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let code = self.child.wait().unwrap().code();
        let mut said = std::mem::take(&mut self.said);
        self.stderr.read_to_string(&mut said).unwrap();
        (code, said)
    }
}

/// An order for `quantity` mugs.
pub fn mugs(quantity: i32) -> CreateOrderRequest {
    let product_id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11".into();
    CreateOrderRequest {
        user_id: USER.into(),
        items: vec![OrderItemInput {
            product_id,
            variant_id: None,
            quantity,
        }],
        shipping_address: Some(OrderAddressInput {
            first_name: "Sample".into(),
            last_name: "Customer".into(),
            address_line1: "1 Main Street".into(),
            city: "Springfield".into(),
            country: "US".into(),
            ..OrderAddressInput::default()
        }),
        payment_method: "CREDIT_CARD".into(),
        shipping_method: "STANDARD".into(),
        ..CreateOrderRequest::default()
    }
}

/// The order of that id.
pub fn by_id(id: &str) -> GetOrderRequest {
    GetOrderRequest {
        identifier: Some(Identifier::Id(id.into())),
    }
}

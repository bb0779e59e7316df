//! A server that is killed again and again under load, and what is left of what it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{
    AddOrderItemRequest, CancelOrderRequest, ListOrdersRequest, Order, UpdateOrderStatusRequest,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::bench::Bench;
use crate::served::{Served, by_id, mugs};

const KILLS: u32 = 20;
const CLIENTS: u32 = 6;
/// After how many answers a server is killed: at other points of other calls each time.
const LIVES: [u32; 7] = [5, 30, 1, 18, 60, 9, 40];
/// The time that a server may take to give so many.
const ANSWERS_WITHIN: Duration = Duration::from_secs(40);
/// The time that a customer waits before asking again. Short: an order that died with its server is
/// not taken up again before its lease is over, and is answered as it is.
const PATIENCE: Duration = Duration::from_millis(700);
/// The time that everything may take to come to rest: leases of the dead, and the time after which
/// a lost call is known to be over.
const REST_WITHIN: Duration = Duration::from_secs(40);

/// The answers that the clients were told.
#[derive(Default)]
pub struct Told {
    /// The order that each key made.
    orders: Mutex<BTreeMap<String, String>>,
    /// Orders whose cancellation succeeded.
    cancelled: Mutex<BTreeSet<String>>,
    pub answers: AtomicU32,
    pub repeats: AtomicU32,
}

impl Told {
    /// Waits until so many more answers were given, and says what comes next.
    pub async fn more(&self, answers: u32, next: impl Debug) {
        let enough = self.answers.load(Ordering::Relaxed) + answers;
        let started = Instant::now();
        while self.answers.load(Ordering::Relaxed) < enough {
            assert!(
                started.elapsed() < ANSWERS_WITHIN,
                "nobody answers before {next:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let answers = self.answers.load(Ordering::Relaxed);
        println!("{next:?} after {answers} answers");
    }
}

/// Starts the customers, who come to the server of the moment until they are told that there will
/// be no more.
pub fn crowd(
    address: watch::Receiver<Option<String>>,
    may_refuse: &'static [Code],
) -> (Arc<Told>, JoinSet<()>) {
    let told = Arc::new(Told::default());
    let mut customers = JoinSet::new();
    for number in 0..CLIENTS {
        let customer = Customer {
            address: address.clone(),
            told: Arc::clone(&told),
            may_refuse,
        };
        customers.spawn(customer.shop(number));
    }
    (told, customers)
}

/// Customers who ask again under the same key until they are answered.
struct Customer {
    /// The address at which the server of the moment listens.
    address: watch::Receiver<Option<String>>,
    told: Arc<Told>,
    /// The refusals of an order that are to be expected.
    may_refuse: &'static [Code],
}

impl Customer {
    /// Connected to the server of the moment; `None` once there will be no more.
    async fn client(&mut self) -> Option<OrderServiceClient<Channel>> {
        loop {
            let address = self.address.wait_for(Option::is_some).await.ok()?.clone()?;
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .unwrap()
                .connect_timeout(Duration::from_secs(2));
            match endpoint.connect().await {
                Ok(channel) => return Some(OrderServiceClient::new(channel)),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Asks until there is an answer, or a refusal that asking again would not change.
    async fn ask<T: Clone, R>(
        &mut self,
        key: &str,
        message: T,
        call: impl AsyncFn(&mut OrderServiceClient<Channel>, Request<T>) -> Result<Response<R>, Status>,
    ) -> Option<Result<R, Status>> {
        loop {
            let mut client = self.client().await?;
            let mut request = Request::new(message.clone());
            request
                .metadata_mut()
                .insert("idempotency-key", key.parse().unwrap());
            request.set_timeout(PATIENCE);
            match call(&mut client, request).await {
                Ok(answer) => {
                    self.told.answers.fetch_add(1, Ordering::Relaxed);
                    return Some(Ok(answer.into_inner()));
                }
                Err(refused)
                    if matches!(
                        refused.code(),
                        Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound
                    ) =>
                {
                    return Some(Err(refused));
                }
                // The server is gone, or has no time: nobody knows whether it happened.
                Err(_) => {
                    self.told.repeats.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Places orders, and changes some of them, for ever.
    async fn shop(mut self, number: u32) {
        for n in 0.. {
            let key = format!("customer-{number}-{n}");
            let Some(made) = self
                .ask(&key, mugs(1), async |client, request| {
                    client.create_order(request).await
                })
                .await
            else {
                return;
            };
            let Order { id, .. } = match made {
                Ok(order) => order,
                Err(refused) if self.may_refuse.contains(&refused.code()) => continue,
                Err(refused) => {
                    panic!("everything can be paid and there is enough: {refused:?}")
                }
            };
            self.told.orders.lock().unwrap().insert(key, id.clone());
            match n % 4 {
                0 => {
                    let cancel = CancelOrderRequest {
                        order_id: id.clone(),
                        reason: "not wanted any more".into(),
                    };
                    match self
                        .ask("cancel", cancel, async |client, request| {
                            client.cancel_order(request).await
                        })
                        .await
                    {
                        Some(Ok(answer)) => assert!(
                            answer.success && self.told.cancelled.lock().unwrap().insert(id)
                        ),
                        Some(Err(refused)) => {
                            panic!("an order that has not shipped can be cancelled: {refused:?}")
                        }
                        None => return,
                    }
                }
                1 => {
                    let add = AddOrderItemRequest {
                        order_id: id,
                        item: mugs(2).items.pop(),
                    };
                    // Refused while the order's payment is under way, and where the time ran out.
                    let edited = self
                        .ask("add", add, async |client, request| {
                            client.add_order_item(request).await
                        })
                        .await;
                    if edited.is_none() {
                        return;
                    }
                }
                2 => {
                    let ship = UpdateOrderStatusRequest {
                        order_id: id,
                        status: "SHIPPED".into(),
                        notes: None,
                    };
                    // Refused while the order waits for a payment whose answer was lost.
                    let shipped = self
                        .ask("ship", ship, async |client, request| {
                            client.update_order_status(request).await
                        })
                        .await;
                    if shipped.is_none() {
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}

/// All orders of the store, by the wire.
async fn all_orders(client: &mut OrderServiceClient<Channel>) -> Vec<Order> {
    let mut all = Vec::new();
    for page in 1.. {
        let request = ListOrdersRequest {
            page,
            limit: 100,
            sort_by: "order_number".into(),
            ..ListOrdersRequest::default()
        };
        let part = client
            .list_orders(request)
            .await
            .unwrap()
            .into_inner()
            .orders;
        if part.is_empty() {
            break;
        }
        all.extend(part);
    }
    all
}

/// The money that the desk took and gave back for each order, in minor units.
fn kept_by_the_desk(bench: &Bench) -> BTreeMap<String, i64> {
    let mut kept = BTreeMap::new();
    for payment in bench.json(&["shop", "payments"], 0).as_array().unwrap() {
        let amount = minor(payment["amount"].as_str().unwrap().parse().unwrap());
        let sign = match (
            payment["kind"].as_str().unwrap(),
            payment["status"].as_str().unwrap(),
        ) {
            ("charge", "CAPTURED") => 1,
            ("refund", "REFUNDED") => -1,
            (_, "DECLINED") => 0,
            other => panic!("the desk has nothing else: {other:?}"),
        };
        *kept
            .entry(payment["order_id"].as_str().unwrap().to_owned())
            .or_default() += sign * amount;
    }
    kept
}

fn minor(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let bench = Bench::with_shop();
    bench.run(&["shop", "restock", "MUG-01", "1000000"]).must(0);
    let (address, now_at) = watch::channel(None);
    let (told, customers) = crowd(now_at, &[]);
    let start = || Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    for kill in 0..KILLS as usize {
        let served = start();
        address.send_replace(Some(served.address.clone()));
        told.more(LIVES[kill % LIVES.len()], format!("kill {kill}"))
            .await;
        served.end("-KILL");
        address.send_replace(None);
    }
    let served = start();
    address.send_replace(Some(served.address.clone()));
    assert!(
        told.repeats.load(Ordering::Relaxed) >= KILLS,
        "calls were cut off"
    );
    all_is_right(&bench, served, &told, customers).await;
}

/// Waits until everything rests, and compares what is there with what was answered, and with what
/// the desk took.
pub async fn all_is_right(bench: &Bench, served: Served, told: &Told, customers: JoinSet<()>) {
    no_more(customers).await;
    let mut client = served.client().await;
    let orders = at_rest(&mut client, REST_WITHIN, BTreeSet::new).await;
    told_truly(&mut client, told, &orders, &BTreeSet::new()).await;
    let (code, _) = served.end("-TERM");
    assert_eq!(code, Some(0));
    bench.run(&["work"]).must(0);
    bench.run(&["check"]).must(0);
    the_desk_agrees(bench, &orders, &BTreeSet::new());
}

/// Ends the customers: whoever is at work now gets an answer, and nobody begins anew.
pub async fn no_more(mut customers: JoinSet<()>) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    customers.abort_all();
    while let Some(ended) = customers.join_next().await {
        assert!(
            ended.is_err_and(|e| e.is_cancelled()),
            "a customer was told what must not be"
        );
    }
}

/// Waits until every order rests that is not among those which wait for a person, by their ids.
/// Returns all orders.
pub async fn at_rest(
    client: &mut OrderServiceClient<Channel>,
    within: Duration,
    for_a_person: impl Fn() -> BTreeSet<String>,
) -> Vec<Order> {
    let resting_by = Instant::now() + within;
    loop {
        let orders = all_orders(client).await;
        let moves = |o: &&Order| {
            matches!(o.status.as_str(), "PENDING" | "CANCELLING")
                || matches!(
                    o.payment_status.as_str(),
                    "PENDING" | "UNKNOWN" | "OVERPAID" | "PARTIALLY_PAID"
                )
        };
        let mut moving: Vec<&Order> = orders.iter().filter(moves).collect();
        if !moving.is_empty() {
            let for_a_person = for_a_person();
            moving.retain(|o| !for_a_person.contains(&o.id));
        }
        if moving.is_empty() {
            return orders;
        }
        let say = |o: &&Order| format!("{} {} {}", o.order_number, o.status, o.payment_status);
        assert!(
            Instant::now() < resting_by,
            "{} orders do not come to rest: {:?}",
            moving.len(),
            moving.iter().map(say).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Demands that what the customers were told is true: every key has one order, which can be read,
/// and which the key still names, as a refusal if it is among the `rejected`; what was cancelled
/// is.
pub async fn told_truly(
    client: &mut OrderServiceClient<Channel>,
    told: &Told,
    orders: &[Order],
    rejected: &BTreeSet<String>,
) {
    let told_orders = std::mem::take(&mut *told.orders.lock().unwrap());
    assert!(told_orders.len() > 20, "{}", told_orders.len());
    for (key, id) in &told_orders {
        assert_eq!(
            client.get_order(by_id(id)).await.unwrap().into_inner().id,
            *id
        );
        let mut again = Request::new(mugs(1));
        again
            .metadata_mut()
            .insert("idempotency-key", key.parse().unwrap());
        match client.create_order(again).await {
            Ok(order) => assert_eq!(order.into_inner().id, *id, "{key}"),
            Err(refused) => assert!(
                rejected.contains(id) && refused.code() == Code::FailedPrecondition,
                "{key} of {id}: {refused:?}"
            ),
        }
    }
    let acknowledged: BTreeSet<&String> = told_orders.values().collect();
    assert_eq!(
        acknowledged.len(),
        told_orders.len(),
        "no order has two keys"
    );
    // A customer who had not been answered when all was over may have one more.
    let unanswered = orders
        .iter()
        .filter(|o| !acknowledged.contains(&o.id) && !rejected.contains(&o.id))
        .count();
    assert!(
        unanswered <= CLIENTS as usize,
        "{unanswered} orders that nobody was told of: a key made two"
    );
    let (answers, repeats) = (
        told.answers.load(Ordering::Relaxed),
        told.repeats.load(Ordering::Relaxed),
    );
    println!(
        "{} orders, {answers} answers, {repeats} calls that had none",
        orders.len()
    );
    let cancelled = told.cancelled.lock().unwrap();
    for order in orders.iter().filter(|o| cancelled.contains(&o.id)) {
        assert!(
            matches!(order.status.as_str(), "CANCELLED" | "CANCELLING"),
            "{} is {}",
            order.order_number,
            order.status
        );
    }
}

/// Demands that the desk has the money that each order owes: all of it or nothing where a person
/// must look at the order.
pub fn the_desk_agrees(bench: &Bench, orders: &[Order], for_a_person: &BTreeSet<String>) {
    let kept = kept_by_the_desk(bench);
    for order in orders {
        let kept = kept.get(&order.id).copied().unwrap_or(0);
        let is_over = |status: &str| matches!(status, "CANCELLED" | "REJECTED");
        let mut owed = if is_over(&order.status) {
            0
        } else {
            minor(order.total_amount)
        };
        if kept != owed {
            // An edit that nobody waits for may have been applied since the order was read.
            let now = bench.json(&["get", &order.id], 0);
            let total = minor(now["total_amount"].as_str().unwrap().parse().unwrap());
            owed = if is_over(now["status"].as_str().unwrap()) {
                0
            } else {
                total
            };
        }
        let undecided = kept == 0 && for_a_person.contains(&order.id);
        assert!(
            kept == owed || undecided,
            "{} is {}, owes {owed}, and the desk has {kept}",
            order.order_number,
            order.status
        );
    }
    let known: BTreeSet<&String> = orders.iter().map(|o| &o.id).collect();
    assert!(
        kept.keys().all(|id| known.contains(id)),
        "nobody was charged for an order that is not there"
    );
}

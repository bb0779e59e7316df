use order_core::ids::{LineId, Name, ProductId, Sku, UserId, VariantId};
use order_core::number::OrderNumber;
use order_core::order::{PaymentStatus, Status};
use order_core::testkit::orders;
use order_core::text::Private;
use proptest::option;
use proptest::prelude::*;

use uuid::Uuid;

use super::*;

/// The amount that a client reads off a double.
fn minor_of(major: f64, currency: Currency) -> Minor {
    (major * 10f64.powi(currency.decimals() as i32)).round() as Minor
}

fn time_of(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.map(|t| Timestamp::from_micros(t.seconds * 1_000_000 + i64::from(t.nanos) / 1000))
}

fn a_currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["JPY", "USD", "KWD"]).prop_map(|code| code.parse().unwrap())
}

fn an_amount() -> impl Strategy<Value = Minor> {
    prop_oneof![0..1_000_000i64, 0..1i64 << 51, Just((1i64 << 51) - 1)]
}

fn a_time() -> impl Strategy<Value = Timestamp> {
    (-2_000_000_000_000_000i64..4_000_000_000_000_000).prop_map(Timestamp::from_micros)
}

fn a_text() -> impl Strategy<Value = String> {
    "[ -~äöü€]{0,20}"
}

fn a_uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

prop_compose! {
    fn an_address()(
        texts in prop::array::uniform7(a_text()),
        wrapped in prop::array::uniform3(option::of(a_text())),
    ) -> Address {
        let [first_name, last_name, address_line1, city, state, postal_code, country] = texts;
        let [address_line2, phone, email] = wrapped;
        Address { first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email }
    }
}

prop_compose! {
    fn a_line()(
        ids in (a_uuid(), a_uuid(), option::of(a_uuid())),
        sku in "[A-Z0-9-]{1,12}",
        name in a_text(),
        quantity in 1..=10_000u32,
        amounts in (an_amount(), an_amount(), an_amount()),
        times in (a_time(), a_time()),
    ) -> Line {
        let mut line = orders::plain(1).lines.remove(0);
        (line.id, line.product) = (LineId::from_uuid(ids.0), ProductId::from_uuid(ids.1));
        line.variant = ids.2.map(VariantId::from_uuid);
        line.sku = sku.parse::<Sku>().unwrap();
        (line.name, line.quantity) = (name, quantity);
        (line.unit_price, line.discount, line.subtotal) = amounts;
        (line.created_at, line.updated_at) = times;
        line
    }
}

prop_compose! {
    fn an_order()(
        ids in (a_uuid(), a_uuid(), any::<u64>()),
        currency in a_currency(),
        statuses in (prop::sample::select(Status::ALL), prop::sample::select(PaymentStatus::ALL)),
        lines in prop::collection::vec(a_line(), 0..4),
        amounts in prop::array::uniform5(an_amount()),
        methods in ("[A-Z_]{1,10}", option::of("[A-Z_]{1,10}")),
        times in (a_time(), a_time(), option::of(a_time()), option::of(a_time())),
        addresses in option::of((an_address(), an_address())),
        notes in option::of("[a-z]{1,20}"),
    ) -> Order {
        let mut order = orders::plain(1);
        (order.id, order.user, order.number) =
            (OrderId::from_uuid(ids.0), UserId::from_uuid(ids.1), OrderNumber::new(ids.2, order_core::ids::Bucket::MAX));
        order.currency = currency;
        (order.statuses.status, order.statuses.payment) = statuses;
        order.lines = lines;
        let [subtotal, discount, tax, shipping, total] = amounts;
        order.amounts = Amounts { subtotal, discount, tax, shipping, total, ..order.amounts };
        order.payment_method = methods.0.parse::<Name>().unwrap();
        order.shipping_method = methods.1.map(|m| m.parse().unwrap());
        (order.created_at, order.updated_at, order.completed_at, order.cancelled_at) = times;
        order.addresses = Private(addresses.map(|(shipping, billing)| Addresses { shipping, billing }));
        order.notes = Private(notes);
        order
    }
}

/// The order that a client's copy describes, on the ground of `order` for what clients do not see.
fn read_back(message: proto::Order, mut order: Order) -> Order {
    let proto::Order {
        id,
        user_id,
        order_number,
        status,
        total_amount,
        subtotal,
        tax_amount,
        shipping_amount,
        discount_amount,
        currency,
        payment_method,
        payment_status,
        shipping_method,
        notes,
        created_at,
        updated_at,
        completed_at,
        cancelled_at,
        items,
        addresses,
    } = message;
    order.id = id.parse().unwrap();
    order.user = user_id.parse().unwrap();
    order.number = order_number.parse().unwrap();
    order.statuses.status = status.parse().unwrap();
    order.statuses.payment = payment_status.parse().unwrap();
    order.currency = currency.parse().unwrap();
    let minor = |major| minor_of(major, order.currency);
    order.amounts = Amounts {
        subtotal: minor(subtotal),
        discount: minor(discount_amount),
        tax: minor(tax_amount),
        shipping: minor(shipping_amount),
        total: minor(total_amount),
        ..order.amounts
    };
    order.payment_method = payment_method.parse().unwrap();
    order.shipping_method = Some(shipping_method)
        .filter(|m| !m.is_empty())
        .map(|m| m.parse().unwrap());
    order.notes = Private(Some(notes).filter(|n| !n.is_empty()));
    order.created_at = time_of(created_at).unwrap();
    order.updated_at = time_of(updated_at).unwrap();
    order.completed_at = time_of(completed_at);
    order.cancelled_at = time_of(cancelled_at);
    assert_eq!(items.len(), order.lines.len());
    for (line, item) in order.lines.iter_mut().zip(items) {
        let proto::OrderItem {
            id,
            order_id,
            product_id,
            variant_id,
            sku,
            name,
            quantity,
            unit_price,
            subtotal,
            discount_amount,
            created_at,
            updated_at,
        } = item;
        assert_eq!(order_id, order.id.to_string());
        line.id = id.parse().unwrap();
        line.product = product_id.parse().unwrap();
        line.variant = variant_id.map(|v| v.parse().unwrap());
        line.sku = sku.parse().unwrap();
        line.name = name;
        line.quantity = u32::try_from(quantity).unwrap();
        line.unit_price = minor_of(unit_price, order.currency);
        line.subtotal = minor_of(subtotal, order.currency);
        line.discount = minor_of(discount_amount, order.currency);
        line.created_at = time_of(created_at).unwrap();
        line.updated_at = time_of(updated_at).unwrap();
    }
    let mut addresses = addresses.into_iter().map(|address| {
        let proto::OrderAddress {
            id,
            order_id,
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address;
        assert_eq!(order_id, order.id.to_string());
        let id: Uuid = id.parse().unwrap();
        let address = Address {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        };
        (id, address_type.parse::<AddressType>().unwrap(), address)
    });
    let both = (addresses.next(), addresses.next(), addresses.next());
    order.addresses = match both {
        (None, None, None) => Private(None),
        (
            Some((a, AddressType::Shipping, shipping)),
            Some((b, AddressType::Billing, billing)),
            None,
        ) => {
            assert_ne!(a, b, "each has an id of its own");
            Private(Some(Addresses { shipping, billing }))
        }
        other => panic!(
            "a shipping and a billing address, not {:?}",
            other.0.map(|a| a.1)
        ),
    };
    order
}

/// The request that the engine's own came from.
fn request_of(request: PlaceRequest) -> proto::CreateOrderRequest {
    let PlaceRequest {
        user_id,
        items,
        shipping_address,
        billing_address,
        payment_method,
        shipping_method,
        notes,
        coupon_code,
        payment_token,
        return_url,
        holds,
        metadata,
        external_ref,
    } = request;
    assert_eq!(
        (payment_token, return_url),
        (None, None),
        "those come as metadata"
    );
    assert!(
        holds.is_empty() && metadata.is_empty() && external_ref.is_none(),
        "the contract has none of them"
    );
    let item = |ItemInput {
                    product_id,
                    variant_id,
                    quantity,
                }| proto::OrderItemInput {
        product_id,
        variant_id,
        quantity: i32::try_from(quantity).unwrap(),
    };
    let address = |address: AddressInput| {
        let AddressInput {
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address;
        proto::OrderAddressInput {
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        }
    };
    proto::CreateOrderRequest {
        user_id,
        items: items.into_iter().map(item).collect(),
        shipping_address: shipping_address.map(address),
        billing_address: billing_address.map(address),
        payment_method,
        shipping_method,
        notes,
        coupon_code,
    }
}

prop_compose! {
    fn an_address_input()(
        texts in prop::array::uniform8(any::<String>()),
        wrapped in prop::array::uniform3(option::of(any::<String>())),
    ) -> proto::OrderAddressInput {
        let [address_type, first_name, last_name, address_line1, city, state, postal_code, country] = texts;
        let [address_line2, phone, email] = wrapped;
        proto::OrderAddressInput {
            address_type, first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email,
        }
    }
}

prop_compose! {
    fn a_request()(
        texts in prop::array::uniform3(any::<String>()),
        items in prop::collection::vec((any::<String>(), option::of(any::<String>()), any::<i32>()), 0..4),
        addresses in (option::of(an_address_input()), option::of(an_address_input())),
        wrapped in (option::of(any::<String>()), option::of(any::<String>())),
    ) -> proto::CreateOrderRequest {
        let [user_id, payment_method, shipping_method] = texts;
        let item = |(product_id, variant_id, quantity)| proto::OrderItemInput { product_id, variant_id, quantity };
        proto::CreateOrderRequest {
            user_id,
            items: items.into_iter().map(item).collect(),
            shipping_address: addresses.0,
            billing_address: addresses.1,
            payment_method,
            shipping_method,
            notes: wrapped.0,
            coupon_code: wrapped.1,
        }
    }
}

proptest! {
    #[test]
    fn a_double_gives_back_every_minor_unit(minor in an_amount(), currency in a_currency()) {
        prop_assert_eq!(minor_of(major(minor, currency), currency), minor);
        prop_assert_eq!(minor_of(major(-minor, currency), currency), -minor);
        // And it is the very double that a reader of the decimal text gets.
        let text = order_core::money::Money::new(minor, currency).amount().to_string();
        prop_assert_eq!(major(minor, currency), text.parse::<f64>().unwrap());
    }

    #[test]
    fn a_time_gives_back_every_microsecond(time in a_time()) {
        prop_assert_eq!(time_of(Some(timestamp(time))), Some(time));
        prop_assert!((0..1_000_000_000).contains(&timestamp(time).nanos));
    }

    #[test]
    fn an_order_is_read_back_as_it_was(sample in an_order()) {
        let mut blank = orders::plain(2);
        blank.lines = sample.lines.iter().map(|_| blank.lines[0].clone()).collect();
        let read = read_back(order(&sample), blank);
        prop_assert_eq!(order(&read), order(&sample));
        prop_assert_eq!(&read.addresses.0, &sample.addresses.0);
        prop_assert_eq!((read.id, read.user, read.number, read.currency), (sample.id, sample.user, sample.number, sample.currency));
        prop_assert_eq!(read.amounts.total, sample.amounts.total);
        let lines = |o: &Order| o.lines.iter().map(|l| (l.id, l.sku.clone(), l.quantity, l.unit_price, l.discount, l.subtotal, l.created_at)).collect::<Vec<_>>();
        prop_assert_eq!(lines(&read), lines(&sample));
    }

    #[test]
    fn a_request_is_read_back_as_it_was(sample in a_request()) {
        prop_assert_eq!(request_of(place_request(sample.clone())), sample);
    }
}

#[test]
fn the_proto_is_the_plan_s_to_the_byte() {
    // Existing clients were generated from it. A length and a polynomial over all bytes notice
    // every slip of an editor.
    let text = include_bytes!("../../proto/order.proto");
    let hash = text.iter().fold(0u64, |hash, byte| {
        hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(*byte)
    });
    assert_eq!((text.len(), hash), (4021, 11_624_501_637_673_024_154));
}

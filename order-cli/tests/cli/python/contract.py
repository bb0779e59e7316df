"""Drives every call of order.OrderService with a client generated from proto/order.proto.

Usage: contract.py HOST:PORT, with the generated modules on the path. Each function named `test_*` is a scenario on a server that
serves examples/catalogue.toml; the first that fails ends the program with its traceback.
"""

import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.rpc import error_details_pb2, status_pb2

import order_pb2 as pb
import order_pb2_grpc

USER = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33"
SUSPENDED = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a34"
MUG = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11"
TEA = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12"
SHIRT = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d13"
SHIRT_M = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21"
LAMP = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d14"
NOBODY = "01900000-0000-7000-8000-000000000000"

StatusCode = grpc.StatusCode


def item(product=MUG, quantity=2, variant=None):
    made = pb.OrderItemInput(product_id=product, quantity=quantity)
    if variant:
        made.variant_id.value = variant
    return made


def create(*items, **fields):
    address = pb.OrderAddressInput(
        first_name="Sample", last_name="Customer", address_line1="1 Main Street", city="Springfield", country="US"
    )
    usual = dict(user_id=USER, shipping_address=address, payment_method="CREDIT_CARD", shipping_method="STANDARD")
    return pb.CreateOrderRequest(items=items or [item()], **{**usual, **fields})


def called(method, request, **metadata):
    """The answer, its headers and its trailers."""
    sent = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    answer, call = method.with_call(request, metadata=sent, timeout=20)
    assert call.code() == StatusCode.OK
    return answer, dict(call.initial_metadata()), dict(call.trailing_metadata())


class Refused:
    """A call that must fail: its code and its google.rpc details."""

    def __init__(self, method, request, **metadata):
        try:
            answer, _, _ = called(method, request, **metadata)
        except grpc.RpcError as error:
            self.code, self.message = error.code(), error.details()
            trailers = dict(error.trailing_metadata())
        else:
            raise AssertionError(f"it was not refused: {answer}")
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert (status.code, status.message) == (self.code.value[0], self.message)
        self.info, self.fields, self.preconditions, self.retry = None, [], [], None
        for detail in status.details:
            for kind in (
                error_details_pb2.ErrorInfo,
                error_details_pb2.BadRequest,
                error_details_pb2.PreconditionFailure,
                error_details_pb2.RetryInfo,
            ):
                if detail.Is(kind.DESCRIPTOR):
                    self.take(kind.FromString(detail.value))
        assert self.info.domain == "order"
        assert trailers.get("x-request-id"), trailers

    def take(self, detail):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            self.info = detail
        elif isinstance(detail, error_details_pb2.BadRequest):
            self.fields = [violation.field for violation in detail.field_violations]
        elif isinstance(detail, error_details_pb2.PreconditionFailure):
            self.preconditions = [(violation.type, violation.subject) for violation in detail.violations]
        else:
            self.retry = detail

    def must(self, code, reason):
        assert (self.code, self.info.reason) == (code, reason), (self.code, self.info, self.message)
        return self


def refused(code, reason, method, request, **metadata):
    return Refused(method, request, **metadata).must(code, reason)


def test_an_order_is_created_and_read(orders):
    request = create(item(MUG, 2), item(SHIRT, 1, SHIRT_M), notes=dict(value="ring twice"))
    order, headers, _ = called(orders.CreateOrder, request, x_request_id="python-1")
    assert headers["x-request-id"] == "python-1"
    assert int(headers["order-version"]) > 1
    assert (order.status, order.payment_status, order.currency) == ("CONFIRMED", "PAID", "USD")
    assert (order.subtotal, order.shipping_amount, order.tax_amount, order.total_amount) == (71.0, 0.0, 0.0, 71.0)
    assert order.notes == "ring twice"
    mug, shirt = order.items
    assert (mug.sku, mug.quantity, mug.unit_price, mug.discount_amount, mug.subtotal) == ("MUG-01", 2, 12.5, 3.0, 22.0)
    assert not mug.HasField("variant_id")
    assert (shirt.sku, shirt.variant_id.value, shirt.subtotal) == ("SHIRT-01-M", SHIRT_M, 49.0)
    assert [a.address_type for a in order.addresses] == ["SHIPPING", "BILLING"]
    assert order.created_at.seconds > 0 and not order.HasField("cancelled_at")
    for identifier in (dict(id=order.id), dict(order_number=order.order_number)):
        read, headers, _ = called(orders.GetOrder, pb.GetOrderRequest(**identifier))
        assert read.id == order.id and read.items == order.items and read.addresses == order.addresses


def test_a_key_names_one_order(orders):
    key = str(uuid.uuid4())
    first, headers, _ = called(orders.CreateOrder, create(), idempotency_key=key)
    assert "order-replayed" not in headers
    again, headers, _ = called(orders.CreateOrder, create(), idempotency_key=key)
    assert headers["order-replayed"] == "true"
    assert first.id == again.id
    refused(
        StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED", orders.CreateOrder, create(item(quantity=3)), idempotency_key=key
    )


def test_a_hundred_creates_with_one_key_are_one_order(orders):
    key = str(uuid.uuid4())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: called(orders.CreateOrder, create(item(TEA, 1)), idempotency_key=key)[0], range(100)))
    assert len({order.id for order in answers}) == 1
    assert {order.status for order in answers} == {"CONFIRMED"}


def test_what_could_never_be_right_is_told_at_once(orders):
    invalid = StatusCode.INVALID_ARGUMENT
    empty = refused(invalid, "INVALID_REQUEST", orders.CreateOrder, pb.CreateOrderRequest())
    assert empty.fields == ["user_id", "items", "shipping_address", "payment_method"]
    bad = refused(invalid, "INVALID_REQUEST", orders.CreateOrder, create(item(quantity=0)), payment_token="a b")
    assert bad.fields == ["items[0].quantity", "payment-token"]
    unnamed = refused(invalid, "INVALID_REQUEST", orders.GetOrder, pb.GetOrderRequest())
    assert unnamed.fields == ["identifier"]
    listed = refused(invalid, "INVALID_REQUEST", orders.ListOrders, pb.ListOrdersRequest(page=-1, limit=-1, sort_by="price"))
    assert listed.fields == ["sort_by", "page", "limit"]
    assert refused(invalid, "INVALID_REQUEST", orders.CancelOrder, pb.CancelOrderRequest()).fields == ["order_id"]


def test_what_is_not_there_is_not_found(orders):
    gone = refused(StatusCode.NOT_FOUND, "ORDER_NOT_FOUND", orders.GetOrder, pb.GetOrderRequest(id=NOBODY))
    assert gone.info.metadata["order_id"] == NOBODY
    gone = refused(StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND", orders.CreateOrder, create(item(NOBODY)))
    assert gone.info.metadata["product_id"] == NOBODY
    refused(StatusCode.NOT_FOUND, "USER_NOT_FOUND", orders.CreateOrder, create(user_id=NOBODY))
    refused(StatusCode.NOT_FOUND, "ORDER_NOT_FOUND", orders.CancelOrder, pb.CancelOrderRequest(order_id=NOBODY))


def test_what_is_not_possible_now_fails_its_precondition(orders):
    not_now = StatusCode.FAILED_PRECONDITION
    short = refused(not_now, "OUT_OF_STOCK", orders.CreateOrder, create(item(LAMP, 3)))
    assert (short.info.metadata["requested.LAMP-01"], short.info.metadata["available.LAMP-01"]) == ("3", "2")
    assert ("STOCK", "sku/LAMP-01") in short.preconditions
    read, _, _ = called(orders.GetOrder, pb.GetOrderRequest(id=short.info.metadata["order_id"]))
    assert (read.status, read.order_number) == ("REJECTED", short.info.metadata["order_number"])
    declined = refused(not_now, "PAYMENT_DECLINED", orders.CreateOrder, create(payment_method="EXPIRED_CARD"))
    assert "retry payment" in declined.info.metadata["possible"]
    suspended = refused(not_now, "USER_NOT_ACTIVE", orders.CreateOrder, create(user_id=SUSPENDED))
    assert "order_id" not in suspended.info.metadata


def test_an_order_that_waits_for_the_customer_says_where_to_send_them(orders):
    token = dict(payment_token="tok_1", return_url="https://shop.example/back")
    order, headers, _ = called(orders.CreateOrder, create(payment_method="CARD_3DS"), **token)
    assert (order.status, order.payment_status) == ("PENDING", "ACTION_REQUIRED")
    assert headers["payment-action-url"].startswith("https://"), headers


def status(order, name):
    return pb.UpdateOrderStatusRequest(order_id=order.id, status=name, notes=dict(value="by hand"))


def test_an_order_goes_its_way_by_statuses(orders):
    order, headers, _ = called(orders.CreateOrder, create())
    version = headers["order-version"]
    wrong = refused(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", orders.UpdateOrderStatus, status(order, "shipped"))
    assert wrong.fields == ["status"]
    early = refused(StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", orders.UpdateOrderStatus, status(order, "PENDING"))
    assert "its status is CONFIRMED" in early.message
    assert "ship" in early.info.metadata["possible"].split(", ")
    for name in ("PROCESSING", "SHIPPED", "SHIPPED", "DELIVERED", "COMPLETED"):
        order, headers, _ = called(orders.UpdateOrderStatus, status(order, name))
        assert order.status == name
    assert order.HasField("completed_at")
    stale = refused(
        StatusCode.ABORTED, "VERSION_CONFLICT", orders.UpdateOrderStatus, status(order, "SHIPPED"), expected_version=version
    )
    assert stale.info.metadata["order_version"] == headers["order-version"]
    late = pb.CancelOrderRequest(order_id=order.id, reason="too late")
    refused(StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", orders.CancelOrder, late)


def test_an_order_is_cancelled_once_however_often(orders):
    order, _, _ = called(orders.CreateOrder, create())
    for _ in range(2):
        answer, headers, _ = called(orders.CancelOrder, pb.CancelOrderRequest(order_id=order.id, reason="changed my mind"))
        assert answer.success and order.order_number in answer.message
    read, _, _ = called(orders.GetOrder, pb.GetOrderRequest(id=order.id))
    assert (read.status, read.payment_status) == ("CANCELLED", "REFUNDED")
    assert read.HasField("cancelled_at")


def test_items_are_edited(orders):
    order, _, _ = called(orders.CreateOrder, create())
    add = pb.AddOrderItemRequest(order_id=order.id, item=item(MUG, 1))
    for _ in range(2):
        order, _, trailers = called(orders.AddOrderItem, add, idempotency_key="add-1")
        assert [(line.sku, line.quantity) for line in order.items] == [("MUG-01", 2), ("MUG-01", 1)]
        assert "order-edit-id" not in trailers
    first, second = order.items
    change = pb.UpdateOrderItemRequest(order_id=order.id, item_id=first.id, quantity=3)
    order, _, _ = called(orders.UpdateOrderItem, change)
    assert [line.quantity for line in order.items] == [3, 1]
    assert (order.total_amount, order.payment_status) == (48.9, "PAID")
    remove = pb.RemoveOrderItemRequest(order_id=order.id, item_id=first.id)
    order, _, _ = called(orders.RemoveOrderItem, remove)
    assert [line.id for line in order.items] == [second.id]
    assert (order.total_amount, order.payment_status) == (15.9, "PARTIALLY_REFUNDED")
    refused(StatusCode.NOT_FOUND, "ITEM_NOT_FOUND", orders.RemoveOrderItem, remove)
    remove.item_id = second.id
    refused(StatusCode.FAILED_PRECONDITION, "NOT_OPEN", orders.RemoveOrderItem, remove)


def test_edits_that_cannot_be_are_refused(orders):
    order, _, _ = called(orders.CreateOrder, create())
    line = order.items[0].id
    none = pb.AddOrderItemRequest(order_id=order.id)
    assert refused(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", orders.AddOrderItem, none).fields == ["item"]
    bad = pb.AddOrderItemRequest(order_id=order.id, item=item("mug", -1))
    wrong = refused(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", orders.AddOrderItem, bad)
    assert wrong.fields == ["item.product_id", "item.quantity"]
    zero = pb.UpdateOrderItemRequest(order_id=order.id, item_id=line, quantity=0)
    assert refused(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", orders.UpdateOrderItem, zero).fields == ["quantity"]
    many = pb.UpdateOrderItemRequest(order_id=order.id, item_id=line, quantity=1000)
    refused(StatusCode.FAILED_PRECONDITION, "OUT_OF_STOCK", orders.UpdateOrderItem, many)
    read, _, _ = called(orders.GetOrder, pb.GetOrderRequest(id=order.id))
    assert read.items == order.items


def test_an_undecided_edit_is_named_in_the_trailers(orders):
    order, _, _ = called(orders.CreateOrder, create())
    add = pb.AddOrderItemRequest(order_id=order.id, item=item(TEA, 1))
    answer, headers, trailers = called(orders.AddOrderItem, add, payment_method="CARD_3DS")
    assert answer.items == order.items
    assert headers["payment-action-url"].startswith("https://")
    assert trailers["order-edit-id"] == "1" and "order-edit-id" not in headers
    refused(StatusCode.FAILED_PRECONDITION, "EDIT_UNDER_WAY", orders.AddOrderItem, add)


def test_orders_are_listed_in_pages(orders):
    every = pb.ListOrdersRequest(user_id=USER, limit=100)
    listed, _, _ = called(orders.ListOrders, every)
    assert listed.total == len(listed.orders) > 5
    assert (listed.page, listed.limit) == (1, 100)
    found = []
    for page in range(1, listed.total // 4 + 2):
        part, _, _ = called(orders.ListOrders, pb.ListOrdersRequest(page=page, limit=4, sort_by="order_number", sort_desc=True))
        found += [order.order_number for order in part.orders]
    assert found == sorted((order.order_number for order in listed.orders), reverse=True)
    cancelled, _, _ = called(orders.ListOrders, pb.ListOrdersRequest(status=dict(value="CANCELLED")))
    assert {order.status for order in cancelled.orders} == {"CANCELLED"}
    past, _, _ = called(orders.ListOrders, pb.ListOrdersRequest(page=100))
    assert len(past.orders) == 0 and past.total == listed.total


def test_what_is_too_long_is_refused(orders):
    long = create(notes=dict(value="x" * 300_000))
    refused(StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", orders.CreateOrder, long)


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        orders = order_pb2_grpc.OrderServiceStub(channel)
        scenarios = [(name, run) for name, run in globals().items() if name.startswith("test_")]
        for name, run in scenarios:
            print(name.removeprefix("test_").replace("_", " "), flush=True)
            run(orders)
        print(f"{len(scenarios)} scenarios passed")


main()

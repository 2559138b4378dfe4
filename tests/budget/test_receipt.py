"""Every token has a receipt."""

from __future__ import annotations

from shoestring.budget import Amount, Budget, Ledger, ReceiptLine


def test_lines_come_in_the_order_of_reservation() -> None:
    """Lines of the whole subtree stand in the order of reservation, updated when settled."""
    root = Ledger(Budget(tokens=1_000, calls=9))
    child = root.child(name="run")
    first = child.at(node="plan", route="direct").reserve(Amount(100), what="model")
    root.note("trim", "kept 3 of 5", dropped=2)
    second = root.at(node="reason").reserve(Amount(200))
    gone = child.reserve(Amount(300))
    second.settle(Amount(150), basis="estimated", detail="no usage reported")
    first.settle(Amount(90))
    gone.release()
    nothing = Amount()
    assert root.receipt.lines == (
        ReceiptLine("plan", "direct", "model", Amount(100), Amount(90), "measured"),
        ReceiptLine("", "", "trim", nothing, nothing, "measured", "kept 3 of 5", 2),
        ReceiptLine(
            "reason", "", "call", Amount(200), Amount(150), "estimated", "no usage reported"
        ),
    )
    assert len(child.receipt.lines) == 1
    assert root.receipt.dropped == 2


def test_a_receipt_adds_up() -> None:
    """The lines' spending is the ledger's, and what is open shows as still held."""
    root = Ledger(Budget(tokens=1_000))
    root.reserve(Amount(100)).settle(Amount(40))
    root.child(Budget(tokens=50), set_aside=True)
    root.reserve(Amount(10))
    receipt = root.receipt
    assert sum(line.spent.tokens for line in receipt.lines) == receipt.spent.tokens == 40
    assert (receipt.held.tokens, receipt.remaining.tokens) == (60, 900)
    assert receipt.limit == root.limit
    assert receipt.lines[-1].detail == "still held"
    assert receipt.lines[-1].basis == "presumed"


def test_labels_travel_with_the_handle() -> None:
    """at() labels the same account; a child inherits the labels, and what is not given stays."""
    root = Ledger(Budget(tokens=10))
    handle = root.at(node="a", route="r", purpose="answer").at(node="b")
    assert (handle.node, handle.route, handle.purpose) == ("b", "r", "answer")
    assert (root.node, root.route, root.purpose) == ("", "", "work")
    child = handle.child()
    assert (child.node, child.route, child.purpose) == ("b", "r", "answer")
    handle.reserve(Amount(4)).settle(Amount(4))
    assert root.spent == handle.spent == Amount(4)
    assert handle.id == root.id

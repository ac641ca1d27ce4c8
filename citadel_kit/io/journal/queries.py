"""What the journal's writer says to SQLite, where that is more than a line."""

from __future__ import annotations

from typing import Final

NEW_ORDER: Final = (
    "INSERT INTO orders (client_id, prefix, parent_id, order_id, family, instrument, side, price, qty, tif, "
    "status, venue_order_id, placed_ns, last_ns, booked, claimed, done) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)"
)
# It is alive again where an amendment made an order larger that was full, and where a venue that was asked
# says so, whatever was reported before: if that was wrong or late, the next reconciliation finds it gone. But
# not where all of it is booked: then the answer is older than the fills.
ON_REPORT: Final = """
UPDATE orders SET
  claimed = max(claimed, :filled), last_ns = max(last_ns, :at),
  price = CASE WHEN :price > 0 THEN :price ELSE price END,
  qty = CASE WHEN :qty > 0 THEN :qty ELSE qty END,
  status = CASE WHEN :status = '' OR (done AND NOT (
    (:alive AND booked < CASE WHEN :qty > 0 THEN :qty ELSE qty END) OR (status = 'filled' AND :qty > booked)))
    THEN status ELSE :status END,
  done = CASE WHEN (:alive AND booked < CASE WHEN :qty > 0 THEN :qty ELSE qty END)
    OR (status = 'filled' AND :qty > booked) THEN 0 ELSE max(done, :gone) END,
  venue_order_id = CASE WHEN :venue_id <> '' THEN :venue_id ELSE venue_order_id END
WHERE client_id = :name"""
ON_FILL: Final = """
UPDATE orders SET
  booked = booked + :qty, claimed = max(claimed, :filled), last_ns = max(last_ns, :at),
  status = CASE WHEN booked + :qty >= qty THEN 'filled' WHEN done THEN status ELSE 'resting' END,
  done = max(done, booked + :qty >= qty)
WHERE client_id = :name"""
FILLS_OF: Final = """
SELECT client_id, trade_id, qty, filled FROM fills
WHERE client_id IN (SELECT value FROM json_each(?)) ORDER BY client_id, filled"""
OWN: Final = """
WITH named AS (
  SELECT client_id FROM orders WHERE done = 0 OR booked < claimed
  UNION SELECT client_id FROM orders WHERE last_ns >= ?
  UNION SELECT client_id FROM orders
    WHERE venue_order_id <> '' AND venue_order_id IN (SELECT value FROM json_each(?))),
wanted AS MATERIALIZED (
  SELECT orders.*, symbol FROM named JOIN orders USING (client_id)
  JOIN instruments ON instruments.id = orders.instrument WHERE venue = ?),
nets AS MATERIALIZED (
  SELECT family, sum(side * booked) AS net FROM orders
  WHERE family IN (SELECT family FROM wanted) GROUP BY family)
SELECT client_id, prefix, parent_id, order_id, symbol, side, price, qty, claimed, done, venue_order_id,
  placed_ns, last_ns, family, net
FROM wanted JOIN nets USING (family) ORDER BY placed_ns, client_id"""
OPEN: Final = """
WITH booked AS (
  SELECT orders.family AS family, symbol, orders.side AS side, f.price AS price, f.qty AS qty,
    f.base_fee AS kept, f.id AS id
  FROM fills f JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
  WHERE venue = ?),
entries AS (
  SELECT prefix || '-' || parent_id AS family, side,
    (SELECT plan FROM exit_plans e WHERE e.prefix = i.prefix AND e.parent_id = i.parent_id
     ORDER BY e.id DESC LIMIT 1) AS plan
  FROM intents i WHERE closes = '' AND purpose = 0)
SELECT b.family, symbol, entries.side, sum(b.side * qty - kept) AS net,
  sum(price * qty * (b.side = entries.side)) / sum(qty * (b.side = entries.side)), plan
FROM booked b JOIN entries ON entries.family = b.family
GROUP BY b.family HAVING net <> 0 ORDER BY min(b.id)"""
BY_HAND: Final = """
SELECT coalesce(sum(orders.side * f.qty - f.base_fee), 0)
FROM fills f JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
JOIN intents i ON i.prefix = orders.prefix AND i.parent_id = orders.parent_id
WHERE venue = ? AND symbol = ? AND closes = '' AND purpose <> 0"""

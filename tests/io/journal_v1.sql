-- A journal of version 1, with one order that is at work and partly filled.
PRAGMA journal_mode = WAL;
CREATE TABLE runs (prefix TEXT PRIMARY KEY, account TEXT NOT NULL, mode TEXT NOT NULL, pid INTEGER NOT NULL,
  started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE instruments (id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL,
  price_decimals INTEGER NOT NULL, qty_decimals INTEGER NOT NULL,
  UNIQUE (venue, symbol, price_decimals, qty_decimals));
CREATE TABLE intents (prefix TEXT NOT NULL, parent_id TEXT NOT NULL, at_ns INTEGER NOT NULL,
  instrument INTEGER NOT NULL REFERENCES instruments, side INTEGER NOT NULL, qty INTEGER NOT NULL,
  purpose INTEGER NOT NULL, forced INTEGER NOT NULL, options TEXT NOT NULL,
  PRIMARY KEY (prefix, parent_id)) WITHOUT ROWID;
CREATE TABLE exit_plans (id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, parent_id TEXT NOT NULL,
  at_ns INTEGER NOT NULL, plan TEXT NOT NULL);
CREATE TABLE commands (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, at_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL, side INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL,
  tif INTEGER NOT NULL);
CREATE TABLE reports (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, recv_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, filled INTEGER NOT NULL,
  maker INTEGER NOT NULL, reason INTEGER NOT NULL);
CREATE TABLE fills (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, recv_ns INTEGER NOT NULL,
  trade_id TEXT NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, filled INTEGER NOT NULL,
  maker INTEGER NOT NULL, fee REAL, UNIQUE (client_id, filled));
CREATE TABLE events (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE reconciliations (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, venue TEXT NOT NULL,
  settled INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE TABLE orders (client_id TEXT PRIMARY KEY, prefix TEXT NOT NULL, parent_id TEXT NOT NULL,
  order_id INTEGER NOT NULL, instrument INTEGER NOT NULL REFERENCES instruments,
  side INTEGER NOT NULL, price INTEGER NOT NULL, qty INTEGER NOT NULL, tif INTEGER NOT NULL,
  booked INTEGER NOT NULL, claimed INTEGER NOT NULL, done INTEGER NOT NULL, status TEXT NOT NULL,
  venue_order_id TEXT NOT NULL, placed_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX commands_of ON commands (client_id);
CREATE INDEX reports_of ON reports (client_id);
CREATE INDEX orders_unsettled ON orders (placed_ns) WHERE done = 0 OR booked < claimed;
CREATE INDEX orders_recent ON orders (last_ns);
CREATE INDEX orders_at_venue ON orders (venue_order_id) WHERE venue_order_id <> '';
PRAGMA application_id = 1667975758;
PRAGMA user_version = 1;
INSERT INTO runs VALUES ('ck0000aa', 'main', 'TEST', 7, 1700000000000000000, 0);
INSERT INTO instruments VALUES (1, 'v', 'A/B', 2, 3);
INSERT INTO intents VALUES ('ck0000aa', 'p1', 1700000000000000001, 1, 1, 50, 0, 1, '{}');
INSERT INTO exit_plans VALUES (1, 'ck0000aa', 'p1', 1700000000000000002, '{"stop": 12000}');
INSERT INTO commands VALUES (1, 'ck0000aa-p1-1', 1700000000000000003, 1, 1, 12345, 50, 0);
INSERT INTO reports VALUES (1, 'ck0000aa-p1-1', 1700000000000000004, 2, 12345, 20, 20, 1, 0);
INSERT INTO fills VALUES (1, 'ck0000aa-p1-1', 1700000000000000004, '', 12345, 20, 20, 1, 0.25);
INSERT INTO orders (client_id, prefix, parent_id, order_id, instrument, side, price, qty, tif, booked, claimed,
  done, status, venue_order_id, placed_ns, last_ns)
  VALUES ('ck0000aa-p1-1', 'ck0000aa', 'p1', 1, 1, 1, 12345, 50, 0, 20, 20, 0, 'resting', '',
  1700000000000000003, 1700000000000000004);

-- An endpoint that goes takes its leases along. SQLite looks for them by the columns of the foreign key, which were two,
-- endpoint and network: it walked through all leases of the network. Now it is the endpoint alone, and a trigger says that
-- the network is the endpoint's. Otherwise the table is the one of before.

ALTER TABLE address_leases RENAME TO old_address_leases;
DROP INDEX address_leases_by_next;
DROP INDEX address_leases_gaps;
DROP TRIGGER address_leases_fill;
DROP TRIGGER address_leases_open;
DROP TRIGGER address_leases_fixed;

-- Addresses of endpoints: the only place where they are kept. They go with the endpoint.
CREATE TABLE address_leases (
    network  TEXT NOT NULL,
    family   INTEGER NOT NULL CHECK (family IN (4, 6)),
    address  BLOB NOT NULL CHECK (length(address) = CASE family WHEN 4 THEN 4 ELSE 16 END),  -- in network byte order
    endpoint TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    shown    TEXT NOT NULL,                     -- the address as people write it, for those who read this file
    next     BLOB,                              -- address + 1; NULL behind the last of all addresses
    gap      INTEGER NOT NULL DEFAULT 1 CHECK (gap IN (0, 1)),  -- whether `next` is free
    PRIMARY KEY (network, family, address),
    UNIQUE (endpoint, family)
) STRICT, WITHOUT ROWID;

INSERT INTO address_leases SELECT network, family, address, endpoint, shown, next, gap FROM old_address_leases;
DROP TABLE old_address_leases;

-- The smallest free address of a range is its first one, or the `next` of the first lease with a gap: two look-ups,
-- however many leases there are. The triggers keep `gap` true.
CREATE UNIQUE INDEX address_leases_by_next ON address_leases (network, family, next);
CREATE INDEX address_leases_gaps ON address_leases (network, family, address) WHERE gap = 1;

CREATE TRIGGER address_leases_fill AFTER INSERT ON address_leases
BEGIN
    UPDATE address_leases SET gap = 0
    WHERE network = NEW.network AND family = NEW.family AND next = NEW.address;
    UPDATE address_leases SET gap = NOT EXISTS (
        SELECT 1 FROM address_leases
        WHERE network = NEW.network AND family = NEW.family AND address = NEW.next
    )
    WHERE network = NEW.network AND family = NEW.family AND address = NEW.address;
END;

CREATE TRIGGER address_leases_open AFTER DELETE ON address_leases
BEGIN
    UPDATE address_leases SET gap = 1
    WHERE network = OLD.network AND family = OLD.family AND next = OLD.address;
END;

CREATE TRIGGER address_leases_of_endpoint BEFORE INSERT ON address_leases
BEGIN
    SELECT RAISE(ABORT, 'a lease is of the network of its endpoint')
    WHERE NEW.network <> (SELECT network FROM endpoints WHERE id = NEW.endpoint);
END;

-- A lease is never changed but in its `gap`: another address is another lease.
CREATE TRIGGER address_leases_fixed BEFORE UPDATE OF network, family, address, endpoint, next ON address_leases
BEGIN
    SELECT RAISE(ABORT, 'a lease of an address cannot be changed');
END;

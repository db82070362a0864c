-- The first schema.
--
-- Conventions: times are microseconds since 1970-01-01T00:00:00Z (`datetime(created / 1000000, 'unixepoch')` shows
-- them); a `seq` column gives an order within its object, from 0; JSON appears only where the value is a plain list of
-- strings, or an operation of the journal. Rules that must never be broken are constraints, not searches in a program.

-- Images -------------------------------------------------------------------------------------------------------------

CREATE TABLE images (
    id      TEXT PRIMARY KEY CHECK (length(id) = 12),
    name    TEXT NOT NULL,                      -- '': untagged
    tag     TEXT NOT NULL,
    created INTEGER NOT NULL,
    cmd     TEXT NOT NULL CHECK (json_type(cmd) = 'array'),
    env     TEXT NOT NULL CHECK (json_type(env) = 'array'),
    user    TEXT NOT NULL,                      -- '': root
    origin  TEXT,                               -- the snapshot that its dataset is a clone of
    parent  TEXT REFERENCES images (id) ON DELETE RESTRICT  -- the image of that snapshot, if it is one's
) STRICT;

CREATE UNIQUE INDEX images_by_name ON images (name, tag) WHERE name <> '';
CREATE INDEX images_by_created ON images (created);
CREATE INDEX images_by_parent ON images (parent);

-- The lines of the Dockerfile the image was built from.
CREATE TABLE image_instructions (
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    line     TEXT NOT NULL,
    snapshot TEXT NOT NULL,                     -- '@<id>', or '' where the line made none
    PRIMARY KEY (image, seq)
) STRICT, WITHOUT ROWID;

-- Snapshots of the image's dataset, oldest first, from which containers can be made.
CREATE TABLE image_snapshots (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    seq   INTEGER NOT NULL,
    name  TEXT NOT NULL,                        -- without '@'
    PRIMARY KEY (image, seq),
    UNIQUE (image, name)
) STRICT, WITHOUT ROWID;

-- Containers ---------------------------------------------------------------------------------------------------------

CREATE TABLE containers (
    id             TEXT PRIMARY KEY CHECK (length(id) = 12),
    name           TEXT UNIQUE,
    image          TEXT NOT NULL REFERENCES images (id) ON DELETE RESTRICT,
    created        INTEGER NOT NULL,
    cmd            TEXT NOT NULL CHECK (json_type(cmd) = 'array'),
    env            TEXT NOT NULL CHECK (json_type(env) = 'array'),
    user           TEXT NOT NULL,               -- '': root
    jail_param     TEXT NOT NULL CHECK (json_type(jail_param) = 'array'),
    network_driver TEXT NOT NULL CHECK (network_driver IN ('ipnet', 'host', 'vnet', 'disabled')),
    persist        INTEGER NOT NULL CHECK (persist IN (0, 1)),
    restart_policy TEXT NOT NULL CHECK (restart_policy IN ('no', 'on-startup')),
    generation     INTEGER NOT NULL CHECK (generation >= 0),  -- how often it was started
    exec           TEXT,                        -- the execution that is its first process, while it runs
    since          INTEGER,
    exit_code      INTEGER CHECK (exit_code BETWEEN 0 AND 255),
    exit_signal    INTEGER CHECK (exit_signal BETWEEN 0 AND 255),
    finished       INTEGER,
    CHECK ((exec IS NULL) = (since IS NULL)),
    CHECK ((finished IS NOT NULL) = (exit_code IS NOT NULL) + (exit_signal IS NOT NULL))
) STRICT;

CREATE INDEX containers_by_created ON containers (created);
CREATE INDEX containers_by_image ON containers (image);

CREATE TABLE container_labels (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (container, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX container_labels_by_key ON container_labels (key, value);

CREATE TABLE mounts (
    container   TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('volume', 'nullfs')),
    source      TEXT NOT NULL,                  -- a volume's name, or a path of the host
    destination TEXT NOT NULL,
    read_only   INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    PRIMARY KEY (container, seq)
) STRICT, WITHOUT ROWID;

-- A volume may go while stopped containers name it, hence no foreign key.
CREATE INDEX mounts_by_volume ON mounts (source) WHERE type = 'volume';

CREATE TABLE ports (
    container       TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    seq             INTEGER NOT NULL,
    protocol        TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    interfaces      TEXT NOT NULL CHECK (json_type(interfaces) = 'array'),
    host_ports      TEXT NOT NULL,
    container_ports TEXT NOT NULL,              -- as the user wrote it
    PRIMARY KEY (container, seq)
) STRICT, WITHOUT ROWID;

-- Ports of the host that running containers hold.
CREATE TABLE port_leases (
    protocol  TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    port      INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
    interface TEXT NOT NULL,                    -- '': every interface
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    PRIMARY KEY (protocol, port, interface)
) STRICT, WITHOUT ROWID;

CREATE INDEX port_leases_by_container ON port_leases (container);

-- "Every interface" overlaps with each one, which a key alone does not see.
CREATE TRIGGER port_leases_overlap BEFORE INSERT ON port_leases
WHEN EXISTS (
    SELECT 1 FROM port_leases
    WHERE protocol = NEW.protocol AND port = NEW.port AND (interface = '' OR NEW.interface = '')
)
BEGIN
    SELECT RAISE(ABORT, 'the port is leased');
END;

-- Networks -----------------------------------------------------------------------------------------------------------

CREATE TABLE networks (
    id        TEXT PRIMARY KEY CHECK (length(id) = 12),
    name      TEXT NOT NULL UNIQUE,
    kind      TEXT NOT NULL,
    interface TEXT NOT NULL CHECK (length(interface) BETWEEN 1 AND 15),
    subnet    TEXT,
    subnet6   TEXT,
    gateway   TEXT NOT NULL,                    -- '', '<auto>' or an address
    gateway6  TEXT NOT NULL,
    nat       TEXT NOT NULL,                    -- '' or an interface
    icc       INTEGER NOT NULL CHECK (icc IN (0, 1)),
    internal  INTEGER NOT NULL CHECK (internal IN (0, 1))
) STRICT;

-- Custom networks live on an interface that is not ours, which several may share.
CREATE UNIQUE INDEX networks_by_interface ON networks (interface) WHERE kind <> 'custom';

-- The addresses of networks. Two networks with common addresses could not be routed.
CREATE TABLE subnets (
    network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    family  INTEGER NOT NULL CHECK (family IN (4, 6)),
    first   BLOB NOT NULL CHECK (length(first) = CASE family WHEN 4 THEN 4 ELSE 16 END),  -- in network byte order
    last    BLOB NOT NULL CHECK (length(last) = length(first) AND last >= first),
    PRIMARY KEY (family, first),
    UNIQUE (network, family)
) STRICT, WITHOUT ROWID;

-- No two overlap, so of those that begin before the new one's end only the last can reach into it: one look-up.
CREATE TRIGGER subnets_apart BEFORE INSERT ON subnets
BEGIN
    SELECT RAISE(ABORT, 'subnets of two networks overlap')
    WHERE NEW.first <= (
        SELECT last FROM subnets WHERE family = NEW.family AND first <= NEW.last ORDER BY first DESC LIMIT 1
    );
END;

CREATE TABLE endpoints (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were connected
    id             TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    container      TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network        TEXT NOT NULL REFERENCES networks (id) ON DELETE RESTRICT,
    host_interface TEXT NOT NULL UNIQUE,
    jail_interface TEXT NOT NULL UNIQUE,
    mac            TEXT NOT NULL UNIQUE,
    UNIQUE (container, network),
    UNIQUE (id, network)                        -- for the foreign key of address_leases
) STRICT;

CREATE INDEX endpoints_by_network ON endpoints (network);

-- Addresses of endpoints: the only place where they are kept. They go with the endpoint.
CREATE TABLE address_leases (
    network  TEXT NOT NULL,
    family   INTEGER NOT NULL CHECK (family IN (4, 6)),
    address  BLOB NOT NULL CHECK (length(address) = CASE family WHEN 4 THEN 4 ELSE 16 END),  -- in network byte order
    endpoint TEXT NOT NULL,
    shown    TEXT NOT NULL,                     -- the address as people write it, for those who read this file
    next     BLOB,                              -- address + 1; NULL behind the last of all addresses
    gap      INTEGER NOT NULL DEFAULT 1 CHECK (gap IN (0, 1)),  -- whether `next` is free
    PRIMARY KEY (network, family, address),
    UNIQUE (endpoint, family),
    FOREIGN KEY (endpoint, network) REFERENCES endpoints (id, network) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

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

-- A lease is never changed but in its `gap`: another address is another lease.
CREATE TRIGGER address_leases_fixed BEFORE UPDATE OF network, family, address, next ON address_leases
BEGIN
    SELECT RAISE(ABORT, 'a lease of an address cannot be changed');
END;

-- Volumes ------------------------------------------------------------------------------------------------------------

CREATE TABLE volumes (
    name    TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    driver  TEXT NOT NULL
) STRICT;

CREATE INDEX volumes_by_created ON volumes (created);

-- Changes of the host --------------------------------------------------------------------------------------------------

-- In the columns `object`: 'container <id>', 'image <id>', 'network <id>', 'endpoint <id>' or 'volume <name>'. No
-- foreign keys: the journal speaks of objects before they exist and after they are gone.

-- Changes under way. Empty while nothing happens.
CREATE TABLE transactions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,                    -- such as 'container start'
    object    TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('undo', 'redo')),  -- where to after a crash: back, or on to the end
    started   INTEGER NOT NULL
) STRICT;

CREATE TABLE steps (
    "transaction" INTEGER NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    seq           INTEGER NOT NULL,
    op            TEXT NOT NULL CHECK (json_valid(op)),
    undo          TEXT CHECK (json_valid(undo)),  -- NULL: nothing to take back
    state         TEXT NOT NULL CHECK (state IN ('intended', 'done')),
    PRIMARY KEY ("transaction", seq)
) STRICT, WITHOUT ROWID;

-- What holds on the host on behalf of an object that lives: applied again when it got lost, taken back at the end.
CREATE TABLE applied (
    object TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    op     TEXT NOT NULL CHECK (json_valid(op)),
    undo   TEXT CHECK (json_valid(undo)),
    PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;

-- What could not be taken back: the object needs repair.
CREATE TABLE leftovers (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    object TEXT NOT NULL,
    op     TEXT NOT NULL CHECK (json_valid(op)),  -- the operation that would take it back
    reason TEXT NOT NULL,                       -- why it failed
    since  INTEGER NOT NULL,
    UNIQUE (object, op)
) STRICT;

-- What images say beyond command, environment and user; how much they hold; steps of builds that need not be done again.

ALTER TABLE images ADD COLUMN settings TEXT NOT NULL DEFAULT '{}' CHECK (json_type(settings) = 'object');
ALTER TABLE images ADD COLUMN size INTEGER;         -- bytes of all files; NULL: not measured
ALTER TABLE images ADD COLUMN own_size INTEGER;     -- of those, the bytes that its parent does not have

-- A step that was taken from the cache has its snapshot in the dataset of the image that it was done for.
ALTER TABLE image_snapshots ADD COLUMN dataset TEXT NOT NULL DEFAULT '';
UPDATE image_snapshots SET dataset = 'image/' || image;

-- Where a step of a build was done before. `key` is a digest of all that it depends on.
CREATE TABLE build_cache (
    key      TEXT PRIMARY KEY,
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,    -- whose dataset has the snapshot
    snapshot TEXT NOT NULL,                                             -- without '@'
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX build_cache_by_image ON build_cache (image);

ALTER TABLE containers ADD COLUMN working_dir TEXT; -- NULL: the home of the user
ALTER TABLE containers ADD COLUMN stop_signal TEXT; -- NULL: TERM

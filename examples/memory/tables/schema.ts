/** Anything that runs statements: a `pg` pool or client, or a transaction of another driver. */
export interface Queryable {
  /** Runs one statement with its values for `$1`, `$2` and so on. */
  query<Row extends Record<string, unknown>>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** Creates the tables of a memory, in a schema of their own, unless they are there. */
export async function createTables(db: Queryable, schema: string): Promise<void> {
  await db.query(tablesIn(schema));
}

/**
 * Quotes the name of a schema for use in statements.
 *
 * @throws Error for anything but a plain lower-case identifier.
 */
export function schemaName(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new Error(`Expected the schema to be a plain lower-case name, got ${JSON.stringify(schema)}`);
  }
  return `"${schema}"`;
}

const tablesIn = (schema: string): string => {
  const s = schemaName(schema);
  return `
    create schema if not exists ${s};

    -- What was said. A correction replaces the text and raises the version.
    create table if not exists ${s}.turns (
      id integer primary key,
      year integer not null,
      president text not null,
      position integer not null,
      text text not null,
      version integer not null default 1
    );

    -- What the turns state. One made from a corrected turn stays, retired, so that one can ask why.
    create table if not exists ${s}.facts (
      id bigint generated always as identity primary key,
      turn_id integer not null references ${s}.turns,
      version integer not null,
      sentence integer not null,
      text text not null,
      entities jsonb not null,
      key text not null,
      -- The earlier fact that says the same; set by synthesize.
      same_as bigint references ${s}.facts,
      unique (turn_id, version, sentence)
    );
    create index if not exists facts_key on ${s}.facts (key);
    create index if not exists facts_same_as on ${s}.facts (same_as) where same_as is not null;

    -- Why a fact no longer counts.
    create table if not exists ${s}.retired (
      fact_id bigint primary key references ${s}.facts,
      reason text not null check (reason in ('stale', 'rejected'))
    );

    -- Sparse vectors: which dimensions are not 0, and their values.
    create table if not exists ${s}.vectors (
      fact_id bigint primary key references ${s}.facts,
      dimensions integer[] not null,
      weights double precision[] not null,
      check (cardinality(dimensions) = cardinality(weights))
    );
    create index if not exists vectors_dimensions on ${s}.vectors using gin (dimensions);

    create table if not exists ${s}.labels (
      fact_id bigint not null references ${s}.facts,
      label text not null,
      score double precision not null,
      primary key (fact_id, label)
    );

    -- Who does what to whom. Fact and verdict are set by synthesize.
    create table if not exists ${s}.triples (
      id bigint generated always as identity primary key,
      turn_id integer not null references ${s}.turns,
      sentence integer not null,
      subject text not null,
      verb text not null,
      object text not null,
      negated boolean not null,
      key text not null,
      fact_id bigint references ${s}.facts,
      verdict text check (verdict in ('new', 'confirmed', 'contradicted')),
      unique (turn_id, key, negated)
    );
    create index if not exists triples_key on ${s}.triples (key);

    -- Which turns are part of the memory, as of which version.
    create table if not exists ${s}.synthesis (
      turn_id integer not null references ${s}.turns,
      version integer not null,
      duplicates integer not null,
      triples integer not null,
      primary key (turn_id, version)
    );`;
};

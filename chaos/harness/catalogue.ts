import type { ChaosDatabase } from "./database.ts";

/** An object of a database, in words that stay the same. */
export interface CatalogueObject {
  /** The schema that it is in, or is; empty for what is in none. */
  readonly schema: string;
  /** What it is, with its name. */
  readonly text: string;
}

/** All that there is, but for what the server makes by itself, for tables with long values and for foreign keys. */
const CATALOGUE_SQL = `
with object as (
  select n.oid as space, 'relation ' || c.relkind::text || ' ' || c.relname || ' ' || coalesce(
           (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
              from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               and c.relkind in ('r', 'v')), '') as text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
  union all select p.pronamespace, 'function ' || p.proname || ' ' || p.pronargs from pg_proc p
  union all select t.typnamespace, 'type ' || t.typname from pg_type t
  union all select c.connamespace, 'constraint ' || c.conname from pg_constraint c
  union all select c.relnamespace, 'trigger ' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
               where not t.tgisinternal
  union all select n.oid, 'schema' from pg_namespace n
  union all select 0, 'role ' || r.rolname from pg_roles r
  union all select 0, 'extension ' || e.extname from pg_extension e
  union all select 0, 'setting ' || s.setdatabase || ' ' || s.setrole from pg_db_role_setting s
)
select coalesce(n.nspname, '') as schema, o.text
  from object o left join pg_namespace n on n.oid = o.space
 where coalesce(n.nspname, '') !~ '^pg_(toast|temp)'
 order by 1, 2`;

/** Reads the catalogue of a database. */
export async function catalogueOf({ pool }: ChaosDatabase): Promise<readonly CatalogueObject[]> {
  const { rows } = await pool.query<CatalogueObject>(CATALOGUE_SQL);
  return rows;
}

/** What one of the two has and the other has not, but for these schemas. */
export function differences(
  before: readonly CatalogueObject[],
  after: readonly CatalogueObject[],
  but: ReadonlySet<string>,
): readonly string[] {
  const namesOf = (objects: readonly CatalogueObject[]): ReadonlySet<string> =>
    new Set(objects.filter(({ schema }) => !but.has(schema)).map(nameOf));
  const [old, now] = [namesOf(before), namesOf(after)];
  return [...[...old].filter((name) => !now.has(name)), ...[...now].filter((name) => !old.has(name))];
}

/** What is in a schema, without its name. */
export function contentOf(objects: readonly CatalogueObject[], schema: string): readonly string[] {
  return objects.filter((object) => object.schema === schema).map(({ text }) => text);
}

function nameOf({ schema, text }: CatalogueObject): string {
  return `${JSON.stringify(schema)} ${text}`;
}

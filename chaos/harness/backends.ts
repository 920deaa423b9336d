import type { ChaosDatabase } from "./database.ts";
import type { Random } from "./random.ts";

/** A connection of the library, as the server sees it. */
export interface Backend {
  readonly pid: number;
  /** Its sort, and the label of its worker. */
  readonly name: string;
  /** How long it has been there, in milliseconds. */
  readonly ageMs: number;
}

/** The most connections of each sort that a worker or a client opens, by the first words of their names. */
const POOL_SIZES: readonly (readonly [string, number])[] = [
  ["millrace work", 3],
  ["millrace lease", 1],
  ["millrace listen", 1],
  ["millrace calls", 2],
];

const BACKENDS_SQL = `
select a.pid, a.application_name as name,
       date_part('epoch', clock_timestamp() - a.backend_start) * 1000 as "ageMs"
  from pg_stat_activity a
 where a.datname = current_database() and a.application_name like 'millrace %'
 order by a.application_name, a.backend_start`;

/** All of them, in an order that does not depend on their numbers. */
export async function backendsOf({ pool }: ChaosDatabase): Promise<readonly Backend[]> {
  // A connection of the board's own may be one that a restart cut.
  const ask = () => pool.query<Backend>(BACKENDS_SQL);
  const { rows } = await ask().catch(ask);
  return rows;
}

/** By how many connections a pool is too large at most. */
export function abovePoolSize(backends: readonly Backend[]): number {
  const counts = new Map<string, number>();
  for (const { name } of backends) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Math.max(0, ...[...counts].map(([name, count]) => count - sizeOf(name)));
}

function sizeOf(name: string): number {
  return POOL_SIZES.find(([words]) => name.startsWith(words))?.[1] ?? 0;
}

/** So many different ones, or all where there are fewer. Draws as many numbers in any case. */
export function pick(backends: readonly Backend[], { integer }: Random, count: number): readonly Backend[] {
  const left = [...backends];
  return Array.from({ length: count }, () => left.splice(integer(0, left.length - 1), 1)).flat();
}

/** Lets the server end connections, and answers with how many it told to. */
export async function terminate({ pool }: ChaosDatabase, victims: readonly Backend[]): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "select count(*) filter (where pg_terminate_backend(u))::int as count from unnest($1::int[]) u",
    [victims.map(({ pid }) => pid)],
  );
  return rows[0]?.count ?? 0;
}

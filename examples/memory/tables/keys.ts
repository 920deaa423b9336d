import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";

/**
 * Lets one transaction at a time decide about what has these keys: waits for others that hold one of them,
 * and holds all until this one ends. What the others wrote is there for the statements after it, which see
 * what was committed before they began (READ COMMITTED).
 *
 * The locks are taken in one order, so that no two transactions wait for each other.
 */
export async function lockKeys(tx: Queryable, schema: string, keys: readonly string[]): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(hash) from (
       select distinct hashtextextended($1 || key, 0) as hash from unnest($2::text[]) as key order by hash
     ) as hashes`,
    [schemaName(schema), keys],
  );
}

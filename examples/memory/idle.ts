import { defer, exhaustMap, first, ignoreElements, timer } from "rxjs";
import type { Observable } from "rxjs";
import { schemaName } from "./tables/schema.ts";
import type { Queryable } from "./tables/schema.ts";

/** How often to look, in milliseconds. */
const PERIOD_MS = 250;

/**
 * Completes when no job is left that will still run: none pending, scheduled, waiting or claimed.
 *
 * ```
 * looks  ---3---1---0
 * idle$  -----------|
 * ```
 */
export function untilIdle(db: Queryable, jobSchema: string): Observable<never> {
  const unfinished = async () => {
    const { rows } = await db.query<{ count: number }>(
      `select count(*)::integer as count from ${schemaName(jobSchema)}.jobs where state <> 'failed'`,
    );
    return rows[0]?.count;
  };
  return timer(0, PERIOD_MS).pipe(
    exhaustMap(() => defer(unfinished)),
    first((count) => count === 0),
    ignoreElements(),
  );
}

import type { Settled, Settlement } from "../core/store.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Run } from "./database.ts";
import { claimValues, settlementValues } from "./settlement-values.ts";
import type { Statements } from "./statements.ts";

/** Writes outcomes of a worker: `settle` of the `Store`. */
export type Settle = (workerId: string, settlements: readonly Settlement[]) => Promise<Settled>;

type SettledRow = {
  /** Claims as `id:token`. */
  readonly refused: readonly string[];
  readonly ready_queues: readonly string[] | null;
  /** JSON. COMPLETE has none. */
  readonly cancelled?: string | null;
};

type SettledBeforeRow = { readonly id: string; readonly is_sure: boolean };

/**
 * Makes the function that settles.
 *
 * A connection that breaks may break after the commit and before its reply: cutting the reply of 50
 * inserts left all 50 committed. A caller that then tries again with the same array is refused,
 * because its first write took the claims away. That is found out: while the worker's lease stands,
 * nobody else can have taken them, unless Postgres crashed meanwhile and undid them.
 */
export function settling(run: Run, sql: Statements): Settle {
  const uncertain = new WeakSet<readonly Settlement[]>();
  return async (workerId, settlements) => {
    if (settlements.length === 0) return { accepted: [], readyQueues: [], cancelled: [] };
    const row = await write(run, sql, { workerId, settlements }).catch((error: unknown) => {
      uncertain.add(settlements);
      throw error;
    });
    const readyQueues = row.ready_queues ?? [];
    const cancelled = cancelledOf(row);
    if (row.refused.length === 0)
      return { accepted: settlements.map(({ id }) => id), readyQueues, cancelled };
    const refused = new Set(row.refused);
    const isRefused = ({ id, token }: Settlement): boolean => refused.has(`${id}:${token}`);
    const accepted = settlements.filter((settlement) => !isRefused(settlement)).map(({ id }) => id);
    if (!uncertain.has(settlements)) return { accepted, readyQueues, cancelled };
    const before = await settledBefore(run, sql, { workerId, settlements: settlements.filter(isRefused) });
    const sure = before.filter(({ is_sure }) => is_sure).map(({ id }) => id);
    const unsure = before.filter(({ is_sure }) => !is_sure).map(({ id }) => id);
    return { accepted: [...new Set([...accepted, ...sure])], unsure, readyQueues, cancelled };
  };
}

function cancelledOf({ cancelled }: SettledRow): Settled["cancelled"] {
  return cancelled === undefined || cancelled === null ? [] : (JSON.parse(cancelled) as Settled["cancelled"]);
}

interface Batch {
  readonly workerId: string;
  readonly settlements: readonly Settlement[];
}

async function write(run: Run, sql: Statements, { workerId, settlements }: Batch): Promise<SettledRow> {
  const allGone = settlements.every(
    ({ outcome }) => outcome.type === "succeeded" && outcome.kept === undefined,
  );
  const [row] = allGone
    ? await run<SettledRow>(sql.complete, claimValues(workerId, settlements))
    : await run<SettledRow>(sql.settle, settlementValues(workerId, settlements));
  if (row === undefined) throw new Error("Expected a row in the answer of Postgres, got none");
  return row;
}

async function settledBefore(
  run: Run,
  sql: Statements,
  { workerId, settlements }: Batch,
): Promise<readonly SettledBeforeRow[]> {
  const ids = arrayLiteral(settlements.map(({ id }) => id));
  const gone = arrayLiteral(settlements.map(({ outcome }) => String(outcome.type === "succeeded")));
  return run<SettledBeforeRow>(sql.settledBefore, [workerId, ids, gone]);
}

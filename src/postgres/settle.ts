import type { JobState } from "../core/job.ts";
import { RUNNABLE } from "../core/outcome.ts";
import type { Settled, Settlement } from "../core/store-calls.ts";
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

type LeftRow = {
  readonly id: string;
  /** `null`: it has no row. */
  readonly state: JobState | null;
  readonly cancelled: boolean | null;
  readonly reason: string | null;
};

/**
 * Makes the function that settles.
 *
 * A connection that breaks may break after the commit and before its reply: cutting the reply of 50
 * inserts left all 50 committed. A caller that then tries again with the same array is refused,
 * because its first write took the claims away. That is found out: while the worker's lease stands,
 * nobody else can have taken them, unless Postgres crashed meanwhile and undid them.
 *
 * In the same way it is found out whether the transaction in which a handler completed its job was
 * committed: then the claim is gone, and so is the job.
 */
export function settling(run: Run, sql: Statements): Settle {
  const uncertain = new WeakSet<readonly Settlement[]>();
  const settle: Settle = async (workerId, settlements) => {
    const row = await write(run, sql, { workerId, settlements });
    const readyQueues = row.ready_queues ?? [];
    const refused = new Set(row.refused);
    // Nearly always none is: no text is made for each job then.
    const isRefused = ({ id, token }: Settlement): boolean =>
      refused.size > 0 && refused.has(`${id}:${token}`);
    const written = {
      accepted: idsWhere(settlements, (one) => !isRefused(one)),
      cancelled: cancelledOf(row),
    };
    const isAgain = uncertain.has(settlements);
    const asked = settlements.filter((one) => isRefused(one) && (isAgain || one.committed === true));
    if (asked.length === 0) return { ...written, completed: [], readyQueues };
    const left = await leftOf(run, sql, { workerId, settlements: asked });
    const found = isAgain ? foundAgain(asked, left) : { accepted: [], cancelled: [] };
    return {
      accepted: [...new Set([...written.accepted, ...found.accepted])],
      completed: idsWhere(asked, ({ id, committed }) => committed === true && isGone(left.get(id))),
      cancelled: [...written.cancelled, ...found.cancelled],
      readyQueues,
    };
  };
  return async (workerId, settlements) => {
    if (settlements.length === 0) return { accepted: [], completed: [], readyQueues: [], cancelled: [] };
    return settle(workerId, settlements).catch((error: unknown) => {
      uncertain.add(settlements);
      throw error;
    });
  };
}

/**
 * What an earlier try must have written of what is refused now. Of a job that its handler completed and
 * that is gone, it is taken that the handler's transaction was committed.
 */
function foundAgain(
  refused: readonly Settlement[],
  left: ReadonlyMap<string, LeftRow>,
): Pick<Settled, "accepted" | "cancelled"> {
  const found = refused.filter(({ id, committed, outcome }) => {
    const row = left.get(id);
    if (row === undefined) return false;
    return isGone(row) ? committed !== true : outcome.type !== "succeeded";
  });
  return {
    accepted: found.map(({ id }) => id),
    cancelled: found.flatMap(({ id, outcome }) => {
      const { cancelled, reason } = left.get(id) ?? {};
      return cancelled === true && RUNNABLE.has(outcome.type) ? [{ id, reason: reason ?? "" }] : [];
    }),
  };
}

function isGone(row: LeftRow | undefined): boolean {
  return row !== undefined && (row.state === null || row.state === "completed");
}

function idsWhere(
  settlements: readonly Settlement[],
  isOne: (settlement: Settlement) => boolean,
): readonly string[] {
  return settlements.filter(isOne).map(({ id }) => id);
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

/** What there is of jobs whose claims are gone; of none where that proves nothing. */
async function leftOf(
  run: Run,
  sql: Statements,
  { workerId, settlements }: Batch,
): Promise<ReadonlyMap<string, LeftRow>> {
  const rows = await run<LeftRow>(sql.left, [workerId, arrayLiteral(settlements.map(({ id }) => id))]);
  return new Map(rows.map((row) => [row.id, row]));
}

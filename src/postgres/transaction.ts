import type { NewJob } from "../core/job.ts";
import { jobParts } from "../core/parts.ts";
import type { Claim, Entered } from "../core/store-calls.ts";
import { channelOf, hintText } from "./channel.ts";
import type { Hint } from "./channel.ts";
import { arrayLiteral } from "./array-literal.ts";
import { enqueueParts } from "./enqueue-values.ts";
import type { EnqueuedRow } from "./enqueue-values.ts";
import { claimValues, settlementValues } from "./settlement-values.ts";
import type { Statements } from "./statements.ts";
import type { Statement } from "./statements/statement.ts";

/**
 * The app's own open transaction: whatever runs a text with `$n` values in it. A client of `pg` is
 * one; so is any driver whose `query` answers with rows, or with an object that holds them.
 */
export interface Transaction {
  /** Runs one statement in the transaction and answers with its rows, or an object that holds them. */
  query(text: string, values: unknown[]): PromiseLike<unknown>;
}

/** Enqueues in the app's transaction and answers for each job in order. Does not notify. */
export async function enqueueIn(
  tx: Transaction,
  sql: Statements,
  jobs: readonly NewJob[],
): Promise<readonly Entered[]> {
  return enqueueParts((...call) => rowsOf<EnqueuedRow>(tx, ...call), sql, jobParts(jobs));
}

/** Sends notifications when the app's transaction commits. Postgres folds equal ones into one. */
export async function notifyIn(
  tx: Transaction,
  sql: Statements,
  { schema, hints }: { readonly schema: string; readonly hints: readonly Hint[] },
): Promise<void> {
  if (hints.length === 0) return;
  await rowsOf(tx, sql.notify, [channelOf(schema), arrayLiteral(hints.map(hintText))]);
}

/** What `completeIn` completes. */
export interface Completion {
  readonly workerId: string;
  readonly claim: Claim;
  /** JSON text of the result, where the job keeps it. */
  readonly kept?: string | undefined;
}

/**
 * Completes a claimed job in the app's transaction, so that its effect and its acknowledgement
 * commit together. Its children start in the same transaction. With the JSON text of its result, the
 * job is kept among the completed where it was enqueued to be; without, it is deleted in any case.
 *
 * @returns `false` when the claim was gone: another worker may own the job, so roll back.
 */
export async function completeIn(
  tx: Transaction,
  sql: Statements,
  { workerId, claim, kept }: Completion,
): Promise<boolean> {
  type Row = { readonly refused: readonly string[] };
  const { id, token } = claim;
  const [row] =
    kept === undefined
      ? await rowsOf<Row>(tx, sql.complete, claimValues(workerId, [claim]))
      : await rowsOf<Row>(
          tx,
          sql.settle,
          settlementValues(workerId, [
            { id, token, outcome: { type: "succeeded", result: undefined, kept } },
          ]),
        );
  return row?.refused.length === 0;
}

async function rowsOf<Row>(
  tx: Transaction,
  { text }: Statement,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const answer = await tx.query(text, [...values]);
  if (Array.isArray(answer)) return answer as readonly Row[];
  const rows: unknown =
    typeof answer === "object" && answer !== null ? Reflect.get(answer, "rows") : undefined;
  return Array.isArray(rows) ? (rows as readonly Row[]) : [];
}

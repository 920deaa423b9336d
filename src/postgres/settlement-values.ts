import type { ErrorRecord } from "../core/error-record.ts";
import type { Claim, Settlement } from "../core/store-calls.ts";
import { arrayLiteral } from "./array-literal.ts";

/** What SETTLE needs to know of one outcome: see its docstring. */
interface Fate {
  readonly fate: "gone" | "kept" | "runnable" | "failed" | "cancelled";
  /** `undefined` keeps the moment from which the job could run. */
  readonly delayMs?: number;
  /** What to add to the attempts: -1 where this one does not count. */
  readonly counted: 0 | -1;
  readonly error?: ErrorRecord;
  readonly reason?: string;
  /** JSON text. */
  readonly kept?: string;
}

/** The values of COMPLETE, or the first three of SETTLE. */
export function claimValues(workerId: string, claims: readonly Claim[]): readonly string[] {
  // Ids are digits: nothing to quote.
  return [
    workerId,
    `{${claims.map(({ id }) => id).join(",")}}`,
    `{${claims.map(({ token }) => token).join(",")}}`,
  ];
}

/** The values of SETTLE. */
export function settlementValues(workerId: string, settlements: readonly Settlement[]): readonly string[] {
  const fates = settlements.map(({ outcome }) => fateOf(outcome));
  return [
    ...claimValues(workerId, settlements),
    arrayLiteral(fates.map(({ fate }) => fate)),
    arrayLiteral(fates.map(({ delayMs }) => delayMs)),
    arrayLiteral(fates.map(({ counted }) => counted)),
    arrayLiteral(fates.map(({ error }) => (error === undefined ? undefined : JSON.stringify(error)))),
    arrayLiteral(fates.map(({ reason }) => reason)),
    arrayLiteral(fates.map(({ kept }) => kept)),
    arrayLiteral(settlements.map(({ progress }) => progress)),
  ];
}

/** The reason that a failed job shows, in one line. */
function reasonOf(error: ErrorRecord): string {
  return oneLine(`${error.name}: ${error.message}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, " ").trim();
}

function fateOf(outcome: Settlement["outcome"]): Fate {
  switch (outcome.type) {
    case "succeeded":
      return outcome.kept === undefined
        ? { fate: "gone", counted: 0 }
        : { fate: "kept", counted: 0, kept: outcome.kept };
    case "cancelled":
      return { fate: "cancelled", counted: -1, error: outcome.error, reason: oneLine(outcome.error.message) };
    case "retried":
      return { fate: "runnable", delayMs: outcome.delayMs, counted: 0, error: outcome.error };
    case "failed":
      return { fate: "failed", counted: 0, error: outcome.error, reason: reasonOf(outcome.error) };
    case "snoozed":
      return { fate: "runnable", delayMs: outcome.delayMs, counted: -1 };
    case "released":
      return { fate: "runnable", counted: -1 };
  }
}

import type { CancelOrder } from "../core/store-calls.ts";

/**
 * Reads a notification that orders workers to end attempts, `{"cancel":[…]}`, which the SQL function
 * `cancel_jobs` sends. Anybody may have sent it: what is no such text is `undefined`, and a part that
 * is no order is left out. An order is checked again by its worker, for it must name a claim that the
 * worker holds.
 */
export function readCancelNotice(
  payload: string,
): readonly (CancelOrder & { readonly workerId: string })[] | undefined {
  let notice: unknown;
  try {
    notice = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof notice !== "object" || notice === null || !("cancel" in notice)) return undefined;
  return Array.isArray(notice.cancel) ? notice.cancel.flatMap(orderOf) : undefined;
}

function orderOf(entry: unknown): (CancelOrder & { readonly workerId: string })[] {
  if (typeof entry !== "object" || entry === null) return [];
  const { worker, id, token, reason }: Readonly<Record<string, unknown>> = { ...entry };
  if (typeof worker !== "string" || typeof id !== "string" || typeof reason !== "string") return [];
  return Number.isSafeInteger(token) ? [{ workerId: worker, id, token: Number(token), reason }] : [];
}

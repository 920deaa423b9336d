import type pg from "pg";

/** SQLSTATE of a write on a standby, or on a server that was made read-only. */
const READ_ONLY_STATE = "25006";

/** What a server tells of itself when somebody connects, of which either means that it takes reads only. */
const READ_ONLY_PARAMETERS: ReadonlySet<unknown> = new Set([
  "in_hot_standby",
  "default_transaction_read_only",
]);

/** Tells whether a server refused a write because it takes reads only, as the old one after a failover. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === READ_ONLY_STATE;
}

/** Tells whether a message of the server that reports a parameter says that it takes reads only. */
export function tellsReadOnly(status: object): boolean {
  return (
    READ_ONLY_PARAMETERS.has(Reflect.get(status, "parameterName")) &&
    Reflect.get(status, "parameterValue") === "on"
  );
}

/**
 * Throws away the connections that wait in a pool: they may lead to a server that takes reads only,
 * where each would stay until somebody wrote through it.
 */
export function discardIdle(pool: pg.Pool): void {
  for (let left = pool.idleCount; left > 0; left -= 1) {
    pool.connect().then(
      (client) => client.release(true),
      () => undefined,
    );
  }
}

/**
 * SQLSTATEs, and classes of them, after which the same call may well succeed: lost connections (08),
 * too few resources (53), a server that shuts down or starts (57P0x), serialization failures and
 * deadlocks (40), a lock that could not be had (55P03), a timeout or cancellation (57014), a standby
 * or read-only session that a failover left us on (25006), and a prepared statement that went away
 * (26000). A plan that went away has 0A000, which stands for anything that Postgres does not support, so
 * it is known by its message, which is below.
 */
const TRANSIENT_STATES: ReadonlySet<string> = new Set([
  "25006",
  "26000",
  "40001",
  "40003",
  "40P01",
  "55P03",
  "57014",
  "57P01",
  "57P02",
  "57P03",
  "57P05",
]);

const TRANSIENT_CLASSES: ReadonlySet<string> = new Set(["08", "53"]);

/** Codes of Node, what node-postgres says without any code, and Postgres when it stops or starts. */
const UNREACHED: readonly string[] = [
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
  "Connection terminated",
  "Query read timeout",
  "timeout exceeded when trying to connect",
  "timeout expired",
  "Client has encountered a connection error",
  "Client was closed",
  "terminating connection",
  "database system is",
  "no connection of the pool",
];

const CHANGED_PLAN = "cached plan must not change result type";

/** How deep causes are followed, for a cause may be its own. */
const MAX_DEPTH = 5;

/**
 * Tells whether an error of the database may go away by itself, so that the call is worth trying
 * again: by its SQLSTATE or errno, or by the words of node-postgres where it gives no code.
 *
 * An `AggregateError` (what Node makes of a host with several addresses) and a `cause` are looked
 * into. Everything not known is permanent.
 */
export function isTransient(error: unknown): boolean {
  return isTransientAt(error, 0);
}

/** Tells by the message of an error whether Postgres could not be reached, for a record of it has no code. */
export function tellsOfConnection(message: string): boolean {
  return UNREACHED.some((words) => message.includes(words));
}

function isTransientAt(error: unknown, depth: number): boolean {
  if (!(error instanceof Error) || depth > MAX_DEPTH) return false;
  const code: unknown = Reflect.get(error, "code");
  if (typeof code === "string" && isTransientCode(code)) return true;
  if (tellsOfConnection(error.message) || error.message.includes(CHANGED_PLAN)) return true;
  if (error instanceof AggregateError && error.errors.some((inner) => isTransientAt(inner, depth + 1))) {
    return true;
  }
  return isTransientAt(error.cause, depth + 1);
}

function isTransientCode(code: string): boolean {
  if (TRANSIENT_STATES.has(code) || UNREACHED.includes(code)) return true;
  return code.length === 5 && TRANSIENT_CLASSES.has(code.slice(0, 2));
}

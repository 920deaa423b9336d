import type pg from "pg";
import { OptionError, expected } from "./core/errors.ts";

/** Where the database is: one of the two. */
export interface ConnectionOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly connectionString?: string | undefined;
  /**
   * The app's own pool. Enqueues and look-ups use it. A worker opens connections of its own with
   * the same settings, so that handlers that hold all of the app's cannot starve its heartbeat.
   */
  readonly pool?: pg.Pool | undefined;
  /**
   * Whether a pooler in transaction mode stands between, such as PgBouncer: then the library prepares
   * no statements, sends no settings when it connects, and its workers do not LISTEN unless they are
   * told to (`listen: true`). Default false.
   */
  readonly throughPooler?: boolean | undefined;
}

const MAX_SCHEMA_BYTES = 63;

/**
 * Checks where to connect to. No message holds the connection string.
 *
 * @throws OptionError
 */
export function checkConnection({ connectionString, pool }: ConnectionOptions): void {
  if ((connectionString === undefined) === (pool === undefined)) {
    throw new OptionError("Expected either `connectionString` or `pool`, got both or none");
  }
  if (pool !== undefined) {
    if (
      typeof pool !== "object" ||
      pool === null ||
      typeof pool.connect !== "function" ||
      !("options" in pool)
    ) {
      throw new OptionError(expected("pool", "a pg.Pool", pool));
    }
    return;
  }
  if (typeof connectionString !== "string" || !isPostgresUrl(connectionString)) {
    const got =
      typeof connectionString === "string"
        ? "another text (not shown, for it may hold a password)"
        : typeof connectionString;
    throw new OptionError(
      `Expected \`connectionString\` to be a URL such as postgres://user:password@host:5432/database, got ${got}`,
    );
  }
}

/**
 * Checks the name of a schema: 1 to 63 bytes of any text, without NUL, lone surrogates and control
 * characters, not beginning with `pg_`.
 *
 * @throws OptionError
 */
export function checkSchemaName(schema: unknown): asserts schema is string {
  if (
    typeof schema !== "string" ||
    schema.trim() === "" ||
    Buffer.byteLength(schema) > MAX_SCHEMA_BYTES ||
    !schema.isWellFormed() ||
    hasControl(schema) ||
    schema.startsWith("pg_") ||
    // What the bodies of functions are quoted with.
    schema.includes("$$")
  ) {
    throw new OptionError(
      expected(
        "schema",
        `a name of 1 to ${MAX_SCHEMA_BYTES} bytes that does not begin with pg_, without control characters and $$`,
        schema,
      ),
    );
  }
}

function hasControl(text: string): boolean {
  return Array.from(text).some((letter) => letter < " " || letter === "\u007f");
}

function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(text)) return false;
  try {
    decodeURIComponent(new URL(text.replace(/^postgres(ql)?:\/\/\//, "postgres://localhost/")).password);
    return true;
  } catch {
    return false;
  }
}

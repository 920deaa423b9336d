import pg from "pg";
import { SchemaError, UnknownParentError } from "../core/errors.ts";
import type { Statement } from "./statements/statement.ts";

/** A missing table, schema, column, function: what comes of a schema that was not migrated. */
const SCHEMA_STATES: ReadonlySet<string> = new Set(["42P01", "3F000", "42703", "42883"]);

/** Raised by `enqueue_jobs`, with the id as its detail. */
export const UNKNOWN_PARENT = "P0002";

/**
 * What is thrown in place of an error of Postgres: the same code, none of the values.
 *
 * Messages of class 22 (bad values) and 23 (broken constraints) quote values, and `detail`, `where`
 * and `internalQuery` hold rows and payloads. So neither they nor the original error are kept.
 * Errors that are not of the server (a lost connection) are passed on as they are.
 */
export function withoutValues(error: unknown, statement: Statement): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { code = "", message, severity, constraint, table, routine } = error;
  if (SCHEMA_STATES.has(code)) {
    return new SchemaError(
      `The tables of millrace do not fit this version, or are not there (${code}: ${message}): ` +
        "run `await client.migrate()` or `npx millrace migrate`",
    );
  }
  if (code === UNKNOWN_PARENT) return new UnknownParentError(message, error.detail ?? "");
  const quotesValues = code.startsWith("22") || code.startsWith("23");
  const told = quotesValues
    ? `a value was refused${constraint === undefined ? "" : ` by ${constraint}`}`
    : message;
  const clean = new Error(`Postgres could not run ${labelOf(statement)}: ${told} (${code})`);
  return Object.assign(clean, { code, severity, constraint, table, routine });
}

function labelOf({ name }: Statement): string {
  return name.split("_")[1] ?? name;
}

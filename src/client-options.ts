import { checkOptions, hiding, integer, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { checkJobs } from "./core/schema.ts";
import type { JobSchemas, KindOf } from "./core/schema.ts";
import { checkConnection, checkSchemaName } from "./connection.ts";
import type { ConnectionOptions } from "./connection.ts";
import { checkKeepResults } from "./enqueue.ts";
import type { Logger } from "./log.ts";
import { DEFAULTS } from "./options.ts";

/** Options of a client. */
export interface ClientOptions<Jobs extends JobSchemas> extends ConnectionOptions {
  /** Every kind of job, with a Standard Schema of its payload or `payload<T>()`. */
  readonly jobs: Jobs;
  /** The Postgres schema that holds the tables. Default `"millrace"`. */
  readonly schema?: string | undefined;
  /** A pino logger, or `false` for silence. Default: pino on stdout at level `info`. */
  readonly logger?: Logger | false | undefined;
  /** Attempts of jobs that do not say. Integer from 1 to 10,000. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** The largest payload, in bytes of JSON. Integer from 1 to 256 MiB. Default 1 MiB. */
  readonly maxPayloadBytes?: number | undefined;
  /**
   * How long results are kept, by kind, for jobs that do not say `keepResultMs` themselves: milliseconds
   * from 1. Default: none is kept.
   */
  readonly keepResultMs?: { readonly [Kind in KindOf<NoInfer<Jobs>>]?: number | undefined } | undefined;
}

const CLIENT_RULES: Readonly<Record<string, Rule>> = {
  connectionString: rule("a text", (value) => typeof value === "string"),
  pool: hiding(rule("a pg.Pool", (value) => typeof value === "object")),
  throughPooler: rule("true or false", (value) => typeof value === "boolean"),
  jobs: rule("an object of kinds and their schemas", (value) => typeof value === "object"),
  schema: rule("a text", (value) => typeof value === "string"),
  logger: rule(
    "a pino logger or false",
    (value) => value === false || (typeof value === "object" && value !== null && "child" in value),
  ),
  maxAttempts: integer(1, 10_000),
  maxPayloadBytes: integer(1, 268_435_456),
  keepResultMs: rule(
    "an object of kinds and milliseconds",
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  ),
};

/**
 * Checks the options of a client.
 *
 * @throws OptionError naming the option, its rule and what came.
 */
export function checkClientOptions<Jobs extends JobSchemas>(options: ClientOptions<Jobs>): void {
  checkOptions("client options", options, CLIENT_RULES);
  checkConnection(options);
  checkJobs(options.jobs);
  checkKeepResults(options.jobs, options.keepResultMs);
  checkSchemaName(options.schema ?? DEFAULTS.schema);
}

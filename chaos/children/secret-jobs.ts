import { pino } from "pino";
import { createClient, payload } from "../../src/index.ts";
import type { Client, PayloadSchema, ValidationResult } from "../../src/index.ts";

/** A schema whose issues quote what they refuse, as those of some libraries do. */
function quoting(
  describe: (value: unknown) => { readonly message: string; readonly path?: string[] },
): PayloadSchema {
  const validate = (value: unknown): ValidationResult<unknown> => ({ issues: [describe(value)] });
  return { "~standard": { version: 1, vendor: "the board", validate } };
}

const textIn = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, "text") : value;

export const jobs: Readonly<Record<"work" | "quoted" | "shown" | "numbered", PayloadSchema>> = {
  work: payload<unknown>(),
  quoted: quoting((value) => ({
    message: `Expected a number, received ${JSON.stringify(textIn(value))}`,
    path: ["text"],
  })),
  shown: quoting((value) => ({ message: `must be a number (was ${JSON.stringify(value)})` })),
  numbered: quoting((value) => ({ message: `Too large: ${String(textIn(value))}`, path: ["text"] })),
};

/** A client that logs all that it can. */
export function loudClient(connectionString: string, schema = "millrace"): Client<typeof jobs> {
  return createClient({ connectionString, schema, jobs, logger: pino({ level: "trace" }) });
}

/** Hands a value to a call that would not take it, as JavaScript would. */
export function as<T>(value: unknown): T {
  return value as T;
}

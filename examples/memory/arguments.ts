import { parseArgs } from "node:util";

/** What the demo was asked to do. */
export interface Arguments {
  /** How many turns to remember, from 1 to 10,000. Default: 600. */
  readonly turns: number;
  /** Whether the last line on stdout is the result as JSON; all else then goes to stderr. */
  readonly json: boolean;
  /** Whether to explain the arguments and do nothing else. */
  readonly help: boolean;
}

/** A command line that the demo does not understand. */
export class ArgumentError extends Error {
  override readonly name = "ArgumentError";
}

/** Explains the arguments. */
export const USAGE = `Usage: npm start -- [--turns N] [--json]

  --turns N  remember N turns of the State of the Union addresses, from 1 to 10000 (600)
  --json     print the result as one line of JSON, and all else on stderr
  --help     print this

Uses the Postgres server of DATABASE_URL, or one of its own when that is not set.`;

/**
 * Reads the command line, without the program's name.
 *
 * @throws ArgumentError that says what is wrong.
 */
export function readArguments(commandLine: readonly string[]): Arguments {
  const { turns, json, help } = parse(commandLine);
  const count = Number(turns);
  if (!/^\d+$/.test(turns) || count < 1 || count > 10_000) {
    throw new ArgumentError(`Expected --turns to be an integer from 1 to 10000, got "${turns}"`);
  }
  return { turns: count, json, help };
}

function parse(commandLine: readonly string[]): { turns: string; json: boolean; help: boolean } {
  try {
    return parseArgs({
      args: [...commandLine],
      options: {
        turns: { type: "string", default: "600" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

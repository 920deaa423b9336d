/**
 * A process that does with marked payloads and passwords whatever a client can do, and tells all that
 * can be seen of it. What its loggers write is on stdout between that. Run, compiled, as
 * `node secrets.js JSON`.
 */
import { inspect } from "node:util";
import type { SecretsOrder, SecretsSaid, Witness } from "../harness/secrets.ts";
import { administration } from "./secret-administration.ts";
import { connections } from "./secret-connections.ts";
import { refusals } from "./secret-refusals.ts";
import { work } from "./secret-work.ts";

let calls = 0;
let errors = 0;

function say(said: SecretsSaid): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** All of a value that loggers, consoles and reports of errors show. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  const shown = inspect(value, {
    depth: Infinity,
    maxArrayLength: null,
    maxStringLength: null,
    getters: true,
  });
  return value instanceof Error ? `${shown}\n${String(value)}` : shown;
}

const witness: Witness = {
  saw: (place, what, value) => say({ said: "found", place, what, text: textOf(value) }),
  tries: async (what, call) => {
    calls += 1;
    try {
      witness.saw("answer", what, await call());
    } catch (error) {
      errors += 1;
      witness.saw("error", what, error);
    }
  },
};

const order = JSON.parse(process.argv[2] ?? "") as SecretsOrder;
// The control needs no more.
const steps = order.careless ? [work] : [refusals, connections, work, administration];
for (const step of steps) await step(order, witness);
say({ said: "done", calls, errors });

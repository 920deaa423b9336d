import { parseArgs } from "node:util";
import { SCENARIOS } from "./scenarios/index.ts";
import type { Plan } from "./run.ts";
import { OWN, PEERS } from "./systems/names.ts";

/** What the command line says. */
export interface Options {
  readonly plan: Plan;
  /** Whether to print one JSON document, and nothing else. */
  readonly json: boolean;
  /** The file to keep that document in. */
  readonly save: string | undefined;
  /** The file to read it from, instead of measuring. */
  readonly from: string | undefined;
  /** Whether to write figures and plots into the documentation, which are of the scale 1. */
  readonly doc: boolean;
  /** The directory for a profile of every child. */
  readonly profileDir: string | undefined;
}

/**
 * Reads the command line.
 *
 * @throws Error that names the option, its rule and what came.
 */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: "string", multiple: true },
      peers: { type: "string", multiple: true },
      runs: { type: "string" },
      scale: { type: "string" },
      json: { type: "boolean", default: false },
      save: { type: "string" },
      from: { type: "string" },
      doc: { type: "boolean", default: false },
      "cpu-prof": { type: "string" },
    },
  });
  const { json, save, from, doc } = values;
  const measuring = (["scenario", "peers", "runs", "scale", "save", "cpu-prof"] as const).find(
    (name) => values[name] !== undefined,
  );
  if (from !== undefined && measuring !== undefined)
    throw new Error(`Expected \`--from\` without \`--${measuring}\`: it measures nothing`);
  const all = SCENARIOS.map(({ name }) => name);
  const scenarios = chosen("scenario", values.scenario, all);
  if (scenarios.length === 0) throw broken("scenario", `some of ${all.join(", ")}`, "none");
  const runs = Number(values.runs ?? 5);
  if (!Number.isInteger(runs) || runs < 1) throw broken("runs", "an integer from 1 up", String(values.runs));
  const scale = Number(values.scale ?? 1);
  if (!(scale > 0 && scale <= 10))
    throw broken("scale", "a number above 0, at most 10", String(values.scale));
  if (doc && scale !== 1)
    throw broken("scale", "1 with `--doc`, whose page states figures of that scale", String(values.scale));
  return {
    plan: {
      scenarios: SCENARIOS.filter(({ name }) => scenarios.includes(name)),
      systems: new Set([...OWN, ...chosen("peers", values.peers, PEERS)]),
      runs,
      scale,
    },
    json,
    save,
    from,
    doc,
    profileDir: values["cpu-prof"],
  };
}

/** The names that were given, each perhaps several with commas, or all; `none` is none. */
function chosen<Name extends string>(
  option: string,
  given: readonly string[] | undefined,
  all: readonly Name[],
): readonly Name[] {
  if (given === undefined) return all;
  const names = given.flatMap((text) => text.split(",")).filter((name) => name !== "none");
  const unknown = names.find((name) => !all.some((known) => known === name));
  if (unknown !== undefined) throw broken(option, `some of ${all.join(", ")}`, unknown);
  return all.filter((name) => names.includes(name));
}

function broken(option: string, rule: string, got: string): Error {
  return new Error(`Expected \`--${option}\` to be ${rule}, got ${JSON.stringify(got)}`);
}

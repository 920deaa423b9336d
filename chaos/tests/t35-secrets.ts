import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { startChild } from "../harness/child.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { hitsIn, isIn, markersOf } from "../harness/markers.ts";
import type { Found, Hit, Markers } from "../harness/markers.ts";
import { keepSecret } from "../harness/marked-lines.ts";
import { programOf } from "../harness/programs.ts";
import type { ChaosTest } from "../harness/test.ts";
import type { SecretsOrder, SecretsSaid } from "../harness/secrets.ts";

/** The triggers of the ledger write with the rights of whoever claims. */
const LEDGER_GRANTS_SQL = `
grant usage on schema chaos to public;
grant select, insert on all tables in schema chaos to public;
grant usage on all sequences in schema chaos to public`;

/**
 * Payloads, keys, results, progress and passwords are marked, everything is called that there is, with
 * success and without, and all that can be seen of it is searched for the marks: lines of loggers,
 * events, notifications, errors with all their members, answers, the command line. Where
 * `docs/security.md` says that something is told, it is no hit.
 *
 * The control is an app that logs a payload and quotes it in an error. Seen failing: messages quoted
 * keys, big integers, what schemas say of values, and connection strings in the place of options.
 */
export const t35: ChaosTest = {
  id: "T35",
  title: "marked payloads, keys, results and passwords, and a search through all that can be seen",
  ci: true,
  run: async ({ random, database: open }) => {
    const markers = markersOf(random);
    const search = async (careless: boolean): Promise<Figures> => {
      await using database = await open();
      await using role = await newRole(database, markers.password);
      return await searched({
        ownerUrl: database.connectionString,
        url: role.url,
        markers,
        cli: programOf("../../src/cli"),
        careless,
      });
    };
    const [figures, control] = await Promise.all([search(false), search(true)]);
    return {
      figures,
      rules: {
        hits: is(0),
        calls: atLeast(150),
        errors: atLeast(100),
        lines: atLeast(100),
        texts: atLeast(500),
        // That the search finds what it looks for.
        told: atLeast(3),
        badExits: is(0),
      },
      control: { hits: control["hits"] ?? -1 },
      controlRules: { hits: atLeast(3) },
    };
  },
};

/** Runs the child, and searches what it saw and wrote. */
async function searched(order: SecretsOrder): Promise<Figures> {
  const { markers } = order;
  await using child = startChild<SecretsSaid>("secrets", order);
  const { calls, errors } = await child.hear("done");
  const how = await child.ended;
  const seen = child.said.filter((one) => one.said === "found");
  const lines = child.lines
    .filter((line) => !line.startsWith('{"said":'))
    .map((text): Found => ({ place: "log", what: "a line", text }));
  const hits = hitsIn(markers, [...seen, ...lines]);
  if (!order.careless) for (const hit of hits) process.stderr.write(`T35: ${describe(hit, markers)}\n`);
  return {
    hits: hits.length,
    calls,
    errors,
    lines: lines.length,
    texts: seen.length,
    told: seen.filter(({ text }) => isIn(text, markers.result) || isIn(text, markers.progress)).length,
    badExits: how === "0" ? 0 : 1,
  };
}

function describe({ place, what, marker, text }: Hit, markers: Markers): string {
  const at = Math.max(0, text.indexOf(markers[marker]) - 150);
  return `${marker} in ${place} of ${what}: ${text.slice(at, at + 250).replaceAll("\n", " ")}`;
}

/** A role that may do everything, with this password. Disposing it drops it. */
async function newRole(
  { pool, connectionString }: ChaosDatabase,
  password: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const name = `chaos_${randomBytes(4).toString("hex")}`;
  await pool.query(`create role ${name} login password '${password}'`);
  const kinds = ["--enqueue", "--worker", "--admin"].flatMap((kind) => [kind, name]);
  const args = [programOf("../../src/cli"), "grants", "--show-sql", ...kinds];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  await pool.query(stdout);
  await pool.query(LEDGER_GRANTS_SQL);
  const url = new URL(connectionString);
  url.username = name;
  url.password = password;
  keepSecret(url.href);
  return {
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await pool.query(`drop owned by ${name} cascade; drop role ${name}`);
    },
  };
}

import { describe, expect, it } from "vitest";
import { payload, PayloadError } from "../../src/index.ts";
import type { PayloadSchema, ValidationResult } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

interface Turn {
  readonly at: string;
}

interface ReadTurn {
  readonly at: Date;
}

/** A Standard Schema of one's own: a text of a moment in, a Date out. */
function turnSchema(
  answer: (
    result: ValidationResult<ReadTurn>,
  ) => ValidationResult<ReadTurn> | Promise<ValidationResult<ReadTurn>>,
): PayloadSchema<Turn, ReadTurn> {
  const validate = (value: unknown): ValidationResult<ReadTurn> => {
    const at: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "at") : undefined;
    const date = new Date(typeof at === "string" ? at : Number.NaN);
    return Number.isNaN(date.getTime())
      ? { issues: [{ message: "is no moment", path: ["turn", { key: "at" }] }] }
      : { value: { at: date } };
  };
  return { "~standard": { version: 1, vendor: "the test", validate: (value) => answer(validate(value)) } };
}

const SCHEMAS: [string, PayloadSchema<Turn, ReadTurn>][] = [
  ["a schema", turnSchema((result) => result)],
  ["an asynchronous schema", turnSchema((result) => Promise.resolve(result))],
];

describe.each(SCHEMAS)("%s of a kind", (_, turn) => {
  const jobs = { turn, other: payload<unknown>() };
  const open = () => openClient({ connectionString: database.connectionString, jobs });

  it("is checked at enqueue, where the message tells the place and never the value", async () => {
    const enqueued = open().enqueue("turn", { at: "secret, no moment" });
    await expect(enqueued).rejects.toThrow(PayloadError);
    await expect(enqueued).rejects.toThrow(
      'The payload of a "turn" job does not fit its schema: turn.at: is no moment',
    );
    expect((await database.pool.query("select from millrace.jobs")).rowCount).toBe(0);
  });

  it("is checked at the claim, so that the handler gets what it makes of the payload", async () => {
    const client = open();
    const at = "2024-05-06T07:08:09.000Z";
    await client.enqueue("turn", { at });
    const stored = await database.pool.query("select payload from millrace.jobs");
    expect(stored.rows).toEqual([{ payload: { at } }]);
    const heard = record(
      client.worker({ handlers: { turn: async (job) => Promise.resolve(job.payload.at.getTime()) } }),
    );
    expect((await heard.first("succeeded")).result).toBe(Date.parse(at));
  });

  it("fails a job for good whose payload no longer fits, and the worker goes on", async () => {
    const client = open();
    await database.pool.query(
      `select millrace.enqueue('turn', '{"at": "secret, no moment"}', max_attempts => 5)`,
    );
    const other = await client.enqueue("other", null);
    let calls = 0;
    const heard = record(
      client.worker({ concurrency: 1, handlers: { turn: () => void (calls += 1), other: () => undefined } }),
    );
    const { job, error } = await heard.first("failed");
    expect(job).toMatchObject({ kind: "turn", attempt: 1, maxAttempts: 5 });
    expect(error).toMatchObject({
      name: "PayloadError",
      message: 'The payload of this "turn" job no longer fits its schema: turn.at: is no moment',
    });
    expect((await heard.first("succeeded")).job.id).toBe(other);
    expect(calls).toBe(0);
    const [failed] = await client.listFailed();
    expect(failed?.reason).toContain("no longer fits its schema: turn.at: is no moment");
    expect(JSON.stringify(failed)).not.toContain("secret");
  });
});

describe("a schema that breaks", () => {
  it.each([
    [
      "throws",
      () => {
        throw new Error("the schema broke");
      },
    ],
    ["rejects", () => Promise.reject(new Error("the schema broke"))],
  ])("and %s is an attempt that failed", async (_, answer) => {
    const broken = turnSchema(answer);
    const client = openClient({ connectionString: database.connectionString, jobs: { turn: broken } });
    await expect(client.enqueue("turn", { at: "2024-01-01" })).rejects.toThrow("the schema broke");
    await database.pool.query("select millrace.enqueue('turn', '1', max_attempts => 2)");
    const heard = record(client.worker({ backoff: { initialMs: 1 }, handlers: { turn: () => undefined } }));
    await heard.first("failed");
    expect(heard.all("retry-scheduled").map(({ error }) => error.message)).toEqual(["the schema broke"]);
  });
});

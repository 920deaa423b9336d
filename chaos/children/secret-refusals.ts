import { lastValueFrom, throwError } from "rxjs";
import type { JobOptions, KeyedOptions } from "../../src/index.ts";
import type { Markers } from "../harness/markers.ts";
import { as, jobs, loudClient } from "./secret-jobs.ts";
import type { SecretsOrder, Witness } from "../harness/secrets.ts";

class Account {
  readonly owner: string;

  constructor(owner: string) {
    this.owner = owner;
  }
}

function circular(text: string): unknown {
  const one: Record<string, unknown> = { text };
  one["self"] = one;
  return one;
}

function nested(text: string, depth: number): unknown {
  return depth === 0 ? text : [nested(text, depth - 1)];
}

/** Payloads that are refused, with the markers where a message might quote them. */
function refused({ payload: text, number }: Markers): readonly (readonly [string, unknown])[] {
  return [
    ["a BigInt", { amount: BigInt(number) }],
    ["a NUL", { text: `${text}\0` }],
    ["a lone surrogate", [`${text}\ud800`]],
    ["a key with a NUL", { [`\0${text}`]: 1 }],
    ["a cycle", circular(text)],
    ["a deep one", nested(text, 200)],
    ["a class", new Account(text)],
    ["a Map", { map: new Map([[text, text]]) }],
    ["a function", { text, call: () => text }],
    ["a symbol", { at: Symbol(text) }],
    ["a large one", { text: text.repeat(200_000) }],
    ["an invalid Date", { text, at: new Date(Number.NaN) }],
    ["an Error", new Error(text)],
    ["a Proxy", new Proxy({}, { ownKeys: () => [text, text] })],
  ];
}

/** Calls that are refused before anything is written. */
export async function refusals({ url, markers }: SecretsOrder, { tries }: Witness): Promise<void> {
  const { payload: text, number, key } = markers;
  await using client = loudClient(url);
  for (const [what, value] of refused(markers)) {
    await tries(`enqueue ${what}`, () => client.enqueue("work", value));
    await tries(`enqueueMany ${what}`, () => client.enqueueMany([{ kind: "work", payload: value }]));
    await tries(`enqueueEach ${what}`, () => lastValueFrom(client.enqueueEach("work")([text, value, text])));
  }
  for (const kind of ["quoted", "shown", "numbered"] as const) {
    const value = { text: kind === "numbered" ? Number(number.slice(0, 15)) : text };
    await tries(`enqueue ${kind}`, () => client.enqueue(kind, value));
    await tries(`enqueueOnce ${kind}`, () => client.enqueueOnce(kind, value, { key }));
    await tries(`enqueueEach ${kind}`, () => lastValueFrom(client.enqueueEach(kind)([value])));
  }
  for (const bad of [`${key}\0`, `${key}\ud800`, key.repeat(20), { key }, [key]]) {
    await tries("enqueue with a bad key", () => client.enqueue("work", text, as<JobOptions>({ key: bad })));
    await tries("enqueueOnce with a bad key", () =>
      client.enqueueOnce("work", text, as<KeyedOptions>({ key: bad })),
    );
  }
  await tries("enqueueOnce without a key", () => client.enqueueOnce("work", text, as<KeyedOptions>({})));
  await tries("enqueue an unknown kind", () => client.enqueue(as<"work">("none"), text));
  await tries("a payload in the place of a kind", () => client.enqueue(as<"work">({ text }), text));
  await tries("a payload in the place of options", () => client.enqueue("work", 1, as<JobOptions>(text)));
  await tries("payloads in the place of jobs", () => client.enqueueMany(as<[]>([text])));
  await tries("a payload in the place of jobs", () => client.enqueueMany(as<[]>(text)));
  await tries("a payload in the place of a source", () => client.enqueueEach("work")(as<[]>(text)));
  await tries("a payload in the place of an id", () => client.retryJob(as<string>({ text })));
  await tries("enqueueEach of a source that fails", () =>
    lastValueFrom(client.enqueueEach("work")(throwError(() => new Error("dry")))),
  );
  await tries("handlers that are none", () => client.spawnWorker(as<never>({ handlers: Object.keys(jobs) })));
}
